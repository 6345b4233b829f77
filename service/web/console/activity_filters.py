"""The filters of lists of deliveries and requests, as the address has them: every list can be linked to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, get_args

from service.web.console.forms import Json
from service.web.request_schemas import DeliveryState, RequestState

NAMES: Final = ("state", "identityProvider", "serviceProvider", "entity", "policy", "request", "since", "until")
TIMES: Final = ("since", "until")
DELIVERY_STATES: Final = ("open", *get_args(DeliveryState))
REQUEST_STATES: Final = get_args(RequestState)


@dataclass(frozen=True, slots=True)
class Filters:
    """`sent`: as texts, for forms and addresses; `meant`: as `ledger` takes them; `wrong`: messages by name."""

    sent: dict[str, str]
    meant: Json
    wrong: dict[str, str] = field(default_factory=dict)


def read(sent: Mapping[str, Any], states: tuple[str, ...], names: tuple[str, ...] = NAMES) -> Filters:
    """The filters that an address or a form has; empty ones are none."""
    texts = {name: str(sent.get(name, "")).strip() for name in names}
    texts = {name: text for name, text in texts.items() if text}
    meant, wrong = dict[str, Any](texts), {}
    if texts.get("state", states[0]) not in states:
        wrong["state"] = f"`{texts['state']}` is no state"
    for name in (one for one in TIMES if one in texts):
        try:
            meant[name] = _moment(texts[name])
        except (ValueError, OverflowError):
            wrong[name] = f"`{texts[name]}` is no date and time: write it like 2026-01-31T09:00"
    return Filters(texts, meant, wrong)


def _moment(text: str) -> datetime:
    """A time; without an offset it is in UTC, as the fields of the form are."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def in_field(text: str) -> str:
    """A time of an address as a field for dates and times takes it, in UTC; anything else as it is."""
    try:
        return _moment(text).replace(tzinfo=None).isoformat(timespec="minutes")
    except (ValueError, OverflowError):
        return text
