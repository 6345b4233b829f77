"""Finds what the other engine cannot judge: in a policy, in what it refers to, and in a request.

Most of this its own readers would stumble over, with messages that help nobody. Some of it they ignore silently, and
then the answer is about another policy than the one that was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from lxml import etree

from service.crosscheck.opinion import Abilities
from service.pdp.xml_input import line_of, local_name, namespace

POLICY_2_0: Final = "urn:oasis:names:tc:xacml:2.0:policy:schema:os"
CONTEXT_2_0: Final = "urn:oasis:names:tc:xacml:2.0:context:schema:os"

_ACCESS_SUBJECT: Final = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject"
_SCOPE: Final = "urn:oasis:names:tc:xacml:1.0:resource:scope"

_NOT_READ: Final = {
    "Obligations": "it knows no obligations",
    "VariableDefinition": "it knows no variables",
    "VariableReference": "it knows no variables",
    "Function": "it knows no higher-order functions",
    "CombinerParameters": "it knows no combiner parameters",
    "RuleCombinerParameters": "it knows no combiner parameters",
    "PolicyCombinerParameters": "it knows no combiner parameters",
    "PolicySetCombinerParameters": "it knows no combiner parameters",
    "PolicySetDefaults": "it cannot read the defaults of a policy set",
    "EnvironmentAttributeDesignator": "it cannot read attributes of the environment",
    "AttributeSelector": "its XPath knows no prefixes and starts at the request's root element",
}
_REFERENCES: Final = ("PolicyIdReference", "PolicySetIdReference")
_VERSIONS: Final = ("Version", "EarliestVersion", "LatestVersion")

_FUNCTION: Final = "urn:oasis:names:tc:xacml:1.0:function:"
# What it gets wrong in functions that it does implement; the files are below `ndg/xacml/core/functions`.
KNOWN_FAULTS: Final[Mapping[str, str]] = {
    f"{_FUNCTION}x500Name-equal": "it compares names as plain text (v1/equal.py)",
    f"{_FUNCTION}rfc822Name-equal": "it compares names as plain text (v1/equal.py)",
    f"{_FUNCTION}x500Name-match": "it asks for equal names, as plain text (v1/match.py)",
    f"{_FUNCTION}rfc822Name-match": "it wants two names, and equal ones (v1/match.py)",
    f"{_FUNCTION}xpath-node-equal": "it compares the paths instead of the nodes (v1/equal.py)",
    f"{_FUNCTION}xpath-node-match": "it compares the paths instead of the nodes (v1/match.py)",
    f"{_FUNCTION}and": "it evaluates arguments behind one that is false (v1/and.py)",
    f"{_FUNCTION}string-regexp-match": "it matches from the start only (v1/regexp_match.py)",
}


def of_policies(documents: Mapping[str, etree._Element], abilities: Abilities) -> Iterator[str]:
    """Why a policy, with what it refers to (roots by file name), cannot be judged: `file:line: reason`, each once."""
    yield from _doubled(documents)
    for file, root in documents.items():
        if namespace(root) != POLICY_2_0:
            yield f"{file}:{line_of(root)}: it reads policies of XACML 2.0 only"
        else:
            yield from _told(file, root, lambda element: _of_policy(element, abilities))


def of_request(
    file: str, root: etree._Element, policies: Iterable[etree._Element], abilities: Abilities
) -> Iterator[str]:
    """Why a request cannot be judged, by policies that could: `file:line: reason`, each once."""
    if root.tag != f"{{{CONTEXT_2_0}}}Request":
        yield f"{file}:{line_of(root)}: it reads requests of XACML 2.0 only"
    else:
        yield from _told(file, root, lambda element: _of_request(element, abilities))
        asked = {each for policy in policies for each in _categories(policy, POLICY_2_0, "SubjectAttributeDesignator")}
        if asked and len(asked.union(_categories(root, CONTEXT_2_0, "Subject"))) > 1:
            yield f"{file}:{line_of(root)}: it takes subjects of different categories for one"
        if len(root.findall(f"{{{CONTEXT_2_0}}}Resource")) > 1:
            yield f"{file}:{line_of(root)}: it makes one decision for several resources"


def hints(documents: Iterable[etree._Element]) -> tuple[str, ...]:
    """Faults that it is known for in functions that these policies use."""
    used = {_function(element) for root in documents for element in root.iter(etree.Element)}
    return tuple(f"`{_short(uri)}`: {fault}" for uri, fault in KNOWN_FAULTS.items() if uri in used)


def referred(root: etree._Element) -> Iterator[tuple[str, str]]:
    """What a policy set refers to: (`PolicyId` or `PolicySetId`, id)."""
    for element in root.iter(*(f"{{{POLICY_2_0}}}{name}" for name in _REFERENCES)):
        yield local_name(element).removesuffix("Reference"), (element.text or "").strip()


def _told(file: str, root: etree._Element, reasons: Callable[[etree._Element], Iterable[str]]) -> Iterator[str]:
    """Each reason once, at the first line that it holds for."""
    lines: dict[str, int] = {}
    for element in root.iter(etree.Element):
        for reason in reasons(element):
            lines.setdefault(reason, line_of(element))
    for reason, line in lines.items():
        yield f"{file}:{line}: {reason}"


def _of_policy(element: etree._Element, abilities: Abilities) -> Iterator[str]:
    name = local_name(element)
    if name in _NOT_READ:
        yield f"<{name}>: {_NOT_READ[name]}"
    function, algorithm = _function(element), _algorithm(element)
    if function and function not in abilities.functions:
        yield f"`{_short(function)}` is none of its {len(abilities.functions)} functions"
    if algorithm and algorithm not in abilities.algorithms:
        yield f"`{_short(algorithm)}` is none of its combining algorithms"
    if name in _REFERENCES and any(element.get(each) for each in _VERSIONS):
        yield "it ignores the version of a reference"
    if name == "AttributeValue":
        yield from _of_value(element, element.get("DataType", ""), abilities)


def _of_request(element: etree._Element, abilities: Abilities) -> Iterator[str]:
    if element.tag == f"{{{CONTEXT_2_0}}}Attribute":
        for value in element:
            yield from _of_value(value, element.get("DataType", ""), abilities)
            if element.get("AttributeId") == _SCOPE and (value.text or "").strip() != "Immediate":
                yield "it makes one decision for a hierarchy of resources"


def _of_value(element: etree._Element, data_type: str, abilities: Abilities) -> Iterator[str]:
    if data_type not in abilities.data_types:
        yield f"it cannot read values of data type `{_short(data_type)}`"
    elif len(element):
        yield "it reads of a value only the text before the first element in it"
    elif not element.text:
        yield "it cannot read empty values"


def _categories(root: etree._Element, space: str, name: str) -> Iterator[str]:
    for element in root.iter(f"{{{space}}}{name}"):
        yield element.get("SubjectCategory", _ACCESS_SUBJECT)


def _doubled(documents: Mapping[str, etree._Element]) -> Iterator[str]:
    seen: set[tuple[str, str | None]] = set()
    for file, root in documents.items():
        name = (local_name(root), root.get("PolicyId") or root.get("PolicySetId"))
        if name in seen:
            yield f"{file}:{line_of(root)}: it tells policies apart by their ids, not by their versions"
        seen.add(name)


def _function(element: etree._Element) -> str:
    return element.get("FunctionId") or element.get("MatchId") or ""


def _algorithm(element: etree._Element) -> str:
    return element.get("RuleCombiningAlgId") or element.get("PolicyCombiningAlgId") or ""


def _short(address: str) -> str:
    """The part of an address that people say."""
    return address.rpartition(":")[2].rpartition("#")[2]
