"""The request context of one decision (3.0 core, section 7.3): where attribute values are looked up.

A value is looked for in the request, then, for the three time attributes, on the clock of the decision, then
at the attribute source that the caller gave. What was found is kept for the decision: every expression of a
decision sees the same values.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from service.pdp.datatypes import DATE, DATE_TIME, STRING, TIME, XPATH_EXPRESSION, DataType
from service.pdp.errors import MISSING_ATTRIBUTE, SYNTAX_ERROR, EvaluationError, quoted
from service.pdp.limits import Limits
from service.pdp.request import ENVIRONMENT, Request, Sent
from service.pdp.response import MissingAttribute

AttributeSource = Callable[[str, str, str, str | None], Iterable[str] | None]
"""Called with category, attribute id, address of the data type and issuer (or None) of an attribute that the
request lacks; returns lexical values, or None when it has none."""

AttributeKey = tuple[str, str, str, str | None]
Bag = tuple[Any, ...]

# 3.0 core, appendix B.7: the clock attributes that a PDP supplies when the request does not.
_CLOCK: Final[dict[tuple[str, str, str], Callable[[datetime], str]]] = {
    (ENVIRONMENT, f"urn:oasis:names:tc:xacml:1.0:environment:current-{name}", data_type.uri): lexical
    for name, data_type, lexical in (
        ("time", TIME, lambda now: now.isoformat()[11:]),
        ("date", DATE, lambda now: now.date().isoformat() + now.isoformat()[-6:]),
        ("dateTime", DATE_TIME, lambda now: now.isoformat()),
    )
}


class MissingAttributeError(EvaluationError):
    """An attribute that must be present has no value (3.0 core, section 7.3.5)."""

    def __init__(self, missing: MissingAttribute) -> None:
        """Keep what was asked for in vain."""
        super().__init__(f"missing attribute {quoted(missing.attribute_id)}", MISSING_ATTRIBUTE)
        self.missing = (missing,)


class Context:
    """Everything that one individual decision may look at."""

    __slots__ = (
        "_applications",
        "_bags",
        "_evaluate",
        "_source",
        "_variables",
        "depth",
        "limits",
        "now",
        "request",
        "sent",
    )

    def __init__(
        self,
        request: Request,
        now: datetime,
        source: AttributeSource | None,
        limits: Limits,
        evaluate: Callable[["Context"], Any] | None = None,
    ) -> None:
        self.request = request
        self._evaluate = evaluate
        self.depth = 0
        """How many questions of access-permitted this decision is within."""
        self.sent = request.bags
        """What `bag` would answer for attributes that the request has and that were asked for before."""
        self.limits = limits
        self.now = now
        self._source = source
        self._bags: dict[AttributeKey, Bag | EvaluationError] = {}
        self._variables: dict[object, Any] = {}
        self._applications = 0

    def bag(self, key: AttributeKey, data_type: DataType) -> Bag:
        """All values of one attribute, in the order of the request; empty when there is none.

        Raises `EvaluationError` when one of them is no value of the data type, or the source failed.
        """
        sent = self.sent.get(key)
        if sent is not None:
            return sent
        found = self._bags.get(key)
        if found is None:
            try:
                found = self._find(key, data_type)
            except EvaluationError as error:
                found = error
            self._bags[key] = found
        if isinstance(found, EvaluationError):
            raise found
        return found

    def spend(self, applications: int) -> None:
        """Count applications of functions to elements of bags: two large bags make very many.

        Raises `EvaluationError` when the decision has had more than its limit.
        """
        self._applications += applications
        if self._applications > self.limits.applications:
            most = self.limits.applications
            raise EvaluationError(f"more than {most} applications of functions to elements of bags")

    def asked_again(self, request: Request) -> Any:
        """The outcome of another request, at the same time, from the same source, counted to the same limits."""
        assert self._evaluate is not None
        inner = Context(request, self.now, self._source, self.limits, self._evaluate)
        inner.depth = self.depth + 1
        inner._applications = self._applications
        outcome = self._evaluate(inner)
        self._applications = inner._applications
        return outcome

    def variable(self, variable: object, evaluate: Callable[["Context"], Any]) -> Any:
        """The value of a variable, evaluated when it is first needed and kept for the decision.

        Without that, variables that use each other twice would take exponential time. Raises what it raised
        the first time.
        """
        if variable not in self._variables:
            try:
                self._variables[variable] = evaluate(self)
            except EvaluationError as error:
                self._variables[variable] = error
        value = self._variables[variable]
        if isinstance(value, EvaluationError):
            raise value
        return value

    def _find(self, key: AttributeKey, data_type: DataType) -> Bag:
        category, attribute_id, type_uri, issuer = key
        sent = self.request.table.get((category, attribute_id, type_uri))
        if sent is not None:
            if issuer is not None:
                sent = [each for each in sent if each[1] == issuer]
            if sent:
                return self._sent(key, data_type, sent)
        clock = _CLOCK.get((category, attribute_id, type_uri)) if issuer is None else None
        if clock is not None:
            return parsed(attribute_id, data_type, [clock(self.now)])
        if self._source is None:
            return ()
        return parsed(attribute_id, data_type, self._ask(key))

    def _sent(self, key: AttributeKey, data_type: DataType, sent: Sequence[Sent]) -> Bag:
        """Values that the request has: they are the same for every decision about it, so it keeps them."""
        bag: Bag
        if data_type is XPATH_EXPRESSION:
            bag = tuple([each[2] for each in sent if each[2] is not None])
        elif data_type is STRING:
            bag = tuple([each[0] for each in sent])
        else:
            bag = parsed(key[1], data_type, [each[0] for each in sent])
        self.request.bags[key] = bag
        return bag

    def _ask(self, key: AttributeKey) -> Iterable[str]:
        assert self._source is not None
        try:
            found = self._source(*key)
            values = () if found is None else tuple(found)
        except Exception as error:  # whatever a foreign source raises, the decision is Indeterminate
            raise EvaluationError(
                f"the source of attribute {quoted(key[1])} failed: {type(error).__name__}: {error}"
            ) from error
        if isinstance(found, str):
            raise EvaluationError(f"the source of attribute {quoted(key[1])} gave a text instead of values")
        return values


def parsed(attribute_id: str, data_type: DataType, texts: Iterable[str]) -> Bag:
    """Values of their lexical forms. Raises `EvaluationError` with syntax-error (3.0 core, appendix B.8)."""
    try:
        return tuple([data_type.parse(text) for text in texts])
    except ValueError as error:
        raise EvaluationError(f"attribute {quoted(attribute_id)}: {error}", SYNTAX_ERROR) from None
