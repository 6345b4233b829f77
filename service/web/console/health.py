"""How a target fares, in a word and its colour: the same on every page."""

from __future__ import annotations

from service.store.target_health import Health

KINDS = {
    "healthy": "good",
    "failing": "warn",
    "throttled": "warn",
    "paused": "warn",
    "quarantined": "bad",
    "disabled": "",
    "never-used": "",
}


def shown_health(health: Health) -> tuple[str, str]:
    """A word for a target's health, and its colour."""
    return health.state.replace("-", " "), KINDS[health.state]
