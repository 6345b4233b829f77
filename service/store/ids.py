"""Identifiers that sort by the time they were made (RFC 9562 section 5.7, UUID version 7)."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def new_id() -> str:
    """A new UUIDv7 as 36 characters; later ones compare greater, to the millisecond."""
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | (noise >> 68) << 64 | 0b10 << 62 | noise & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def earliest_id(moment: datetime) -> str:
    """What is not greater than any id that is made at `moment`, an aware time, or later; and greater than earlier ones.

    It is the beginning of an id, for comparisons only.
    """
    text = f"{(moment - _EPOCH) // timedelta(milliseconds=1):012x}"
    return f"{text[:8]}-{text[8:]}"
