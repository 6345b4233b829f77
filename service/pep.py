"""The policy enforcement point: the only place that turns an answer of the policies into open or shut.

The gate opens for Permit with every obligation understood and fulfilled, and for NotApplicable in a row that says so;
for nothing else. `enforce` never raises: what goes wrong inside keeps the gate shut and ends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol

import structlog

from service import pdp
from service.pip import DeliveryFacts, describe

Gate = Literal["open", "refused", "undecided", "awaiting-approval"]

REQUIRE_APPROVAL: Final = "urn:sluice:obligation:require-approval"
LOG: Final = "urn:sluice:obligation:log"
UNDERSTOOD: Final = frozenset({REQUIRE_APPROVAL, LOG})

_log = structlog.get_logger("sluice.gate")


class Policies(Protocol):
    """The policies to ask: `snapshot` is None while there is no valid one."""

    @property
    def snapshot(self) -> pdp.Snapshot | None: ...  # noqa: D102 - told by the class
    @property
    def hash(self) -> str | None: ...  # noqa: D102
    @property
    def sequence(self) -> int | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Approval:
    """What an obligation to have the delivery approved says; both texts may be empty."""

    approver: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate said about a delivery, and everything that it said so for.

    `gate`: `open`; `refused` ends the delivery; `undecided` (Indeterminate, an error, no valid snapshot) is tried
    again; `awaiting-approval` waits for people. `policies` and `rules` are the ids that decided, or that could not be
    evaluated when `undecided`. `status` is code and message of the answer, None when ok. `obligations` are JSON objects
    `{"id", "attributes": [{"id", "dataType", "value"}]}`. `approvals` is filled while approval is awaited; an approval
    is to be recorded for `policies`. `request_xml` is the frozen request, empty when the delivery has no description.
    """

    gate: Gate
    decision: str
    reason: str
    decided_at: datetime
    snapshot: str | None
    sequence: int | None
    request_xml: str = ""
    policies: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    status: str | None = None
    obligations: tuple[Mapping[str, Any], ...] = ()
    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True, slots=True)
class _Terms:
    """What an answer is held against."""

    not_applicable: Literal["refuse", "permit"]
    approved_policies: frozenset[str]


def enforce(
    facts: DeliveryFacts,
    *,
    snapshot: Policies,
    not_applicable: Literal["refuse", "permit"],
    approved_policies: frozenset[str],
    now: datetime,
) -> Verdict:
    """Ask the policies about a delivery and say whether its gate is open. Never raises.

    `now` is aware, in the zone in which policies read the clock. `approved_policies` are the ids of the policies for
    which people have approved this delivery. `not_applicable` is what the row of the configuration says.
    """
    request_xml = ""
    try:
        if now.utcoffset() is None:
            raise ValueError("the clock gave a time without a zone")  # noqa: TRY301 - caught as everything else is
        described = describe(facts)
        request_xml = described.xml.decode()
        if snapshot.snapshot is None:
            return _undecided(
                "no valid snapshot of the policies: see the errors that /readyz tells", snapshot, now, request_xml
            )
        result = snapshot.snapshot.decide(described.request, now=now).result
        return _verdict(result, _Terms(not_applicable, approved_policies), snapshot, now, request_xml)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must neither open the gate nor end the delivery
        _log.exception("the policies could not be asked", identity_provider=facts.identity_provider)
        return _undecided(f"the policies could not be asked: {_message(error)}", snapshot, now, request_xml)


def _message(error: Exception) -> str:
    """An exception for people: its message, with its kind when that says more."""
    return str(error) if isinstance(error, ValueError) and str(error) else f"{type(error).__name__}: {error}"


def _undecided(reason: str, snapshot: Policies, now: datetime, request_xml: str) -> Verdict:
    """The gate stays shut because there is no answer."""
    return Verdict(
        gate="undecided",
        decision=pdp.Decision.INDETERMINATE.value,
        reason=reason,
        decided_at=now,
        snapshot=snapshot.hash,
        sequence=snapshot.sequence,
        request_xml=request_xml,
    )


def _verdict(result: pdp.Result, terms: _Terms, snapshot: Policies, now: datetime, request_xml: str) -> Verdict:
    """The verdict that an answer comes to."""
    gate, reason = _gate(result, terms)
    undecided = gate == "undecided"
    return Verdict(
        gate=gate,
        decision=result.decision.value,
        reason=reason,
        decided_at=now,
        snapshot=snapshot.hash,
        sequence=snapshot.sequence,
        request_xml=request_xml,
        policies=tuple(policy.id for policy in (result.erring_policies if undecided else result.deciding_policies)),
        rules=_erring_rules(result) if undecided else result.deciding_rules,
        status=_status(result.status),
        obligations=tuple(_obligation_json(one) for one in result.obligations),
        approvals=_approvals(result.obligations) if gate == "awaiting-approval" else (),
    )


def _gate(result: pdp.Result, terms: _Terms) -> tuple[Gate, str]:
    """Open or shut, and why (XACML 3.0 core, section 7.2.2: a deny-biased enforcement point)."""
    if result.decision is pdp.Decision.PERMIT:
        return _permitted(result, terms)
    if result.decision is pdp.Decision.DENY:
        _fulfil(result)
        return "refused", _by(result, "denies")
    if result.decision is pdp.Decision.NOT_APPLICABLE:
        if terms.not_applicable == "permit":
            return "open", "no policy applies, and this row permits what no policy applies to"
        return "refused", "no policy applies"
    return "undecided", _why_undecided(result)


def _permitted(result: pdp.Result, terms: _Terms) -> tuple[Gate, str]:
    """What Permit comes to: its obligations first (section 7.18: one that is not understood means no)."""
    strange = [one.id for one in result.obligations if one.id not in UNDERSTOOD]
    if strange:
        names = ", ".join(f"`{one}`" for one in dict.fromkeys(strange))
        return "refused", f"{_by(result, 'permits')}, but only with an obligation that is not understood: {names}"
    _fulfil(result)
    # Who asked for the approval is not told apart from who else permits: an approval must cover all that decide.
    deciding = {policy.id for policy in result.deciding_policies}
    approvals = _approvals(result.obligations)
    if approvals and not (deciding and deciding <= terms.approved_policies):
        return "awaiting-approval", _by(result, "requires approval") + _wish(approvals)
    return "open", _by(result, "permits")


def _fulfil(result: pdp.Result) -> None:
    """Do what the obligations say that is ours to do: write a log entry. A log that fails fails the decision."""
    for one in result.obligations:
        if one.id == LOG:
            _log.info(
                "policy obligation",
                decision=result.decision.value,
                policies=[policy.id for policy in result.deciding_policies],
                attributes=_texts(one),
            )


def _texts(obligation: pdp.Obligation) -> Mapping[str, str | list[str]]:
    """What an obligation assigns: a list where one attribute has several values."""
    texts: dict[str, list[str]] = {}
    for one in obligation.assignments:
        texts.setdefault(one.attribute_id, []).append(one.text)
    return {name: values if len(values) > 1 else values[0] for name, values in texts.items()}


def _approvals(obligations: Iterable[pdp.Obligation]) -> tuple[Approval, ...]:
    """What the obligations that require approval say."""
    return tuple(
        Approval(_assigned(one, "approver"), _assigned(one, "reason"))
        for one in obligations
        if one.id == REQUIRE_APPROVAL
    )


def _assigned(obligation: pdp.Obligation, name: str) -> str:
    """The texts assigned to `name`, which may be the last part of a longer attribute id."""
    texts = [one.text for one in obligation.assignments if one.attribute_id.replace("/", ":").split(":")[-1] == name]
    return ", ".join(dict.fromkeys(texts))


def _wish(approvals: Sequence[Approval]) -> str:
    """Who should approve, and why."""
    who = ", ".join(dict.fromkeys(one.approver for one in approvals if one.approver))
    why = "; ".join(dict.fromkeys(one.reason for one in approvals if one.reason))
    return (f" by `{who}`" if who else "") + (f": {why}" if why else "")


def _by(result: pdp.Result, verb: str) -> str:
    """Who decided: ``policy `x` rule `y` denies``."""
    names = [_name(decider) for decider in result.deciders]
    return f"{', '.join(dict.fromkeys(names)) or 'the policies'} {verb}"


def _name(decider: pdp.Decider) -> str:
    """A policy and its rule, as people read them."""
    return f"policy `{decider.policy.id}`" + (f" rule `{decider.rule_id}`" if decider.rule_id else "")


def _why_undecided(result: pdp.Result) -> str:
    """Which rule could not be evaluated, and why."""
    told = [
        f"{_name(one.who)} could not be evaluated: {_status(one.status) or 'no reason given'}" for one in result.errors
    ]
    return (
        "; ".join(dict.fromkeys(told))
        or f"the policies could not decide: {_status(result.status) or 'no reason given'}"
    )


def _erring_rules(result: pdp.Result) -> tuple[str, ...]:
    """RuleIds of the rules that could not be evaluated."""
    return tuple(dict.fromkeys(one.who.rule_id for one in result.errors if one.who.rule_id))


def _status(status: pdp.Status) -> str | None:
    """Code (its last part) and message, and the attributes that were missing; None when ok."""
    code = status.code.rpartition(":")[2]
    if code == "ok":
        return None
    missing = ", ".join(f"`{one.attribute_id}`" for one in status.missing)
    message = status.message or (f"no value for {missing}" if missing else "")
    return f"{code}: {message}" if message else code


def _obligation_json(obligation: pdp.Obligation) -> Mapping[str, Any]:
    """An obligation as it is stored and shown."""
    return {
        "id": obligation.id,
        "attributes": [
            {"id": one.attribute_id, "dataType": one.data_type.uri, "value": one.text} for one in obligation.assignments
        ],
    }
