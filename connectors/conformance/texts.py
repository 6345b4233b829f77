"""Checks of texts: letters of any script and markup arrive as they are, what no protocol carries is refused."""

from __future__ import annotations

import pytest

from connectors.conformance.bench import Bench
from connectors.conformance.groups import rename_group, settled_group
from connectors.conformance.subject import needs
from connectors.conformance.users import expect_as_wanted, rename
from connectors.errors import TargetRefused

#: Short enough for a field of 40 characters.
TEXTS = {
    "markup": "<b>&amp;</b> ]]> <!-- <?x?>",
    "quotes": "O'Neil \"Al\" \\ \\' %27 ${x} {y}",
    "many scripts": "Zoë Ünïcødé 李小龍 Владимир",
    "right to left": "مریم \U0001f469\u200d\U0001f467 \U0001d518",
    "filters": '" or userName pr or "',
}
HALF_A_CHARACTER = "half \ud83d"


class TextChecks:
    """How a connector treats texts that are more than letters."""

    @needs("any text")
    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_any_text_arrives_as_it_is(self, bench: Bench, text: str) -> None:
        alice = bench.settled("alice")
        texts = {"name": {"givenName": text, "familyName": text}, "displayName": text, "title": text}
        alice.attributes |= texts
        bench.deliver(alice, "modify")
        expect_as_wanted(bench, alice)
        bob = bench.user("bob", **texts)
        bench.deliver(bob, "create")
        expect_as_wanted(bench, bob)
        bench.deliver(bob, "replace")
        expect_as_wanted(bench, bob)

    @needs("any user name")
    @pytest.mark.parametrize("name", TEXTS.values(), ids=TEXTS)
    def test_a_user_name_may_have_any_text(self, bench: Bench, name: str) -> None:
        zoe = bench.user("zoe")
        rename(zoe, name)
        bench.deliver(zoe, "create")
        bench.deliver(bench.user("bystander"), "create")
        zoe.link = None  # it has to be found by its name
        linked = bench.deliver(zoe, "create")
        assert linked.outcome == "linked"
        expect_as_wanted(bench, zoe)
        assert len(bench.target.users()) == 2
        bench.deliver(zoe, "delete")
        assert not bench.enabled(zoe)

    @needs("groups", "any text")
    @pytest.mark.parametrize("name", TEXTS.values(), ids=TEXTS)
    def test_a_group_name_may_have_any_text(self, bench: Bench, name: str) -> None:
        group = settled_group(bench)
        rename_group(group, name)
        bench.deliver(group, "modify")
        assert bench.group_there(group).name == name
        assert bench.has_members(group, *group.members)

    @pytest.mark.parametrize("path", ["displayName", "title", "givenName", "userName"])
    def test_half_a_character_is_refused_with_the_name_of_its_field(self, bench: Bench, path: str) -> None:
        alice = bench.user()
        within = alice.attributes["name"] if path == "givenName" else alice.attributes
        within[path] = HALF_A_CHARACTER
        with pytest.raises(TargetRefused, match=path):
            bench.deliver(alice, "create")
        assert bench.target.users() == {}

    @needs("passwords")
    def test_half_a_character_in_a_password_is_refused_without_showing_it(self, bench: Bench) -> None:
        with pytest.raises(TargetRefused, match="password") as refused:
            bench.deliver(bench.user(), "create", password="Secret-1-\ud83d")  # noqa: S106 - of a test
        assert "Secret-1" not in str(refused.value)
        assert bench.target.users() == {}

    @needs("groups")
    def test_half_a_character_in_a_group_name_is_refused(self, bench: Bench) -> None:
        group = settled_group(bench)
        before = dict(bench.target.groups())
        rename_group(group, HALF_A_CHARACTER)
        with pytest.raises(TargetRefused, match="displayName"):
            bench.deliver(group, "modify")
        assert bench.target.groups() == before
