"""Users and groups as a client of the storm knows them, and the operations it thinks of. Nothing is sent here.

Every operation leaves a mark of its own in the entity (a user's title, an attribute of a group's extension), so that
whatever arrives at a target says which operation it came from.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.gate import ENTERPRISE

GROUP_EXTENSION = "urn:example:params:scim:schemas:extension:chaos:2.0:Group"
DEPARTMENTS = ("engineering",) * 7 + ("contested",) * 2 + ("forbidden",)
"""Engineering may always enter, the contested one by turns, the forbidden one never."""


@dataclass
class Entity:
    """A user or a group; `image` is what all that was accepted made of it, `members` are a group's, by id."""

    kind: str
    name: str
    id: str = ""
    image: dict[str, Any] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    alive: bool = True

    @property
    def department(self) -> str:
        """What the policies ask about; a group has none."""
        return str(self.image.get(ENTERPRISE, {}).get("department", ""))


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A request to send, and what the entity is once it is accepted (`image` None: gone)."""

    number: int
    entity: Entity
    body: dict[str, Any]
    name: str
    image: dict[str, Any] | None
    members: frozenset[str] = frozenset()

    @property
    def what(self) -> str:
        """The operation's name in the API."""
        return str(self.body["operation"])


def mark(number: int) -> str:
    """The mark of an operation."""
    return f"op-{number}"


def mark_in(resource: dict[str, Any]) -> str | None:
    """The mark that a resource, or a PATCH, carries; None when it says nothing of it."""
    found: str | None = resource.get("title") or resource.get(GROUP_EXTENSION, {}).get("mark")
    for operation in resource.get("Operations", ()):
        path = str(operation.get("path", ""))
        if path in {"title", f"{GROUP_EXTENSION}:mark"}:
            found = operation["value"]
    return found


class Household:
    """The entities of one client: nobody else changes them, so it knows what each must come to.

    `names` begins all its names, `numbers` counts all operations of the storm, `providers` are those to act for.
    """

    def __init__(
        self,
        names: str,
        source: random.Random,
        numbers: Iterator[int],
        *,
        providers: tuple[str, ...],
        shared: tuple[Entity, ...] = (),
        most_users: int = 40,
        most_groups: int = 3,
    ) -> None:
        self.names = names
        self.source = source
        self.numbers = numbers
        self.providers = providers
        self.shared = shared
        self.most = {"user": most_users, "group": most_groups}
        self.entities: list[Entity] = []
        self._count = 0

    def think(self) -> Operation:
        """The next operation."""
        users, groups = self._living("user"), self._living("group")
        if len(users) < 3 or (len(users) < self.most["user"] and self.source.random() < 0.3):
            return self.create("user", self._name("user"))
        if len(groups) < self.most["group"] and self.source.random() < 0.1:
            return self.create("group", self._name("group"))
        drawn = self.source.random()
        if drawn < 0.12 and self.shared:
            return self.modify(self.source.choice(self.shared), known=False)
        if drawn < 0.32 and groups:
            return self._membership(self.source.choice(groups))
        return self._with_user(self.source.choice(users))

    def _with_user(self, user: Entity) -> Operation:
        drawn = self.source.random()
        if drawn < 0.12:
            return self.delete(user)
        if drawn < 0.22:
            return self.replace(user, self._name("renamed"))
        if drawn < 0.42:
            return self.replace(user, user.name)
        gone = [one for one in self.entities if not one.alive and one.department == "engineering"]
        if drawn < 0.5 and gone:
            return self.create("user", self.source.choice(gone).name)
        return self.modify(user)

    def accepted(self, operation: Operation, entity_id: str) -> None:
        """Know what the service has taken."""
        entity = operation.entity
        if not entity.id:
            # Who comes back under a name is somebody new.
            self.entities = [one for one in self.entities if one.alive or one.name != operation.name]
            self.entities.append(entity)
        assert entity.id in {"", entity_id}
        entity.id, entity.name = entity_id, operation.name
        entity.members = set(operation.members)
        if operation.image is None:
            entity.alive = False
            for group in self._living("group"):
                group.members.discard(entity.id)
        else:
            entity.image = operation.image

    # -- operations ---------------------------------------------------------------------------------------------------

    def create(self, kind: str, name: str) -> Operation:
        """Somebody new."""
        entity, number = Entity(kind, name), next(self.numbers)
        image = self._image(kind, name, number)
        members = self._some_users() if kind == "group" else frozenset()
        return self._operation(number, entity, "create", image, attributes=self._sent(kind, image, members))

    def replace(self, entity: Entity, name: str) -> Operation:
        """All attributes anew; under another name, a rename."""
        number = next(self.numbers)
        image = self._image(entity.kind, name, number, department=entity.department)
        by_id = name != entity.name
        return self._operation(number, entity, "replace", image, attributes=dict(image), by_id=by_id)

    def modify(self, user: Entity, *, known: bool = True) -> Operation:
        """A few attributes of a user. Of one whom others change as well (`known` False) nothing more can be told."""
        number = next(self.numbers)
        image = copy.deepcopy(user.image)
        patch = [{"op": "replace", "path": "title", "value": mark(number)}]
        image["title"] = mark(number)
        extra = self._extra(number, image, moves=known)
        return self._operation(number, user, "modify", image, patch=[*patch, extra])

    def _extra(self, number: int, image: dict[str, Any], *, moves: bool) -> dict[str, Any]:
        """One more change: applied to `image`, and as a PATCH operation."""
        drawn = self.source.random()
        if drawn < 0.1 and moves and image[ENTERPRISE]["department"] != "forbidden":
            department = self.source.choice(("engineering", "contested"))
            image[ENTERPRISE]["department"] = department
            return {"op": "replace", "path": f"{ENTERPRISE}:department", "value": department}
        if drawn < 0.3 and "nickName" in image:
            del image["nickName"]
            return {"op": "remove", "path": "nickName"}
        if drawn < 0.6:
            image["nickName"] = f"Nick {number}"
            return {"op": "add", "path": "nickName", "value": image["nickName"]}
        image["name"]["familyName"] = f"Family {number}"
        return {"op": "replace", "path": "name.familyName", "value": image["name"]["familyName"]}

    def delete(self, user: Entity) -> Operation:
        """A leaver."""
        return self._operation(next(self.numbers), user, "delete", None)

    def _membership(self, group: Entity) -> Operation:
        """Some users join a group, some leave."""
        number = next(self.numbers)
        image = copy.deepcopy(group.image)
        image[GROUP_EXTENSION]["mark"] = mark(number)
        joining = sorted(self._some_users() - group.members)
        leaving = sorted(one for one in group.members if self.source.random() < 0.3)
        patch: list[dict[str, Any]] = [{"op": "replace", "path": f"{GROUP_EXTENSION}:mark", "value": mark(number)}]
        if joining:
            patch.append({"op": "add", "path": "members", "value": [{"value": one} for one in joining]})
        patch += [{"op": "remove", "path": f'members[value eq "{one}"]'} for one in leaving]
        members = frozenset((group.members | set(joining)) - set(leaving))
        return self._operation(number, group, "modify", image, patch=patch, members=members)

    def _operation(
        self,
        number: int,
        entity: Entity,
        what: str,
        image: dict[str, Any] | None,
        *,
        attributes: dict[str, Any] | None = None,
        patch: list[dict[str, Any]] | None = None,
        members: frozenset[str] | None = None,
        by_id: bool = False,
    ) -> Operation:
        named: dict[str, Any] = {"type": entity.kind}
        by_id = by_id or (bool(entity.id) and self.source.random() < 0.5)
        named |= {"id": entity.id} if by_id else {"name": entity.name}
        body: dict[str, Any] = {"operation": what, "entity": named}
        body["serviceProvider"] = self.source.choice(self.providers)
        if attributes is not None:
            named["attributes"] = attributes
            told = {one["value"] for one in attributes.get("members", ())}
            members = frozenset(told) if "members" in attributes else members
        if patch is not None:
            body["patch"] = patch
        name = entity.name if image is None else str(image["userName" if entity.kind == "user" else "displayName"])
        return Operation(
            number=number,
            entity=entity,
            body=body,
            name=name,
            image=image,
            members=frozenset(entity.members) if members is None else members,
        )

    # -- attributes ---------------------------------------------------------------------------------------------------

    def _image(self, kind: str, name: str, number: int, *, department: str | None = None) -> dict[str, Any]:
        if kind == "group":
            return {"displayName": name, GROUP_EXTENSION: {"mark": mark(number)}}
        return {
            "userName": name,
            "title": mark(number),
            "name": {"givenName": "Given", "familyName": f"Family {number}"},
            "emails": [{"value": f"{name}@example.com", "primary": True}],
            ENTERPRISE: {"department": department or self.source.choice(DEPARTMENTS)},
        }

    def _sent(self, kind: str, image: dict[str, Any], members: frozenset[str]) -> dict[str, Any]:
        if kind == "user" or not members:
            return dict(image)
        return {**image, "members": [{"value": one} for one in sorted(members)]}

    def _some_users(self) -> frozenset[str]:
        users = self._living("user")
        return frozenset(one.id for one in self.source.sample(users, min(len(users), self.source.randrange(1, 5))))

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{self.names}-{kind}-{self._count}"

    def _living(self, kind: str) -> list[Entity]:
        return [one for one in self.entities if one.kind == kind and one.alive]
