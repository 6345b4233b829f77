"""What goes to Google of any entity, and the differences that updates send; by example and by property."""

import re

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from connectors.account_claims import claim
from connectors.errors import Misconfigured
from connectors.google_changes import clears_list, difference, relevant
from connectors.google_payload import group, unaccented, user
from connectors.google_settings import setup
from tests.support.google_target import discovery
from tests.support.google_tasks import google_settings
from tests.support.tasks import ALICE, ENTERPRISE, group_task, user_task

JSON = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        *("userName", "displayName", "name", "emails", "phoneNumbers", "addresses", "title", "active", "userType"),
        *(
            "preferredLanguage",
            "profileUrl",
            "roles",
            ENTERPRISE,
            "name.givenName",
            "phones.work",
            "organizations.title",
        ),
        *("customSchemas.A.b", "orgUnitPath", "suspended", "primaryEmail", "languages", "ims.home"),
    ]
)
ELEMENT = st.fixed_dictionaries(
    {},
    optional={
        "value": JSON,
        "type": st.text() | st.sampled_from(["work", "fax"]),
        "primary": st.booleans(),
        "locality": st.text(),
    },
)


@effort(deadline=None)
@given(attributes=st.dictionaries(NAMES, JSON | st.lists(ELEMENT, max_size=3), max_size=6), mapped=st.booleans())
def test_whatever_an_entity_holds_what_goes_out_fits_the_discovery_document(attributes, mapped):
    ours = google_settings(pattern="{UN}")
    task = user_task(attributes=attributes, mapped=mapped)
    made, _ = user(task, ours, setup(ours))
    problems = discovery().problems({"$ref": "User"}, made, "body", sent_to="directory.users.patch")
    assert list(problems) == []


@effort(deadline=None)
@given(name=st.text(min_size=1))
def test_any_group_name_makes_an_address_that_google_takes(name):
    made, _ = group(group_task(attributes={"displayName": name}), setup(google_settings()))
    assert re.fullmatch(r"[a-z0-9_'][a-z0-9_.'-]{0,63}@example\.com", made["email"])


@effort(deadline=None)
@given(one=st.text(min_size=1), other=st.text(min_size=1))
def test_two_user_names_make_two_addresses_unless_they_differ_in_case_accents_or_blanks(one, other):
    def address(name):
        ours = google_settings(pattern="{UN}")
        return user(user_task(name=name), ours, setup(ours))[0]["primaryEmail"]

    same = address(one) == address(other)
    assert not same or plain(one) == plain(other)


def plain(name):
    return re.sub(r"[\s@.-]+", "-", unaccented(name.lower())).strip("-.")


@effort(deadline=None)
@given(
    before=st.dictionaries(st.text(max_size=1), JSON, max_size=4),
    after=st.dictionaries(st.text(max_size=1), JSON, max_size=4),
)
def test_a_difference_turns_one_state_into_the_other(before, after):
    def merged(state, change):
        made = dict(state)
        for key, value in change.items():
            inner = isinstance(made.get(key), dict) and isinstance(value, dict)
            made[key] = merged(made[key], value) if inner else value
        return {key: value for key, value in made.items() if value is not None}

    def without_none(state):
        return {
            key: without_none(value) if isinstance(value, dict) else value
            for key, value in state.items()
            if value is not None
        }

    first, second = without_none(before), without_none(after)
    assert canonical(merged(first, difference(first, second))) == canonical(second)
    assert difference(second, second) == {}


def canonical(state):
    """Lists compare without order."""
    if isinstance(state, dict):
        return {key: canonical(value) for key, value in state.items()}
    return sorted(map(repr, map(canonical, state))) if isinstance(state, list) else state


def test_a_cleared_list_is_told_from_another_cleared_field():
    assert clears_list({"phones": None}, {"phones": [{}]})
    assert not clears_list({"orgUnitPath": None}, {"orgUnitPath": "/"})


def test_what_others_have_set_is_not_relevant():
    found = {"name": {"givenName": "A", "fullName": "A B"}, "notes": "x", "phones": [1]}
    assert relevant(found, {"name": {"givenName": "B"}}, ["phones"]) == {"name": {"givenName": "A"}, "phones": [1]}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("userName", "alice"),
        ("http://wso2.org/claims/lastname", "Liddell"),
        ("http://wso2.org/claims/emailaddress", "alice@example.com"),
        ("http://wso2.org/claims/department", "engineering"),
        (f"{ENTERPRISE}:department", "engineering"),
        ("emails.work", "alice@example.com"),
        ("emails.home", ""),
        ("http://acme.test/badge", "b-1"),
        ("active", "true"),
        ("name.familyName.x", ""),
    ],
)
def test_a_claim_is_read_by_uri_or_path(name, expected):
    assert claim({**ALICE, "http://acme.test/badge": "b-1"}, name) == expected


def test_a_claim_that_is_mapped_to_the_password_is_refused():
    with pytest.raises(Misconfigured, match="is not taken from claims"):
        user(
            user_task(attributes={"primaryEmail": "a@example.com", "Password": "p"}, mapped=True),
            google_settings(),
            setup(google_settings()),
        )
