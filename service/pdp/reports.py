"""Collecting what is wrong with one policy file, and reading attributes and texts that must be right."""

import re
from typing import Any, Final

from lxml import etree

from service.pdp.datatypes import DATA_TYPES, XPATH_EXPRESSION, DataType, XPathExpression
from service.pdp.errors import PolicyError, quoted
from service.pdp.functions import suggest
from service.pdp.limits import Limits
from service.pdp.xml_input import line_of, local_name, path_of, prefixes_of

# A file that is wrong everywhere is wrong as a whole: its author needs no longer list than this.
_MOST_ERRORS: Final = 100

_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
_NOT_SPACE: Final = re.compile(r"\S")


class EnoughErrors(Exception):
    """A file has so many errors that reading on would tell nobody anything."""


class Reports:
    """The errors of one file, and the readers of single attributes and values that report them."""

    def __init__(self, file: str, limits: Limits) -> None:
        self.file = file
        self.limits = limits
        self.errors: list[PolicyError] = []

    def report(self, element: etree._Element, message: str, hint: str) -> None:
        """Add an error about an element. Raises `EnoughErrors` instead of adding one too many."""
        if len(self.errors) == _MOST_ERRORS:
            raise EnoughErrors
        self.errors.append(PolicyError(self.file, line_of(element), path_of(element), message, hint))

    def text(self, element: etree._Element, name: str) -> str | None:
        """An attribute that must not be empty; one that is missing was reported with the structure."""
        value = element.get(name)
        if value is not None and not _NOT_SPACE.search(value):
            self.report(element, f"attribute `{name}` is empty", f"name the <{local_name(element)}>")
            return None
        return value

    def boolean(self, element: etree._Element, name: str, *, default: bool) -> bool:
        """An attribute of type xs:boolean."""
        text = element.get(name)
        if text is None:
            return default
        value = _BOOLEANS.get(text.strip())
        if value is None:
            self.report(element, f"attribute `{name}` is {quoted(text)}", "it must be `true` or `false`")
        return bool(value)

    def data_type(self, element: etree._Element) -> DataType | None:
        """The data type that attribute `DataType` names."""
        uri = element.get("DataType")
        if uri is None:
            return None
        data_type = DATA_TYPES.get(uri)
        if data_type is None:
            near = suggest(uri)
            hint = f"did you mean `{near}`?" if near else "the engine knows the data types of XACML 3.0 only"
            self.report(element, f"unknown data type {quoted(uri)}", hint)
        return data_type

    def value(self, element: etree._Element) -> tuple[DataType, Any] | None:
        """The typed value of an `<AttributeValue>` (3.0 core, section 5.31)."""
        data_type = self.data_type(element)
        if data_type is None:
            return None
        if len(element):
            self.report(element, f"<{local_name(element)}> contains elements", "its value must be text")
            return None
        if data_type is XPATH_EXPRESSION:
            return data_type, xpath_value(element)
        try:
            return data_type, data_type.parse(element.text or "")
        except ValueError as error:
            self.report(element, str(error), f"write a {data_type.name} as 3.0 core, appendix A.2, defines it")
            return None


def xpath_value(element: etree._Element) -> XPathExpression:
    """The value of an `<AttributeValue>` of data type xpathExpression: its prefixes are those in scope there."""
    prefixes = tuple(prefixes_of(element).items())
    return XPathExpression((element.text or "").strip(), prefixes, element.get("XPathCategory"))
