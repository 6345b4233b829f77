"""Strings and addresses (XACML 3.0, appendices A.3.3 and A.3.9; the deprecated concatenation of A.4)."""

from collections.abc import Iterator
from typing import Final

from service.pdp.datatypes import ANY_URI
from service.pdp.errors import EvaluationError, quoted
from service.pdp.functions.signature import (
    A_BOOLEAN,
    A_STRING,
    AN_INTEGER,
    XACML_1,
    XACML_2,
    XACML_3,
    Function,
    Type,
)

_XML_SPACE: Final = " \t\n\r"
_END: Final = -1
_LONGEST_RESULT: Final = 100_000
"""A string can be longer in a request, but functions may not double it again and again."""


def _normalize_space(text: str) -> str:
    return text.strip(_XML_SPACE)


def _concatenate(*texts: str) -> str:
    if sum(map(len, texts)) > _LONGEST_RESULT:
        raise EvaluationError(f"a string grew too long: it has more than {_LONGEST_RESULT} characters")
    return "".join(texts)


def _concatenate_uri(*texts: str) -> str:
    return _checked_uri(_concatenate(*texts))


def _starts_with(start: str, text: str) -> bool:
    return text.startswith(start)


def _ends_with(end: str, text: str) -> bool:
    return text.endswith(end)


def _contains(part: str, text: str) -> bool:
    return part in text


def _substring(text: str, begin: int, end: int) -> str:
    """Cut from `begin` to before `end`, both counted from zero; -1 as `end` is the end of the text."""
    last = len(text) if end == _END else end
    if not 0 <= begin <= last <= len(text):
        raise EvaluationError(
            f"positions {begin} to {end} lie outside of {quoted(text)}, which has {len(text)} characters"
        )
    return text[begin:last]


def _uri_substring(uri: str, begin: int, end: int) -> str:
    """Cut like `string-substring`; the result is a string, but must be a URI reference (A.3.9)."""
    return _checked_uri(_substring(uri, begin, end))


def _checked_uri(text: str) -> str:
    try:
        uri: str = ANY_URI.parse(text)
    except ValueError as error:
        raise EvaluationError(str(error)) from error
    return uri


def _functions() -> Iterator[Function]:
    a_uri = Type(ANY_URI)
    yield Function(f"{XACML_1}string-normalize-space", (A_STRING,), A_STRING, _normalize_space)
    yield Function(f"{XACML_1}string-normalize-to-lower-case", (A_STRING,), A_STRING, str.lower)
    yield Function(f"{XACML_2}string-concatenate", (A_STRING,), A_STRING, _concatenate, variadic=True, minimum=2)
    # XACML 2.0 names the same function `uri-…` in appendix A.3.9 and `url-…` in section 10.2.8.
    for name in ("uri-string-concatenate", "url-string-concatenate"):
        yield Function(f"{XACML_2}{name}", (a_uri, A_STRING), a_uri, _concatenate_uri, variadic=True, minimum=2)
    for prefix, kind in (("string", A_STRING), ("anyURI", a_uri)):
        yield Function(f"{XACML_3}{prefix}-starts-with", (A_STRING, kind), A_BOOLEAN, _starts_with)
        yield Function(f"{XACML_3}{prefix}-ends-with", (A_STRING, kind), A_BOOLEAN, _ends_with)
        yield Function(f"{XACML_3}{prefix}-contains", (A_STRING, kind), A_BOOLEAN, _contains)
    positions = (AN_INTEGER, AN_INTEGER)
    yield Function(f"{XACML_3}string-substring", (A_STRING, *positions), A_STRING, _substring)
    yield Function(f"{XACML_3}anyURI-substring", (a_uri, *positions), A_STRING, _uri_substring)


STRING_FUNCTIONS: Final = tuple(_functions())
