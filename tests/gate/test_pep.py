"""The gate: only Permit with every obligation understood and fulfilled opens it."""

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from service import pdp, pep, vocabulary
from service.pap import CurrentSnapshot
from tests.support.gate import NOON, ask, compiled, facts, is_in, obligation, policy

APPROVAL = "urn:sluice:obligation:require-approval"
LOG = "urn:sluice:obligation:log"
MISSING = is_in("x", "http://example.com/claims/none", vocabulary.USER, must_be_present=True)


def test_a_permit_opens_the_gate_and_says_who_decided():
    policies = compiled(policy("welcome", rule="everyone"))
    verdict = ask(policies)
    assert (verdict.gate, verdict.decision, verdict.status) == ("open", "Permit", None)
    assert (verdict.policies, verdict.rules) == (("welcome",), ("everyone",))
    assert verdict.reason == "policy `welcome` rule `everyone` permits"
    assert (verdict.snapshot, verdict.sequence, verdict.decided_at) == (policies.hash, 1, NOON)


def test_a_deny_shuts_the_gate_for_good():
    verdict = ask(compiled(policy("welcome"), policy("lock", "Deny", rule="nobody")))
    assert (verdict.gate, verdict.decision) == ("refused", "Deny")
    assert (verdict.policies, verdict.rules) == (("lock",), ("nobody",))
    assert verdict.reason == "policy `lock` rule `nobody` denies"


def test_what_no_policy_applies_to_is_refused():
    verdict = ask(compiled())
    assert (verdict.gate, verdict.decision, verdict.reason) == ("refused", "NotApplicable", "no policy applies")


def test_a_row_may_permit_what_no_policy_applies_to():
    verdict = ask(compiled(), not_applicable="permit")
    assert (verdict.gate, verdict.decision) == ("open", "NotApplicable")


@pytest.mark.parametrize("effect", ["Permit", "Deny"])
def test_an_indeterminate_keeps_the_gate_shut_and_ends_nothing(effect):
    verdict = ask(compiled(policy("strict", effect, rule="asks", condition=MISSING)), not_applicable="permit")
    assert (verdict.gate, verdict.decision) == ("undecided", "Indeterminate")
    assert (verdict.policies, verdict.rules) == (("strict",), ("asks",))
    assert verdict.reason == (
        "policy `strict` rule `asks` could not be evaluated: "
        "missing-attribute: missing attribute `http://example.com/claims/none`"
    )
    assert verdict.status is not None
    assert verdict.status.startswith("missing-attribute: ")


def test_a_permit_beside_a_deny_policy_that_fails_opens_nothing():
    verdict = ask(compiled(policy("welcome"), policy("lock", "Deny", condition=MISSING)))
    assert verdict.gate == "undecided"


def test_without_a_valid_snapshot_nothing_is_decided():
    verdict = ask(CurrentSnapshot(), not_applicable="permit")
    assert (verdict.gate, verdict.decision, verdict.snapshot) == ("undecided", "Indeterminate", None)
    assert "no valid snapshot" in verdict.reason
    assert verdict.request_xml


class Broken:
    hash, sequence = "sha256:0", 7

    def __init__(self, error):
        self.error = error

    @property
    def snapshot(self):
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("boom"), RecursionError(), MemoryError(), pdp.RequestError("too long")])
def test_whatever_goes_wrong_inside_is_undecided_and_never_raised(error):
    with capture_logs() as logs:
        verdict = ask(Broken(error), not_applicable="permit")
    assert (verdict.gate, verdict.sequence) == ("undecided", 7)
    assert "could not be asked" in verdict.reason
    assert logs[0]["log_level"] == "error"


def test_a_delivery_that_cannot_be_described_is_undecided_with_the_reason():
    with capture_logs():
        verdict = ask(compiled(policy("welcome")), facts(attributes={"nickName": "\0"}))
    assert verdict.gate == "undecided"
    assert "U+0000" in verdict.reason


def test_a_clock_without_a_zone_permits_nothing():
    with capture_logs():
        verdict = ask(compiled(policy("welcome")), now=datetime(2026, 3, 2))  # noqa: DTZ001 - that is the point
    assert verdict.gate == "undecided"


def test_an_obligation_that_is_not_understood_refuses():
    verdict = ask(compiled(policy("welcome", inside=obligation("urn:example:ring-the-bell"))))
    assert (verdict.gate, verdict.decision) == ("refused", "Permit")
    assert verdict.reason == (
        "policy `welcome` rule `only` permits, but only with an obligation that is not understood: "
        "`urn:example:ring-the-bell`"
    )


def test_a_deny_with_an_obligation_that_is_not_understood_refuses_all_the_same():
    verdict = ask(compiled(policy("lock", "Deny", inside=obligation("urn:example:ring-the-bell", "Deny"))))
    assert (verdict.gate, verdict.decision) == ("refused", "Deny")


@pytest.mark.parametrize(("effect", "gate"), [("Permit", "open"), ("Deny", "refused")])
def test_an_obligation_to_log_is_fulfilled_with_its_attributes(effect, gate):
    policies = compiled(policy("noted", effect, inside=obligation(LOG, effect, note="watch this", level="high")))
    with capture_logs() as logs:
        verdict = ask(policies)
    assert verdict.gate == gate
    (entry,) = logs
    assert (entry["event"], entry["policies"]) == ("policy obligation", ["noted"])
    assert entry["attributes"] == {"note": "watch this", "level": "high"}
    assert verdict.obligations == (
        {
            "id": LOG,
            "attributes": [
                {"id": "note", "dataType": "http://www.w3.org/2001/XMLSchema#string", "value": "watch this"},
                {"id": "level", "dataType": "http://www.w3.org/2001/XMLSchema#string", "value": "high"},
            ],
        },
    )


def test_all_values_of_a_logged_attribute_are_logged():
    many = obligation(LOG, note="one").replace(
        "</ObligationExpression>",
        obligation(LOG, note="two").partition(">")[2].partition(">")[2].partition("</ObligationExpression>")[0]
        + "</ObligationExpression>",
    )
    with capture_logs() as logs:
        ask(compiled(policy("noted", inside=many)))
    assert logs[0]["attributes"] == {"note": ["one", "two"]}


def test_an_obligation_to_log_that_fails_opens_nothing(monkeypatch):
    class Full:
        def info(self, *_, **__):
            raise OSError("no space left on device")

        def exception(self, *_, **__):
            pass

    monkeypatch.setattr(pep, "_log", Full())
    assert ask(compiled(policy("noted", inside=obligation(LOG)))).gate == "undecided"


def test_a_delivery_that_needs_approval_waits_for_it():
    needs = obligation(APPROVAL, approver="the manager", reason="contractors one by one")
    policies = compiled(policy("contractors", rule="some", inside=needs))
    verdict = ask(policies)
    assert (verdict.gate, verdict.decision, verdict.policies) == ("awaiting-approval", "Permit", ("contractors",))
    assert verdict.reason == (
        "policy `contractors` rule `some` requires approval by `the manager`: contractors one by one"
    )
    assert verdict.approvals == (pep.Approval("the manager", "contractors one by one"),)
    assert ask(policies, approved=frozenset({"contractors"})).gate == "open"
    assert ask(policies, approved=frozenset({"others"})).gate == "awaiting-approval"


def test_an_approval_does_not_cover_a_policy_that_decides_since():
    needs = policy("contractors", inside=obligation(APPROVAL))
    approved = frozenset(ask(compiled(needs)).policies)
    more = compiled(needs, policy("auditors", inside=obligation(APPROVAL)))
    assert ask(more, approved=approved).gate == "awaiting-approval"


def test_an_approval_outweighs_no_deny():
    policies = compiled(policy("contractors", inside=obligation(APPROVAL)), policy("lock", "Deny"))
    assert ask(policies, approved=frozenset({"contractors", "lock"})).gate == "refused"


def test_an_approval_does_not_make_up_for_an_obligation_that_is_not_understood():
    both = obligation(APPROVAL) + "\n" + obligation("urn:example:bell")
    both = both.replace("</ObligationExpressions>\n<ObligationExpressions>", "")
    assert ask(compiled(policy("x", inside=both)), approved=frozenset({"x"})).gate == "refused"


def test_the_record_is_what_was_decided():
    verdict = ask(compiled(policy("welcome")), facts(attributes={"userName": "alice", "password": "hunter2"}))
    again = pdp.parse_request(verdict.request_xml.encode(), pdp.XML)
    assert again.error is None
    assert "hunter2" not in verdict.request_xml


effects = st.sampled_from(["Permit", "Deny"])
conditions = st.sampled_from(["", MISSING, is_in("alice", "http://wso2.org/claims/username", vocabulary.USER)])
duties = st.sampled_from(["", LOG, APPROVAL, "urn:example:strange"])


@given(st.lists(st.tuples(effects, conditions, duties), max_size=4), st.sampled_from(["refuse", "permit"]))
@settings(deadline=None, max_examples=150)
def test_the_gate_is_open_only_for_a_permit_without_strange_duties_or_a_row_that_says_so(rules, not_applicable):
    policies = compiled(*(
        policy(f"p{n}", effect, condition=condition, inside=obligation(duty, effect) if duty else "")
        for n, (effect, condition, duty) in enumerate(rules)
    ))  # fmt: skip
    with capture_logs():
        verdict = ask(policies, not_applicable=not_applicable)
    if verdict.gate == "open" and verdict.decision == "Permit":
        assert {one["id"] for one in verdict.obligations} <= {LOG}
    elif verdict.gate == "open":
        assert (verdict.decision, not_applicable) == ("NotApplicable", "permit")
    assert (verdict.gate == "undecided") == (verdict.decision == "Indeterminate")
