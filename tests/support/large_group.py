"""A group of 5,000 members of which 300 change, carried out against the simulation of a profile."""

from collections import Counter
from dataclasses import dataclass

from connectors.connector import Link, Member, Membership
from connectors.profile import load, names
from connectors.scim2 import Scim2
from tests.support.driving import run
from tests.support.simulated_target import PLAYED, SimulatedTarget
from tests.support.tasks import group_task, settings

MEMBERS, CHANGED = 5_000, 300
PROFILES = [name for name in names() if load(name).group.supported]


@dataclass
class Change:
    """The requests of the change, and who is to be in the group and is there after it."""

    changed: list
    expected: set
    there: set

    @property
    def methods(self):
        return Counter(one.method for one in self.changed)


def people(start, end):
    return tuple(Member(f"entity-{n}", f"id-{n}", f"user{n}") for n in range(start, end))


def change_large_group(profile):
    """Take 150 members out of it and put 150 others in; the group is there beforehand."""
    half = CHANGED // 2
    target = SimulatedTarget(PLAYED[profile])
    made = _carry_out(profile, target, group_task(membership=Membership()))
    target.stored[made.identifier]["members"] = [{"value": one.identifier} for one in people(0, MEMBERS)]
    target.requests = []
    link = Link(made.identifier, made.delivered, made.etag, made.active)
    membership = Membership(
        current=people(half, MEMBERS + half), added=people(MEMBERS, MEMBERS + half), removed=people(0, half)
    )
    _carry_out(profile, target, group_task("modify", link=link, membership=membership))
    expected = {one.identifier for one in membership.current}
    return Change(target.requests, expected, target.members(made.identifier))


def _carry_out(profile, target, task):
    return run(Scim2().provision(task, settings(target.properties, profile=profile)), target).result
