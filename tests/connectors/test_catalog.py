import sys
from importlib.metadata import EntryPoint

import pytest

from connectors import catalog
from connectors.catalog import GROUP, UnknownConnector, assemble, canonical, connector, connectors
from connectors.connector import Connector, Property

MODULE = "plugin_of_the_tests"


class Good:
    type = "acme"
    display_name = "Acme"
    properties = (Property(key="acme-url", display_name="URL"),)

    def provision(self, task, settings):
        yield

    def probe(self, settings, remembered, now):
        yield

    def problems(self, settings):
        return []


class Shadow(Good):
    type = "scim2"


class AliasShadow(Good):
    type = "scim2.0"


class Unnamed(Good):
    type = "Acme Corp"


class NoTuple(Good):
    properties = ("acme-url",)


class Twice(Good):
    properties = Good.properties * 2


class UsedUp(Good):
    properties = (one for one in Good.properties)


class Nameless(Good):
    display_name = None


class Exiting(Good):
    def __init__(self):
        sys.exit("this plug-in needs another machine")


class NotCallable(Good):
    probe = None


class Failing(Good):
    def __init__(self):
        raise RuntimeError("no licence")


class Half:
    type = "half"


instance = Good()


def plugin(attribute, name="acme"):
    return EntryPoint(name, f"{MODULE}:{attribute}", GROUP)


@pytest.fixture(autouse=True)
def plugin_module(monkeypatch):
    monkeypatch.setitem(sys.modules, MODULE, sys.modules[__name__])


@pytest.mark.parametrize("spelling", ["scim2", "SCIM2", "Scim2", " scim2 ", "scim2.0"])
def test_a_type_is_known_in_any_spelling(spelling):
    assert connector(spelling).type == "scim2"
    assert canonical(spelling) == "scim2"


def test_the_built_in_connectors_are_listed_first():
    types = [one.type for one in assemble([plugin("Good")]).connectors]
    assert types[: len(catalog.BUILT_IN)] == [one.type for one in catalog.BUILT_IN]
    assert {"scim2", "spml"} <= {one.type for one in connectors()}
    assert types[-1] == "acme"


def test_an_unknown_type_gets_a_suggestion():
    with pytest.raises(UnknownConnector) as caught:
        connector("scmi2")
    assert str(caught.value) == "unknown connector `scmi2`: did you mean `scim2`?"
    with pytest.raises(UnknownConnector, match=r"use one of .*`scim2`"):
        connector("telepathy")


@pytest.mark.parametrize("attribute", ["Good", "instance"])
def test_a_plugin_is_a_class_or_an_instance(attribute):
    found = assemble([plugin(attribute)])
    assert found.connector("ACME").display_name == "Acme"
    assert found.broken == ()


@pytest.mark.parametrize(
    ("attribute", "reason"),
    [
        ("missing", "AttributeError"),
        ("Failing", "RuntimeError: no licence"),
        ("Half", "it has no `display_name`"),
        ("Unnamed", "its type `Acme Corp` is not of small letters"),
        ("NoTuple", "its properties are no `Property` objects"),
        ("Twice", "it has the setting `acme-url` twice"),
        ("UsedUp", "its properties are no `Property` objects"),
        ("Nameless", "its display name is no text"),
        ("Exiting", "SystemExit: this plug-in needs another machine"),
        ("NotCallable", "its `probe` cannot be called"),
        ("Shadow", "type `scim2` is taken"),
        ("AliasShadow", "its type `scim2.0` is another name of `scim2`"),
    ],
)
def test_a_broken_plugin_is_reported_and_costs_nothing_else(attribute, reason):
    found = assemble([plugin(attribute, "broken-one"), plugin("Good")])
    assert reason in found.broken[0].message
    assert found.broken[0].message.startswith(f"plug-in `{MODULE}:{attribute}`: ")
    assert found.connector("acme").type == "acme"
    assert found.connector("scim2") is catalog.BUILT_IN[0]
    with pytest.raises(UnknownConnector, match="cannot be used: plug-in"):
        found.connector("broken-one")


def test_a_plugin_whose_module_does_not_import_is_reported():
    found = assemble([EntryPoint("gone", "no_such_module_here:Thing", GROUP)])
    assert "ModuleNotFoundError" in found.broken[0].message


def test_of_two_plugins_of_one_type_one_is_used():
    found = assemble([plugin("Good", "one"), plugin("instance", "two")])
    assert [one.name for one in found.broken] == ["two"]
    assert "type `acme` is taken" in found.broken[0].message


def test_every_listed_connector_keeps_the_contract():
    for one in connectors():
        checked: Connector = one
        keys = [known.key for known in checked.properties]
        assert len(keys) == len(set(keys))
        assert all(known.display_name for known in checked.properties)
        assert all(known.confidential == (known.type == "secret") for known in checked.properties)
        assert all(known.options for known in checked.properties if known.type == "option")
