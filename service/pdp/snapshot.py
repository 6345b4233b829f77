"""A snapshot: a set of policies that was found right, compiled and never changed again.

`decide` is the only way to a decision. It never raises: whatever goes wrong while deciding is an
Indeterminate that says what went wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from service.pdp.context import AttributeSource, Context
from service.pdp.errors import PROCESSING_ERROR, SYNTAX_ERROR, EvaluationError
from service.pdp.evaluator import Evaluator
from service.pdp.explain import ExplainingEvaluator, explanation_of
from service.pdp.limits import Limits
from service.pdp.model import Policy, PolicySet
from service.pdp.multiple import ResourceSource, combined, individual_requests
from service.pdp.outcome import INDETERMINATE_DP, Outcome, status_of
from service.pdp.request import Request
from service.pdp.response import Decision, Response, Result, Status


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """A rule, as a list of policies shows it."""

    id: str
    effect: Decision
    description: str
    line: int


@dataclass(frozen=True, slots=True)
class PolicyInfo:
    """A policy or policy set of a snapshot, as a list of policies shows it."""

    id: str
    version: str
    kind: str
    """`policy` or `policy set`."""
    description: str
    algorithm: str
    """The address of its combining algorithm."""
    rules: tuple[RuleInfo, ...]
    """Of a policy; empty for a policy set."""
    file: str
    line: int
    root: bool
    """Whether its file is a root; otherwise it only serves references."""
    parent: str | None
    """The id of the policy set that it is written inside of, if any."""


@dataclass(frozen=True, slots=True)
class Roots:
    """The policies that a request is decided with, and how their decisions are combined if they are several."""

    policies: tuple[Policy | PolicySet, ...]
    algorithm: str
    documents: tuple[object, ...] = ()
    """The documents that the policies came from, held so that the next snapshot need not read them again."""


Evaluate = Callable[[Context], Outcome]


class Snapshot:
    """An immutable set of compiled policies, safe to share between threads.

    Made by `service.pdp.compile_policies`; two snapshots with the same `hash` decide the same.
    """

    __slots__ = ("_evaluate", "_limits", "_roots", "hash", "policies")

    def __init__(
        self,
        roots: Roots,
        evaluate: Evaluate,
        digest: str,
        policies: tuple[PolicyInfo, ...],
        limits: Limits,
    ) -> None:
        self._limits: Final = limits
        self._roots: Final = roots
        self._evaluate: Final = evaluate
        self.hash: Final = digest
        self.policies: Final = policies

    def decide(
        self,
        request: Request,
        *,
        now: datetime,
        attributes: AttributeSource | None = None,
        resources: ResourceSource | None = None,
        explain: bool = False,
    ) -> Response:
        """Decide a request.

        `now` is an aware datetime: the one clock reading of this decision, from which current-time,
        current-date and current-dateTime are supplied when the request lacks them. `attributes` is asked for
        what the request lacks: called with category, id, address of the data type and issuer (or None) of an
        attribute, it returns lexical values or None. `resources` expands the scope of a hierarchical resource
        (Multiple Decision Profile, section 2.1): called with a resource id and `Children` or `Descendants`, it
        returns resource ids, the given one first. With `explain`, every result carries an `Explanation`; without
        it, none is made.

        Never raises: what cannot be decided is Indeterminate, with the reason in its status.
        """
        if request.error is not None:
            results: tuple[Result, ...] = (indeterminate(Status(SYNTAX_ERROR, request.error)),)
        elif request.single:
            results = (self._result(Context(request, now, attributes, self._limits, self._evaluate), explain=explain),)
        else:
            results = self._several(request, now, attributes, resources, explain=explain)
        return Response(results, self.hash, request.version, request.return_policy_ids)

    def plain(self) -> "Snapshot":
        """The same policies, decided by the plain evaluator: slow, simple, the reference for all details."""
        return Snapshot(self._roots, plain_evaluation(self._roots), self.hash, self.policies, self._limits)

    def _several(
        self,
        request: Request,
        now: datetime,
        attributes: AttributeSource | None,
        resources: ResourceSource | None,
        *,
        explain: bool,
    ) -> tuple[Result, ...]:
        try:
            individuals = individual_requests(request, self._limits, resources)
        except EvaluationError as error:
            return (indeterminate(status_of(error)),)
        if not individuals:
            return (indeterminate(Status(SYNTAX_ERROR, "the request asks for no decision")),)
        results = tuple(
            self._result(
                Context(each.request, now, attributes, self._limits, self._evaluate), explain=explain
            )._replace(resource_id=each.resource_id)
            for each in individuals
        )
        return (combined(results),) if request.combined_decision else results

    def _result(self, context: Context, *, explain: bool) -> Result:
        try:
            if explain:
                return self._explained(context)
            outcome = self._evaluate(context)
        except Exception as error:  # noqa: BLE001 - the last line of defence: an unforeseen error is no Permit
            return indeterminate(Status(PROCESSING_ERROR, f"{type(error).__name__}: {error}"))
        return _told(outcome, context)

    def _explained(self, context: Context) -> Result:
        evaluator = ExplainingEvaluator()
        result = _told(evaluator.roots(self._roots.policies, self._roots.algorithm, context), context)
        return result._replace(explanation=explanation_of(result, evaluator))


def _told(outcome: Outcome, context: Context) -> Result:
    verdict, *rest = outcome
    included = context.request.included
    # Made as a tuple: a named tuple's own constructor takes twice the time, and this is done for every decision.
    return tuple.__new__(Result, (verdict.decision, *rest, verdict.extent, included, None, None))


def indeterminate(status: Status) -> Result:
    """The result of a request about which nothing can be said."""
    return Result(Decision.INDETERMINATE, status, (), (), (), (), (), INDETERMINATE_DP.extent)


def plain_evaluation(roots: Roots) -> Evaluate:
    """The plain evaluator over some policies."""
    evaluator = Evaluator()

    def evaluate(context: Context) -> Outcome:
        return evaluator.roots(roots.policies, roots.algorithm, context)

    return evaluate
