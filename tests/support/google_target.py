"""A Google Workspace account for tests: the Directory API of the Admin SDK, and the endpoint that gives tokens.

`GoogleTarget.answer` is the whole server as a function of one request. Everything it is sent, and everything it says,
is checked against Google's published discovery document; what does not fit is refused and noted in `violations`. It
knows what the document tells in prose: a PATCH does not clear a list, a renamed user's old address becomes an alias.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.connector import Reply, Request
from tests.support.discovery import Discovery, Method
from tests.support.token_server import verified

BASE = "https://admin.google.test"
TOKENS = "https://oauth2.google.test/token"
SCOPE = "https://www.googleapis.com/auth/admin.directory."
AUDIENCE = "https://oauth2.googleapis.com/token"
ACCOUNT, ADMIN = "provisioning@project.iam.gserviceaccount.test", "admin@example.com"


@cache
def private_key() -> rsa.RSAPrivateKey:
    """The service account's key; making one takes a moment."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def discovery() -> Discovery:
    return Discovery("admin.directory_v1")


class Refused(Exception):
    """The request is answered with this error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


def google_error(status: int, reason: str, message: str, **headers: str) -> Reply:
    """An error in Google's form."""
    one = {"message": message, "domain": "global", "reason": reason}
    return _json(status, {"error": {"code": status, "message": message, "errors": [one]}}, **headers)


@dataclass
class GoogleTarget:
    """The server. Faults are scripted: `script` holds a reply, or a function of the real one, per call of the API."""

    domain: str = "example.com"
    token_url: str = TOKENS
    scopes: tuple[str, ...] = (f"{SCOPE}user", f"{SCOPE}group")
    key_id: str = "key-1"
    renames_leave_alias: bool = True
    echoes_passwords: bool = False
    page: int = 200
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    members: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, list[str]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    script: deque[Any] = field(default_factory=deque)
    seen: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(100000000000000000001))

    def answer(self, request: Request) -> Reply:
        """The answer to any request."""
        if urlsplit(request.url).path == urlsplit(self.token_url).path:
            return self._token(request)
        parts = urlsplit(request.url)
        self.calls.append(f"{request.method} {parts.path}")
        planned = self.script.popleft() if self.script else None
        if isinstance(planned, Reply):
            return planned
        try:
            reply = self._call(request, parts.path, parse_qs(parts.query, keep_blank_values=True))
        except Refused as error:
            reply = google_error(error.status, error.reason, error.message)
        return planned(reply) if callable(planned) else reply

    # --- tokens (RFC 7523) --------------------------------------------------------------------------------------------

    def _token(self, request: Request) -> Reply:
        form = {name: values[0] for name, values in parse_qs((request.body or b"").decode()).items()}
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return _json(400, {"error": "unsupported_grant_type"})
        claims = verified(form["assertion"], private_key().public_key())
        if claims is None:
            return _json(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        problem = self._grant_problem(claims)
        if problem:
            return _json(400, {"error": "invalid_grant", "error_description": problem})
        asked = claims["scope"].split()
        if not set(asked) <= set(self.scopes):
            said = "Client is unauthorized to retrieve access tokens using this method, or client not authorized"
            return _json(401, {"error": "unauthorized_client", "error_description": f"{said} for any of the scopes."})
        token = f"ya29.token-{len(self.tokens) + 1}"
        self.tokens[token] = asked
        return _json(200, {"access_token": token, "token_type": "Bearer", "expires_in": 3599})

    def _grant_problem(self, claims: Mapping[str, Any]) -> str:
        if claims["iss"] != ACCOUNT or claims["aud"] != AUDIENCE:
            return "Invalid issuer or audience."
        if claims.get("sub") != ADMIN:
            return "Invalid email or User ID"
        if not claims["iat"] < claims["exp"] <= claims["iat"] + 3600:
            return "Invalid JWT: Token must be a short-lived token (60 minutes)"
        if "jti" in claims:
            if claims["jti"] in self.seen:
                return "Token has been used"
            self.seen.add(claims["jti"])
        return ""

    # --- every call ---------------------------------------------------------------------------------------------------

    def _call(self, request: Request, path: str, query: dict[str, list[str]]) -> Reply:
        method = discovery().match(request.method, path)
        if method is None:
            self.violations.append(f"{request.method} {path}: there is no such method")
            return Reply(404, {"content-type": "text/html"}, b"<html>Not Found</html>")
        self._admit(request, method)
        body = json.loads(request.body) if request.body else None
        problems = list(discovery().query_problems(method, query))
        if "request" in method.entry:
            problems += discovery().problems(method.entry["request"], body, "body", sent_to=method.id)
        elif body is not None:
            problems.append(f"{method.id}: a body where none belongs")
        if problems:
            self.violations += problems
            raise Refused(400, "badRequest", "; ".join(problems))
        act: Callable[..., Any] = getattr(self, "_" + method.id.removeprefix("directory.").replace(".", "_"))
        result = act(body, {name: values[0] for name, values in query.items()}, **method.path)
        if "response" not in method.entry:
            return Reply(204, {}, b"")
        self.violations += discovery().problems(method.entry["response"], result, "answer")
        return _json(200, result)

    def _admit(self, request: Request, method: Method) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        granted = self.tokens.get(headers.get("authorization", "").removeprefix("Bearer "))
        if granted is None:
            raise Refused(401, "authError", "Invalid Credentials")
        if not set(granted) & set(method.entry["scopes"]):
            raise Refused(403, "insufficientPermissions", "Request had insufficient authentication scopes.")

    # --- users --------------------------------------------------------------------------------------------------------

    def _users_insert(self, body: dict[str, Any], _query: Any) -> dict[str, Any]:
        self._check_address(body["primaryEmail"])
        self._check_password(body["password"])
        user = deepcopy(body) | {"id": str(next(self.numbers)), "kind": "admin#directory#user", "etag": '"1"'}
        self.passwords[user["id"]] = user.pop("password")
        self.users[user["id"]] = user | {"primaryEmail": body["primaryEmail"].lower()}
        return self._shown(self.users[user["id"]], body)

    def _users_get(self, _body: Any, _query: Any, userKey: str) -> dict[str, Any]:  # noqa: N803 - the document's name
        return self._shown(self._user(userKey))

    def _users_list(self, _body: Any, query: dict[str, str]) -> dict[str, Any]:
        if not query.keys() & {"customer", "domain"}:
            raise Refused(400, "badRequest", "Bad Request")
        if query.get("domain", self.domain) != self.domain:
            raise Refused(404, "notFound", "Domain not found.")
        found = list(self.users.values())
        clause = re.fullmatch(r"externalId='((?:[^'\\]|\\.)*)'", query.get("query", "externalId=''"))
        if clause is None:
            raise Refused(400, "invalid", "Invalid Input: query")
        wanted = re.sub(r"\\(.)", r"\1", clause[1])
        if wanted:
            found = [one for one in found if wanted in [id_["value"] for id_ in one.get("externalIds") or ()]]
        shown = [self._shown(one) for one in found[: int(query.get("maxResults", "100"))]]
        return {"kind": "admin#directory#users", **({"users": shown} if shown else {})}

    def _users_patch(self, body: dict[str, Any], _query: Any, userKey: str) -> dict[str, Any]:  # noqa: N803
        return self._change_user(userKey, body, clears_lists=False)

    def _users_update(self, body: dict[str, Any], _query: Any, userKey: str) -> dict[str, Any]:  # noqa: N803
        return self._change_user(userKey, body, clears_lists=True)

    def _users_delete(self, _body: Any, _query: Any, userKey: str) -> None:  # noqa: N803
        self.users.pop(self._user(userKey)["id"])

    def _users_aliases_insert(self, body: dict[str, Any], _query: Any, userKey: str) -> dict[str, Any]:  # noqa: N803
        return self._add_alias(self._user(userKey), "primaryEmail", body)

    def _users_aliases_delete(self, _body: Any, _query: Any, userKey: str, alias: str) -> None:  # noqa: N803
        self._drop_alias(self._user(userKey), alias)

    def _change_user(self, key: str, body: dict[str, Any], *, clears_lists: bool) -> dict[str, Any]:
        user = self._user(key)
        if "password" in body:
            self._check_password(body["password"])
            self.passwords[user["id"]] = body["password"]
        self._rename(user, "primaryEmail", body)
        _merge(user, {name: one for name, one in body.items() if name != "password"}, clears_lists=clears_lists)
        return self._shown(user, body)

    def _user(self, key: str) -> dict[str, Any]:
        return self._found(self.users, "primaryEmail", key, "userKey")

    def _shown(self, user: dict[str, Any], sent: Mapping[str, Any] | None = None) -> dict[str, Any]:
        own = {"address": user["primaryEmail"], "primary": True}
        aliases = [{"address": one} for one in user.get("aliases", ())]
        shown = {**user, "emails": [*(user.get("emails") or ()), own, *aliases]}
        name = user.get("name") or {}
        shown["name"] = {**name, "fullName": f"{name.get('givenName')} {name.get('familyName')}"}
        if self.echoes_passwords and sent and "password" in sent:
            shown["password"] = sent["password"]
        return deepcopy(shown)

    def _check_password(self, password: str) -> None:
        if not 8 <= len(password) <= 100 or not password.isascii():
            raise Refused(400, "invalid", f"Invalid Password: {password}")

    # --- groups and members -------------------------------------------------------------------------------------------

    def _groups_insert(self, body: dict[str, Any], _query: Any) -> dict[str, Any]:
        self._check_address(body["email"])
        group = deepcopy(body) | {"id": f"g{next(self.numbers)}", "kind": "admin#directory#group", "etag": '"1"'}
        self.groups[group["id"]] = group | {"email": body["email"].lower()}
        self.members[group["id"]] = {}
        return self._shown_group(self.groups[group["id"]])

    def _groups_get(self, _body: Any, _query: Any, groupKey: str) -> dict[str, Any]:  # noqa: N803
        return self._shown_group(self._group(groupKey))

    def _groups_list(self, _body: Any, query: dict[str, str]) -> dict[str, Any]:
        if query.get("domain", self.domain) != self.domain:
            raise Refused(404, "notFound", "Domain not found.")
        return {"kind": "admin#directory#groups", "groups": [self._shown_group(one) for one in self.groups.values()]}

    def _groups_patch(self, body: dict[str, Any], _query: Any, groupKey: str) -> dict[str, Any]:  # noqa: N803
        group = self._group(groupKey)
        self._rename(group, "email", body)
        _merge(group, body, clears_lists=True)
        return self._shown_group(group)

    _groups_update = _groups_patch

    def _groups_delete(self, _body: Any, _query: Any, groupKey: str) -> None:  # noqa: N803
        self.groups.pop(self._group(groupKey)["id"])

    def _groups_aliases_insert(self, body: dict[str, Any], _query: Any, groupKey: str) -> dict[str, Any]:  # noqa: N803
        return self._add_alias(self._group(groupKey), "email", body)

    def _groups_aliases_delete(self, _body: Any, _query: Any, groupKey: str, alias: str) -> None:  # noqa: N803
        self._drop_alias(self._group(groupKey), alias)

    def _members_insert(self, body: dict[str, Any], _query: Any, groupKey: str) -> dict[str, Any]:  # noqa: N803
        group, key = self._group(groupKey), body.get("id") or body.get("email")
        if not key:
            raise Refused(400, "required", "Missing required field: member")
        member = self._member_of_account(key)
        if member["id"] == group["id"]:
            raise Refused(400, "invalid", "Cyclic memberships not allowed")
        if member["id"] in self.members[group["id"]]:
            raise Refused(409, "duplicate", "Member already exists.")
        stored = {**member, "role": body.get("role", "MEMBER"), "kind": "admin#directory#member", "status": "ACTIVE"}
        self.members[group["id"]][member["id"]] = stored
        return stored

    def _members_list(self, _body: Any, query: dict[str, str], groupKey: str) -> dict[str, Any]:  # noqa: N803
        every = list(self.members[self._group(groupKey)["id"]].values())
        start = int(query.get("pageToken", "0"))
        size = min(int(query.get("maxResults", "200")), self.page)
        page = {"kind": "admin#directory#members", "members": every[start : start + size]}
        return page | ({"nextPageToken": str(start + size)} if start + size < len(every) else {})

    def _members_delete(self, _body: Any, _query: Any, groupKey: str, memberKey: str) -> None:  # noqa: N803
        if self.members[self._group(groupKey)["id"]].pop(memberKey, None) is None:
            raise Refused(404, "notFound", "Resource Not Found: memberKey")

    def _group(self, key: str) -> dict[str, Any]:
        return self._found(self.groups, "email", key, "groupKey")

    def _shown_group(self, group: dict[str, Any]) -> dict[str, Any]:
        return deepcopy(group) | {"directMembersCount": str(len(self.members[group["id"]])), "adminCreated": True}

    def _member_of_account(self, key: str) -> dict[str, Any]:
        for store, address, kind in ((self.users, "primaryEmail", "USER"), (self.groups, "email", "GROUP")):
            for one in store.values():
                if key in {one["id"], one[address]}:
                    return {"id": one["id"], "email": one[address], "type": kind}
        raise Refused(404, "notFound", "Resource Not Found: memberKey")

    # --- addresses ----------------------------------------------------------------------------------------------------

    def _found(self, store: dict[str, dict[str, Any]], field_: str, key: str, name: str) -> dict[str, Any]:
        for one in store.values():
            if key == one["id"] or key.lower() in {one[field_], *one.get("aliases", ())}:
                return one
        raise Refused(404, "notFound", f"Resource Not Found: {name}")

    def _check_address(self, address: str) -> None:
        local, _, domain = address.lower().rpartition("@")
        if domain != self.domain:
            raise Refused(404, "notFound", "Domain not found.")
        if not re.fullmatch(r"[a-z0-9_.'-]{1,64}", local) or ".." in local or local[0] == ".":
            raise Refused(400, "invalid", "Invalid Input: primary_user_email")
        taken = {name for one in self.users.values() for name in (one["primaryEmail"], *one.get("aliases", ()))}
        taken |= {name for one in self.groups.values() for name in (one["email"], *one.get("aliases", ()))}
        if address.lower() in taken:
            raise Refused(409, "duplicate", "Entity already exists.")

    def _rename(self, one: dict[str, Any], field_: str, body: Mapping[str, Any]) -> None:
        new = str(body.get(field_) or one[field_]).lower()
        if new != one[field_]:
            self._check_address(new)
            if self.renames_leave_alias:
                one.setdefault("aliases", []).append(one[field_])

    def _add_alias(self, one: dict[str, Any], field_: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self._check_address(body["alias"])
        one.setdefault("aliases", []).append(body["alias"].lower())
        return {"kind": "admin#directory#alias", "id": one["id"], "primaryEmail": one[field_], "alias": body["alias"]}

    def _drop_alias(self, one: dict[str, Any], alias: str) -> None:
        if alias.lower() not in one.get("aliases", ()):
            raise Refused(404, "notFound", "Resource Not Found: resourceId")
        one["aliases"].remove(alias.lower())


def _merge(stored: dict[str, Any], change: Mapping[str, Any], *, clears_lists: bool) -> None:
    for key, value in change.items():
        if value is None:
            if clears_lists or not isinstance(stored.get(key), list):
                stored.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(stored.get(key), dict):
            _merge(stored[key], value, clears_lists=clears_lists)
        else:
            stored[key] = deepcopy(value)


def _json(status: int, data: Any, **headers: str) -> Reply:
    named = {"content-type": "application/json; charset=UTF-8", **headers}
    return Reply(status, named, json.dumps(data).encode())
