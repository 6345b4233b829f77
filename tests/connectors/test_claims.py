"""The table of claims, and reading values out of SCIM resources."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import claims
from connectors.claims import PathError, claim_values, path_of, read

ALICE = {
    "userName": "alice",
    "name": {"givenName": "Alice", "familyName": "Liddell, the younger"},
    "active": True,
    "emails": [
        {"value": "home@example.org", "type": "home"},
        {"value": "alice@example.com", "type": "Work", "primary": True},
        {"value": "other@example.com", "type": "work"},
    ],
    "phoneNumbers": [{"value": "+44 1", "type": "mobile"}, {"value": "+44 2", "type": "work"}],
    "roles": [{"value": "Doe, Jane"}, {"value": "eng"}],
    "addresses": [{"locality": "Oxford", "country": "GB", "type": "work"}],
    "tags": ["a", "b, c"],
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
        "department": "engineering",
        "manager": {"value": "26118915", "displayName": "John"},
    },
    "http://example.com/claims/badge": "red, blue",
}
W = "http://wso2.org/claims/"


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("userName", ("alice",)),
        ("USERNAME", ("alice",)),
        ("name.familyName", ("Liddell, the younger",)),
        ("NAME.familyname", ("Liddell, the younger",)),
        ("name", ()),
        ("active", (True,)),
        ("emails", ("alice@example.com", "home@example.org", "other@example.com")),
        ("emails.value", ("alice@example.com", "home@example.org", "other@example.com")),
        ("emails.type", ("Work", "home", "work")),
        ("emails.work", ("alice@example.com", "other@example.com")),
        ('emails[type eq "work"].value', ("alice@example.com", "other@example.com")),
        ('emails[type eq "work"]', ("alice@example.com", "other@example.com")),
        ('emails[type eq "work" and primary eq true].value', ("alice@example.com",)),
        ('emails[value eq "nobody@example.com"].value', ()),
        ("emails.fax", ()),
        ("roles", ("Doe, Jane", "eng")),
        ("tags", ("a", "b, c")),
        ("addresses.locality", ("Oxford",)),
        ("addresses", ()),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", ("engineering",)),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:Department", ("engineering",)),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", ("26118915",)),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName", ("John",)),
        ("urn:ietf:params:scim:schemas:core:2.0:User:emails.work", ("alice@example.com", "other@example.com")),
        ("urn:example:other:1.0:User:department", ()),
        ("http://example.com/claims/badge", ("red, blue",)),
        ("nickName", ()),
    ],
)
def test_a_path_reads_its_values_whole(path, values):
    assert read(ALICE, path) == values


@pytest.mark.parametrize(
    "path",
    ["", "a b", "emails[", "emails[type]", 'emails[type eq "work" or x eq 1]', "emails.", ".x", "a.b.c", "größe"],
)
def test_what_is_no_path_is_refused_with_help(path):
    with pytest.raises(PathError, match="write"):
        read(ALICE, path)


@pytest.mark.parametrize(
    ("uri", "values"),
    [
        (W + "emailaddress", ("alice@example.com", "home@example.org", "other@example.com")),
        (W + "emails.home", ("home@example.org",)),
        (W + "mobile", ("+44 1",)),
        (W + "telephone", ("+44 2",)),
        (W + "lastname", ("Liddell, the younger",)),
        (W + "department", ("engineering",)),
        (W + "role", ("Doe, Jane", "eng")),
        (W + "active", (True,)),
        (W + "identity/accountDisabled", (False,)),
        (W + "dob", ()),
        ("urn:scim:schemas:core:1.0:userName", ("alice",)),
        ("urn:scim:schemas:core:1.0:emails.work", ("alice@example.com", "other@example.com")),
        ("urn:scim:schemas:extension:enterprise:1.0:department", ("engineering",)),
        ("urn:scim:schemas:core:1.0:tags", ("a", "b, c")),
        ("http://example.com/claims/badge", ("red, blue",)),
        ("http://example.com/claims/unknown", ()),
    ],
)
def test_a_claim_has_the_values_of_its_path(uri, values):
    assert claim_values(ALICE, uri) == values


def test_an_account_without_active_is_neither_enabled_nor_disabled():
    assert claim_values({"userName": "x"}, W + "identity/accountDisabled") == ()


def test_a_text_that_means_false_disables_the_account():
    assert claim_values({"active": "False"}, W + "identity/accountDisabled") == (True,)


def test_no_claim_is_listed_twice_and_every_path_is_one():
    uris = [claim.uri for claim in claims.CLAIMS]
    assert len(uris) == len(set(uris))
    for claim in claims.CLAIMS:
        claims.parse_path(claim.path)


def test_a_name_that_is_in_no_table_is_its_own_path():
    assert path_of(W + "givenname") == "name.givenName"
    assert path_of("urn:scim:schemas:core:1.0:name.givenName") == "name.givenName"
    assert path_of("nickName") == "nickName"


values = st.one_of(st.text(), st.booleans(), st.integers(), st.floats(allow_nan=False))
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True).filter(lambda name: name.casefold() != "value")


@given(names, st.lists(values))
def test_every_value_of_a_list_is_read_whole_and_in_order(name, many):
    assert read({name: many}, name.swapcase()) == tuple(many)
    assert read({name: [{"value": one} for one in many]}, name) == tuple(many)


@given(names, st.text(alphabet=st.characters(exclude_characters='"\\')), values)
def test_a_filter_selects_the_elements_that_equal_its_literal(name, wanted, value):
    elements = [{"kind": wanted, "value": value}, {"kind": wanted + "x", "value": "other"}]
    assert read({name: elements}, f'{name}[kind eq "{wanted}"].value') == (value,)


json = st.recursive(
    st.none() | values, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(st.dictionaries(st.text(), json), st.sampled_from([claim.uri for claim in claims.CLAIMS]), st.text())
def test_no_resource_and_no_text_breaks_the_reader(resource, uri, path):
    assert all(isinstance(one, str | bool | int | float) for one in claim_values(resource, uri))
    try:
        found = read(resource, path)
    except PathError:
        return
    assert all(isinstance(one, str | bool | int | float) for one in found)
