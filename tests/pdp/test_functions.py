import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.pdp.datatypes import ALL_DATA_TYPES, DATA_TYPES, DOUBLE, INTEGER, STRING
from service.pdp.errors import PROCESSING_ERROR, EvaluationError
from service.pdp.functions import FUNCTIONS, Function, Type, suggest

CASES = Path(__file__).parent / "cases" / "functions.txt"
PREFIX = "urn:oasis:names:tc:xacml:"
STATUS = f"{PREFIX}1.0:status:"


def function(name: str) -> Function:
    version, _, local_name = name.partition(":")
    return FUNCTIONS[f"{PREFIX}{version}:function:{local_name}"]


def value(text: str, kind: Type) -> Any:
    if kind.bag:
        parts = [part.strip() for part in text.strip("{}").split(",")]
        return tuple(kind.data_type.parse(part) for part in parts if part)
    if text.startswith('"'):
        text = text[1:-1].replace('\\"', '"').replace("\\t", "\t")
    return kind.data_type.parse(text)


def cases() -> list[Any]:
    return list(read_cases())


def read_cases() -> Iterator[Any]:
    for number, line in enumerate(CASES.read_text("utf-8").splitlines(), 1):
        if line and not line.startswith("#"):
            section, name, arguments, result = (part.strip() for part in line.split(" | "))
            yield pytest.param(name, arguments, result, id=f"{section}-{name}-line-{number}")


def same(first: Any, second: Any) -> bool:
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return repr(first) == repr(second) if isinstance(first, float) else bool(first == second)


@pytest.mark.parametrize(("name", "arguments", "result"), cases())
def test_a_function_does_what_its_section_says(name: str, arguments: str, result: str):
    subject = function(name)
    texts = [text.strip() for text in arguments.split(" ; ")] if arguments else []
    kinds = [subject.parameters[min(i, len(subject.parameters) - 1)] for i in range(len(texts))]
    values = [value(text, kind) for text, kind in zip(texts, kinds, strict=True)]
    if result.startswith("!"):
        with pytest.raises(EvaluationError) as caught:
            subject.call(*values)
        assert caught.value.status_code == STATUS + result[1:]
    else:
        actual, expected = subject.call(*values), value(result, subject.result)
        assert same(actual, expected), f"{actual!r} is not {expected!r}"
        assert type(actual) is type(expected)


def test_every_function_but_the_members_of_one_family_is_in_the_cases():
    families = ("-one-and-only", "-bag-size", "-bag", "-is-in", "-intersection", "-union", "-subset")
    families += ("-at-least-one-member-of", "-set-equals")
    named = {case.values[0] for case in cases()}
    missing = [uri for uri in FUNCTIONS if not uri.endswith(families) and function_name(uri) not in named]
    missing = [uri for uri in missing if f":1.0:function:{uri.rpartition(':')[2]}" not in uri or "Duration" not in uri]
    assert missing == []


def function_name(uri: str) -> str:
    return uri.removeprefix(PREFIX).replace("function:", "")


@pytest.mark.parametrize("data_type", ALL_DATA_TYPES, ids=str)
def test_every_type_has_its_bag_functions(data_type: Any):
    names = {uri.rpartition(":")[2] for uri in FUNCTIONS}
    assert {f"{data_type.name}{suffix}" for suffix in ("-one-and-only", "-bag-size", "-bag")} <= names


def test_functions_keep_their_address_and_a_sane_signature():
    for uri, subject in FUNCTIONS.items():
        assert subject.uri == uri
        assert subject.variadic or not subject.minimum
        assert {kind.data_type for kind in (*subject.parameters, subject.result)} <= set(DATA_TYPES.values())


def test_equality_of_strings_costs_no_python_call():
    assert function("1.0:string-equal").call is operator.eq


def test_a_product_that_grows_beyond_reason_is_an_error():
    big = INTEGER.parse("9" * 1000)
    assert function("1.0:integer-multiply").call(big, big) == big * big
    with pytest.raises(EvaluationError) as caught:
        function("1.0:integer-multiply").call(*[big] * 5)
    assert caught.value.status_code == PROCESSING_ERROR


def test_an_integer_too_large_for_a_double_is_an_error():
    with pytest.raises(EvaluationError, match="too large for a double"):
        function("1.0:integer-to-double").call(10**400)


def test_half_of_a_surrogate_pair_is_an_error_in_a_match_and_nothing_worse():
    with pytest.raises(EvaluationError):
        function("1.0:string-regexp-match").call("a", "\ud800")


def test_types_say_what_they_are():
    assert str(Type(STRING)) == "string"
    assert str(Type(DOUBLE, bag=True)) == "bag of double"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (f"{PREFIX}1.0:function:string-equals", f"{PREFIX}1.0:function:string-equal"),
        (f"{PREFIX}3.0:function:string-equal", f"{PREFIX}1.0:function:string-equal"),
        (f"{PREFIX}1.0:function:string-starts-with", f"{PREFIX}3.0:function:string-starts-with"),
        ("http://www.w3.org/2001/XMLSchema#String", "http://www.w3.org/2001/XMLSchema#string"),
        ("http://www.w3.org/2001/XMLSchema#datetime", "http://www.w3.org/2001/XMLSchema#dateTime"),
        ("http://www.w3.org/2001/XMLSchema#int", "http://www.w3.org/2001/XMLSchema#integer"),
        (f"{PREFIX}1.0:data-type:dnsname", f"{PREFIX}2.0:data-type:dnsName"),
        ("urn:example:nothing-like-it", None),
        ("", None),
        ("x" * 100_000, None),
    ],
)
def test_a_wrong_address_is_answered_with_the_nearest_right_one(wrong: str, right: str | None):
    assert suggest(wrong) == right


def test_special_forms_can_be_suggested_too():
    assert suggest(f"{PREFIX}3.0:function:any_of", [f"{PREFIX}3.0:function:any-of"]) == f"{PREFIX}3.0:function:any-of"
