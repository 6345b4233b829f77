"""The published conformance cases of XACML 2.0 and 3.0, read from the folder that holds them.

They are not part of this repository: `../shared/conformance/SOURCES.md` says where they come from.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lxml import etree

from service.pdp import XML, compile_policies, encode_response, parse_request
from service.pdp.datatypes import DATA_TYPES, XPATH_EXPRESSION

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT.parent / "shared" / "conformance"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

# 2.0: what each case's own text permits to be refused at load: a syntax error (IIA004Special.txt), static type
# errors (IIC003, IIC012 and IIC014Special.txt), and a reference to a policy with one (IIE003Special.txt). IIIF005
# ("Syntax error in XPath expression") is refused at load in its 3.0 form too.
REFUSED_2_0 = frozenset({"IIA004", "IIC003", "IIC012", "IIC014", "IIE003", "IIIF005"})

# Both versions: IIA002 needs an attribute that the request lacks, IID029 and IID030 several root policies.
ROLE = "urn:oasis:names:tc:xacml:1.0:example:attribute:role"
SEVERAL_ROOTS = frozenset({"IID029", "IID030"})

# The cases do not say how several roots are combined. "More than one applies" (IID030) is Indeterminate with one
# algorithm only. The 3.0 form of IID029 asks the wrong category for a target of its first policy, which so is
# Indeterminate instead of not applicable: Permit, as published, needs an algorithm that this does not stop.
ROOT_ALGORITHMS = {
    ("2.0", "IID029"): "only-one-applicable",
    ("2.0", "IID030"): "only-one-applicable",
    ("3.0", "IID029"): "permit-overrides",
    ("3.0", "IID030"): "only-one-applicable",
}

# IIICSpecial.txt: the hierarchy of resources.
CHILDREN = {
    "urn:root": ["urn:root:child1", "urn:root:child2"],
    "urn:root:child1": ["urn:root:child1:descendant1", "urn:root:child1:descendant2"],
    "urn:root:child2": ["urn:root:child2:descendant1", "urn:root:child2:descendant2"],
}


@dataclass(frozen=True)
class Case:
    """A conformance case: policies, a request, the response that is expected, or a refusal at load."""

    version: str
    id: str
    policies: tuple[Path, ...]
    request: Path
    response: Path
    references: tuple[Path, ...] = ()
    refused: bool = False

    def load(self):
        return compile_policies(
            [(path.name, path.read_bytes()) for path in self.policies],
            references=[(path.name, path.read_bytes()) for path in self.references],
            root_algorithm=ROOT_ALGORITHMS.get((self.version, self.id), "deny-overrides"),
        )

    def decide(self, snapshot, **more):
        request = parse_request(self.request.read_bytes(), XML)
        return snapshot.decide(request, now=NOW, attributes=role_of_doctors, resources=hierarchy, **more)


def role_of_doctors(category, attribute_id, data_type, issuer):
    return ["Physician"] if attribute_id == ROLE else None


def hierarchy(resource_id, scope):
    below = CHILDREN.get(resource_id, [])
    if scope == "Descendants":
        # In the order of IIIC003Response.xml: level by level.
        below = below + [each for child in below for each in CHILDREN.get(child, [])]
    return [resource_id, *below]


def cases_3_0():
    base = FOLDER / "xacml-3.0"
    # IIE cases keep their own policy beside those that it refers to, in `Policies/`.
    policies = sorted(base.glob("*/**/Policy.xml"))
    foldered = [
        Case(
            "3.0",
            folder.name,
            (policy,),
            folder / "Request.xml",
            folder / "Response.xml",
            tuple(path for path in sorted(folder.glob("Policies/*.xml")) if path.name != "Policy.xml"),
            refused=(folder / "Request.xml.ignore").exists(),
        )
        for policy in policies
        for folder in [policy.parent.parent if policy.parent.name == "Policies" else policy.parent]
    ]
    return foldered + [flat_case(path) for path in sorted((base / "unsupported").glob("*Request.xml"))]


def cases_2_0():
    return [flat_case(path) for path in sorted((FOLDER / "xacml-2.0").glob("*Request.xml"))]


def flat_case(request):
    folder, name = request.parent, request.name.removesuffix("Request.xml")
    policies = [folder / f"{name}Policy.xml"]
    if name in SEVERAL_ROOTS:
        policies = sorted(folder.glob(f"{name}Policy?.xml"))
    references = [
        *folder.glob(f"{name}PolicyId*.xml"),
        *folder.glob(f"{name}PolicySetId*.xml"),
    ]
    return Case(
        "2.0" if folder.name == "xacml-2.0" else "3.0",
        name,
        tuple(policies),
        request,
        folder / f"{name}Response.xml",
        tuple(sorted(references)),
        refused=folder.name == "xacml-2.0" and name in REFUSED_2_0,
    )


def told(response):
    """What a response tells, as plain data that can be compared: from its XML, so the encoder takes part."""
    return told_xml(encode_response(response, XML))


def told_xml(data):
    root = etree.fromstring(data, etree.XMLParser(collect_ids=False, remove_comments=True))
    return [_result(result) for result in root]


def _result(result):
    parts = {etree.QName(part).localname: part for part in result}
    return {
        "decision": parts["Decision"].text.strip(),
        "status": parts["Status"][0].get("Value"),
        "obligations": [_duty(each) for each in parts.get("Obligations", ())],
        "advice": [_duty(each) for each in parts.get("AssociatedAdvice", ())],
        "attributes": [
            (each.get("Category"), [_attribute(attribute) for attribute in each])
            for each in result
            if etree.QName(each).localname == "Attributes"
        ],
        "policies": [
            (etree.QName(each).localname, each.get("Version"), each.text.strip())
            for each in parts.get("PolicyIdentifierList", ())
        ],
    }


def _duty(element):
    name = element.get("ObligationId") or element.get("AdviceId")
    assignments = [
        (each.get("AttributeId"), each.get("Category"), each.get("Issuer"), *_value(each)) for each in element
    ]
    return name, element.get("FulfillOn"), assignments


def _attribute(element):
    return element.get("AttributeId"), element.get("Issuer"), [_value(each) for each in element]


def _value(element):
    data_type = DATA_TYPES[element.get("DataType")]
    text = element.text or ""
    value = text.strip() if data_type is XPATH_EXPRESSION else data_type.parse(text)
    return data_type.name, element.get("XPathCategory"), value
