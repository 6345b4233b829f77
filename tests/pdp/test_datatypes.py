import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pdp import datatypes
from service.pdp.datatypes import (
    ALL_DATA_TYPES,
    ANY_URI,
    BASE64_BINARY,
    BOOLEAN,
    DATA_TYPES,
    DATE,
    DATE_TIME,
    DAY_TIME_DURATION,
    DNS_NAME,
    DOUBLE,
    HEX_BINARY,
    INTEGER,
    IP_ADDRESS,
    RFC822_NAME,
    STRING,
    TIME,
    X500_NAME,
    YEAR_MONTH_DURATION,
    DataType,
    canonical_double,
)
from service.pdp.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration

CASES = Path(__file__).parent / "cases" / "datatypes.txt"
BY_NAME = {data_type.name: data_type for data_type in ALL_DATA_TYPES}
DAY = 86_400 * 10**9

offsets = st.none() | st.integers(-14 * 60, 14 * 60)
times = st.builds(Time, st.integers(0, DAY - 1), offsets)
dates = st.builds(Date, st.integers(-3_000_000, 3_000_000).map(lambda days: days * DAY), offsets)
date_times = st.builds(DateTime, st.integers(-3_000_000 * DAY, 3_000_000 * DAY), offsets)
VALUES = {
    STRING: st.text(),
    BOOLEAN: st.booleans(),
    INTEGER: st.integers(),
    DOUBLE: st.floats(allow_nan=False),
    TIME: times,
    DATE: dates,
    DATE_TIME: date_times,
    DAY_TIME_DURATION: st.builds(DayTimeDuration, st.integers(-(10**24), 10**24)),
    YEAR_MONTH_DURATION: st.builds(YearMonthDuration, st.integers(-(10**12), 10**12)),
    ANY_URI: st.text(st.characters(codec="utf-8", exclude_characters="%#", categories=["L", "N", "P", "S"])),
    HEX_BINARY: st.binary(),
    BASE64_BINARY: st.binary(),
}


def cases() -> list[Any]:
    return list(read_cases())


def read_cases() -> Iterator[Any]:
    for number, line in enumerate(CASES.read_text("utf-8").splitlines(), 1):
        if line and not line.startswith("#"):
            name, lexical, written = (unquoted(part.strip()) for part in line.split(" | "))
            yield pytest.param(BY_NAME[name], lexical, written, id=f"{name}-line-{number}")


def unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return text[1:-1].replace('\\"', '"').replace("\\n", "\n").replace("\\t", "\t")


@pytest.mark.parametrize(("data_type", "lexical", "written"), cases())
def test_a_lexical_form_is_read_or_refused_as_its_section_says(data_type: DataType, lexical: str, written: str):
    if written == "!":
        with pytest.raises(ValueError) as caught:
            data_type.parse(lexical)
        assert not str(caught.value).endswith(".")
    else:
        assert data_type.format(data_type.parse(lexical)) == written


@pytest.mark.parametrize("data_type", VALUES, ids=str)
def test_what_was_written_is_read_as_the_same_value(data_type: DataType):
    @given(VALUES[data_type])
    def round_trip(value: Any):
        again = data_type.parse(data_type.format(value))
        assert again == value
        assert hash(again) == hash(value)
        assert data_type.format(again) == data_type.format(value)

    round_trip()


def read(data_type: DataType, text: str) -> Any:
    try:
        return data_type.parse(text)
    except ValueError as error:
        return error


@given(st.text())
def test_any_text_is_read_or_refused_with_a_message(text: str):
    for data_type in ALL_DATA_TYPES:
        value = read(data_type, text)
        if isinstance(value, ValueError):
            assert str(value)
        else:
            assert data_type.parse(data_type.format(value)) == value


@given(st.from_regex(r"\A(cn|O|2\.5\.4\.11)=(\\[0-9a-f]{2}|[ a-zA-Z\\\",+=]){0,9}\Z"))
def test_distinguished_names_are_read_or_refused(text: str):
    name = read(X500_NAME, text)
    if isinstance(name, ValueError):
        assert "x500Name" in str(name)
    else:
        assert name == X500_NAME.parse(text.swapcase()) or "\\" in text
        assert name.matches_end_of(name)


@given(dates)
def test_the_calendar_is_that_of_python(date: Date):
    text = str(date)[:10]
    if not text.startswith("-") and str(date)[4] == "-":
        assert date.local == (datetime.fromisoformat(text) - datetime(1970, 1, 1)).days * DAY  # noqa: DTZ001


@given(date_times)
def test_a_canonical_moment_is_the_same_moment(moment: DateTime):
    assert DATE_TIME.parse(moment.canonical()) == moment
    assert DATE.parse(Date(moment.local // DAY * DAY, moment.offset).canonical()) == Date(
        moment.local // DAY * DAY, moment.offset
    )


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_canonical_double_reads_back_and_has_one_digit_before_the_point(value: float):
    canonical = canonical_double(value)
    assert math.copysign(1, DOUBLE.parse(canonical)) == math.copysign(1, value)
    assert DOUBLE.parse(canonical) == value
    assert canonical.lstrip("-").index(".") == 1


@given(date_times, st.integers(-5000, 5000))
def test_months_are_added_and_the_day_stays_in_its_month(moment: DateTime, months: int):
    later = moment.plus_months(months)
    assert later.local % DAY == moment.local % DAY
    assert abs((later.local - moment.local) / DAY - months * 30.436875) < 4


@given(st.datetimes(timezones=st.just(UTC) | st.timezones()))
def test_a_datetime_becomes_the_same_instant(moment: datetime):
    value = DateTime.of(moment)
    since_epoch = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    assert value.instant == (since_epoch // timedelta(microseconds=1)) * 1000
    assert (Date.of(moment).local, Time.of(moment).local) == (value.local // DAY * DAY, value.local % DAY)


def test_a_datetime_keeps_its_offset():
    moment = datetime(2026, 11, 30, 8, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert str(DateTime.of(moment)) == "2026-11-30T08:30:00+05:30"
    assert str(Date.of(moment)) == "2026-11-30+05:30"
    assert str(Time.of(moment)) == "08:30:00+05:30"


def test_a_datetime_without_time_zone_is_refused():
    with pytest.raises(ValueError, match="names no instant"):
        DateTime.of(datetime(2026, 11, 30))  # noqa: DTZ001


def test_a_missing_time_zone_is_utc():
    assert TIME.parse("08:00:00") == TIME.parse("08:00:00Z")
    assert DATE.parse("2026-11-30") < DATE.parse("2026-11-30-01:00")


def test_values_of_different_types_are_never_equal():
    assert TIME.parse("00:00:00") != DATE.parse("1970-01-01")
    assert DATE.parse("1970-01-01") != DATE_TIME.parse("1970-01-01T00:00:00")
    assert DAY_TIME_DURATION.parse("PT0S") != YEAR_MONTH_DURATION.parse("P0M")


@pytest.mark.parametrize(
    ("data_type", "first", "second"),
    [
        (X500_NAME, "cn=Anne, o=Sun", "CN=ANNE,O=sun"),
        (RFC822_NAME, "a@EXAMPLE.com", "a@example.COM"),
        (IP_ADDRESS, "[2001:DB8:0::1]:80", "[2001:db8::1]:080"),
        (DNS_NAME, "WWW.example.com.", "www.example.com"),
        (TIME, "10:00:00+01:00", "09:00:00Z"),
        (DATE_TIME, "2026-11-30T24:00:00", "2026-12-01T00:00:00"),
    ],
)
def test_equal_values_are_one_key_of_an_index(data_type: DataType, first: str, second: str):
    assert data_type.parse(first) == data_type.parse(second)
    assert len({data_type.parse(first), data_type.parse(second)}) == 1


def test_ports_and_masks_make_addresses_different():
    texts = ["10.0.0.1", "10.0.0.1:80", "10.0.0.1:80-", "10.0.0.1:-80", "10.0.0.1/255.0.0.0"]
    assert len({IP_ADDRESS.parse(text) for text in texts}) == len(texts)


def test_the_durations_of_xacml_2_are_those_of_xacml_3():
    draft = "http://www.w3.org/TR/2002/WD-xquery-operators-20020816#"
    assert DATA_TYPES[f"{draft}dayTimeDuration"] is DAY_TIME_DURATION
    assert DATA_TYPES[f"{draft}yearMonthDuration"] is YEAR_MONTH_DURATION
    assert len(DATA_TYPES) == len(ALL_DATA_TYPES) + 2


def test_an_endless_integer_is_refused_before_it_is_converted():
    with pytest.raises(ValueError, match="more than 1000 digits"):
        INTEGER.parse("9" * 10_000_000)


@pytest.mark.parametrize("text", ["?" * 10_000_000, "cn=" * 3_000_000, "a@" * 5_000_000, "P" + "1" * 1_000_000])
def test_a_huge_value_is_refused_at_once_with_a_short_message(text: str):
    for data_type in set(ALL_DATA_TYPES) - {STRING, ANY_URI, datatypes.XPATH_EXPRESSION}:
        with pytest.raises(ValueError) as caught:
            data_type.parse(text)
        assert len(str(caught.value)) < 400
