"""What is asked of the engine: a decision request, whatever syntax it came in.

A request is written once, by the reader of its syntax, and only read afterwards. The values of an attribute
stay text until a policy asks for them: most are never asked for.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lxml import etree

from service.pdp.datatypes import DATA_TYPES, XPathExpression

SUBJECT = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject"
RESOURCE = "urn:oasis:names:tc:xacml:3.0:attribute-category:resource"
ACTION = "urn:oasis:names:tc:xacml:3.0:attribute-category:action"
ENVIRONMENT = "urn:oasis:names:tc:xacml:3.0:attribute-category:environment"

MULTIPLE_SELECTOR = "urn:oasis:names:tc:xacml:3.0:multiple:content-selector"
RESOURCE_SCOPES = frozenset(
    {"urn:oasis:names:tc:xacml:2.0:resource:scope", "urn:oasis:names:tc:xacml:1.0:resource:scope"}
)
_UNFOLDING = RESOURCE_SCOPES | {MULTIPLE_SELECTOR}


class Value(NamedTuple):
    """An attribute value as it was sent: the address of its data type and its text."""

    data_type: str
    text: str
    xpath: XPathExpression | None = None
    """The whole value, for data type xpathExpression only: its text alone lacks category and namespaces."""


class Attribute(NamedTuple):
    """An attribute of a request (3.0 core, section 5.46)."""

    attribute_id: str
    values: tuple[Value, ...]
    issuer: str | None = None
    include_in_result: bool = False


class AttributeGroup(NamedTuple):
    """`<Attributes>`: the attributes of one category (3.0 core, section 5.44), or one repetition of it."""

    category: str
    attributes: tuple[Attribute, ...] = ()
    content: etree._Element | None = None
    """The one child of `<Content>`, in a document of its own, so that `/` is above it."""
    xml_id: str | None = None


@dataclass(slots=True, eq=False)
class Request:
    """A decision request. Treat it as immutable: it may be decided by several threads at once."""

    groups: tuple[AttributeGroup, ...] = ()
    return_policy_ids: bool = False
    combined_decision: bool = False
    references: tuple[tuple[str, ...], ...] = ()
    """`<MultiRequests>`: per individual decision the `xml:id` of the groups that it is about."""
    version: str = "3.0"
    """The version of XACML it was written in, so that the answer can be too."""
    error: str | None = None
    """What is invalid about a well-formed request: it decides Indeterminate with syntax-error."""
    document: etree._Element | None = None
    """The whole request, of XACML 2.0 only: the document that its attribute selectors look into."""
    xpath_version: str = "1.0"
    """The version of XPath that `<RequestDefaults>` names, for the expressions of the request itself."""
    _table: dict[tuple[str, str, str], Any] | None = field(default=None, init=False)
    _single: bool | None = field(default=None, init=False)

    def table(self) -> dict[tuple[str, str, str], Any]:
        """All values by category, attribute id and data type: tuples of (`Value`, issuer), in order.

        Made when first asked for and kept; two threads that ask at once make it twice, to the same end.
        """
        table = self._table
        if table is None:
            grown: dict[tuple[str, str, str], list[tuple[Value, str | None]]] = {}
            for group in self.groups:
                for attribute in group.attributes:
                    for value in attribute.values:
                        known = DATA_TYPES.get(value.data_type)
                        uri = value.data_type if known is None else known.uri
                        key = (group.category, attribute.attribute_id, uri)
                        grown.setdefault(key, []).append((value, attribute.issuer))
            self._table = table = {key: tuple(values) for key, values in grown.items()}
        return table

    @property
    def single(self) -> bool:
        """Whether it asks for one decision as it stands: see `service.pdp.multiple` for how it may not."""
        if self._single is None:
            ids = {attribute.attribute_id for group in self.groups for attribute in group.attributes}
            repeated = len({group.category for group in self.groups}) < len(self.groups)
            self._single = not (repeated or self.references or not ids.isdisjoint(_UNFOLDING))
        return self._single
