import re
import tomllib
from datetime import date
from importlib.resources import files

import pytest

from connectors.profile import BadProfile, UnknownProfile, load, names


@pytest.mark.parametrize("name", names())
def test_every_profile_loads_and_says_where_its_facts_come_from(name):
    origin = load(name).profile
    assert origin.source
    assert origin.evidence in {"tried", "documentation"}
    assert date.fromisoformat(origin.checked)


@pytest.mark.parametrize("name", [name for name in names() if name != "generic"])
def test_a_profile_names_only_the_keys_in_which_it_differs(name):
    folder = files("connectors") / "profiles"
    generic, own = (tomllib.loads((folder / f"{one}.toml").read_text("utf-8")) for one in ("generic", name))
    repeated = [
        f"{section}.{key}"
        for section, values in own.items()
        for key, value in values.items()
        if section != "profile" and generic[section].get(key) == value
    ]
    assert repeated == []


def test_an_unknown_profile_names_those_that_exist():
    with pytest.raises(UnknownProfile, match=r"unknown target profile `nowhere`: use one of .*`generic`"):
        load("nowhere")


@pytest.mark.parametrize("name", ["../generic", "generic.toml", "", "/etc/passwd"])
def test_a_profile_name_is_no_path(name):
    with pytest.raises(UnknownProfile):
        load(name)


def test_single_keys_can_be_overridden():
    changed = load("generic", {"patch": {"members": 7}})
    assert changed.patch.members == 7
    assert changed.patch.operations == load("generic").patch.operations
    assert changed.user == load("generic").user


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"nosuch": {}}, "overrides of profile `generic`: unknown section `nosuch`: use one of"),
        ({"user": {"nosuch": 1}}, "overrides of profile `generic`: user: unknown key `nosuch`: use one of"),
        ({"user": {"modify": "guess"}}, "overrides of profile `generic`: user.modify: `guess` is none of put, patch"),
        ({"patch": {"members": "7"}}, "overrides of profile `generic`: patch.members: `7` is no int"),
        ({"patch": {"members": True}}, "overrides of profile `generic`: patch.members: `True` is no int"),
    ],
)
def test_an_override_that_is_not_understood_is_named(overrides, message):
    with pytest.raises(BadProfile, match=re.escape(message)):
        load("generic", overrides)
