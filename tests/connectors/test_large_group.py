import json
from math import ceil

import pytest

from connectors.profile import load
from tests.support.large_group import CHANGED, PROFILES, change_large_group


@pytest.mark.parametrize("profile", PROFILES)
def test_a_change_of_300_among_5000_members_stays_within_the_limits(profile):
    ways = load(profile)
    done = change_large_group(profile)
    assert done.there == done.expected
    size = min(ways.patch.members, ways.patch.operations) if ways.members.remove == "filter" else ways.patch.members
    if done.methods["PUT"] == 0:
        assert done.methods["PATCH"] <= ceil(CHANGED / size) + 1
    assert len(done.changed) <= ceil(CHANGED / size) + 2
    for request in done.changed:
        assert ways.limits.body == 0 or len(request.body or b"") <= ways.limits.body
        if request.method == "PATCH":
            operations = json.loads(request.body)["Operations"]
            assert len(operations) <= ways.patch.operations
            assert sum(map(members_in, operations)) <= ways.patch.members


def members_in(operation):
    """How many memberships one operation changes."""
    value = operation.get("value")
    if isinstance(value, dict):
        value = value.get("members")
    return len(value) if isinstance(value, list) else int("[" in operation.get("path", ""))
