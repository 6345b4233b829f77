"""The five templates: what they let in, what they refuse, and that removals always pass."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from service.policy_lint import warnings
from service.policy_templates import Template, TemplateError, examples, fill, read_template
from tests.support.gate import POLICIES, ask, compiled, facts

LONDON, KOLKATA = ZoneInfo("Europe/London"), ZoneInfo("Asia/Kolkata")
ENGINEER = {
    "userName": "a",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "engineering"},
}
WRITES = ("create", "replace", "modify")


def template(id_: str) -> Template:
    found = read_template(f"{id_}.xml", (POLICIES / "templates" / f"{id_}.xml").read_bytes())
    assert found is not None
    return found


def policies(id_, **values):
    one = template(id_)
    return compiled(fill(one, {**examples(one), **{name.replace("_", "-"): value for name, value in values.items()}}))


def at(hour, minute=0, second=0, zone=UTC):
    return datetime(2026, 7, 1, hour, minute, second, tzinfo=zone)


def test_there_are_the_five_kinds_that_wso2s_users_know():
    titles = {template(path.stem).title for path in (POLICIES / "templates").glob("*.xml")}
    assert titles == {"Role", "Time", "Time and role", "User claim", "Time and user claim"}


@pytest.mark.parametrize("id_", ["role", "time", "time-and-role", "user-claim", "time-and-user-claim"])
def test_a_template_filled_with_its_examples_loads_without_warnings(id_):
    one = template(id_)
    text = fill(one, examples(one))
    assert "{{" not in text
    assert not list(warnings("x.xml", text.encode()))
    (info,) = compiled(text).snapshot.policies
    assert info.algorithm.endswith("first-applicable")
    assert info.rules[-1].effect == "Deny"
    assert one.description
    assert all(parameter.description for parameter in one.parameters)


@pytest.mark.parametrize("id_", ["role", "time", "time-and-role", "user-claim", "time-and-user-claim"])
def test_a_template_says_nothing_about_other_providers(id_):
    for other in ({"service_provider": "crm"}, {"identity_provider": "acme"}):
        assert ask(policies(id_), facts(attributes=ENGINEER, **other), now=at(12)).decision == "NotApplicable"


@pytest.mark.parametrize("id_", ["role", "time", "time-and-role", "user-claim", "time-and-user-claim"])
@pytest.mark.parametrize(
    ("operation", "effective"), [("delete", "delete"), ("replace", "delete"), ("modify", "delete")]
)
def test_a_template_lets_every_removal_pass_at_any_time(id_, operation, effective):
    verdict = ask(policies(id_), facts(operation=operation, effective_operation=effective), now=at(3))
    assert (verdict.gate, verdict.rules) == ("open", ("permit-removal",))


@pytest.mark.parametrize("operation", WRITES)
def test_the_role_template_asks_for_the_role(operation):
    held = policies("role", role="Doe, Jane")
    for roles, gate in [
        (("Doe, Jane",), "open"), (("x", "Doe, Jane"), "open"), (("Doe", "Jane"), "refused"), ((), "refused"),
    ]:  # fmt: skip
        assert ask(held, facts(operation=operation, roles=roles)).gate == gate


def test_the_role_template_counts_groups():
    assert ask(policies("role", role="staff"), facts(groups=("staff",))).gate == "open"


def test_a_refusal_names_the_template_s_policy_and_last_rule():
    verdict = ask(policies("role"), facts(roles=("sales",)))
    assert verdict.reason == "policy `sandbox-by-role` rule `deny-everything-else` denies"


@pytest.mark.parametrize("operation", WRITES)
def test_the_time_template_asks_for_the_hour(operation):
    held = policies("time", opens="08:00:00", closes="18:00:00")
    for now, gate in [
        (at(7, 59, 59), "refused"), (at(8), "open"), (at(12), "open"), (at(18), "open"), (at(18, 0, 1), "refused"),
    ]:  # fmt: skip
        assert ask(held, facts(operation=operation), now=now).gate == gate


def test_hours_without_a_zone_are_those_of_the_policies_zone():
    held = policies("time", opens="08:00:00", closes="18:00:00")
    assert ask(held, now=at(8, zone=LONDON)).gate == "open"
    assert ask(held, now=at(8, zone=KOLKATA)).gate == "open"
    assert ask(held, now=at(8, zone=UTC).astimezone(KOLKATA)).gate == "open"
    assert ask(held, now=at(13, zone=UTC).astimezone(KOLKATA)).gate == "refused"


def test_hours_with_a_zone_are_the_same_moment_everywhere():
    held = policies("time", opens="08:00:00+01:00", closes="18:00:00+01:00")
    for zone in (UTC, LONDON, KOLKATA):
        assert ask(held, now=at(7, zone=UTC).astimezone(zone)).gate == "open"
        assert ask(held, now=at(6, 59, zone=UTC).astimezone(zone)).gate == "refused"


def test_hours_may_go_past_midnight():
    held = policies("time", opens="22:00:00", closes="04:00:00")
    assert [ask(held, now=at(hour)).gate for hour in (23, 3, 12)] == ["open", "open", "refused"]


@pytest.mark.parametrize("operation", WRITES)
def test_the_time_and_role_template_asks_for_both(operation):
    held = policies("time-and-role", role="eng")
    for roles, hour, gate in [
        (("eng",), 12, "open"), (("eng",), 3, "refused"), (("x",), 12, "refused"), ((), 3, "refused"),
    ]:  # fmt: skip
        assert ask(held, facts(operation=operation, roles=roles), now=at(hour)).gate == gate


@pytest.mark.parametrize("operation", WRITES)
def test_the_claim_template_asks_for_one_value_of_the_claim(operation):
    held = policies("user-claim")
    assert ask(held, facts(operation=operation, attributes=ENGINEER)).gate == "open"
    assert ask(held, facts(operation=operation, attributes={"userName": "a"})).gate == "refused"


@pytest.mark.parametrize(
    "claim", ["http://wso2.org/claims/emailaddress", "urn:scim:schemas:core:1.0:emails.work",
              "urn:ietf:params:scim:schemas:core:2.0:User:emails"],
)  # fmt: skip
def test_the_claim_template_takes_any_name_of_an_attribute(claim):
    held = policies("user-claim", claim=claim, value="b@example.com")
    several = {"emails": [{"value": "a@example.com", "type": "home"}, {"value": "b@example.com", "type": "work"}]}
    assert ask(held, facts(attributes=several)).gate == "open"
    assert ask(held, facts(attributes={"emails": [{"value": "c@example.com", "type": "work"}]})).gate == "refused"


@pytest.mark.parametrize("operation", WRITES)
def test_the_time_and_claim_template_asks_for_both(operation):
    held = policies("time-and-user-claim")
    for attributes, hour, gate in [(ENGINEER, 12, "open"), (ENGINEER, 3, "refused"), ({}, 12, "refused")]:
        assert ask(held, facts(operation=operation, attributes=attributes), now=at(hour)).gate == gate


def test_a_value_is_text_whatever_it_looks_like():
    strange = """</AttributeValue><!-- "&' {{role}} \\1"""
    assert ask(policies("role", role=strange), facts(roles=(strange,))).gate == "open"


def test_a_template_filled_twice_can_have_two_ids():
    one = template("role")
    text = fill(one, examples(one), policy_id='mine & "yours"')
    (info,) = compiled(text).snapshot.policies
    assert info.id == 'mine & "yours"'


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"role": ""}, "parameter `role` has no value"),
        ({"rolle": "x"}, "`rolle` is no parameter"),
        ({"role": "a\0"}, "XML cannot carry"),
        ({"opens": "8 o'clock"}, "`8 o'clock` is no time: write it like `08:00:00`"),
        ({"opens": "25:00:00"}, "is no time"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_parameter(values, message):
    one = template("time-and-role")
    with pytest.raises(TemplateError, match=message):
        fill(one, {**examples(one), **values})


@pytest.mark.parametrize("content", [b"", b"<a>", b"<a/>", b"<!-- no title --><a/>", b"\xff<a/>"])
def test_a_file_that_does_not_describe_itself_is_no_template(content):
    assert read_template("x.xml", content) is None
