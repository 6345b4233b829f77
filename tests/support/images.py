"""Hypothesis strategies for SCIM resources and patches: what clients send, right and wrong."""

from hypothesis import strategies as st

from service.image.schema import RESOURCE_TYPES

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CUSTOM = "urn:example:params:badges:1.0:User"
MULTI_VALUED = ("emails", "phoneNumbers", "ims", "entitlements", "roles")
TEXTS = (
    "name.givenName",
    "name.familyName",
    "title",
    "nickName",
    f"{ENTERPRISE}:department",
    f"{ENTERPRISE}:manager.value",
)

texts = st.text(max_size=8)
words = st.sampled_from(["work", "home", "a", "b", "Ä", '"', "]", ""])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | texts | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | words, inner, max_size=3),
    max_leaves=8,
)


def elements(**more):
    """One value of a multi-valued attribute, which always has a `value`."""
    subs = {"type": words, "display": words, "primary": st.booleans(), **more}
    return st.fixed_dictionaries({"value": words}, optional=subs)


def value_lists():
    """Values of a multi-valued attribute, at most one of them primary."""
    return st.lists(elements(), max_size=4).map(_one_primary)


def _one_primary(values):
    first = next((index for index, one in enumerate(values) if one.get("primary")), None)
    return [{**one, "primary": index == first} if "primary" in one else one for index, one in enumerate(values)]


user_attributes = st.fixed_dictionaries(
    {"userName": st.just("alice")},
    optional={
        **dict.fromkeys(MULTI_VALUED, value_lists()),
        "name": st.fixed_dictionaries({}, optional={"givenName": words, "familyName": words}),
        "active": st.booleans(),
        "title": words,
        ENTERPRISE: st.fixed_dictionaries(
            {}, optional={"department": words, "manager": elements().map(lambda e: {"value": e["value"]})}
        ),
        CUSTOM: st.dictionaries(
            st.sampled_from(["level", "tags", "box"]), st.lists(words, max_size=2) | words, max_size=3
        ),
    },
)

filters = st.builds(
    "{}[{} {} {}]{}".format,
    st.sampled_from(MULTI_VALUED),
    st.sampled_from(["type", "value", "primary", "display"]),
    st.sampled_from(["eq", "ne", "co", "sw", "pr and type eq"]),
    st.sampled_from(['"work"', '"a"', "true", "null"]),
    st.sampled_from(["", ".value", ".type", ".primary", ".display"]),
)
names = [one.name for one in RESOURCE_TYPES["user"].core.attributes.values()]
paths = (
    st.sampled_from(
        [*names, *TEXTS, "emails.type", "roles.value", ENTERPRISE, CUSTOM, f"{CUSTOM}:tags", f"{CUSTOM}:box.size"]
    )
    | filters
)
values = json_values | value_lists() | elements() | st.booleans() | words
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "Replace", "remove"])}, optional={"path": paths, "value": values}
) | st.builds(
    lambda op, value: {"op": op, "value": value},
    st.sampled_from(["add", "replace"]),
    st.dictionaries(paths, values, max_size=3) | user_attributes,
)
