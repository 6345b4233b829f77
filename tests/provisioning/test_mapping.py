import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import Misconfigured
from service.providers import ClaimMapping
from service.provisioning.mapping import map_attributes, problems

ALICE = {
    "userName": "alice",
    "name": {"givenName": "Alice"},
    "emails": [{"value": "home@x", "type": "home"}, {"value": "work@x", "type": "work", "primary": True}],
    "roles": [{"value": "Doe, Jane"}],
    "active": False,
    "http://wso2.org/claims/badge": "42",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "eng"},
}


def mapped(*mappings):
    return map_attributes(ALICE, [ClaimMapping(*one) for one in mappings])


def test_without_mappings_nothing_is_chosen():
    assert map_attributes(ALICE, ()) is None


def test_only_mapped_attributes_leave():
    assert mapped(("userName", "uid")) == {"uid": "alice"}


@pytest.mark.parametrize(
    ("local", "value"),
    [
        ("http://wso2.org/claims/givenname", "Alice"),
        ("name.givenName", "Alice"),
        ("NAME.GIVENNAME", "Alice"),
        ("urn:scim:schemas:core:1.0:name.givenName", "Alice"),
        ("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName", "Alice"),
        ("urn:scim:schemas:core:1.0:emails.work", "work@x"),
        ('emails[type eq "home"].value', "home@x"),
        ("http://wso2.org/claims/emailaddress", ["work@x", "home@x"]),
        ("http://wso2.org/claims/role", "Doe, Jane"),
        ("http://wso2.org/claims/department", "eng"),
        ("http://wso2.org/claims/badge", "42"),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "eng"),
        ("active", False),
        ("http://wso2.org/claims/identity/accountDisabled", True),
    ],
)
def test_a_local_claim_may_be_a_claim_uri_or_a_path_of_either_scim(local, value):
    assert mapped((local, "remote")) == {"remote": value}


def test_the_entity_comes_before_the_default():
    assert mapped(("userName", "uid", "nobody"), ("active", "on", "true")) == {"uid": "alice", "on": False}


def test_the_default_stands_in_for_what_the_entity_lacks():
    assert mapped(("title", "title", "none"), ("nickName", "nick")) == {"title": "none"}


def test_a_default_may_be_empty():
    assert mapped(("title", "title", "")) == {"title": ""}


def test_of_two_mappings_to_one_name_the_first_with_a_value_wins():
    assert mapped(("title", "t", "default"), ("userName", "t"), ("name.givenName", "t")) == {"t": "alice"}
    assert mapped(("title", "t", "first"), ("nickName", "t", "second")) == {"t": "first"}


def test_a_local_claim_that_is_no_path_is_told_before_and_at_the_delivery():
    wrong = [ClaimMapping("userName", "uid"), ClaimMapping("first name", "gn")]
    ((field, message),) = problems(wrong)
    assert field == "claimMappings[1].local"
    assert message.startswith("`first name` is no attribute path")
    with pytest.raises(Misconfigured, match="claim mapping to `gn`: `first name` is no attribute path"):
        map_attributes(ALICE, wrong)


def test_good_mappings_have_no_problems():
    assert problems([ClaimMapping("http://wso2.org/claims/role", "r"), ClaimMapping("emails.work", "m")]) == []


@given(st.lists(st.builds(ClaimMapping, st.text(), st.text(), st.none() | st.text())))
def test_nothing_but_remote_names_ever_leaves(mappings):
    good = [one for one in mappings if not problems([one])]
    assert set(map_attributes(ALICE, good) or {}) <= {one.remote for one in good}
    assert len(problems(mappings)) == len(mappings) - len(good)
