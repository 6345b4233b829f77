"""The image after a SCIM PATCH (RFC 7644, section 3.5.2).

Where clients in use go further than the RFC, so do we, as long as it cannot be misread: operation names in any case, a
single value for a multi-valued attribute, paths as keys of a value without `path`, a `remove` that lists the values to
remove, and an `add` whose filter describes the value that is missing (all of these Microsoft Entra ID).
A `remove` of what is not there changes nothing: what was wanted is so.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, cast

from connectors.connector import EntityType
from service.image.check import check_password, check_size, unknown
from service.image.editing import Editor, Op, Write
from service.image.errors import Findings, below, fail, show, suggestion
from service.image.filters import alternatives, weight
from service.image.roster import Roster, member_ids
from service.image.schema import RESOURCE_TYPES, Attribute, ResourceType, is_claim, is_extension
from service.image.target import Target, resolve
from service.image.values import MOST_VALUES, kind, named

MOST_OPERATIONS: Final = 10_000
"""Operations of one patch."""

MOST_WORK: Final = 500_000
"""Values that the operations of one patch may look at, all together: a small body could keep us busy for minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patched:
    """What a patch makes of an entity.

    `attributes` is the next image. `password` is a new one, if given. `added` and `removed` are ids of members who join
    and leave; `replaced`, when not None, is the whole new list of members, and the other two are empty then. `ignored`
    are the paths of read-only fields that were dropped.
    """

    attributes: dict[str, Any]
    password: str | None = field(default=None, repr=False)
    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    replaced: frozenset[str] | None = None
    operations: tuple[dict[str, Any], ...] = ()
    ignored: tuple[str, ...] = ()


def apply_patch(
    entity_type: EntityType,
    attributes: Mapping[str, Any],
    operations: Sequence[Mapping[str, Any]],
    *,
    members: AbstractSet[str] | None = None,
    at: str = "patch",
) -> Patched:
    """The image `attributes` after all operations, which take effect one after the other, or not at all.

    `members` are a group's present members, when known: then the membership change leaves out what is so already. `at`
    is where the operations stand in the caller's body. Raises `ImageErrors`, of the first operation that is wrong.
    """
    if not isinstance(operations, list | tuple):
        raise fail(at, f"must be a list, not {kind(operations)}", "invalidSyntax")
    if not 0 < len(operations) <= MOST_OPERATIONS:
        raise fail(at, f"has {len(operations)} operations: 1 to {MOST_OPERATIONS} are taken", "invalidSyntax")
    draft = _Draft(RESOURCE_TYPES[entity_type], copy.deepcopy(dict(attributes)), Roster(members))
    stored = [draft.perform(_operation(raw, f"{at}[{index}]")) for index, raw in enumerate(operations)]
    check_size(draft.resource, at)
    roster = draft.roster
    return Patched(
        attributes=draft.resource,
        password=draft.password,
        added=frozenset(roster.added),
        removed=frozenset(roster.removed),
        replaced=None if roster.replaced is None else frozenset(roster.replaced),
        operations=tuple(operation for operation in stored if operation is not None),
        ignored=tuple(draft.findings.ignored),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    """One operation, well formed. `path` is empty when there is none."""

    op: Op
    path: str
    value: Any
    at: str


def _operation(raw: Any, at: str) -> _Operation:
    if not isinstance(raw, Mapping):
        raise fail(at, f"must be an object, not {kind(raw)}", "invalidSyntax")
    findings = Findings()
    given = {name.casefold(): (name, value) for name, value in named(raw, at, findings)}
    for folded, (name, _) in given.items():
        if folded not in {"op", "path", "value"}:
            message = f"unknown field `{show(name)}`{suggestion(name, ['op', 'path', 'value'])}"
            findings.error(below(at, name), message, "invalidSyntax")
    op, path = given.get("op", ("", None))[1], given.get("path", ("", None))[1]
    if not isinstance(op, str) or op.casefold() not in {"add", "replace", "remove"}:
        findings.error(f"{at}.op", "must be `add`, `replace` or `remove`", "invalidSyntax")
    elif op.casefold() != "remove" and "value" not in given:
        findings.error(f"{at}.value", f"is missing: `{op.casefold()}` needs one")
    if path is not None and not isinstance(path, str):
        findings.error(f"{at}.path", f"must be a string, not {kind(path)}", "invalidPath")
    findings.raise_any()
    value = given.get("value", ("", None))[1]
    return _Operation(op=cast("Op", op.casefold()), path=(path or "").strip(), value=value, at=at)


@dataclass(slots=True)
class _Draft:
    """The entity while its patch is applied."""

    type: ResourceType
    resource: dict[str, Any]
    roster: Roster
    password: str | None = None
    findings: Findings = field(default_factory=Findings)
    work: int = 0

    def perform(self, operation: _Operation) -> dict[str, Any] | None:
        """Apply one operation; returns it as it can be stored: without a password, None when nothing else is left."""
        if not operation.path:
            kept = self._perform_on_resource(operation)
            return {"op": operation.op, "value": kept} if kept else None
        at = f"{operation.at}.path"
        target = resolve(self.type, operation.path, self.resource, at)
        if target.read_only:
            raise fail(at, f"`{show(operation.path)}` is read-only", "mutability")
        self._write(target, Write(op=operation.op, value=operation.value, at=at, value_at=f"{operation.at}.value"))
        if target.is_password:
            return None
        stored: dict[str, Any] = {"op": operation.op, "path": operation.path}
        return stored if operation.op == "remove" and operation.value is None else {**stored, "value": operation.value}

    def _perform_on_resource(self, operation: _Operation) -> dict[str, Any]:
        """Without a path the value holds attributes of the resource (sections 3.5.2.1 and 3.5.2.3).

        Returns the value without a password and without what is read-only.
        """
        if operation.op == "remove":
            raise fail(f"{operation.at}.path", "is missing: `remove` needs one", "noTarget")
        at, kept = f"{operation.at}.value", {}
        for name, value in self._members(operation.value, at):
            here = below(at, name)
            target = self._named_target(name, here)
            if target.read_only:
                # RFC 7644, section 3.3; Okta sends the `id` along.
                self.findings.ignored.append(here)
                continue
            self._write(target, Write(op=operation.op, value=value, at=here, value_at=here))
            if not target.is_password:
                kept[name] = value
        return kept

    def _named_target(self, name: str, at: str) -> Target:
        """The target of a key in a value without a path."""
        attribute = self.type.core.attributes.get(name.casefold())
        if attribute is not None:
            return Target(attribute=attribute)
        if is_extension(name) or is_claim(name) or not {".", "["}.isdisjoint(name):
            return resolve(self.type, name, self.resource, at)
        raise fail(at, unknown(self.type, name))

    def _members(self, value: Any, at: str) -> list[tuple[str, Any]]:
        """The names and values of an object."""
        if not isinstance(value, Mapping):
            raise fail(at, f"must be an object of attributes, not {kind(value)}")
        findings = Findings()
        found = named(value, at, findings)
        findings.raise_any()
        return found

    def _write(self, target: Target, write: Write) -> None:
        attribute = target.attribute
        if attribute is None:
            self._write_extension(target.urn, write)
        elif not target.urn and attribute.name == "members":
            _write_members(self.roster, target, write)
        elif target.is_password:
            self._write_password(write)
        else:
            self._write_attribute(attribute, target, write)

    def _write_extension(self, urn: str, write: Write) -> None:
        """A whole extension: as with any complex value, attributes that are not named stay (section 3.5.2.3)."""
        if write.op == "remove" or write.value is None:
            self.resource.pop(urn, None)
            return
        known = self.type.extensions.get(urn.casefold())
        for name, value in self._members(write.value, write.value_at):
            here = below(write.value_at, name)
            if known is not None and name.casefold() not in known.attributes:
                names = [one.name for one in known.attributes.values()]
                raise fail(here, f"unknown attribute `{show(name)}`{suggestion(name, names)}")
            attribute = known.attributes[name.casefold()] if known else self._untyped(urn, name)
            target = Target(urn=urn, attribute=attribute)
            self._write(target, Write(op=write.op, value=value, at=here, value_at=here))

    def _untyped(self, urn: str, name: str) -> Attribute:
        """An attribute of an extension that we do not know, spelled as it is there already."""
        present = self.resource.get(urn, {})
        spelled = next((key for key in present if key.casefold() == name.casefold()), name)
        return Attribute(name=spelled, type="any")

    def _write_password(self, write: Write) -> None:
        if write.op == "remove":
            raise fail(write.at, "a password can be replaced, not removed", "mutability")
        findings = Findings()
        password = check_password(write.value, write.value_at, findings)
        findings.raise_any()
        self.password = password or self.password

    def _write_attribute(self, attribute: Attribute, target: Target, write: Write) -> None:
        holder = self.resource.setdefault(target.urn, {}) if target.urn else self.resource
        before = holder.get(attribute.name)
        self._count(before, target, write)
        editor = Editor(attribute, write, self.findings)
        if target.filter is not None:
            after = editor.selected(before, target.filter, target.sub)
        elif target.sub is not None:
            after = editor.below(before, target.sub)
        else:
            after = editor.whole(before)
        self._check(attribute, target, after, write)
        holder[attribute.name] = after
        if after in (None, {}, []):
            del holder[attribute.name]
        if target.urn and not holder:
            del self.resource[target.urn]

    def _count(self, before: Any, target: Target, write: Write) -> None:
        """Give up on a patch that takes too much work."""
        values = len(before) if isinstance(before, list) else 0
        listed = len(write.value) // 2 if write.op == "remove" and isinstance(write.value, list) else 0
        tests = 2 * weight(target.filter) if target.filter is not None else 0
        self.work += values * max(1, listed, tests)
        if self.work > MOST_WORK:
            raise fail(write.at, "the patch is too large to be applied: send it in parts", "tooMany")

    def _check(self, attribute: Attribute, target: Target, after: Any, write: Write) -> None:
        """What an attribute cannot become, whatever its values are."""
        if isinstance(after, list) and len(after) > MOST_VALUES:
            raise fail(write.value_at, f"would make {len(after)} values: at most {MOST_VALUES} are taken", "tooMany")
        if not target.urn and attribute.name == self.type.naming:
            if after is None:
                # RFC 7644, section 3.5.2.2: a required attribute that becomes unassigned.
                raise fail(write.at, f"`{attribute.name}` is required and cannot be removed", "mutability")
            if not after.strip():
                raise fail(write.value_at, "must not be blank")


def _write_members(roster: Roster, target: Target, write: Write) -> None:
    """Members join and leave; what a group says about one (RFC 7643, section 4.2) is not ours to keep."""
    if target.sub is not None or (target.filter is not None and write.op != "remove"):
        raise fail(write.at, "a member can be added and removed, not changed", "mutability")
    if target.filter is not None:
        ids = alternatives(target.filter, "value")
        if ids is None:
            raise fail(write.at, 'members are found by `value eq "<id>"`, several joined by `or`', "invalidFilter")
        roster.remove(ids)
    elif write.op == "remove" and write.value is None:
        roster.replace(())
    else:
        findings = Findings()
        value = [write.value] if isinstance(write.value, Mapping) else write.value
        ids = list(member_ids(value, write.value_at, findings))
        findings.raise_any()
        {"add": roster.add, "remove": roster.remove, "replace": roster.replace}[write.op](ids)
