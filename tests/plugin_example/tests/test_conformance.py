"""The connector passes Sluice's conformance suite: run `pytest -rx` in this project."""

from contextlib import contextmanager
from typing import ClassVar

import pytest
from grafana import GrafanaTarget, serving
from sluice_grafana import Grafana

from connectors.conformance import Account, Conformance, Group, Subject, Target


class GrafanaAt(Target):
    """A fake Grafana, looked into past its API."""

    def __init__(self, grafana, url):
        self.grafana, self.url = grafana, url

    def properties(self):
        return self.grafana.properties(self.url)

    def users(self):
        return {str(number): self._account(one) for number, one in self.grafana.users.items()}

    def _account(self, user):
        fields = {"displayName": user.get("name", ""), "emails": user.get("email", "")}
        return Account(name=user["login"], active=not user["isDisabled"], fields=fields, password=user.get("password"))

    def groups(self):
        teams = self.grafana.teams.items()
        return {
            str(number): Group(name=one["name"], members=frozenset(map(str, one["members"]))) for number, one in teams
        }

    def add_user(self, name):
        made = {"login": name, "password": "of somebody else"}
        self.grafana.create_user(body=made)
        return str(self.grafana.counter)

    def add_group(self, name):
        self.grafana.create_team(body={"name": name})
        return str(self.grafana.counter)

    def remove(self, identifier):
        self.grafana.users.pop(int(identifier), None)
        self.grafana.teams.pop(int(identifier), None)

    def add_member(self, group, user):
        self.grafana.teams[int(group)]["members"].append(int(user))


class GrafanaSubject(Subject):
    connector = Grafana()
    nesting = "grafana-nested-groups"
    mapping: ClassVar = {"login": "userName", "name": "displayName"}
    cannot: ClassVar = {
        "accounts without password": "Grafana demands one: it gets a random one that nobody knows",
        "default password": "the connector has no such setting",
        "password switch": "the connector has no such setting",
        "nested groups": "a team holds users only",
    }

    @contextmanager
    def start(self):
        grafana = GrafanaTarget()
        with serving(grafana) as url:
            yield GrafanaAt(grafana, url)


class TestGrafana(Conformance):
    @pytest.fixture
    def subject(self):
        return GrafanaSubject()
