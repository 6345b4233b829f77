"""The structure that the XACML schemas demand of a policy file, as a table, and the check against it.

The check finds unknown, missing, misplaced and repeated elements, unknown and missing attributes, and stray
text. What an attribute or a text *means* is for the reader.
"""

import difflib
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from lxml import etree

from service.pdp.errors import quoted
from service.pdp.xml_input import local_name

XACML3: Final = "urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"
XACML2: Final = "urn:oasis:names:tc:xacml:2.0:policy:schema:os"

_FOREIGN_ATTRIBUTES: Final = (
    "{http://www.w3.org/2001/XMLSchema-instance}",
    "{http://www.w3.org/XML/1998/namespace}",
)

Report = Callable[[etree._Element, str, str], None]  # noqa: SLF001 - lxml's name of the type
"""Called with the element, a message and a help sentence."""


class Slot(NamedTuple):
    """A place in the sequence of children: which elements, and how often."""

    names: frozenset[str]
    least: int
    most: int | None

    def __str__(self) -> str:
        return " or ".join(f"<{name}>" for name in sorted(self.names))


class Shape(NamedTuple):
    """What an element may have: attributes, children in order, text."""

    required: frozenset[str]
    attributes: frozenset[str]
    slots: tuple[Slot, ...]
    text: bool
    open: bool
    """Anything may stand in it: the schema says so, or the engine ignores it as the core allows."""


def _shape(attributes: str, children: str = "", *, text: bool = False, anything: bool = False) -> Shape:
    """Make a shape of a notation: attributes `Name` or `Name?`, children `A|B` with `?`, `*` or `+`."""
    names = attributes.split()
    return Shape(
        frozenset(name for name in names if not name.endswith("?")),
        frozenset(name.rstrip("?") for name in names),
        tuple(_slot(token) for token in children.split()),
        text or anything,
        anything,
    )


def _slot(token: str) -> Slot:
    least, most = {"?": (0, 1), "*": (0, None), "+": (1, None)}.get(token[-1], (1, 1))
    return Slot(frozenset(token.rstrip("?*+").split("|")), least, most)


_EXPRESSION: Final = "Apply|AttributeValue|AttributeDesignator|AttributeSelector|VariableReference|Function"
_EXPRESSION2: Final = (
    "Apply|AttributeValue|SubjectAttributeDesignator|ResourceAttributeDesignator|ActionAttributeDesignator"
    "|EnvironmentAttributeDesignator|AttributeSelector|VariableReference|Function"
)


def _common(expression: str) -> dict[str, Shape]:
    """What XACML 2.0 and 3.0 share."""
    return {
        "Description": _shape("", text=True),
        "PolicyDefaults": _shape("", "XPathVersion"),
        "PolicySetDefaults": _shape("", "XPathVersion"),
        "XPathVersion": _shape("", text=True),
        "CombinerParameters": _shape("", "CombinerParameter*"),
        "RuleCombinerParameters": _shape("RuleIdRef", "CombinerParameter*"),
        "PolicyCombinerParameters": _shape("PolicyIdRef", "CombinerParameter*"),
        "PolicySetCombinerParameters": _shape("PolicySetIdRef", "CombinerParameter*"),
        "CombinerParameter": _shape("ParameterName", "AttributeValue"),
        "PolicyIdReference": _shape("Version? EarliestVersion? LatestVersion?", text=True),
        "PolicySetIdReference": _shape("Version? EarliestVersion? LatestVersion?", text=True),
        "Condition": _shape("", expression),
        "VariableDefinition": _shape("VariableId", expression),
        "VariableReference": _shape("VariableId"),
        "AttributeValue": _shape("DataType", anything=True),
        "Function": _shape("FunctionId"),
    }


_SHAPES3: Final = _common(_EXPRESSION) | {
    "PolicySet": _shape(
        "PolicySetId Version PolicyCombiningAlgId MaxDelegationDepth?",
        "Description? PolicyIssuer? PolicySetDefaults? Target PolicySet|Policy|PolicySetIdReference"
        "|PolicyIdReference|CombinerParameters|PolicyCombinerParameters|PolicySetCombinerParameters*"
        " ObligationExpressions? AdviceExpressions?",
    ),
    "Policy": _shape(
        "PolicyId Version RuleCombiningAlgId MaxDelegationDepth?",
        "Description? PolicyIssuer? PolicyDefaults? Target"
        " CombinerParameters|RuleCombinerParameters|VariableDefinition|Rule*"
        " ObligationExpressions? AdviceExpressions?",
    ),
    "PolicyIssuer": _shape("", anything=True),
    "Rule": _shape("RuleId Effect", "Description? Target? Condition? ObligationExpressions? AdviceExpressions?"),
    "Target": _shape("", "AnyOf*"),
    "AnyOf": _shape("", "AllOf+"),
    "AllOf": _shape("", "Match+"),
    "Match": _shape("MatchId", "AttributeValue AttributeDesignator|AttributeSelector"),
    "Apply": _shape("FunctionId", f"Description? {_EXPRESSION}*"),
    "AttributeDesignator": _shape("Category AttributeId DataType Issuer? MustBePresent"),
    "AttributeSelector": _shape("Category ContextSelectorId? Path DataType MustBePresent"),
    "ObligationExpressions": _shape("", "ObligationExpression+"),
    "ObligationExpression": _shape("ObligationId FulfillOn", "AttributeAssignmentExpression*"),
    "AdviceExpressions": _shape("", "AdviceExpression+"),
    "AdviceExpression": _shape("AdviceId AppliesTo", "AttributeAssignmentExpression*"),
    "AttributeAssignmentExpression": _shape("AttributeId Category? Issuer?", _EXPRESSION),
}


def _target2(name: str) -> dict[str, Shape]:
    """The part of a 2.0 target that is about subjects, resources, actions or the environment."""
    return {
        f"{name}s": _shape("", f"{name}+"),
        name: _shape("", f"{name}Match+"),
        f"{name}Match": _shape("MatchId", f"AttributeValue {name}AttributeDesignator|AttributeSelector"),
        f"{name}AttributeDesignator": _shape("AttributeId DataType Issuer? MustBePresent?"),
    }


_SHAPES2: Final = (
    _common(_EXPRESSION2)
    | _target2("Subject")
    | _target2("Resource")
    | _target2("Action")
    | _target2("Environment")
    | {
        "PolicySet": _shape(
            "PolicySetId Version? PolicyCombiningAlgId",
            "Description? PolicySetDefaults? Target PolicySet|Policy|PolicySetIdReference"
            "|PolicyIdReference|CombinerParameters|PolicyCombinerParameters|PolicySetCombinerParameters*"
            " Obligations?",
        ),
        "Policy": _shape(
            "PolicyId Version? RuleCombiningAlgId",
            "Description? PolicyDefaults? CombinerParameters? Target"
            " CombinerParameters|RuleCombinerParameters|VariableDefinition|Rule* Obligations?",
        ),
        "Rule": _shape("RuleId Effect", "Description? Target? Condition?"),
        "Target": _shape("", "Subjects? Resources? Actions? Environments?"),
        "SubjectAttributeDesignator": _shape("AttributeId DataType Issuer? MustBePresent? SubjectCategory?"),
        "AttributeSelector": _shape("RequestContextPath DataType MustBePresent?"),
        "Apply": _shape("FunctionId", f"{_EXPRESSION2}*"),
        "Obligations": _shape("", "Obligation+"),
        "Obligation": _shape("ObligationId FulfillOn", "AttributeAssignment*"),
        "AttributeAssignment": _shape("AttributeId DataType", anything=True),
    }
)


def _by_tag(namespace: str, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    return {f"{{{namespace}}}{name}": shape for name, shape in shapes.items()}


_BY_TAG: Final = {XACML3: _by_tag(XACML3, _SHAPES3), XACML2: _by_tag(XACML2, _SHAPES2)}


def check_structure(root: etree._Element, namespace: str, report: Report) -> None:
    """Report everything in the tree that does not have the shape its schema gives it."""
    shapes = _BY_TAG[namespace]
    _check_element(root, f"{{{namespace}}}", shapes, report)


def _check_element(element: etree._Element, prefix: str, shapes: Mapping[str, Shape], report: Report) -> None:
    shape = shapes[str(element.tag)]
    _check_attributes(element, shape, report)
    if shape.open:
        return
    children = list(element)
    if not shape.text:
        _check_no_text(element, children, report)
    _check_sequence(element, children, prefix, shape, report)
    for child in children:
        if child.tag in shapes and isinstance(child.tag, str):
            _check_element(child, prefix, shapes, report)


def _check_attributes(element: etree._Element, shape: Shape, report: Report) -> None:
    present = element.attrib
    for name in shape.required:
        if name not in present:
            report(element, f"attribute `{name}` is missing", f"<{local_name(element)}> requires it")
    for given in present:
        name = str(given)
        if name in shape.attributes or shape.open or name.startswith(_FOREIGN_ATTRIBUTES):
            continue
        near = difflib.get_close_matches(name, shape.attributes, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"allowed are {_listed(shape.attributes)}"
        report(element, f"unknown attribute {quoted(name)} of <{local_name(element)}>", hint)


def _check_no_text(element: etree._Element, children: list[etree._Element], report: Report) -> None:
    for text in (element.text, *(child.tail for child in children)):
        if text and not text.isspace():
            report(element, f"stray text {quoted(text)}", f"<{local_name(element)}> holds elements only")
            return


def _check_sequence(
    element: etree._Element, children: list[etree._Element], prefix: str, shape: Shape, report: Report
) -> None:
    position, count = 0, 0
    slots = shape.slots
    skip = len(prefix)
    for child in children:
        tag = str(child.tag)
        name = tag[skip:] if tag.startswith(prefix) else ""
        found = _slot_of(name, slots, position, count)
        if found is None:
            report(child, *_why_not(element, child, prefix, shape))
            continue
        for passed in slots[position:found]:
            if passed is not slots[position] or not count:
                _check_least(element, passed, report)
        count = count + 1 if found == position else 1
        position = found
    for passed in slots[position:]:
        if passed is not slots[position] or not count:
            _check_least(element, passed, report)


def _slot_of(name: str, slots: tuple[Slot, ...], position: int, count: int) -> int | None:
    """The slot that takes a child of this name, at or after the current one."""
    for number in range(position, len(slots)):
        slot = slots[number]
        if name in slot.names:
            full = number == position and slot.most is not None and count >= slot.most
            if not full:
                return number
    return None


def _check_least(element: etree._Element, slot: Slot, report: Report) -> None:
    if slot.least:
        report(element, f"<{local_name(element)}> has no {slot}", "the schema requires one")


def _why_not(element: etree._Element, child: etree._Element, prefix: str, shape: Shape) -> tuple[str, str]:
    name, parent = local_name(child), local_name(element)
    if not str(child.tag).startswith(prefix):
        return (
            f"element {quoted(str(child.tag))} is not in the namespace of its policy",
            f"expected `{prefix[1:-1]}`",
        )
    allowed = frozenset[str]().union(*(slot.names for slot in shape.slots))
    if name in allowed:
        order = ", ".join(str(slot) for slot in shape.slots)
        return f"<{name}> may not stand here in <{parent}>", f"the order is {order}"
    near = difflib.get_close_matches(name, allowed, n=1)
    if near:
        return f"unknown element <{name}> in <{parent}>", f"did you mean <{near[0]}>?"
    return f"unknown element <{name}> in <{parent}>", f"allowed are {_listed(allowed)}"


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"
