"""The data types of XACML 3.0 (appendix A.2, appendix B.3): how values are read, written and held.

| data type | Python value |
|---|---|
| string, anyURI | `str` |
| boolean, integer, double | `bool`, `int`, `float` |
| hexBinary, base64Binary | `bytes` |
| time, date, dateTime, durations | the classes of `temporal` |
| x500Name, rfc822Name, ipAddress, dnsName | the classes of `names` |
| xpathExpression | `XPathExpression` |

All values are immutable, and `==` with `hash` is the type's equality function (appendix A.3.1), so they may be
keys of an index. A NaN is the exception: `==` does not find it equal to itself, `double-equal` does.
"""

import math
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from service.pdp.errors import quoted
from service.pdp.names import DNSName, IPAddress, RFC822Name, X500Name
from service.pdp.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration

MAX_INTEGER_DIGITS: Final = 1_000
"""Digits of an integer that is read: converting longer ones takes quadratic time."""

_XML_SPACE: Final = " \t\n\r"
_SPACES: Final = re.compile(f"[{_XML_SPACE}]+")
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_DOUBLE: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SPECIAL_DOUBLES: Final = {"INF": math.inf, "-INF": -math.inf, "NaN": math.nan}
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})*")
_BAD_URI: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|#.*#|[\x00-\x1f\x7f]", re.DOTALL)
_PLAIN_DECIMALS: Final = (1e-6, 1e6)


@dataclass(frozen=True, slots=True, eq=False)
class DataType:
    """A data type: its address, its short name, and the way between lexical form and Python value.

    `parse` takes a lexical form and returns a value or raises ValueError with a message for policy authors.
    `format` writes a value so that `parse` reads it again. Data types are compared by identity.
    """

    uri: str
    name: str
    parse: Callable[[str], Any]
    format: Callable[[Any], str]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class XPathExpression:
    """A value of xpathExpression (XACML 3.0, section A.3.15).

    Its lexical form is the expression alone; `namespaces` (prefix and address, in any order) and `category`
    (the attribute XPathCategory) come from the XML around it.
    """

    expression: str
    namespaces: tuple[tuple[str, str], ...] = ()
    category: str | None = None


def collapse(text: str) -> str:
    """Normalise whitespace as XML Schema does for every type but string (part 2, section 4.3.6)."""
    return _SPACES.sub(" ", text.strip(_XML_SPACE))


def canonical_double(value: float) -> str:
    """Write the canonical form of XML Schema part 2, section 3.2.5.2: `1.5` becomes `1.5E0`."""
    if not math.isfinite(value):
        return _format_double(value)
    mantissa, exponent = f"{value:.16e}".split("e")
    for precision in range(17):
        shorter = f"{value:.{precision}e}"
        if float(shorter) == value:
            mantissa, exponent = shorter.split("e")
            break
    return f"{mantissa if '.' in mantissa else f'{mantissa}.0'}E{int(exponent)}"


def _parse_string(text: str) -> str:
    return text


def _parse_boolean(text: str) -> bool:
    value = _BOOLEANS.get(text.strip(_XML_SPACE))
    if value is None:
        raise ValueError(f"{quoted(text)} is no boolean: a boolean is `true` or `false`")
    return value


def _format_boolean(value: bool) -> str:  # noqa: FBT001 - the value is the argument
    return "true" if value else "false"


def _parse_integer(text: str) -> int:
    digits = text.strip(_XML_SPACE)
    if len(digits) > MAX_INTEGER_DIGITS:
        raise ValueError(f"{quoted(digits)} is no integer: it has more than {MAX_INTEGER_DIGITS} digits")
    if _INTEGER.fullmatch(digits) is None:
        raise ValueError(f"{quoted(text)} is no integer: an integer is written in decimal digits")
    return int(digits)


def _parse_double(text: str) -> float:
    digits = text.strip(_XML_SPACE)
    if _DOUBLE.fullmatch(digits) is not None:
        return float(digits)
    value = _SPECIAL_DOUBLES.get(digits)
    if value is None:
        raise ValueError(f"{quoted(text)} is no double: a double is written like `1.5`, `15E-1`, `INF` or `NaN`")
    return value


def _format_double(value: float) -> str:
    """Write the shortest form that people read: decimal where it is short (XQuery operators, 17.1.2)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "INF" if value > 0 else "-INF"
    smallest, largest = _PLAIN_DECIMALS
    if value == 0 or smallest <= abs(value) < largest:
        shown = f"{value:.17f}" if "e" in repr(value) else repr(value)
        return shown.rstrip("0").removesuffix(".") if float(shown) == value else canonical_double(value)
    return canonical_double(value)


def _parse_any_uri(text: str) -> str:
    value = text.strip(_XML_SPACE)
    if value.isprintable() and " " not in value and "%" not in value and "#" not in value:
        return value  # most of them; the rest takes a closer look
    value = collapse(value)
    if _BAD_URI.search(value):
        raise ValueError(f"{quoted(text)} is no anyURI: a `%` stands before two hex digits, a `#` at most once")
    return value


def _parse_hex_binary(text: str) -> bytes:
    digits = text.strip(_XML_SPACE)
    if _HEX.fullmatch(digits) is None:
        raise ValueError(f"{quoted(text)} is no hexBinary: it is written in pairs of hex digits")
    return bytes.fromhex(digits)


def _format_hex_binary(value: bytes) -> str:
    return value.hex().upper()


def _parse_base64_binary(text: str) -> bytes:
    digits = _SPACES.sub("", text)
    try:
        value = b64decode(digits, validate=True)
    except (Base64Error, ValueError) as error:
        raise ValueError(f"{quoted(text)} is no base64Binary") from error
    # Unused bits are zero (XML Schema part 2, section 3.2.16): each value has one form.
    if _format_base64_binary(value) != digits:
        raise ValueError(f"{quoted(text)} is no base64Binary: its last character carries too many bits")
    return value


def _format_base64_binary(value: bytes) -> str:
    return b64encode(value).decode()


def _parse_xpath_expression(text: str) -> XPathExpression:
    expression = text.strip(_XML_SPACE)
    if not expression:
        raise ValueError("an xpathExpression is empty")
    return XPathExpression(expression)


def _format_xpath_expression(value: XPathExpression) -> str:
    return value.expression


def _stripped(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: parse(text.strip(_XML_SPACE))


_XS: Final = "http://www.w3.org/2001/XMLSchema#"
_XACML_1: Final = "urn:oasis:names:tc:xacml:1.0:data-type:"
_XACML_2: Final = "urn:oasis:names:tc:xacml:2.0:data-type:"
_XACML_3: Final = "urn:oasis:names:tc:xacml:3.0:data-type:"
_XQUERY_DRAFT: Final = "http://www.w3.org/TR/2002/WD-xquery-operators-20020816#"


def _schema_type(name: str, parse: Callable[[str], Any], format_: Callable[[Any], str] = str) -> DataType:
    return DataType(f"{_XS}{name}", name, parse, format_)


STRING: Final = _schema_type("string", _parse_string, _parse_string)
BOOLEAN: Final = _schema_type("boolean", _parse_boolean, _format_boolean)
INTEGER: Final = _schema_type("integer", _parse_integer)
DOUBLE: Final = _schema_type("double", _parse_double, _format_double)
TIME: Final = _schema_type("time", _stripped(Time.parse))
DATE: Final = _schema_type("date", _stripped(Date.parse))
DATE_TIME: Final = _schema_type("dateTime", _stripped(DateTime.parse))
DAY_TIME_DURATION: Final = _schema_type("dayTimeDuration", _stripped(DayTimeDuration.parse))
YEAR_MONTH_DURATION: Final = _schema_type("yearMonthDuration", _stripped(YearMonthDuration.parse))
ANY_URI: Final = _schema_type("anyURI", _parse_any_uri, _parse_string)
HEX_BINARY: Final = _schema_type("hexBinary", _parse_hex_binary, _format_hex_binary)
BASE64_BINARY: Final = _schema_type("base64Binary", _parse_base64_binary, _format_base64_binary)
RFC822_NAME: Final = DataType(f"{_XACML_1}rfc822Name", "rfc822Name", _stripped(RFC822Name.parse), str)
X500_NAME: Final = DataType(f"{_XACML_1}x500Name", "x500Name", _stripped(X500Name.parse), str)
IP_ADDRESS: Final = DataType(f"{_XACML_2}ipAddress", "ipAddress", _stripped(IPAddress.parse), str)
DNS_NAME: Final = DataType(f"{_XACML_2}dnsName", "dnsName", _stripped(DNSName.parse), str)
XPATH_EXPRESSION: Final = DataType(
    f"{_XACML_3}xpathExpression", "xpathExpression", _parse_xpath_expression, _format_xpath_expression
)

ALL_DATA_TYPES: Final = (
    STRING,
    BOOLEAN,
    INTEGER,
    DOUBLE,
    TIME,
    DATE,
    DATE_TIME,
    DAY_TIME_DURATION,
    YEAR_MONTH_DURATION,
    ANY_URI,
    HEX_BINARY,
    BASE64_BINARY,
    RFC822_NAME,
    X500_NAME,
    IP_ADDRESS,
    DNS_NAME,
    XPATH_EXPRESSION,
)

DATA_TYPES: Final[Mapping[str, DataType]] = MappingProxyType(
    {data_type.uri: data_type for data_type in ALL_DATA_TYPES}
    | {
        # XACML 2.0, appendix B.3, took the durations from a draft of the XQuery operators.
        f"{_XQUERY_DRAFT}dayTimeDuration": DAY_TIME_DURATION,
        f"{_XQUERY_DRAFT}yearMonthDuration": YEAR_MONTH_DURATION,
    }
)
"""All data types by address."""
