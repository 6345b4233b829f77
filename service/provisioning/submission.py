"""What someone asks for, checked and resolved: which entity, which image after it, which members.

Nothing is written here. What is wrong is told with the field that is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from service import image as images
from service.provisioning.operations import Operation
from service.store import entities
from service.store.database import Transaction
from service.store.entities import MembershipChange
from service.store.models import EntityRow

Channel = Literal["scim", "api", "jit", "console", "reconcile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A provisioning request as it came in. `principal` is who sent it; `domain` None means the provider's own."""

    service_provider: str
    operation: Operation
    entity_type: Literal["user", "group"]
    entity_id: str | None = None
    entity_name: str | None = None
    domain: str | None = None
    attributes: Mapping[str, Any] | None = None
    patch: Sequence[Mapping[str, Any]] | None = None
    jit: bool = False
    channel: Channel = "api"
    principal: str
    idempotency_key: str | None = None
    body_hash: str | None = None


class RequestRefused(Exception):
    """The request cannot be taken; `problems` are (field, message), `status` is the HTTP status that fits."""

    def __init__(self, status: int, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{where}: {what}" for where, what in problems))
        self.status = status
        self.problems = list(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A checked submission: what it will do to the entity (None: it does not exist yet)."""

    operation: Operation
    entity: EntityRow | None
    type: Literal["user", "group"]
    domain: str
    name: str
    image: dict[str, Any]
    patch: list[Any] | None = None
    members: MembershipChange = field(default_factory=MembershipChange)
    password: str | None = None


def resolve(tx: Transaction, submission: Submission, domain: str) -> Change:
    """The change that a submission asks for; locks the entity's row. Raises `RequestRefused`."""
    entity = _entity(tx, submission, domain)
    try:
        change = _change(submission, entity, domain)
    except images.ImageErrors as errors:
        raise RequestRefused(422, errors.problems) from errors
    _check_members(tx, change, submission)
    return change


def _entity(tx: Transaction, submission: Submission, domain: str) -> EntityRow | None:
    """The entity that is meant: one must exist for all but a create, which must find none."""
    if submission.entity_id is not None:
        entity = entities.by_id(tx, submission.entity_id)
        if entity is None or entity.type != submission.entity_type:
            problem = f"no {submission.entity_type} has the id `{submission.entity_id}`"
            raise RequestRefused(422, [("entity.id", problem)])
    else:
        entity = entities.find(tx, submission.entity_type, domain, _name(submission))
    if submission.operation == "create" and entity is not None:
        message = f"{entity.type} `{entity.name}` exists already: use the operation `replace` or `modify`"
        raise RequestRefused(409, [("entity.name", message)])
    if submission.operation != "create" and entity is None:
        message = (
            f"there is no {submission.entity_type} `{_name(submission)}` in `{domain}`: use the operation `create`"
        )
        raise RequestRefused(422, [("entity.name", message)])
    return entity


def _name(submission: Submission) -> str:
    key = "userName" if submission.entity_type == "user" else "displayName"
    given = submission.entity_name or (submission.attributes or {}).get(key)
    if not isinstance(given, str) or not given.strip():
        raise RequestRefused(
            422, [("entity.name", f"give the entity's name, here or as `attributes.{key}`, or its id")]
        )
    return given.strip()


def _change(submission: Submission, entity: EntityRow | None, domain: str) -> Change:
    if submission.operation == "delete":
        assert entity is not None
        return Change(
            operation="delete",
            entity=entity,
            type=submission.entity_type,
            domain=entity.domain,
            name=entity.name,
            image=entity.attributes,
        )
    return _patched(submission, entity) if submission.operation == "modify" else _whole(submission, entity, domain)


def _whole(submission: Submission, entity: EntityRow | None, domain: str) -> Change:
    if submission.patch is not None:
        raise RequestRefused(422, [("patch", f"belongs to the operation `modify`, not `{submission.operation}`")])
    named = entity.name if entity is not None else _name(submission)
    # Who names the entity by its id may give it another name.
    rename = submission.entity_id is not None
    checked = images.check_image(submission.entity_type, submission.attributes or {}, name=named, rename=rename)
    name = checked.attributes[images.naming_attribute(submission.entity_type)]
    replaced = None if checked.members is None and entity is not None else frozenset(checked.members or ())
    return Change(
        operation=submission.operation,
        entity=entity,
        type=submission.entity_type,
        domain=entity.domain if entity is not None else domain,
        name=name,
        image=checked.attributes,
        members=MembershipChange(replaced=replaced),
        password=checked.password,
    )


def _patched(submission: Submission, entity: EntityRow | None) -> Change:
    assert entity is not None
    if not submission.patch:
        raise RequestRefused(422, [("patch", "the operation `modify` needs a list of PATCH operations")])
    if submission.attributes:
        message = "the operation `modify` takes a patch: use `replace` to send attributes"
        raise RequestRefused(422, [("entity.attributes", message)])
    patched = images.apply_patch(submission.entity_type, entity.attributes, submission.patch)
    name_key = "userName" if entity.type == "user" else "displayName"
    return Change(
        operation="modify",
        entity=entity,
        type=submission.entity_type,
        domain=entity.domain,
        name=patched.attributes.get(name_key, entity.name),
        image=patched.attributes,
        patch=list(patched.operations),
        members=MembershipChange(patched.added, patched.removed, patched.replaced),
        password=patched.password,
    )


def _check_members(tx: Transaction, change: Change, submission: Submission) -> None:
    where = "patch" if submission.operation == "modify" else "entity.attributes.members"
    wanted = sorted(change.members.added | (change.members.replaced or frozenset()))
    unknown = entities.unknown_ids(tx, wanted)
    if unknown:
        raise RequestRefused(422, [(where, f"no user or group has the id `{one}`") for one in unknown[:20]])
    if change.entity is not None and change.entity.id in wanted:
        raise RequestRefused(422, [(where, "a group cannot be a member of itself")])
