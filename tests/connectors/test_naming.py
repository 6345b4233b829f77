import pytest

from connectors.errors import Misconfigured
from connectors.naming import pattern_parts, provisioning_pattern


def name(pattern, separator="", **changed):
    parts = {"domain": "PRIMARY", "name": "Alice", "tenant": "carbon.super", "identity_provider": "Google", **changed}
    return provisioning_pattern(pattern, separator, **parts)


@pytest.mark.parametrize(
    ("pattern", "separator", "expected"),
    [
        ("{UD,UN,TD,IDP}", "-", "primary-alice-carbon.super-google"),
        ("{UD, UN, TD, IDP}", "", "primary_alice_carbon.super_google"),
        (" {un} ", "-", "alice"),
        ("{IDP,UN}", ".*", "google.*alice"),
        ("{UN,UN}", "\\1", "alice\\1alice"),
        ("", "-", "Alice"),
        ("  ", "-", "Alice"),
    ],
)
def test_a_pattern_puts_the_parts_together_in_its_order(pattern, separator, expected):
    assert name(pattern, separator) == expected


def test_a_part_without_a_value_leaves_no_separator_behind():
    assert name("{UD,UN,TD}", domain="", tenant="") == "alice"


def test_the_separator_is_not_looked_for_in_the_parts():
    assert name("{UD,UN}", "-", name="anna-{UD}-lena") == "primary-anna-{ud}-lena"


@pytest.mark.parametrize("pattern", ["UN", "{}", "{UN", "{UN}}", "{XX}", "{UN,}", "{UN;UD}", "{UN}{UD}", "{UN} x"])
def test_an_unreadable_pattern_is_a_matter_for_the_administrator(pattern):
    with pytest.raises(Misconfigured, match="is no provisioning pattern"):
        pattern_parts(pattern)
