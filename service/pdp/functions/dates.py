"""Arithmetic of dates and durations (XACML 3.0, appendix A.3.7), and `time-in-range` (A.3.8)."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from service.pdp.datatypes import DATE, DATE_TIME, DAY_TIME_DURATION, TIME, YEAR_MONTH_DURATION
from service.pdp.errors import EvaluationError
from service.pdp.functions.signature import A_BOOLEAN, XACML_1, XACML_2, XACML_3, Function, Type
from service.pdp.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration

_Moment = TypeVar("_Moment", Date, DateTime)


def _add_months(moment: _Moment, duration: YearMonthDuration) -> _Moment:
    return _plus_months(moment, duration.months)


def _subtract_months(moment: _Moment, duration: YearMonthDuration) -> _Moment:
    return _plus_months(moment, -duration.months)


def _plus_months(moment: _Moment, months: int) -> _Moment:
    try:
        return moment.plus_months(months)
    except OverflowError as error:
        raise EvaluationError(str(error)) from error


def _add_time(moment: DateTime, duration: DayTimeDuration) -> DateTime:
    return _plus_ticks(moment, duration.ticks)


def _subtract_time(moment: DateTime, duration: DayTimeDuration) -> DateTime:
    return _plus_ticks(moment, -duration.ticks)


def _plus_ticks(moment: DateTime, ticks: int) -> DateTime:
    try:
        return moment.plus_ticks(ticks)
    except OverflowError as error:
        raise EvaluationError(str(error)) from error


def _functions() -> Iterator[Function]:
    date, date_time = Type(DATE), Type(DATE_TIME)
    months, days = Type(YEAR_MONTH_DURATION), Type(DAY_TIME_DURATION)
    arithmetic: tuple[tuple[str, Type, Type, Callable[..., Any]], ...] = (
        ("dateTime-add-dayTimeDuration", date_time, days, _add_time),
        ("dateTime-add-yearMonthDuration", date_time, months, _add_months),
        ("dateTime-subtract-dayTimeDuration", date_time, days, _subtract_time),
        ("dateTime-subtract-yearMonthDuration", date_time, months, _subtract_months),
        ("date-add-yearMonthDuration", date, months, _add_months),
        ("date-subtract-yearMonthDuration", date, months, _subtract_months),
    )
    # XACML 3.0 gave these functions new addresses, for the durations' new ones (appendix A.4).
    for space in (XACML_3, XACML_1):
        for name, moment, duration, call in arithmetic:
            yield Function(f"{space}{name}", (moment, duration), moment, call)
    time = Type(TIME)
    yield Function(f"{XACML_2}time-in-range", (time, time, time), A_BOOLEAN, Time.within)


DATE_FUNCTIONS: Final = tuple(_functions())
