"""What the path of a PATCH operation leads to (RFC 7644, sections 3.5.2 and 3.10); `scim2_models` parses it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from scim2_models import InvalidPathException, Path
from scim2_models.path import AttrPath, FilterNode, PathNode, ValuePath

from service.image.check import unknown
from service.image.errors import fail, show, suggestion
from service.image.filters import check_filter
from service.image.schema import Attribute, ResourceType, is_claim, is_extension

LONGEST_PATH: Final = 8_192
"""Characters in one path."""

# An extension that nobody has heard of can only be told from an attribute of one by its version (RFC 7643, section
# 10.2.1: `urn:…:extension:<name>:2.0:User`).
_VERSIONED: Final = re.compile(r"urn:.*:v?\d+(\.\d+)*:[^:.]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a patch operation works.

    `urn` is the extension, empty for the core. `attribute` is None when the whole extension is meant. `filter` selects
    values of a multi-valued attribute, `sub` is the sub-attribute behind the dot.
    """

    urn: str = ""
    attribute: Attribute | None
    filter: FilterNode | None = None
    sub: Attribute | None = None

    @property
    def read_only(self) -> bool:
        """Whether only the service itself may write here (RFC 7643, section 2.2)."""
        return any(one is not None and one.read_only for one in (self.attribute, self.sub))

    @property
    def is_password(self) -> bool:
        """Whether this is a user's password, which is part of no image."""
        return not self.urn and self.attribute is not None and self.attribute.name == "password"


def resolve(resource_type: ResourceType, text: str, resource: Mapping[str, Any], at: str) -> Target:
    """The target of a path, in a resource as it stands. Raises `ImageErrors` for the field `at`."""
    if len(text) > LONGEST_PATH:
        raise fail(at, f"has {len(text)} characters: at most {LONGEST_PATH} are taken", "invalidPath")
    if text.casefold() == resource_type.core.urn.casefold():
        raise fail(at, "attributes of the core schema stand at the top of the resource", "invalidPath")
    if is_claim(text):
        return Target(attribute=Attribute(name=_spelling(text, resource), type="any"))
    extension = _extension(resource_type, text, resource)
    if extension is not None:
        return Target(urn=extension, attribute=None)
    node = _parse(text, at)
    path = node.attr_path if isinstance(node, ValuePath) else node
    urn, attribute = _attribute(resource_type, path, resource, at)
    filter_ = node.val_filter if isinstance(node, ValuePath) else None
    if filter_ is not None:
        if not attribute.multi_valued and attribute.type != "any":
            raise fail(at, f"`{attribute.name}` has one value: there is nothing to select", "invalidPath")
        check_filter(filter_, attribute, at)
    sub = _sub(attribute, node.sub_attr, at)
    return Target(urn=urn, attribute=attribute, filter=filter_, sub=sub)


def _parse(text: str, at: str) -> AttrPath | ValuePath:
    node: PathNode | None = None
    try:
        node = Path[Any](text).ast
    except InvalidPathException as error:
        raise fail(at, f"`{show(text)}` is no path: {error.detail}", "invalidPath") from error
    if not isinstance(node, AttrPath | ValuePath):
        raise fail(at, f"`{show(text)}` is no path: put a filter into brackets", "invalidPath")
    return node


def _extension(resource_type: ResourceType, text: str, resource: Mapping[str, Any]) -> str | None:
    """The extension that a path names as a whole, in the spelling that the resource has or should have."""
    if not is_extension(text) or "[" in text:
        return None
    known = resource_type.extensions.get(text.casefold())
    if known is not None:
        return known.urn
    present = _spelling(text, resource)
    if present in resource:
        return present
    home = text.rpartition(":")[0]
    if home.casefold() in resource_type.extensions or home.casefold() == resource_type.core.urn.casefold():
        return None
    return text if _VERSIONED.fullmatch(text) and _spelling(home, resource) not in resource else None


def _attribute(
    resource_type: ResourceType, path: AttrPath, resource: Mapping[str, Any], at: str
) -> tuple[str, Attribute]:
    """The extension (empty for the core) and the definition of the attribute that a path names."""
    if path.uri is None or path.uri.casefold() == resource_type.core.urn.casefold():
        attribute = resource_type.core.attributes.get(path.attr.casefold())
        if attribute is None:
            raise fail(at, unknown(resource_type, path.attr), "invalidPath")
        return "", attribute
    known = resource_type.extensions.get(path.uri.casefold())
    if known is None:
        urn = _spelling(path.uri, resource)
        return urn, Attribute(name=_spelling(path.attr, resource.get(urn, {})), type="any")
    attribute = known.attributes.get(path.attr.casefold())
    if attribute is None:
        help_ = suggestion(path.attr, [one.name for one in known.attributes.values()])
        raise fail(at, f"`{known.urn}` has no `{show(path.attr)}`{help_}", "invalidPath")
    return known.urn, attribute


def _sub(attribute: Attribute, name: str | None, at: str) -> Attribute | None:
    if name is None:
        return None
    sub = attribute.sub(name)
    if sub is None:
        help_ = suggestion(name, [one.name for one in attribute.subs.values()])
        raise fail(at, f"`{attribute.name}` has no `{show(name)}`{help_}", "invalidPath")
    return sub


def _spelling(name: str, within: Mapping[str, Any]) -> str:
    """A name as `within` spells it already, else as it is given."""
    return next((key for key in within if key.casefold() == name.casefold()), name)
