"""Why a decision came out as it did: a tree of everything that was evaluated, as data and as text.

The explaining evaluator is the plain one, watched: it evaluates the same things in the same order and writes down
what each came to. Nothing of it runs unless an explanation was asked for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from service.pdp.context import Context, MissingAttributeError
from service.pdp.datatypes import DataType
from service.pdp.errors import EvaluationError, quoted
from service.pdp.evaluator import Evaluator
from service.pdp.functions import Type
from service.pdp.model import (
    AllOf,
    AnyOf,
    Call,
    Constant,
    Designator,
    Expression,
    Form,
    Match,
    ObligationExpression,
    Policy,
    PolicySet,
    Rule,
    Selector,
    Target,
    VariableUse,
)
from service.pdp.outcome import Outcome
from service.pdp.response import Assignment, Decider, Erring, Result

# A tree that nobody can read helps nobody: beyond this it is cut, and says so.
_MOST_NODES: Final = 20_000
_MOST_VALUES: Final = 20


@dataclass(slots=True)
class Node:
    """One thing that was evaluated, and in `children` what it took."""

    kind: str
    """`policy set`, `policy`, `rule`, `target`, `any of`, `all of`, `match`, `condition`, `attribute`, `selector`,
    `variable`, `function`, `constant`, `obligation` or `advice`."""
    name: str = ""
    where: str = ""
    """File and line, for policies and rules; the line within the file for what is in them."""
    outcome: str = ""
    """What it came to: a decision, `match`, `no match`, a value or values, or `error`."""
    detail: str = ""
    """The combining algorithm of a policy, the effect of a rule, the category of an attribute."""
    error: str = ""
    """Why it could not be evaluated."""
    children: list["Node"] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        """The node as JSON data: empty fields are left out."""
        named = {
            "kind": self.kind,
            "name": self.name,
            "where": self.where,
            "outcome": self.outcome,
            "detail": self.detail,
            "error": self.error,
        }
        data: dict[str, Any] = {key: value for key, value in named.items() if value}
        if self.children:
            data["children"] = [child.as_data() for child in self.children]
        return data


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one decision came out as it did."""

    decision: str
    deciders: tuple[Decider, ...]
    errors: tuple[Erring, ...]
    tree: tuple[Node, ...]
    """The root policies that were evaluated, in order."""
    cut: bool = False
    """Whether the tree was too large to be kept as a whole."""

    def as_data(self) -> dict[str, Any]:
        """The explanation as JSON data."""
        return {
            "decision": self.decision,
            "deciders": [_who_data(decider) for decider in self.deciders],
            "errors": [
                {
                    **_who_data(error.who),
                    "status": error.status.code,
                    "message": error.status.message,
                    "missing": [missing._asdict() for missing in error.status.missing],
                }
                for error in self.errors
            ],
            "tree": [node.as_data() for node in self.tree],
            "cut": self.cut,
        }

    def as_text(self) -> str:
        """The explanation as indented text for the author of the policies."""
        lines = [self.decision + "".join(f", decided by {_who_text(decider)}" for decider in self.deciders[:1])]
        lines += [f"also decided by {_who_text(decider)}" for decider in self.deciders[1:]]
        for error in self.errors:
            lines.append(f"could not evaluate {_who_text(error.who)}: {error.status.message}")
            lines += [
                f"  missing: attribute {quoted(missing.attribute_id)} of category {quoted(missing.category)}"
                for missing in error.status.missing
            ]
        for node in self.tree:
            lines += _lines(node, 0)
        if self.cut:
            lines.append(f"more was evaluated: the explanation ends after {_MOST_NODES} steps")
        return "\n".join(lines) + "\n"


class ExplainingEvaluator(Evaluator):
    """The plain evaluator, watched. One instance explains one decision."""

    def __init__(self) -> None:
        self.tree: list[Node] = []
        self.cut = False
        self._open = self.tree
        self._count = 0

    def policy(self, policy: Policy | PolicySet, context: Context) -> Outcome:
        """Evaluate a policy or policy set."""
        kind = "policy set" if policy.id.is_set else "policy"
        name = f"{policy.id.id} {policy.id.version}"
        node = self._node(kind, name, f"{policy.file}:{policy.line}", _short(policy.algorithm))
        with self._within(node):
            outcome = super().policy(policy, context)
        _conclude(node, outcome)
        return outcome

    def rule(self, rule: Rule, policy: Policy, context: Context) -> Outcome:
        """Evaluate a rule."""
        node = self._node("rule", rule.rule_id, f"{policy.file}:{rule.line}", rule.effect.value)
        with self._within(node):
            outcome = super().rule(rule, policy, context)
        _conclude(node, outcome)
        return outcome

    def target(self, target: Target, policy: Policy | PolicySet, context: Context) -> bool:
        """Evaluate a target."""
        if not target:
            return True
        return self._test(
            self._node("target"), lambda: super(ExplainingEvaluator, self).target(target, policy, context)
        )

    def any_of(self, any_of: AnyOf, context: Context) -> bool:
        """Evaluate an `<AnyOf>`; a single alternative is shown as itself."""
        if len(any_of) == 1:
            return super().any_of(any_of, context)
        return self._test(self._node("any of"), lambda: super(ExplainingEvaluator, self).any_of(any_of, context))

    def all_of(self, all_of: AllOf, context: Context) -> bool:
        """Evaluate an `<AllOf>`; a single match is shown as itself."""
        if len(all_of) == 1:
            return super().all_of(all_of, context)
        return self._test(self._node("all of"), lambda: super(ExplainingEvaluator, self).all_of(all_of, context))

    def match(self, match: Match, context: Context) -> bool:
        """Evaluate a `<Match>`."""
        constant = _shown(match.value.type, match.value.value)
        node = self._node("match", f"{_short(match.function.uri)} {constant}", f"line {match.line}")
        return self._test(node, lambda: super(ExplainingEvaluator, self).match(match, context))

    def condition(self, expression: Expression, context: Context) -> bool:
        """Evaluate a condition."""
        node = self._node("condition", "", f"line {expression.line}")
        with self._within(node):
            holds = super().condition(expression, context)
        node.outcome = "true" if holds else "false"
        return holds

    def assignments(self, expression: ObligationExpression, context: Context) -> tuple[Assignment, ...]:
        """Evaluate what goes with an obligation or advice."""
        node = self._node("advice" if expression.is_advice else "obligation", expression.id, f"line {expression.line}")
        with self._within(node):
            given = super().assignments(expression, context)
        node.outcome = ", ".join(f"{each.attribute_id} = {quoted(each.text)}" for each in given[:_MOST_VALUES])
        return given

    def expression(self, expression: Expression, context: Context) -> Any:
        """Evaluate an expression."""
        kind, name, detail = _described(expression)
        node = self._node(kind, name, f"line {expression.line}", detail)
        with self._within(node):
            value = super().expression(expression, context)
        node.outcome = _shown(expression.type, value)
        return value

    def _test(self, node: Node, attempt: Callable[[], bool]) -> bool:
        with self._within(node):
            matched = attempt()
        node.outcome = "match" if matched else "no match"
        return matched

    @contextmanager
    def _within(self, node: Node) -> Iterator[None]:
        """Put what is evaluated meanwhile below a node, and an error into it."""
        outer, self._open = self._open, node.children
        try:
            yield
        except EvaluationError as error:
            _fail(node, error)
            raise
        finally:
            self._open = outer

    def _node(self, kind: str, name: str = "", where: str = "", detail: str = "") -> Node:
        node = Node(kind, name, where, detail=detail)
        self._count += 1
        if self._count <= _MOST_NODES:
            self._open.append(node)
        else:
            self.cut = True
        return node


def explanation_of(result: Result, evaluator: ExplainingEvaluator) -> Explanation:
    """What an evaluator that made a result has to say about it."""
    tree = tuple(evaluator.tree)
    return Explanation(result.decision.value, result.deciders, result.errors, tree, evaluator.cut)


def _conclude(node: Node, outcome: Outcome) -> None:
    verdict = outcome.verdict
    node.outcome = verdict.decision.value + (f" {{{verdict.extent}}}" if verdict.extent else "")
    if verdict.extent:
        node.error = outcome.status.message or outcome.status.code


def _fail(node: Node, error: EvaluationError) -> None:
    node.outcome, node.error = "error", error.message
    if isinstance(error, MissingAttributeError):
        node.outcome = "missing"


def _described(expression: Expression) -> tuple[str, str, str]:
    """Kind, name and detail of the node for an expression."""
    match expression:
        case Constant():
            return "constant", "", ""
        case Designator():
            return "attribute", expression.attribute_id, _short(expression.category)
        case Selector():
            return "selector", expression.xpath.expression, _short(expression.category or "request")
        case VariableUse():
            return "variable", expression.variable.variable_id, ""
        case Call():
            return "function", _short(expression.function.uri), ""
        case Form():
            applied = "" if expression.function is None else _short(expression.function.uri)
            return "function", expression.name, applied


def _shown(type_: Type, value: Any) -> str:
    """A value, or the values of a bag, as an author would write them."""
    if not type_.bag:
        return quoted(_text(type_.data_type, value))
    if not value:
        return "no value"
    shown = ", ".join(quoted(_text(type_.data_type, each)) for each in value[:_MOST_VALUES])
    return shown if len(value) <= _MOST_VALUES else f"{shown} and {len(value) - _MOST_VALUES} more"


def _text(data_type: DataType, value: Any) -> str:
    return data_type.format(value)


def _short(uri: str) -> str:
    return uri.rstrip(":/#").replace("/", ":").replace("#", ":").rpartition(":")[2]


def _who_data(decider: Decider) -> dict[str, Any]:
    return {"policy": decider.policy.id, "version": decider.policy.version, "rule": decider.rule_id}


def _who_text(decider: Decider) -> str:
    kind = "policy set" if decider.policy.is_set else "policy"
    policy = f"{kind} {quoted(decider.policy.id)} {decider.policy.version}"
    return policy if decider.rule_id is None else f"rule {quoted(decider.rule_id)} of {policy}"


def _lines(node: Node, depth: int) -> Iterator[str]:
    """A node and what is below it; what did not matter any more is not there, for it was not evaluated."""
    if node.kind == "constant":
        yield f"{'  ' * depth}{node.outcome}"
        return
    parts = [node.kind, quoted(node.name) if node.name and node.kind != "match" else node.name]
    parts += [f"({node.detail})" if node.detail else "", f"at {node.where}" if ":" in node.where else ""]
    head = " ".join(part for part in parts if part)
    told_below = any(child.error == node.error for child in node.children)
    error = f": {node.error}" if node.error and not told_below else ""
    yield f"{'  ' * depth}{head}: {node.outcome}{error}"
    for child in node.children:
        yield from _lines(child, depth + 1)
