"""What is asked of the engine: a decision request, whatever syntax it came in.

A request is written once, by the reader of its syntax, and only read afterwards. The values of an attribute
stay text until a policy asks for them: most are never asked for.
"""

from collections.abc import Callable
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
UNFOLDING = RESOURCE_SCOPES | {MULTIPLE_SELECTOR}
"""Attributes by which a request asks for several decisions."""


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


Sent = tuple[str, str | None, XPathExpression | None]
"""A value as the table of a request holds it: its text, its issuer, and of an XPath the whole value."""

Table = dict[tuple[str, str, str], list[Sent]]
"""Values by category, attribute id and data type."""


class Request:
    """A decision request. Treat it as immutable: it may be decided by several threads at once.

    `groups` are the attributes by category. Three things are worked out of them when first asked for: the
    `table` of their values, whether the request is a `single` one, and the groups to be `included` in the result.
    Two threads that ask at once work them out twice, to the same end.
    """

    __slots__ = (
        "_groups",
        "_included",
        "_read_groups",
        "_single",
        "_table",
        "bags",
        "combined_decision",
        "document",
        "error",
        "references",
        "return_policy_ids",
        "version",
        "xpath_version",
    )

    def __init__(
        self,
        groups: tuple[AttributeGroup, ...] = (),
        *,
        return_policy_ids: bool = False,
        combined_decision: bool = False,
        references: tuple[tuple[str, ...], ...] = (),
        version: str = "3.0",
        error: str | None = None,
        document: etree._Element | None = None,
        xpath_version: str = "1.0",
    ) -> None:
        """Make a request.

        `references` holds, of `<MultiRequests>`, per individual decision the `xml:id` of the groups that it is
        about. `version` is the version of XACML it was written in, so that the answer can be too. `error` says
        what is invalid about a well-formed request: it decides Indeterminate with syntax-error. `document` is the
        whole request, of XACML 2.0 only: what its attribute selectors look into. `xpath_version` is that of
        `<RequestDefaults>`, for the expressions of the request itself.
        """
        self._groups: tuple[AttributeGroup, ...] | None = groups
        self._read_groups: Callable[[], tuple[AttributeGroup, ...]] | None = None
        self._table: Table | None = None
        self._single: bool | None = None
        self._included: tuple[AttributeGroup, ...] | None = None
        self.return_policy_ids = return_policy_ids
        self.combined_decision = combined_decision
        self.references = references
        self.version = version
        self.error = error
        self.document = document
        self.xpath_version = xpath_version
        self.bags: dict[Any, tuple[Any, ...]] = {}
        """Values that were asked for, by what asked for them: parsed once, whoever decides."""

    @classmethod
    def of_table(
        cls,
        table: Table,
        read_groups: Callable[[], tuple[AttributeGroup, ...]],
        return_policy_ids: bool,  # noqa: FBT001 - as the reader has them
        combined_decision: bool,  # noqa: FBT001
    ) -> "Request":
        """Make a request of its table; it must be a single one that wants nothing included.

        `read_groups` is called if somebody asks for the groups after all.
        """
        request = cls(return_policy_ids=return_policy_ids, combined_decision=combined_decision)
        request._groups = None
        request._read_groups = read_groups
        request._table = table
        request._single = True
        request._included = ()
        return request

    @property
    def groups(self) -> tuple[AttributeGroup, ...]:
        """The attributes by category, in the order of the request."""
        if self._groups is None:
            assert self._read_groups is not None
            self._groups = self._read_groups()
        return self._groups

    def with_groups(self, groups: tuple[AttributeGroup, ...]) -> "Request":
        """The same request about other attributes, for one of the decisions it asks for."""
        return Request(
            groups,
            return_policy_ids=self.return_policy_ids,
            version=self.version,
            document=self.document,
            xpath_version=self.xpath_version,
        )

    @property
    def table(self) -> Table:
        """All values by category, attribute id and data type, in order."""
        table = self._table
        if table is None:
            table = {}
            for group in self.groups:
                for attribute in group.attributes:
                    for data_type, text, xpath in attribute.values:
                        key = (group.category, attribute.attribute_id, canonical_type(data_type))
                        table.setdefault(key, []).append((text, attribute.issuer, xpath))
            self._table = table
        return table

    @property
    def single(self) -> bool:
        """Whether it asks for one decision as it stands: see `service.pdp.multiple` for how it may not."""
        if self._single is None:
            ids = {attribute.attribute_id for group in self.groups for attribute in group.attributes}
            repeated = len({group.category for group in self.groups}) < len(self.groups)
            self._single = not (repeated or self.references or not ids.isdisjoint(UNFOLDING))
        return self._single

    @property
    def included(self) -> tuple[AttributeGroup, ...]:
        """The attributes that the client wants to see in the result (IncludeInResult)."""
        if self._included is None:
            chosen = [
                (group, tuple([attribute for attribute in group.attributes if attribute.include_in_result]))
                for group in self.groups
            ]
            self._included = tuple(
                [AttributeGroup(group.category, given, None, group.xml_id) for group, given in chosen if given]
            )
        return self._included


def canonical_type(data_type: str) -> str:
    """The address of a data type: durations have an old one too (3.0 core, appendix A.2)."""
    known = DATA_TYPES.get(data_type)
    return data_type if known is None else known.uri
