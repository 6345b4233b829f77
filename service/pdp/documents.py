"""One policy file, from bytes to the model: which version of XACML it is, its structure, its meaning."""

from functools import lru_cache
from typing import Final, NamedTuple

from service.pdp.errors import PolicyError, quoted
from service.pdp.expressions import ExpressionReader
from service.pdp.grammar import XACML2, XACML3, check_structure
from service.pdp.limits import Limits
from service.pdp.model import Policy, PolicySet
from service.pdp.reading import PolicyReader
from service.pdp.reading2 import ExpressionReader2, PolicyReader2
from service.pdp.reports import Reports
from service.pdp.xml_input import XmlError, local_name, namespace, parse_xml

# When one file of many changes, the others are not read again. A file of 1,000 rules is held in about 4 MB.
_KEPT: Final = 256


class Document(NamedTuple):
    """What a file holds, or everything that is wrong with it; a document with errors is not to be used."""

    policy: Policy | PolicySet | None
    errors: tuple[PolicyError, ...]


@lru_cache(maxsize=_KEPT)
def read_document(name: str, data: bytes, limits: Limits) -> Document:
    """Read one policy file. Depends on nothing but its arguments, so what was read once is kept."""
    reports = Reports(name, limits)
    try:
        root = parse_xml(data, max_bytes=limits.policy_bytes)
    except XmlError as error:
        hint = "nothing of the file is used until it is mended"
        return Document(None, (PolicyError(name, error.line, "", error.message, hint),))
    space = namespace(root)
    if space not in {XACML3, XACML2}:
        message = f"the namespace of the root is {quoted(space)}"
        reports.report(root, message, f"XACML 3.0 policies are in `{XACML3}`, those of 2.0 in `{XACML2}`")
    elif local_name(root) not in {"Policy", "PolicySet"}:
        reports.report(root, f"the root is <{local_name(root)}>", "it must be <Policy> or <PolicySet>")
    else:
        check_structure(root, space, reports.report)
        reader = PolicyReader(reports, ExpressionReader(reports))
        if space == XACML2:
            reader = PolicyReader2(reports, ExpressionReader2(reports))
        return _document(reader.root(root), reports)
    return _document(None, reports)


def _document(policy: Policy | PolicySet | None, reports: Reports) -> Document:
    return Document(None if reports.errors else policy, tuple(reports.errors))
