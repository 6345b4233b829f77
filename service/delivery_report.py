"""Deliveries as text: a line each, or one with everything that is on record of it.

Names and answers come from others: what a terminal would obey is shown by its code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]

_COLUMNS = ("id", "accepted", "state", "operation", "entity", "target", "attempts", "next attempt", "reason")


def table(items: Sequence[Json]) -> Iterator[str]:
    """One line for each delivery of a listing, under a heading, in columns."""
    rows = [_COLUMNS, *(_row(one) for one in items)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_COLUMNS) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield _printable("  ".join((*cells, row[-1])).rstrip())


def _printable(line: str) -> str:
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)


def _row(one: Json) -> tuple[str, ...]:
    return (
        one["id"],
        one["createdAt"],
        one["state"],
        one["effectiveOperation"],
        f"{one['entity']['type']} {one['entity']['name']}",
        f"{one['identityProvider']}/{one['connector']}",
        str(one["attempts"]),
        one["nextAttemptAt"] or "-",
        one["reason"] or one["outcome"] or "",
    )


def report(view: Json) -> Iterator[str]:
    """Everything that is on record of one delivery (`ledger.delivery_view`), line by line."""
    return map(_printable, _report(view))


def _report(view: Json) -> Iterator[str]:
    yield f"delivery {view['id']}: {view['state']}{_because(view['reason'])}"
    yield from _facts(
        {
            "entity": f"{view['entity']['type']} `{view['entity']['name']}` ({view['entity']['id']})",
            "target": f"`{view['identityProvider']}` ({view['connector']})",
            "for": f"`{view['serviceProvider']}`, request {view['requestId']}",
            "operation": view["effectiveOperation"],
            "outcome": view["outcome"],
            "account": view["provisionedIdentifier"],
            "kept": view["kept"],
            "uncertain": "whether the target has the account is not known" if view["uncertain"] else None,
            "accepted": view["createdAt"],
            "final": view["finalAt"],
            "next attempt": view["nextAttemptAt"],
            "warnings": "; ".join(map(str, view["warnings"])) or None,
        }
    )
    for decision in view["decisions"]:
        if decision["stage"] == "acceptance":
            yield f"decision at acceptance: {_decision(decision)}"
    asked = [one for one in view["decisions"] if one["stage"] == "attempt"]
    numbers = {attempt["number"] for attempt in view["attemptHistory"]}
    for attempt in view["attemptHistory"]:
        yield from _attempt(attempt)
    for decision in asked:
        if decision["attempt"] not in numbers:
            yield f"decision before attempt {decision['attempt']}, which was not made: {_decision(decision)}"


def _facts(facts: Mapping[str, str | None]) -> Iterator[str]:
    return (f"  {name}: {value}" for name, value in facts.items() if value is not None)


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _decision(decision: Json) -> str:
    by = ", ".join(f"`{one}`" for one in (*decision["policies"], *decision["rules"]))
    said = f"{decision['decision']}{f' by {by}' if by else ''}, gate {decision['gate']}"
    return f"{said}, at {decision['decidedAt']}, snapshot {decision['snapshot']}"


def _attempt(attempt: Json) -> Iterator[str]:
    ended = attempt["endedAt"] or "its end is not known"
    yield f"attempt {attempt['number']} ({attempt['startedAt']} to {ended}): {attempt['outcome'] or 'no outcome'}"
    if attempt["decision"] is not None:
        yield f"  decision: {_decision(attempt['decision'])}"
    else:
        yield f"  decision: none, gate {attempt['gate']}"
    if attempt["error"]:
        yield f"  error: {attempt['error'].get('kind')}: {attempt['error'].get('message')}"
    for exchange in attempt["exchanges"]:
        yield from _exchange(exchange)


def _exchange(exchange: Json) -> Iterator[str]:
    request, response = exchange["request"], exchange["response"]
    answered = f"{response['status']}" if response else exchange["failure"] or "no answer is on record"
    yield f"  {exchange['number']}. {exchange['purpose']}: {request['method']} {request['url']}: {answered}"
    yield from _message("> ", request)
    if response:
        yield from _message("< ", response)


def _message(mark: str, message: Json) -> Iterator[str]:
    for name, value in (message["headers"] or {}).items():
        yield f"     {mark}{name}: {value}"
    for line in (message["body"] or "").splitlines():
        yield f"     {mark}{line}"
