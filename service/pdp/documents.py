"""One policy file, from bytes to the model: which version of XACML it is, its structure, its meaning."""

from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from lxml import etree

from service.pdp.errors import PolicyError, quoted
from service.pdp.expressions import ExpressionReader
from service.pdp.grammar import XACML2, XACML3, check_structure
from service.pdp.limits import Limits
from service.pdp.model import Policy, PolicySet
from service.pdp.reading import PolicyReader
from service.pdp.reading2 import ExpressionReader2, PolicyReader2
from service.pdp.reports import EnoughErrors, Reports
from service.pdp.xml_input import XmlError, local_name, namespace, parse_xml


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Document:
    """What a file holds, or everything that is wrong with it; a document with errors is not to be used."""

    policy: Policy | PolicySet | None
    errors: tuple[PolicyError, ...]


# When one file of many changes, the others are not read again: as long as a snapshot holds a document, whoever
# reads the same file gets the same document.
_HELD: Final[WeakValueDictionary[tuple[str, bytes, Limits], Document]] = WeakValueDictionary()


def read_document(name: str, data: bytes, limits: Limits) -> Document:
    """Read one policy file. Depends on nothing but its arguments."""
    key = (name, data, limits)
    document = _HELD.get(key)
    if document is None:
        document = _read(name, data, limits)
        _HELD[key] = document
    return document


def _read(name: str, data: bytes, limits: Limits) -> Document:
    reports = Reports(name, limits)
    try:
        policy = _policy(parse_xml(data, max_bytes=limits.policy_bytes), reports)
    except XmlError as error:
        hint = "nothing of the file is used until it is mended"
        return Document(None, (PolicyError(name, error.line, "", error.message, hint),))
    except EnoughErrors:
        policy = None
    return Document(None if reports.errors else policy, tuple(reports.errors))


def _policy(root: etree._Element, reports: Reports) -> Policy | PolicySet | None:
    space = namespace(root)
    if space not in {XACML3, XACML2}:
        message = f"the namespace of the root is {quoted(space)}"
        reports.report(root, message, f"XACML 3.0 policies are in `{XACML3}`, those of 2.0 in `{XACML2}`")
        return None
    if local_name(root) not in {"Policy", "PolicySet"}:
        reports.report(root, f"the root is <{local_name(root)}>", "it must be <Policy> or <PolicySet>")
        return None
    check_structure(root, space, reports.report)
    reader = PolicyReader(reports, ExpressionReader(reports))
    if space == XACML2:
        reader = PolicyReader2(reports, ExpressionReader2(reports))
    return reader.root(root)
