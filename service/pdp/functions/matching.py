"""Matching of names and by regular expression (XACML 3.0, appendices A.3.13 and A.3.14)."""

from collections.abc import Iterator
from typing import Any, Final

from service.pdp.datatypes import ANY_URI, DNS_NAME, IP_ADDRESS, RFC822_NAME, X500_NAME
from service.pdp.errors import EvaluationError
from service.pdp.functions.signature import (
    A_BOOLEAN,
    A_STRING,
    XACML_1,
    XACML_2,
    Function,
    Type,
)
from service.pdp.names import RFC822Name, X500Name
from service.pdp.regexp import compile_pattern


def _regexp_match(pattern: str, value: Any) -> bool:
    """Search a pattern in a string, or in the text that another value was read from."""
    try:
        return compile_pattern(pattern).search(str(value)) is not None
    except ValueError as error:
        # Malformed, or a text with half of a surrogate pair, which no encoding can write.
        raise EvaluationError(str(error)) from error


def _rfc822_name_match(pattern: str, name: RFC822Name) -> bool:
    return name.matches(pattern)


def _functions() -> Iterator[Function]:
    an_address, a_name = Type(RFC822_NAME), Type(X500_NAME)
    yield Function(f"{XACML_1}x500Name-match", (a_name, a_name), A_BOOLEAN, X500Name.matches_end_of)
    yield Function(f"{XACML_1}rfc822Name-match", (A_STRING, an_address), A_BOOLEAN, _rfc822_name_match)
    # XACML 1.x called it `regexp-string-match` (appendix A.4).
    for name in ("string-regexp-match", "regexp-string-match"):
        yield Function(f"{XACML_1}{name}", (A_STRING, A_STRING), A_BOOLEAN, _regexp_match)
    for data_type in (ANY_URI, IP_ADDRESS, DNS_NAME, RFC822_NAME, X500_NAME):
        uri = f"{XACML_2}{data_type.name}-regexp-match"
        yield Function(uri, (A_STRING, Type(data_type)), A_BOOLEAN, _regexp_match)


MATCHING_FUNCTIONS: Final = tuple(_functions())
