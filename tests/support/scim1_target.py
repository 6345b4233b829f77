"""A strict SCIM 1.1 server of our own, from "SCIM Core Schema 1.1" and "SCIM Protocol 1.1", for tests.

`Scim1Target.answer` is the whole server as a function of one request. Every payload is checked against the core schema:
unknown attributes, sub-attributes and schemas, wrong types, what only the server may set. What is not as specified is
refused with 400 and noted in `violations`.
"""

import base64
import json
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from connectors.connector import Reply

CORE = "urn:scim:schemas:core:1.0"
ENTERPRISE = "urn:scim:schemas:extension:enterprise:1.0"
PLURAL = {"value": str, "display": str, "type": str, "primary": bool}
ADDRESS = dict.fromkeys(("formatted", "streetAddress", "locality", "region", "postalCode", "country", "type"), str)
TEXTS = (
    *("externalId", "userName", "displayName", "nickName", "profileUrl", "title", "userType", "preferredLanguage"),
    *("locale", "timezone", "password"),
)
NAME = ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")
USER = {
    **dict.fromkeys(TEXTS, str),
    "active": bool,
    "name": dict.fromkeys(NAME, str),
    **{
        key: [PLURAL]
        for key in ("emails", "phoneNumbers", "ims", "photos", "entitlements", "roles", "x509Certificates")
    },
    "addresses": [ADDRESS | {"primary": bool}],
    ENTERPRISE: {
        **dict.fromkeys(("employeeNumber", "costCenter", "organization", "division", "department"), str),
        "manager": {"managerId": str, "displayName": str},
    },
}
GROUP = {"externalId": str, "displayName": str, "members": [{"value": str, "display": str, "type": str}]}
SCHEMAS = {"Users": USER, "Groups": GROUP}
REQUIRED = {"Users": "userName", "Groups": "displayName"}
FILTER = re.compile(r'(\w+) eq ("(?:[^"\\]|\\.)*")')


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status, self.text = status, text


@dataclass
class Scim1Target:
    """The server. Resources are kept by collection and id; faults are scripted with `misbehave`."""

    username: str = "admin"
    password: str = "s3cr3t"
    token: str = ""
    patches: bool = True
    known_members: bool = False  # only what is there may be a member
    unknown_members: set = field(default_factory=set)  # a membership of one of these is refused with 404
    resources: dict = field(default_factory=lambda: {"Users": {}, "Groups": {}})
    received: list = field(default_factory=list)  # "METHOD Collection"
    bodies: list = field(default_factory=list)
    violations: list = field(default_factory=list)
    script: list = field(default_factory=list)

    # --- for tests ----------------------------------------------------------------------------------------------------

    def misbehave(self, on, how):
        """At the next request `METHOD Collection`: a `Reply`, or a callable of the reply that would be given."""
        self.script.append((on, how))

    def put(self, collection, **attributes):
        """Store a resource as if someone else had made it; answers its id."""
        identifier = f"{collection[0].lower()}{len(self.resources[collection]) + 1}/é"
        self.resources[collection][identifier] = attributes
        return identifier

    def only(self, collection="Users"):
        """The one resource of a collection."""
        (resource,) = self.resources[collection].values()
        return resource

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    def answer(self, request):
        headers = {name.lower(): value for name, value in request.headers.items()}
        pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        if headers.get("authorization") != (f"Bearer {self.token}" if self.token else f"Basic {pair}"):
            return self._error(401, "who are you?")
        url = urlsplit(request.url)
        _, collection, *rest = url.path.split("/")
        name = f"{request.method} {collection}"
        self.received.append(name)
        how = next((how for on, how in self.script if on == name), None)
        if how is not None:
            self.script.remove((name, how))
        if isinstance(how, Reply):
            return how
        reply = self._checked(request, headers, collection, [unquote(part) for part in rest], url.query)
        return how(reply) if how else reply

    def _checked(self, request, headers, collection, rest, query):
        try:
            body = self._body(request, headers)
            return self._served(request.method, collection, rest, query, body)
        except Refused as refused:
            if refused.status == 400:
                self.violations.append(refused.text)
            return self._error(refused.status, refused.text)

    def _body(self, request, headers):
        if "application/json" not in headers.get("accept", ""):
            raise Refused(400, f"Accept {headers.get('accept')}")
        if not request.body:
            return None
        if headers.get("content-type") != "application/json":
            raise Refused(400, f"Content-Type {headers.get('content-type')}")
        self.bodies.append(json.loads(request.body))
        return json.loads(request.body)

    def _served(self, method, collection, rest, query, body):
        if collection == "ServiceProviderConfigs" and method == "GET":
            return self._json(200, {"schemas": [CORE], "patch": {"supported": self.patches}})
        if collection not in SCHEMAS or len(rest) > 1:
            raise Refused(404, "no such endpoint")
        if not rest:
            return self._search(collection, query) if method == "GET" else self._create(method, collection, body)
        stored = self.resources[collection].get(rest[0])
        if stored is None:
            raise Refused(404, f"no {rest[0]}")
        if method == "DELETE":
            del self.resources[collection][rest[0]]
            return Reply(200, {}, b"")
        key = REQUIRED[collection]
        others = [one for known, one in self.resources[collection].items() if known != rest[0]]
        if body and any(one[key].casefold() == str(body.get(key)).casefold() for one in others):
            raise Refused(409, f"{key} is taken")
        if method == "PUT":
            self._require_valid(collection, body)
            kept = {"password": stored["password"]} if "password" in stored else {}
            self.resources[collection][rest[0]] = {**kept, **body}
        elif method == "PATCH":
            self._patch(collection, stored, body)
        return self._json(200, self._shown(collection, rest[0]))

    def _create(self, method, collection, body):
        if method != "POST":
            raise Refused(405, method)
        self._require_valid(collection, body)
        key = REQUIRED[collection]
        if any(one[key].casefold() == body[key].casefold() for one in self.resources[collection].values()):
            raise Refused(409, f"{key} is taken")
        identifier = f"{collection[0].lower()}{len(self.resources[collection]) + 1}/é"
        self.resources[collection][identifier] = dict(body)
        return self._json(201, self._shown(collection, identifier))

    def _search(self, collection, query):
        shown = [self._shown(collection, identifier) for identifier in self.resources[collection]]
        condition = parse_qs(query).get("filter", [""])[0]
        if condition:
            match = FILTER.fullmatch(condition)
            if not match:
                raise Refused(400, f"filter {condition}")
            wanted = json.loads(match[2])
            shown = [one for one in shown if str(one.get(match[1], "")).casefold() == wanted.casefold()]
        return self._json(200, {"schemas": [CORE], "totalResults": len(shown), "Resources": shown})

    def _shown(self, collection, identifier):
        stored = {key: value for key, value in self.resources[collection][identifier].items() if key != "password"}
        return {"schemas": [CORE], **stored, "id": identifier, "meta": {"version": 'W/"1"'}}

    # --- PATCH (protocol, section 3.3.2) ------------------------------------------------------------------------------

    def _patch(self, collection, stored, body):
        if not self.patches:
            raise Refused(501, "PATCH is not supported")
        meta = body.pop("meta", {})
        if set(meta) - {"attributes"} or not all(isinstance(one, str) for one in meta.get("attributes", [])):
            raise Refused(400, "a PATCH may only have meta.attributes")
        self._require_valid(collection, body, partial=True)
        for one in body.get("members", []):
            if one["value"] in self.unknown_members:
                raise Refused(404, f"no member {one['value']}")
        for path in meta.get("attributes", []):
            self._remove(collection, stored, path)
        self._merge(stored, body)

    def _remove(self, collection, stored, path):
        schema, holder = SCHEMAS[collection], stored
        if path.startswith(f"{ENTERPRISE}:"):
            schema, holder, path = schema[ENTERPRISE], stored.get(ENTERPRISE, {}), path[len(ENTERPRISE) + 1 :]
        first, _, sub = path.partition(".")
        known = schema.get(first)
        if known is None or (sub and (not isinstance(known, dict) or sub not in known)):
            raise Refused(400, f"meta.attributes names {path}")
        if sub:
            holder.get(first, {}).pop(sub, None)
        else:
            holder.pop(first, None)

    def _merge(self, stored, body):
        for key, value in body.items():
            if key == "schemas":
                continue
            if isinstance(value, dict):
                self._merge(stored.setdefault(key, {}), value)
            elif isinstance(value, list):
                gone = {one["value"] for one in value if one.get("operation") == "delete"}
                kept = [
                    one for one in stored.get(key, []) if one.get("value") not in gone | {v.get("value") for v in value}
                ]
                stored[key] = kept + [one for one in value if "operation" not in one]
            else:
                stored[key] = value

    # --- schema -------------------------------------------------------------------------------------------------------

    def _require_valid(self, collection, body, *, partial=False):
        schema = SCHEMAS[collection]
        used = [CORE, *(key for key in body if key.startswith("urn:"))]
        if sorted(body.get("schemas", [])) != sorted(used):
            raise Refused(400, f"schemas {body.get('schemas')} but {used} are used")
        if not partial and not body.get(REQUIRED[collection]):
            raise Refused(400, f"no {REQUIRED[collection]}")
        for one in body.get("members") or () if self.known_members else ():
            if one["value"] not in self.resources["Users"] | self.resources["Groups"] and "operation" not in one:
                raise Refused(422, f"no member {one['value']}")
        for key, value in body.items():
            if key != "schemas":
                self._require_type(key, schema.get(key), value, partial=partial)

    def _require_type(self, path, known, value, *, partial):
        if known is None:
            raise Refused(400, f"{path} is not in the core schema, or not the client's to set")
        if isinstance(known, list):
            if not isinstance(value, list):
                raise Refused(400, f"{path} is multi-valued")
            for item in value:
                self._require_type(path, known[0] | ({"operation": str} if partial else {}), item, partial=partial)
        elif isinstance(known, dict):
            if not isinstance(value, dict) or not value:
                raise Refused(400, f"{path} is complex")
            for key, item in value.items():
                self._require_type(f"{path}.{key}", known.get(key), item, partial=partial)
        elif type(value) is not known:
            raise Refused(400, f"{path} is no {known.__name__}")

    def _json(self, status, body):
        return Reply(status, {"content-type": "application/json"}, json.dumps(body).encode())

    def _error(self, status, text):
        return self._json(status, {"Errors": [{"description": text, "code": str(status)}]})
