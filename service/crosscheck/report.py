"""Tells what a comparison found: as text for people, as data for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from service.crosscheck.comparison import OUTCOMES, Comparison


def lines(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """The report, a line at a time: differences last, where they are seen, and then the sums."""
    order = {"cannot judge": 0, "agree": 1, "differ": 2}
    for each in sorted(comparisons, key=lambda one: order[one.outcome]):
        yield from _lines(each)
    yield ", ".join(f"{sum(each.outcome == outcome for each in comparisons)} {outcome}" for outcome in OUTCOMES)


def data(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """The report as JSON data."""
    counts = {outcome: sum(each.outcome == outcome for each in comparisons) for outcome in OUTCOMES}
    return {
        "agree": counts["agree"],
        "differ": counts["differ"],
        "cannotJudge": counts["cannot judge"],
        "comparisons": [
            {
                "policy": each.policy,
                "request": each.request,
                "outcome": each.outcome,
                "sluice": each.ours,
                "ndg-xacml": each.theirs,
                "reasons": list(each.reasons),
                "hints": list(each.hints),
            }
            for each in comparisons
        ],
    }


def _lines(comparison: Comparison) -> Iterator[str]:
    head = f"{comparison.policy}, {comparison.request}"
    if comparison.outcome == "agree":
        yield f"{head}: agree: {comparison.ours}"
    elif comparison.outcome == "differ":
        yield f"{head}: differ: sluice {comparison.ours}, ndg-xacml {comparison.theirs}"
        yield from (f"  known of ndg-xacml: {hint}" for hint in comparison.hints)
    else:
        yield f"{head}: ndg-xacml cannot judge: sluice {comparison.ours}"
        yield from (f"  {reason}" for reason in comparison.reasons)
