"""A fault at every call of a life: the next attempt ends where an undisturbed one would, and nothing is made twice."""

import json
import random
from dataclasses import dataclass, field, replace

import pytest

from connectors.connector import Exchange, Link, Member, Membership, Progress, Remember, Reply, Request
from connectors.errors import TargetThrottled, TargetUnavailable
from connectors.google import Google
from connectors.salesforce import Salesforce
from tests.support.google_target import GoogleTarget, google_error
from tests.support.google_tasks import google_settings
from tests.support.salesforce_target import SalesforceTarget, salesforce_error
from tests.support.salesforce_tasks import salesforce_settings
from tests.support.tasks import ALICE, group_task, user_task


class NoAnswer(Exception):
    """The connection broke."""


@dataclass
class Delivery:
    """What the service does with a connector: attempts until one ends well, with what is known from those before."""

    connector: object
    settings: object
    answer: object
    remembered: dict = field(default_factory=dict)
    source: random.Random = field(default_factory=lambda: random.Random(3))
    links: dict = field(default_factory=dict)
    attempts: int = 0

    def deliver(self, task):
        unfinished = ()
        for _ in range(4):
            self.attempts += 1
            known = {
                "link": self.links.get(task.entity_id),
                "unfinished": unfinished,
                "remembered": dict(self.remembered),
            }
            try:
                result, exchanges = None, []
                result = self._attempt(replace(task, random=self.source, **known), exchanges)
            except (NoAnswer, TargetUnavailable, TargetThrottled):
                unfinished = (*unfinished, *exchanges)
                continue
            if result.identifier is not None and result.outcome not in {"deleted", "already-gone"}:
                link = Link(result.identifier, result.delivered, result.etag, result.active)
                self.links[task.entity_id] = link
            return result
        raise AssertionError("no attempt has ended well")

    def _attempt(self, task, exchanges):
        steps = self.connector.provision(task, self.settings)
        reply = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as stop:
                return stop.value
            reply = None
            if isinstance(step, Remember):
                self.remembered[step.key] = json.loads(json.dumps(step.value))
            elif isinstance(step, Progress):
                before = self.links.get(task.entity_id)
                delivered = step.delivered if step.delivered is not None else before and before.delivered
                self.links[task.entity_id] = Link(step.identifier or before.identifier, delivered)
            else:
                exchanges.append(Exchange(step.method, step.url, step.safe))
                reply = self.answer(step)
                exchanges[-1] = Exchange(step.method, step.url, step.safe, reply.status)


class Faulty:
    """Hands requests on to a target, and does something else with one of them."""

    def __init__(self, target, at, fault):
        self.target, self.at, self.fault, self.calls = target, at, fault, 0

    def __call__(self, request: Request):
        self.calls += 1
        if self.calls - 1 != self.at:
            return self.target.answer(request)
        if self.fault == "lost on the way":
            raise NoAnswer
        if self.fault == "done, but the answer is lost":
            self.target.answer(request)
            raise NoAnswer
        return Reply(429, {}, b"") if "/token" in request.url else self.fault


def life(delivery, members_of):
    """An account and a group from beginning to end; gives the outcomes."""
    outcomes = []

    def does(task):
        result = delivery.deliver(task)
        outcomes.append(result)
        return result

    alice = does(user_task(password="a-long-secret"))
    member = Member("entity-alice", alice.identifier, "alice")
    group = does(group_task(membership=Membership(current=(member,))))
    assert members_of(group.identifier) == {alice.identifier}
    renamed = {**ALICE, "userName": "ally", "emails": [{"value": "ally@example.com"}], "title": "Queen"}
    assert does(user_task("modify", attributes=renamed)).identifier == alice.identifier
    change = Membership(current=(), added=(), removed=(member,))
    does(group_task("modify", membership=change, attributes={"displayName": "Makers"}))
    assert members_of(group.identifier) == set()
    does(group_task("delete"))
    does(user_task("delete"))
    return outcomes


class AtGoogle:
    connector = Google()
    settings = google_settings(on_conflict="fail", old_address="remove")
    busy = google_error(503, "backendError", "Service unavailable. Please try again")
    throttled = google_error(403, "quotaExceeded", "Quota exceeded")

    def __init__(self):
        self.target = GoogleTarget(renames_leave_alias=False)

    def members_of(self, group):
        return set(self.target.members[group])

    def check(self):
        assert self.target.violations == []
        assert (self.target.users, self.target.groups) == ({}, {})


class AtSalesforce:
    connector = Salesforce()
    settings = salesforce_settings(on_conflict="fail", external_id_field="Sluice_Id__c", profile_id="Standard User")
    busy = salesforce_error(503, "SERVER_UNAVAILABLE", "busy")
    throttled = salesforce_error(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded.")

    def __init__(self):
        self.target = SalesforceTarget()

    def members_of(self, group):
        found = self.target.records["GroupMember"].values()
        return {one["UserOrGroupId"] for one in found if one["GroupId"] == group}

    def check(self):
        (user,) = self.target.records["User"].values()
        assert (user["IsActive"], user["Username"].startswith("retired.")) == (False, True)
        assert self.target.records["Group"] == {}


def lived(kind, at, fault):
    where = kind()
    faulty = Faulty(where.target, at, getattr(where, fault, fault))
    delivery = Delivery(where.connector, where.settings, faulty)
    outcomes = life(delivery, where.members_of)
    where.check()
    return faulty.calls, delivery.attempts, [one.outcome for one in outcomes]


@pytest.mark.parametrize("fault", ["lost on the way", "done, but the answer is lost", "busy", "throttled"])
@pytest.mark.parametrize("kind", [AtGoogle, AtSalesforce])
def test_a_fault_at_any_call_changes_nothing_in_the_end(kind, fault):
    calls, attempts, undisturbed = lived(kind, -1, "lost on the way")
    assert attempts == 6
    assert undisturbed[0] == "created"
    for at in range(calls):
        _, attempts, outcomes = lived(kind, at, fault)
        assert attempts == 7, f"call {at}"
        assert outcomes[0] in {"created", "unchanged", "updated"}, f"call {at}"
