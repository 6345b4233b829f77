"""What the engine answers: decision, status, obligations and advice, and who decided.

All records are immutable named tuples: one is made for every decision, and a named tuple is the cheapest
immutable record that Python has.
"""

from enum import StrEnum
from typing import Any, NamedTuple

from service.pdp.datatypes import DataType
from service.pdp.errors import OK
from service.pdp.request import AttributeGroup


class Decision(StrEnum):
    """The four decisions of XACML (3.0 core, section 5.53)."""

    PERMIT = "Permit"
    DENY = "Deny"
    NOT_APPLICABLE = "NotApplicable"
    INDETERMINATE = "Indeterminate"


class MissingAttribute(NamedTuple):
    """`<MissingAttributeDetail>`: what the policies asked for in vain (3.0 core, section 5.58)."""

    category: str
    attribute_id: str
    data_type: str
    issuer: str | None = None


class Status(NamedTuple):
    """The status of a result: a status code of 3.0 core, appendix B.8, and what it is about."""

    code: str = OK
    message: str | None = None
    missing: tuple[MissingAttribute, ...] = ()


STATUS_OK = Status()


class Assignment(NamedTuple):
    """One value handed out with an obligation or advice (3.0 core, section 5.36)."""

    attribute_id: str
    category: str | None
    issuer: str | None
    data_type: DataType
    value: Any
    """The Python value; `text` is its lexical form."""

    @property
    def text(self) -> str:
        """The value in its canonical lexical form."""
        return self.data_type.format(self.value)


class Obligation(NamedTuple):
    """What the enforcement point must do (3.0 core, section 5.34); it must not permit what it cannot do."""

    id: str
    assignments: tuple[Assignment, ...] = ()


class Advice(NamedTuple):
    """What the enforcement point may do (3.0 core, section 5.35)."""

    id: str
    assignments: tuple[Assignment, ...] = ()


class PolicyId(NamedTuple):
    """The name of a policy or policy set."""

    id: str
    version: str
    is_set: bool = False


class Decider(NamedTuple):
    """Who took part in a result: a rule of a policy, or (`rule_id` is None) the policy or set as such."""

    policy: PolicyId
    rule_id: str | None = None


class Erring(NamedTuple):
    """Who could not be evaluated, and why."""

    who: Decider
    status: Status


class Result(NamedTuple):
    """One decision and everything that belongs to it (3.0 core, section 5.48)."""

    decision: Decision
    status: Status
    obligations: tuple[Obligation, ...]
    advice: tuple[Advice, ...]
    deciders: tuple[Decider, ...]
    """The rules and policies whose effect the decision is, in order of evaluation; empty when none decided."""
    errors: tuple[Erring, ...]
    """Everything that was Indeterminate on the way, in order of evaluation, whatever the decision."""
    policies: tuple[PolicyId, ...]
    """The applicable policies, the enclosing ones after the enclosed ones; told to the client on its wish."""
    extent: str = ""
    """Of an Indeterminate: `D`, `P` or `DP`, what it could have become (3.0 core, section 7.10)."""
    attributes: tuple[AttributeGroup, ...] = ()
    """What the request marked with IncludeInResult."""
    resource_id: str | None = None
    """The resource of this result, when a 2.0 request asked for several."""
    explanation: Any = None
    """A `service.pdp.explain.Explanation`, when it was asked for."""

    @property
    def deciding_policies(self) -> tuple[PolicyId, ...]:
        """Names of the policies that decided, each once."""
        return tuple(dict.fromkeys(decider.policy for decider in self.deciders))

    @property
    def deciding_rules(self) -> tuple[str, ...]:
        """RuleIds of the rules that decided."""
        return tuple(decider.rule_id for decider in self.deciders if decider.rule_id is not None)

    @property
    def erring_policies(self) -> tuple[PolicyId, ...]:
        """Names of the policies in which something could not be evaluated, each once."""
        return tuple(dict.fromkeys(error.who.policy for error in self.errors))


class Response(NamedTuple):
    """The answer to one request: a result per individual decision asked for, usually one."""

    results: tuple[Result, ...]
    snapshot: str
    """The hash of the snapshot that decided."""
    version: str = "3.0"
    """The version of XACML that the request spoke, in which it is answered."""
    with_policies: bool = False
    """Whether the request asked for the list of applicable policies (ReturnPolicyIdList)."""

    @property
    def result(self) -> Result:
        """The only result. Raises `ValueError` when the request asked for several decisions."""
        (result,) = self.results
        return result

    @property
    def decision(self) -> Decision:
        """The decision that all results share; Indeterminate when they differ, so never a half Permit."""
        first = self.results[0].decision
        if all(result.decision is first for result in self.results):
            return first
        return Decision.INDETERMINATE
