"""The users of the console: who may sign in, and as what. For administrators only."""

from __future__ import annotations

import re
from typing import Final

from flask import Blueprint, request
from werkzeug.wrappers import Response

from service.store import sessions, users
from service.store.users import ConsoleUser, LastAdministrator, UnknownUser, UserExists
from service.web.console import forms
from service.web.console.forms import Wrong
from service.web.console.layout import go_to, page, visitor
from service.web.console.roles import ROLES
from service.web.console.sign_in import SHORTEST_PASSWORD, wrong_new_password
from service.web.problems import Problem
from service.web.services import Services

_NAME: Final = re.compile(r"[\w.@+-](?:[\w.@+ -]{0,98}[\w.@+-])?")
"""No colon, which ends the name in Basic credentials (RFC 7617, section 2)."""


class UserPages:
    """Those who may sign in."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_to(self, blueprint: Blueprint) -> None:
        """Register the pages; `layout` says that they are for administrators."""
        blueprint.add_url_rule("/users", "users", self.all)
        blueprint.add_url_rule("/add-user", "add_user", self.add)
        blueprint.add_url_rule("/add-user", "create_user", self.create, methods=["POST"])
        blueprint.add_url_rule("/users/<name>", "user", self.show)
        blueprint.add_url_rule("/users/<name>", "change_user", self.change, methods=["POST"])

    def all(self) -> Response:
        """All of them, with their roles."""
        with self._services.database.read() as tx:
            found = users.every(tx)
            signed_in = sessions.counts(tx, self._services.clock())
        return page("users.html", items=found, signed_in=signed_in, roles=ROLES)

    def add(self) -> Response:
        """The form for a new user."""
        return self._form({"role": "viewer"}, Wrong())

    def create(self) -> Response:
        """Make a user with a password that an administrator chose."""
        sent = {"name": forms.text(request.form, "name"), "role": forms.text(request.form, "role")}
        fields = wrong_new_password(request.form.get("password_new", ""), request.form.get("password_again", ""))
        if not _NAME.fullmatch(sent["name"]):
            fields["name"] = "takes letters, digits and . @ + - _, at most 100 of them"
        if sent["role"] not in ROLES:
            fields["role"] = "is none of those that there are"
        if fields:
            return self._form(sent, _wrong(fields))
        hashed = users.hash_password(request.form["password_new"])
        try:
            with self._services.database.transaction() as tx:
                users.create(tx, sent["name"], hashed, sent["role"], self._services.clock())
        except UserExists as error:
            return self._form(sent, _wrong({"name": str(error)}, 409))
        return go_to("user", name=sent["name"].casefold(), done="user")

    def _form(self, sent: dict[str, str], wrong: Wrong) -> Response:
        return page("add_user.html", wrong.status, sent=sent, wrong=wrong, roles=ROLES, shortest=SHORTEST_PASSWORD)

    def show(self, name: str) -> Response:
        """One user."""
        return self._user(name, Wrong())

    def change(self, name: str) -> Response:
        """Change the role or the password, end the sessions, or remove the user."""
        action, _ = forms.action(request.form)
        found = self._find(name)
        if found.name == visitor().name and action != "sessions":
            detail = "nobody changes themselves here: your password is on your own page, the rest is for others to do"
            return self._user(name, Wrong(409, detail))
        try:
            return self._changed(found, action)
        except LastAdministrator as error:
            return self._user(name, Wrong(409, str(error)))
        except UnknownUser as error:
            raise Problem(404, str(error)) from error

    def _changed(self, user: ConsoleUser, action: str) -> Response:
        now = self._services.clock()
        if action == "password":
            return self._with_password(user)
        role = forms.text(request.form, "role")
        if action == "update" and role not in ROLES:
            return self._user(user.name, _wrong({"role": "is none of those that there are"}))
        with self._services.database.transaction() as tx:
            if action == "update":
                users.set_role(tx, user.name, role, now)
            if action in {"sessions", "delete"}:
                sessions.end_all(tx, user.name)
            if action == "delete":
                users.remove(tx, user.name)
        if action == "delete":
            return go_to("users", done="deleted")
        return go_to("user", name=user.name, done="sessions" if action == "sessions" else "user")

    def _with_password(self, user: ConsoleUser) -> Response:
        new, again = request.form.get("password_new", ""), request.form.get("password_again", "")
        fields = wrong_new_password(new, again)
        if fields:
            return self._user(user.name, _wrong(fields))
        hashed = users.hash_password(new)
        with self._services.database.transaction() as tx:
            users.set_password(tx, user.name, hashed, self._services.clock())
            sessions.end_all(tx, user.name)
        return go_to("user", name=user.name, done="user-password")

    def _find(self, name: str) -> ConsoleUser:
        with self._services.database.read() as tx:
            found = users.find(tx, name)
        if found is None:
            raise Problem(404, f"there is no user `{name}`")
        return found

    def _user(self, name: str, wrong: Wrong) -> Response:
        found = self._find(name)
        with self._services.database.read() as tx:
            count = sessions.count(tx, found.name, self._services.clock())
        return page(
            "user.html",
            wrong.status,
            user=found,
            sessions=count,
            wrong=wrong,
            roles=ROLES,
            own=found.name == visitor().name,
            shortest=SHORTEST_PASSWORD,
        )


def _wrong(fields: dict[str, str], status: int = 422) -> Wrong:
    name, message = next(iter(fields.items()))
    return Wrong(status, f"{name.partition('_')[0]} {message}", fields)
