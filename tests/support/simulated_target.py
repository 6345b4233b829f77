"""A strict SCIM 2.0 target in memory that plays the quirks of real ones (see the profiles); no network.

Call it with a request to get a reply. What RFC 7643 and RFC 7644 forbid is refused, what a quirk forbids as well.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from connectors.claims import CORE_GROUP, CORE_USER
from connectors.connector import Reply, Request
from tests.support.driving import reply, scim_error

BASE = "https://target.test/scim"
_PATH = re.compile(
    r"""(?:(?P<urn>urn:[^\[\]]+?):)?(?P<attribute>[a-z]\w*)
        (?:\[(?P<sub>\w+)\ eq\ "(?P<value>(?:[^"\\]|\\.)*)"\])?(?:\.(?P<rest>\w+))?""",
    re.VERBOSE,
)
_FILTER = re.compile(r'(?P<attribute>[\w.]+) eq (?P<value>"(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """What a target does differently; the defaults are the specification's."""

    patch_members: int = 100
    patch_operations: int = 100
    group_members: int = 1_000_000
    whole_members: bool = True  # members may be replaced or removed all at once
    members_readable: bool = True
    members_as: str = "list"  # list, object, pathless
    methods: tuple[str, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")
    group_methods: tuple[str, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")
    patch_only: tuple[str, ...] = ()  # the only user attributes that PATCH changes
    filters: tuple[str, ...] = ("userName", "displayName", "externalId")
    filters_ignored: bool = False
    external_id_is_id: bool = False
    inactive: str = "stays"  # stays, hidden, deleted
    empty_bodies: bool = False
    capitals: bool = False
    boolean_words: bool = False
    required: tuple[str, ...] = ("userName",)
    unknown: tuple[str, ...] = ()
    single: tuple[str, ...] = ()
    body: int = 10_000_000
    agent: bool = False
    bare_conflict: bool = False
    etags: bool = True
    integer_ids: bool = False
    location_only: bool = False
    pathless: bool = True  # PATCH takes an object of attributes without a path
    known_members: bool = False  # only what is there may be a member
    member_display: bool = False
    user_deletion: bool = True
    configuration: str = ""  # where it tells what it can do; blank: nowhere
    denies: tuple[str, ...] = ()  # what it says it cannot do, and can


class Refusal(Exception):
    """An answer that ends a request early."""

    def __init__(self, status: int, detail: str, scim_type: str = "") -> None:
        super().__init__(detail)
        self.reply = scim_error(status, detail, scim_type)


@dataclass
class SimulatedTarget:
    """The target; `stored` are its resources by id, deleted and hidden ones aside."""

    quirks: Quirks = field(default_factory=Quirks)
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    passwords: dict[str, str] = field(default_factory=dict)
    counter: int = 0

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        try:
            return self._serve(request)
        except Refusal as refusal:
            return refusal.reply

    answer = __call__

    # -- for tests ----------------------------------------------------------------------------------------------------

    @property
    def properties(self) -> dict[str, str]:
        return self.properties_at(BASE)

    def properties_at(self, base: str) -> dict[str, str]:
        return {
            "scim2-access-token": "token-of-the-simulation",
            "scim2-user-ep": f"{base}/Users",
            "scim2-group-ep": f"{base}/Groups",
        }

    @property
    def calls(self) -> list[str]:
        return [f"{one.method} {one.url.removeprefix(BASE)}" for one in self.requests]

    def give(self, kind: str, resource: dict[str, Any]) -> str:
        """A resource that somebody else has made; answers its id."""
        self.counter += 1
        identifier = str(1000 + self.counter)
        self._store(kind, identifier, dict(resource))
        return identifier

    def of_kind(self, schema: str) -> list[dict[str, Any]]:
        return [one for one in self.stored.values() if one["schemas"][0] == schema]

    @property
    def users(self) -> list[dict[str, Any]]:
        return self.of_kind(CORE_USER)

    @property
    def groups(self) -> list[dict[str, Any]]:
        return self.of_kind(CORE_GROUP)

    def members(self, identifier: str) -> set[str]:
        return {one["value"] for one in self.stored[identifier].get("members", [])}

    # -- requests -----------------------------------------------------------------------------------------------------

    def _serve(self, request: Request) -> Reply:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if headers.get("authorization") != "Bearer token-of-the-simulation":
            raise Refusal(401, "who are you?")
        if self.quirks.agent and not headers.get("user-agent"):
            raise Refusal(403, "say who you are in User-Agent")
        if len(request.body or b"") > self.quirks.body:
            raise Refusal(413, "too large")
        parts = urlsplit(request.url)
        segments = [unquote(one) for one in parts.path.removeprefix("/scim/").split("/")]
        if self.quirks.configuration and segments == [self.quirks.configuration]:
            return self._configuration()
        if segments[0] not in {"Users", "Groups"}:
            raise Refusal(404, "no such endpoint")
        kind = CORE_USER if segments[0] == "Users" else CORE_GROUP
        if request.method not in (self.quirks.methods if kind == CORE_USER else self.quirks.group_methods):
            raise Refusal(405, "not here")
        body = json.loads(request.body) if request.body else None
        if body is not None and headers.get("content-type") != "application/scim+json":
            raise Refusal(415, "send application/scim+json")
        if len(segments) == 1:
            return self._create(kind, body) if request.method == "POST" else self._list(kind, parse_qs(parts.query))
        return self._one(kind, segments[1], request.method, body, headers.get("if-match"))

    def _configuration(self) -> Reply:
        """RFC 7643 section 5."""
        can = {"patch": "PATCH" in self.quirks.methods, "filter": True, "etag": self.quirks.etags}
        can |= dict.fromkeys(("bulk", "sort", "changePassword"), False) | dict.fromkeys(self.quirks.denies, False)
        schema = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
        said = {name: {"supported": str(able) if self.quirks.boolean_words else able} for name, able in can.items()}
        return reply(200, {"schemas": [schema], **said})

    def _one(self, kind: str, identifier: str, method: str, body: Any, version: str | None) -> Reply:
        found = self.stored.get(identifier)
        if found is None or found["schemas"][0] != kind or self._hidden(found):
            raise Refusal(404, f"no {identifier}")
        if self.quirks.etags and version is not None and version != found["meta"]["version"]:
            raise Refusal(412, "it has changed")
        if method == "GET":
            return self._shown(found, 200)
        if method == "DELETE":
            if kind == CORE_USER and not self.quirks.user_deletion:
                raise Refusal(405, "users are not deleted here")
            del self.stored[identifier]
            return reply(204)
        changed = self._checked(kind, body) if method == "PUT" else self._patched(kind, found, body)
        if method == "PUT" and "password" in changed:
            self.passwords[identifier] = changed.pop("password")
        self._unique(kind, changed, identifier)
        self._store(kind, identifier, changed)
        if self.quirks.inactive == "deleted" and changed.get("active") is False:
            del self.stored[identifier]
            return reply(204)
        if self._hidden(self.stored[identifier]):
            return reply(204)
        return reply(204) if self.quirks.empty_bodies else self._shown(self.stored[identifier], 200)

    def _create(self, kind: str, body: Any) -> Reply:
        resource = self._checked(kind, body)
        password = resource.pop("password", None)
        hidden = next(
            (one for one in self.of_kind(kind) if self._hidden(one) and self._same_name(kind, one, resource)), None
        )
        if hidden is not None and resource.get("active") is not False:
            self._store(kind, hidden["id"], resource)  # comes back under its old id
            return self._shown(self.stored[hidden["id"]], 201)
        self._unique(kind, resource, None)
        self.counter += 1
        identifier = resource["externalId"] if self.quirks.external_id_is_id else str(1000 + self.counter)
        if password is not None:
            self.passwords[identifier] = password
        self._store(kind, identifier, resource)
        if self.quirks.location_only:
            endpoint = "Users" if kind == CORE_USER else "Groups"
            return reply(201, location=f"/scim/{endpoint}/{identifier}")
        return self._shown(self.stored[identifier], 201)

    def _list(self, kind: str, query: dict[str, list[str]]) -> Reply:
        found = [one for one in self.of_kind(kind) if not self._hidden(one)]
        if "filter" in query and not self.quirks.filters_ignored:
            condition = _FILTER.fullmatch(query["filter"][0])
            if condition is None or condition["attribute"] not in self.quirks.filters:
                raise Refusal(400, "unsupported filter", "invalidFilter")
            wanted, name = json.loads(condition["value"]), condition["attribute"]
            exact = name in {"externalId", "id"}
            found = [
                one
                for one in found
                if (one.get(name) == wanted if exact else str(one.get(name)).lower() == wanted.lower())
            ]
        start, count = int(query.get("startIndex", ["1"])[0]), int(query.get("count", ["50"])[0])
        page = [json.loads(self._shown(one, 200).body) for one in found[start - 1 : start - 1 + count]]
        return reply(200, {"schemas": [], "totalResults": len(found), "startIndex": start, "Resources": page})

    # -- resources ----------------------------------------------------------------------------------------------------

    def _hidden(self, resource: dict[str, Any]) -> bool:
        return self.quirks.inactive == "hidden" and resource.get("active") is False

    def _shown(self, resource: dict[str, Any], status: int) -> Reply:
        shown = copy.deepcopy(resource)
        if not self.quirks.members_readable:
            shown.pop("members", None)
        if self.quirks.integer_ids:
            shown["id"] = int(shown["id"])
        if self.quirks.external_id_is_id:
            shown.pop("externalId", None)
        if not self.quirks.etags:
            shown.pop("meta", None)
        if self.quirks.boolean_words and "active" in shown:
            shown["active"] = str(shown["active"])
        return reply(status, shown, **({"etag": resource["meta"]["version"]} if self.quirks.etags else {}))

    def _store(self, kind: str, identifier: str, resource: dict[str, Any]) -> None:
        self.counter += 1
        extensions = [key for key in resource if key.startswith("urn:")]
        members = resource.get("members")
        if members is not None:
            resource["members"] = list({one["value"]: one for one in members}.values())
        self.stored[identifier] = resource | {
            "schemas": [kind, *extensions],
            "id": identifier,
            "meta": {"version": f'W/"{self.counter}"'},
        }

    def _checked(self, kind: str, body: Any) -> dict[str, Any]:
        """A whole resource as it may be written."""
        resource = copy.deepcopy(body)
        extensions = [key for key in resource if key.startswith("urn:")]
        if resource.get("schemas") != [kind, *extensions]:
            raise Refusal(400, "schemas are wrong", "invalidSyntax")
        for key in ("id", "meta"):
            if key in resource:
                raise Refusal(404, f"`{key}` is not yours to send")
        self._check_attributes(kind, resource)
        if len(resource.get("members", [])) > min(
            self.quirks.group_members, 100 if not self.quirks.whole_members else 10**9
        ):
            raise Refusal(413, "too many members")
        self._check_members(resource.get("members", []))
        del resource["schemas"]
        return resource

    def _check_attributes(self, kind: str, resource: dict[str, Any]) -> None:
        if kind == CORE_GROUP:
            if not resource.get("displayName"):
                raise Refusal(400, "displayName is required", "invalidValue")
            return
        for path in self.quirks.required:
            if not _dotted(resource, path):
                raise Refusal(422, f"{path} is required", "invalidValue")
        for path in self.quirks.unknown:
            if _dotted(resource, path):
                raise Refusal(400, f"{path} is unknown", "invalidPath")
        for name in self.quirks.single:
            if len(resource.get(name, [])) > 1:
                raise Refusal(400, f"{name} has one value", "invalidValue")
        if not isinstance(resource.get("active", True), bool):
            raise Refusal(400, "active is a boolean", "invalidValue")

    def _check_members(self, members: Any) -> None:
        for one in members:
            if self.quirks.known_members and one["value"] not in self.stored:
                raise Refusal(400, f"no member {one['value']}", "invalidValue")
            if self.quirks.member_display and not one.get("display"):
                raise Refusal(422, "members have a display", "invalidValue")

    def _same_name(self, kind: str, one: dict[str, Any], other: dict[str, Any]) -> bool:
        name = "userName" if kind == CORE_USER else "displayName"
        return str(one[name]).lower() == str(other[name]).lower()

    def _unique(self, kind: str, resource: dict[str, Any], but: str | None) -> None:
        for one in self.of_kind(kind):
            if one["id"] != but and self._same_name(kind, one, resource):
                raise Refusal(409, "exists", "" if self.quirks.bare_conflict else "uniqueness")

    # -- PATCH --------------------------------------------------------------------------------------------------------

    def _patched(self, kind: str, found: dict[str, Any], body: Any) -> dict[str, Any]:
        if body.get("schemas") != ["urn:ietf:params:scim:api:messages:2.0:PatchOp"] or not body.get("Operations"):
            raise Refusal(400, "no PatchOp", "invalidSyntax")
        operations = body["Operations"]
        if len(operations) > self.quirks.patch_operations:
            raise Refusal(400, "too many operations", "tooMany")
        if sum(map(self._membership_changes, operations)) > self.quirks.patch_members:
            raise Refusal(400, "too many membership changes", "tooMany")
        resource = {key: copy.deepcopy(value) for key, value in found.items() if key not in {"schemas", "id", "meta"}}
        for operation in operations:
            self._apply(kind, found["id"], resource, operation)
        self._check_attributes(kind, resource)
        return resource

    def _membership_changes(self, operation: dict[str, Any]) -> int:
        value = operation.get("value")
        if isinstance(value, dict) and isinstance(value.get("members"), list):
            return len(value["members"])
        if not str(operation.get("path", "")).startswith("members"):
            return 0
        return len(value) if isinstance(value, list) else 1

    def _apply(self, kind: str, identifier: str, resource: dict[str, Any], operation: dict[str, Any]) -> None:
        op, path, value = operation["op"], operation.get("path"), copy.deepcopy(operation.get("value"))
        if op != (op.capitalize() if self.quirks.capitals else op.lower()):
            raise Refusal(400, f"unknown operation {op}", "invalidSyntax")
        value = self._read_words(value)
        op = op.lower()
        if op not in {"add", "replace", "remove"}:
            raise Refusal(400, f"unknown operation {op}", "invalidSyntax")
        if path is None:
            self._apply_pathless(kind, identifier, resource, op, value)
            return
        step = _PATH.fullmatch(path)
        if step is None:
            raise Refusal(400, f"bad path {path}", "invalidPath")
        if step["attribute"] == "members" and kind == CORE_GROUP:
            self._apply_members(resource, op, step, value)
            return
        if kind == CORE_USER and self.quirks.patch_only and step["attribute"] not in self.quirks.patch_only:
            raise Refusal(400, f"PATCH does not change {path}", "mutability")
        if path == "password":
            self.passwords[identifier] = value
            return
        self._apply_attribute(resource, op, step, value)

    def _read_words(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._read_words(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._read_words(item) for item in value]
        if self.quirks.boolean_words and isinstance(value, bool):
            raise Refusal(400, "booleans are words here", "invalidValue")
        return (
            {"True": True, "False": False}.get(value, value)
            if self.quirks.boolean_words and isinstance(value, str)
            else value
        )

    def _apply_pathless(self, kind: str, identifier: str, resource: dict[str, Any], op: str, value: Any) -> None:
        if op == "remove" or not isinstance(value, dict) or not self.quirks.pathless:
            raise Refusal(400, "without a path an object is needed", "noTarget")
        for name, item in value.items():
            if name == "members" and kind == CORE_GROUP:
                if self.quirks.members_as != "pathless":
                    raise Refusal(400, "name the path of members", "invalidPath")
                self._change_members(resource, op, item)
            elif name == "password":
                self.passwords[identifier] = item
            elif isinstance(item, dict):
                resource.setdefault(name, {}).update(item)
            else:
                resource[name] = item

    def _apply_attribute(self, resource: dict[str, Any], op: str, step: re.Match[str], value: Any) -> None:
        container = resource
        if step["urn"] and step["urn"] not in {CORE_USER, CORE_GROUP}:
            container = resource.setdefault(step["urn"], {})
        name, rest = step["attribute"], step["rest"]
        if rest:
            container, name = container.setdefault(name, {}), rest
        if op == "remove":
            container.pop(name, None)
        elif value is None:
            raise Refusal(400, "a value is needed", "invalidValue")
        elif op == "add" and isinstance(container.get(name), list):
            container[name] += value
        else:
            container[name] = value
        for key in [key for key, item in resource.items() if item == {}]:
            del resource[key]

    def _apply_members(self, resource: dict[str, Any], op: str, step: re.Match[str], value: Any) -> None:
        if step["value"] is not None:
            if op != "remove":
                raise Refusal(400, "only removal by filter", "invalidPath")
            wanted = json.loads(f'"{step["value"]}"')
            resource["members"] = [one for one in resource.get("members", []) if one["value"] != wanted]
            return
        if self.quirks.members_as == "pathless":
            raise Refusal(500, "internal error")
        if self.quirks.members_as == "object":
            if not isinstance(value, dict):
                raise Refusal(400, "members go into an object", "invalidValue")
            value = value["members"]
        if op == "remove":  # RFC 7644 section 3.5.2.2: the value says nothing
            value = []
        self._change_members(resource, "replace" if op == "remove" else op, value)

    def _change_members(self, resource: dict[str, Any], op: str, value: Any) -> None:
        self._check_members(value)
        if op == "add":
            resource["members"] = [*resource.get("members", []), *value]
        elif not self.quirks.whole_members:
            raise Refusal(400, "all members at once", "invalidValue")
        else:
            resource["members"] = value


def _dotted(resource: dict[str, Any], path: str) -> Any:
    value: Any = resource
    for step in path.split("."):
        if isinstance(value, list):
            value = next((one[step] for one in value if step in one), None)
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


#: How each target is played, by the name of its profile.
PLAYED: dict[str, Quirks] = {
    "generic": Quirks(),
    "aws-identity-center": Quirks(
        whole_members=False,
        members_readable=False,
        group_methods=("GET", "POST", "PATCH", "DELETE"),
        required=("userName", "displayName", "name.givenName", "name.familyName"),
        unknown=("roles", "photos", "ims", "entitlements", "x509Certificates", "emails.display"),
        single=("emails", "phoneNumbers", "addresses"),
        agent=True,
        pathless=False,
        configuration="ServiceProviderConfig",
    ),
    "github-emu": Quirks(agent=True, required=("userName", "displayName")),
    "slack": Quirks(configuration="ServiceProviderConfig", denies=("filter",), user_deletion=False),
    "atlassian": Quirks(inactive="hidden"),
    "salesforce": Quirks(
        members_as="object",
        empty_bodies=True,
        required=("userName", "entitlements"),
        user_deletion=False,
        configuration="ServiceProviderConfigs",
    ),
    "databricks": Quirks(),
    "gitlab": Quirks(
        methods=("GET", "POST", "PATCH", "DELETE"), filters=("id",), external_id_is_id=True, group_methods=()
    ),
    "zoom": Quirks(patch_only=("active",), body=100_000, agent=True),
    "snowflake": Quirks(),
    "google-cloud-identity": Quirks(
        patch_members=1, patch_operations=2, group_methods=("GET", "POST", "PATCH", "DELETE"), etags=False
    ),
    "miro": Quirks(group_members=8000),
    "pagerduty": Quirks(inactive="deleted"),
    "wso2-is": Quirks(members_as="pathless"),
    "vcenter": Quirks(
        methods=("GET", "POST", "PUT", "DELETE"), group_methods=("GET", "POST", "PUT", "DELETE"), empty_bodies=True
    ),
    "entra-style": Quirks(capitals=True, boolean_words=True, configuration="ServiceProviderConfig"),
}

#: Quirks that the generic profile must bear: what is not known of a target beforehand.
UNANNOUNCED: dict[str, Quirks] = {
    "filters ignored": Quirks(filters_ignored=True),
    "no filter by externalId": Quirks(filters=("userName", "displayName")),
    "empty bodies": Quirks(empty_bodies=True),
    "no PATCH": Quirks(
        methods=("GET", "POST", "PUT", "DELETE"), group_methods=("GET", "POST", "PUT", "DELETE"), etags=False
    ),
    "no PUT": Quirks(methods=("GET", "POST", "PATCH", "DELETE"), group_methods=("GET", "POST", "PATCH", "DELETE")),
    "409 without scimType": Quirks(bare_conflict=True),
    "integer ids": Quirks(integer_ids=True),
    "only a relative Location": Quirks(location_only=True),
    "no versions": Quirks(etags=False),
    "members need a display": Quirks(member_display=True),
}
