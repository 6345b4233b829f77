"""The story of one delivery in the order in which it happened: accepted, decided, tried, ended or waiting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from service.web.console.bodies import pretty
from service.web.console.forms import Json

GATES: Final = {
    "open": ("Permitted", "good"),
    "refused": ("Refused by policy", "warn"),
    "undecided": ("Not decided: the gate stays shut", "bad"),
    "awaiting-approval": ("An approval is required", "warn"),
}
ENDS: Final = {
    "delivered": ("Delivered", "good"),
    "refused": ("Refused", "warn"),
    "failed": ("Given up: a dead letter", "bad"),
    "cancelled": ("Cancelled", ""),
    "held": ("Held until the target may be used", "warn"),
    "awaiting-approval": ("Waits for an approval", "warn"),
    "retrying": ("Will be tried again", "info"),
    "running": ("Is being sent", "info"),
    "pending": ("Waits for its turn", "info"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened, or that is waited for: `at` is a time as the HTTP contract writes it."""

    title: str
    kind: str
    at: str | None
    text: str = ""
    decision: Json | None = None
    error: Json | None = None
    exchanges: list[Json] = field(default_factory=list)


def steps(delivery: Json, request: Json) -> list[Step]:
    """The timeline of a delivery (`ledger.delivery_view`) of a request (`ledger.request_view`)."""
    asked = f"by {request['createdBy']} for {request['serviceProvider']}, over {request['channel']}"
    happened = [Step("Accepted", "info", request["createdAt"], asked)]
    if not delivery["enableRules"]:
        text = "Enable Rules is off for this row: the policies are not asked"
        happened.append(Step("Not gated", "warn", request["createdAt"], text))
    if delivery["createdAt"] > request["createdAt"] and delivery["attempts"]:
        text = "with the state of now, at the end of the line"
        happened.append(Step("Retried by hand", "info", delivery["createdAt"], text))
    made = {attempt["decisionId"] for attempt in delivery["attemptHistory"]}
    happened += [_decided(one) for one in delivery["decisions"] if one["id"] not in made]
    happened += [_tried(one) for one in delivery["attemptHistory"]]
    happened.sort(key=lambda step: step.at or "")
    return [*happened, _end(delivery)]


def _decided(decision: Json) -> Step:
    title, kind = GATES[decision["gate"]]
    when = "at acceptance" if decision["stage"] == "acceptance" else "before sending"
    return Step(f"{title} {when}", kind, decision["decidedAt"], decision=decision)


def _tried(attempt: Json) -> Step:
    outcome = attempt["outcome"]
    kind = {None: "info", "failed": "bad", "retrying": "bad", "refused": "warn"}.get(outcome, "good")
    title = f"Attempt {attempt['number']}: {attempt['effectiveOperation']}"
    return Step(
        title,
        kind,
        attempt["startedAt"],
        outcome or "under way, or its worker stopped",
        attempt["decision"],
        attempt["error"],
        [_shown(one) for one in attempt["exchanges"]],
    )


def _shown(exchange: Json) -> Json:
    request, response = exchange["request"], exchange["response"]
    return exchange | {
        "request": request | {"body": pretty(request["body"])},
        "response": response and response | {"body": pretty(response["body"])},
    }


def _end(delivery: Json) -> Step:
    title, kind = ENDS[delivery["state"]]
    text = delivery["reason"] or delivery["outcome"] or ""
    return Step(title, kind, delivery["finalAt"] or delivery["nextAttemptAt"], text)
