"""Charts as numbers of an SVG drawing, worked out here so that pages need no script: a table says the same in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from service.store.figures import Hour
from service.store.models import OPEN_STATES

KINDS: Final = ("delivered", "refused", "failed", "open", "cancelled")
"""From the bottom of a bar to its top."""
WIDTH: Final = 720
HEIGHT: Final = 190
LEFT: Final = 44
BOTTOM: Final = 22
TOP: Final = 8


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar, in the units of the drawing."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bars:
    """A stacked bar for each hour. `lines` are heights of the scale with what they stand for."""

    pieces: list[Piece]
    lines: list[tuple[float, int]]
    labels: list[tuple[float, Hour]]
    rows: list[tuple[Hour, dict[str, int]]]
    most: int


def kinds(states: dict[str, int]) -> dict[str, int]:
    """Counts by state as counts by what a chart tells apart: everything that is under way is `open`."""
    return {
        "delivered": states.get("delivered", 0),
        "refused": states.get("refused", 0),
        "failed": states.get("failed", 0),
        "open": sum(states.get(state, 0) for state in OPEN_STATES),
        "cancelled": states.get("cancelled", 0),
    }


def hourly(hours: Sequence[Hour]) -> Bars:
    """The chart of the last hours."""
    rows = [(hour, kinds(hour.states)) for hour in hours]
    most = round_up(max((hour.total for hour in hours), default=0))
    step = (WIDTH - LEFT) / max(1, len(rows))
    pieces: list[Piece] = []
    for place, (_, counts) in enumerate(rows):
        base = float(HEIGHT - BOTTOM)
        for kind in KINDS:
            height = counts[kind] / most * (HEIGHT - BOTTOM - TOP)
            base -= height
            if counts[kind]:
                pieces.append(
                    Piece(kind, round(LEFT + place * step + 2, 1), round(base, 1), round(step - 4, 1), height)
                )
    lines = [(round(HEIGHT - BOTTOM - part / 2 * (HEIGHT - BOTTOM - TOP), 1), most * part // 2) for part in range(3)]
    labels = [(round(LEFT + (place + 0.5) * step, 1), hours[place]) for place in range(0, len(rows), 4)]
    return Bars(pieces, lines, labels, rows, most)


def round_up(number: int) -> int:
    """The top of a scale: two, four or ten times a power of ten, so that its middle is a whole number."""
    power = 1
    while True:
        for factor in (2, 4, 10):
            if number <= factor * power:
                return factor * power
        power *= 10
