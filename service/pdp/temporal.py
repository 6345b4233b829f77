"""Dates, times and durations: XML Schema part 2 (second edition), sections 3.2.6 to 3.2.9, and appendix E.

A moment keeps its local reading and its time zone, so that it is written as it was read; it is compared by
the instant that both name (XQuery operators, sections 10.4.6 to 10.4.14). Where a time zone is missing, the
implicit one counts, `IMPLICIT_OFFSET`: XACML leaves the choice to the implementation, and ours is UTC.

Time is counted in nanoseconds. A fraction of a second with more than nine significant digits is refused,
and years go to nine digits (XML Schema part 2, section 3.2.7, lets a processor set such limits).
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Self

from service.pdp.errors import quoted

IMPLICIT_OFFSET: Final = 0
"""Minutes east of UTC that a moment without a time zone is taken to have."""

_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_MINUTES_A_DAY: Final = 24 * 60
_FRACTION_DIGITS: Final = 9
_LAST_YEAR: Final = 999_999_999
_LARGEST_OFFSET: Final = 14 * 60
_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FEBRUARY: Final = 2

_ZONE_FORM: Final = r"(Z|[+-][0-9]{2}:[0-9]{2})?"
_DATE_FORM: Final = r"(-?[0-9]{4,9})-([0-9]{2})-([0-9]{2})"
_TIME_FORM: Final = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
_DATE: Final = re.compile(_DATE_FORM + _ZONE_FORM)
_TIME: Final = re.compile(_TIME_FORM + _ZONE_FORM)
_DATE_TIME: Final = re.compile(f"{_DATE_FORM}T{_TIME_FORM}{_ZONE_FORM}")
_DAY_TIME_DURATION: Final = re.compile(
    r"(-?)P(?=[0-9T])(?:([0-9]{1,18})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,18})H)?(?:([0-9]{1,18})M)?(?:([0-9]{1,18})(?:\.([0-9]+))?S)?)?"
)
_YEAR_MONTH_DURATION: Final = re.compile(r"(-?)P(?=[0-9])(?:([0-9]{1,18})Y)?(?:([0-9]{1,18})M)?")


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What date, time and dateTime have in common: a local reading in nanoseconds, and a time zone."""

    local: int
    """Nanoseconds of the local reading; since 1970-01-01T00:00:00, or since midnight for a time."""
    offset: int | None = None
    """Minutes east of UTC, None if the value has no time zone."""
    instant: int = field(init=False)
    """`local` in UTC: what comparisons go by."""

    def __post_init__(self) -> None:
        offset = IMPLICIT_OFFSET if self.offset is None else self.offset
        object.__setattr__(self, "instant", self.local - offset * _MINUTE)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.instant == other.instant

    def __hash__(self) -> int:
        return hash(self.instant)

    def __lt__(self, other: Self) -> bool:
        return self.instant < other.instant

    def __le__(self, other: Self) -> bool:
        return self.instant <= other.instant

    def __gt__(self, other: Self) -> bool:
        return self.instant > other.instant

    def __ge__(self, other: Self) -> bool:
        return self.instant >= other.instant


@dataclass(frozen=True, slots=True, eq=False)
class Time(Moment):
    """A time of day; two of them compare as on the same local day (XQuery operators, 10.4.12)."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `hh:mm:ss` with optional fraction and time zone; ValueError if it is none."""
        if (match := _TIME.fullmatch(text)) is None:
            raise _unreadable(text, "time", "a time is written like `08:30:00` or `08:30:00.5+01:00`")
        *clock, zone = match.groups()
        return cls(_ticks_of_day(text, clock) % _DAY, _offset(text, zone))

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Take the time of day of an aware datetime."""
        date_time = DateTime.of(moment)
        return cls(date_time.local % _DAY, date_time.offset)

    def __str__(self) -> str:
        return _clock(self.local) + _zone(self.offset)

    def canonical(self) -> str:
        """Write the time in UTC, if it has a time zone (XML Schema part 2, section 3.2.8.2)."""
        return str(self) if self.offset is None else f"{_clock(self.instant % _DAY)}Z"

    def within(self, first: "Time", last: "Time") -> bool:
        """Whether this time lies between two others, both included (XACML 3.0, section A.3.10).

        `last` is less than 24 hours after `first`, or the same. A bound without a time zone has this time's.
        """
        offset = IMPLICIT_OFFSET if self.offset is None else self.offset
        start = first.local - (offset if first.offset is None else first.offset) * _MINUTE
        end = last.local - (offset if last.offset is None else last.offset) * _MINUTE
        return (self.instant - start) % _DAY <= (end - start) % _DAY


@dataclass(frozen=True, slots=True, eq=False)
class Date(Moment):
    """A day, compared by the instant at which it begins (XQuery operators, 10.4.9)."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `yyyy-mm-dd` with optional time zone; ValueError if it is none."""
        if (match := _DATE.fullmatch(text)) is None:
            raise _unreadable(text, "date", "a date is written like `2026-11-30` or `2026-11-30+01:00`")
        year, month, day, zone = match.groups()
        return cls(_days(text, year, month, day) * _DAY, _offset(text, zone))

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Take the day of an aware datetime."""
        date_time = DateTime.of(moment)
        return cls(date_time.local // _DAY * _DAY, date_time.offset)

    def __str__(self) -> str:
        return _calendar(self.local) + _zone(self.offset)

    def canonical(self) -> str:
        """Write the day with its recoverable time zone (XML Schema part 2, section 3.2.9.2).

        That zone lies between -11:59 and +12:00, so that few days keep more than one canonical form.
        """
        half = _MINUTES_A_DAY // 2
        if self.offset is None or -half < self.offset <= half:
            return str(self)
        turn = 1 if self.offset <= -half else -1
        return str(Date(self.local + turn * _DAY, self.offset + turn * _MINUTES_A_DAY))

    def plus_months(self, months: int) -> "Date":
        """The day so many months later or earlier; OverflowError beyond the last year."""
        return Date(_months_later(self.local, months), self.offset)


@dataclass(frozen=True, slots=True, eq=False)
class DateTime(Moment):
    """A day and a time of that day."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `yyyy-mm-ddThh:mm:ss` with optional fraction and time zone; ValueError if it is none."""
        if (match := _DATE_TIME.fullmatch(text)) is None:
            raise _unreadable(text, "dateTime", "a dateTime is written like `2026-11-30T08:30:00+01:00`")
        year, month, day, *clock, zone = match.groups()
        days = _days(text, year, month, day)
        return cls(days * _DAY + _ticks_of_day(text, clock), _offset(text, zone))

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Take an aware datetime; ValueError for a naive one, whose instant nobody knows."""
        if (utc_offset := moment.utcoffset()) is None:
            raise ValueError("a datetime without time zone names no instant")
        seconds = utc_offset.days * 86_400 + utc_offset.seconds
        offset, rest = divmod(seconds, 60)
        if rest or utc_offset.microseconds or abs(offset) > _LARGEST_OFFSET:
            moment, offset = moment.astimezone(UTC), 0
        days = _days_since_epoch(moment.year, moment.month, moment.day)
        clock = moment.hour * _HOUR + moment.minute * _MINUTE + moment.second * _SECOND
        return cls(days * _DAY + clock + moment.microsecond * 1000, offset)

    def __str__(self) -> str:
        return f"{_calendar(self.local)}T{_clock(self.local % _DAY)}{_zone(self.offset)}"

    def canonical(self) -> str:
        """Write the moment in UTC, if it has a time zone (XML Schema part 2, section 3.2.7.2)."""
        return str(self) if self.offset is None else str(DateTime(self.instant, 0))

    def plus_months(self, months: int) -> "DateTime":
        """The moment so many months later or earlier; OverflowError beyond the last year."""
        return DateTime(_months_later(self.local, months), self.offset)

    def plus_ticks(self, ticks: int) -> "DateTime":
        """The moment so many nanoseconds later or earlier; OverflowError beyond the last year."""
        later = self.local + ticks
        # Four hundred Gregorian years are 146,097 days.
        if abs(later // _DAY) > _LAST_YEAR // 400 * 146_097:
            raise OverflowError("the moment lies beyond the years that can be counted")
        return DateTime(later, self.offset)


@dataclass(frozen=True, slots=True)
class DayTimeDuration:
    """A length of time in nanoseconds, written in days, hours, minutes and seconds."""

    ticks: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `PnDTnHnMnS`, each part optional but one; ValueError if it is none."""
        if (match := _DAY_TIME_DURATION.fullmatch(text)) is None:
            raise _unreadable(text, "dayTimeDuration", "a dayTimeDuration is written like `P1DT2H30M`")
        sign, days, hours, minutes, seconds, fraction = match.groups()
        ticks = int(days or 0) * _DAY + int(hours or 0) * _HOUR + int(minutes or 0) * _MINUTE
        ticks += int(seconds or 0) * _SECOND + _fraction(text, fraction)
        return cls(-ticks if sign else ticks)

    def __str__(self) -> str:
        """Write the canonical form (XQuery operators, section 10.3.2.2)."""
        days, rest = divmod(abs(self.ticks), _DAY)
        hours, rest = divmod(rest, _HOUR)
        minutes, rest = divmod(rest, _MINUTE)
        seconds = _seconds(rest)
        date = f"{days}D" if days else ""
        time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
        if rest or not (date or time):
            time += f"{seconds}S"
        return ("-" if self.ticks < 0 else "") + "P" + date + (f"T{time}" if time else "")


@dataclass(frozen=True, slots=True)
class YearMonthDuration:
    """A length of time in months, written in years and months."""

    months: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `PnYnM`, each part optional but one; ValueError if it is none."""
        if (match := _YEAR_MONTH_DURATION.fullmatch(text)) is None:
            raise _unreadable(text, "yearMonthDuration", "a yearMonthDuration is written like `P1Y6M`")
        sign, years, months = match.groups()
        total = int(years or 0) * 12 + int(months or 0)
        return cls(-total if sign else total)

    def __str__(self) -> str:
        """Write the canonical form (XQuery operators, section 10.3.1.2)."""
        years, months = divmod(abs(self.months), 12)
        parts = (f"{years}Y" if years else "") + (f"{months}M" if months or not years else "")
        return ("-" if self.months < 0 else "") + "P" + parts


def _unreadable(text: str, name: str, help_sentence: str) -> ValueError:
    return ValueError(f"{quoted(text)} is no {name}: {help_sentence}")


def _offset(text: str, zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    offset = hours * 60 + minutes
    if minutes > 59 or offset > _LARGEST_OFFSET:
        raise ValueError(f"{quoted(text)} has no possible time zone: they go from -14:00 to +14:00")
    return -offset if zone[0] == "-" else offset


def _ticks_of_day(text: str, clock: list[str | None]) -> int:
    hour, minute, second = (int(part or 0) for part in clock[:3])
    ticks = hour * _HOUR + minute * _MINUTE + second * _SECOND + _fraction(text, clock[3])
    # 24:00:00 is the first instant of the next day (XML Schema part 2, section 3.2.7).
    if ticks > _DAY or minute > 59 or second > 59:
        raise ValueError(f"{quoted(text)} has no possible time of day: it goes from 00:00:00 to 24:00:00")
    return ticks


def _fraction(text: str, digits: str | None) -> int:
    if digits is None:
        return 0
    digits = digits.rstrip("0")
    if len(digits) > _FRACTION_DIGITS:
        raise ValueError(f"{quoted(text)} is too precise: seconds have at most {_FRACTION_DIGITS} decimals")
    return int(digits.ljust(_FRACTION_DIGITS, "0"))


def _days(text: str, year_digits: str, month_digits: str, day_digits: str) -> int:
    year, month, day = int(year_digits), int(month_digits), int(day_digits)
    digits = year_digits.lstrip("-")
    # No year zero, no superfluous leading zeros (XML Schema part 2, section 3.2.7.1).
    if not year or (len(digits) > 4 and digits[0] == "0"):
        raise ValueError(f"{quoted(text)} has no possible year: years are written `0001` to `{_LAST_YEAR}`")
    counted = year if year > 0 else year + 1
    if not 1 <= month <= 12 or not 1 <= day <= _month_length(counted, month):
        raise ValueError(f"{quoted(text)} is no day of the calendar")
    return _days_since_epoch(counted, month, day)


def _month_length(year: int, month: int) -> int:
    leap = month == _FEBRUARY and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _MONTH_DAYS[month - 1] + leap


def _days_since_epoch(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar, counted in years that begin on 1 March."""
    year -= month <= _FEBRUARY
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month - 3) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of a number of days since 1970-01-01: the inverse of `_days_since_epoch`."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    leaps = day_of_era // 1460 - day_of_era // 36_524 + day_of_era // 146_096
    year_of_era = (day_of_era - leaps) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = (shifted + 2) % 12 + 1
    year = era * 400 + year_of_era + (month <= _FEBRUARY)
    return year, month, day_of_year - (153 * shifted + 2) // 5 + 1


def _months_later(local: int, months: int) -> int:
    """Add months to a reading; a day beyond the end of its month becomes the last of it (appendix E)."""
    days, clock = divmod(local, _DAY)
    year, month, day = _civil(days)
    years, month_index = divmod(month - 1 + months, 12)
    year, month = year + years, month_index + 1
    if abs(year) > _LAST_YEAR:
        raise OverflowError("the moment lies beyond the years that can be counted")
    return _days_since_epoch(year, month, min(day, _month_length(year, month))) * _DAY + clock


def _calendar(local: int) -> str:
    year, month, day = _civil(local // _DAY)
    sign, shown = ("", year) if year > 0 else ("-", 1 - year)
    return f"{sign}{shown:04d}-{month:02d}-{day:02d}"


def _clock(ticks: int) -> str:
    minutes, rest = divmod(ticks, _MINUTE)
    hours, minutes = divmod(minutes, 60)
    seconds = _seconds(rest)
    return f"{hours:02d}:{minutes:02d}:{'0' if rest < 10 * _SECOND else ''}{seconds}"


def _seconds(ticks: int) -> str:
    seconds, fraction = divmod(ticks, _SECOND)
    return f"{seconds}.{fraction:09d}".rstrip("0") if fraction else str(seconds)


def _zone(offset: int | None) -> str:
    if offset is None:
        return ""
    if not offset:
        return "Z"
    hours, minutes = divmod(abs(offset), 60)
    return f"{'-' if offset < 0 else '+'}{hours:02d}:{minutes:02d}"
