"""Warnings about policies that load but cannot do what their author means.

A name that no request of ours carries is no error in XACML: the attribute is simply never there. In a policy for
provisioning it is nearly always a slip of the pen, so it is told, with the name that was probably meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Final

from lxml import etree

from connectors.claims import CORE_1_1, CORE_GROUP, CORE_USER, ENTERPRISE_1_1, ENTERPRISE_USER, LOCAL_CLAIMS
from service import vocabulary
from service.pdp import DEFAULT_LIMITS, PolicyError
from service.pdp.xml_input import XmlError, line_of, local_name, parse_xml, path_of
from service.pep import UNDERSTOOD

_XML_SCHEMA: Final = "http://www.w3.org/2001/XMLSchema#"
# Ids under these are ours or a standard's to define; under any other prefix an organisation may define its own.
_CLOSED: Final = (
    "http://wso2.org/identity/",
    LOCAL_CLAIMS,
    "urn:sluice:",
    "urn:oasis:names:tc:xacml:",
    f"{CORE_USER}:",
    f"{CORE_GROUP}:",
    f"{CORE_1_1}:",
    f"{ENTERPRISE_USER}:",
    f"{ENTERPRISE_1_1}:",
)
# The last part of these ids may be the type of an element, which organisations choose: `emails.work`.
_TYPED: Final = ("emails.", "phoneNumbers.", "ims.", "photos.", "addresses.", "entitlements.", "roles.")
_DESIGNATORS_2_0: Final = {
    "SubjectAttributeDesignator": "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject",
    "ResourceAttributeDesignator": "urn:oasis:names:tc:xacml:3.0:attribute-category:resource",
    "ActionAttributeDesignator": "urn:oasis:names:tc:xacml:3.0:attribute-category:action",
    "EnvironmentAttributeDesignator": vocabulary.ENVIRONMENT,
}


def warnings(file: str, content: bytes) -> Iterator[PolicyError]:
    """What a policy file asks for in vain, in document order. A file that is no XML has errors instead."""
    try:
        root = parse_xml(content, max_bytes=DEFAULT_LIMITS.policy_bytes)
    except XmlError:
        return
    for element in root.iter(etree.Element):
        for message, help_ in _about(element):
            yield PolicyError(file=file, line=line_of(element), path=path_of(element), message=message, help=help_)


def _about(element: etree._Element) -> Iterator[tuple[str, str]]:
    """Message and help for one element."""
    name = local_name(element)
    if name == "AttributeDesignator" or name in _DESIGNATORS_2_0:
        category = element.get("Category") or element.get("SubjectCategory") or _DESIGNATORS_2_0.get(name, "")
        yield from _about_designator(category, element.get("AttributeId", ""), element.get("DataType", ""))
    elif name == "AttributeSelector":
        yield "asks for <Content>: no provisioning request has any", "name an attribute by an <AttributeDesignator>"
    elif name in {"ObligationExpression", "Obligation"}:
        id_ = element.get("ObligationId", "")
        if id_ not in UNDERSTOOD:
            known = ", ".join(f"`{one}`" for one in sorted(UNDERSTOOD))
            yield f"the obligation `{id_}` is not understood, so it refuses", f"understood are {known}"


def _about_designator(category: str, id_: str, data_type: str) -> Iterator[tuple[str, str]]:
    """Whether a request of ours can have a value for it."""
    known = vocabulary.known_attributes().get(id_)
    if known is None:
        if category not in vocabulary.CATEGORIES:
            yield f"no provisioning request has the category `{category}`", _near(category, vocabulary.CATEGORIES)
        elif id_.startswith(_CLOSED) and not _is_typed(id_):
            yield (
                f"no provisioning request carries the attribute `{id_}`",
                _near(id_, tuple(vocabulary.known_attributes())),
            )
        return
    where, kind = known
    if category != where:
        yield f"the attribute `{id_}` is never in the category `{category}`", f"its category is `{where}`"
    if data_type != _XML_SCHEMA + kind:
        yield f"the attribute `{id_}` never has the data type `{data_type}`", f"its data type is `{_XML_SCHEMA}{kind}`"


def _is_typed(id_: str) -> bool:
    """Whether it names the elements of a type."""
    return any(
        id_.startswith(f"{schema}:{name}") and "." not in id_.removeprefix(f"{schema}:{name}")
        for schema in (CORE_USER, CORE_1_1)
        for name in _TYPED
    )


def _near(given: str, known: tuple[str, ...]) -> str:
    """The name that was probably meant."""
    # The beginnings are all alike and would make everything near: the last part counts first, then the whole.
    by_last: dict[str, list[str]] = {}
    for one in known:
        by_last.setdefault(_last(one), []).append(one)
    near = difflib.get_close_matches(_last(given), by_last, n=5, cutoff=0.75)
    if near:
        best = max((one for last in near for one in by_last[last]), key=lambda one: _likeness(given, one))
        return f"did you mean `{best}`?"
    return "`policies/README.md` lists every attribute that a policy can name"


def _last(id_: str) -> str:
    """The last part of an id, which tells it from its neighbours."""
    return id_.replace("/", ":").rpartition(":")[2].casefold()


def _likeness(one: str, other: str) -> float:
    """How alike two ids are as a whole."""
    return difflib.SequenceMatcher(None, one.casefold(), other.casefold(), autojunk=False).ratio()
