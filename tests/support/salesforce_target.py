"""A Salesforce organization for tests: its REST API as far as users and groups go, and its token endpoint.

`SalesforceTarget.answer` is the whole server as a function of one request. It is strict: a field that does not exist,
is no text where text belongs, is too long or may not be written is refused, as is a query that is not well written. Its
error codes and shapes are those of the REST API Developer Guide.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, unquote_plus, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.connector import Reply, Request
from tests.support.token_server import verified

BASE = "https://acme.my.salesforce.com"
CLIENT, SECRET = "consumer-key", "consumer-secret-%&"
USERNAME, PASSWORD = "integration@acme.test", "pass word+TOKEN"
AUDIENCES = {"https://login.salesforce.com", "https://test.salesforce.com", BASE}
ZONES, LOCALES, LANGUAGES = ["GMT", "Europe/London"], ["en_US", "en_GB"], ["en_US", "de"]

#: Field: type, length, createable, updateable, picklist.
_USER: dict[str, tuple[str, int, bool, bool, list[str]]] = {
    "Id": ("id", 18, False, False, []),
    "Username": ("string", 80, True, True, []),
    "FirstName": ("string", 40, True, True, []),
    "LastName": ("string", 80, True, True, []),
    "Email": ("email", 128, True, True, []),
    "Alias": ("string", 8, True, True, []),
    "Title": ("string", 80, True, True, []),
    "Department": ("string", 80, True, True, []),
    "Division": ("string", 80, True, True, []),
    "CompanyName": ("string", 80, True, True, []),
    "EmployeeNumber": ("string", 20, True, True, []),
    "Phone": ("phone", 40, True, True, []),
    "MobilePhone": ("phone", 40, True, True, []),
    "Fax": ("phone", 40, True, True, []),
    "Street": ("textarea", 255, True, True, []),
    "City": ("string", 40, True, True, []),
    "State": ("string", 80, True, True, []),
    "PostalCode": ("string", 20, True, True, []),
    "Country": ("string", 80, True, True, []),
    "IsActive": ("boolean", 0, True, True, []),
    "ProfileId": ("reference", 18, True, True, []),
    "ManagerId": ("reference", 18, True, True, []),
    "FederationIdentifier": ("string", 512, True, True, []),
    "TimeZoneSidKey": ("picklist", 40, True, True, ZONES),
    "LocaleSidKey": ("picklist", 40, True, True, LOCALES),
    "LanguageLocaleKey": ("picklist", 40, True, True, LANGUAGES),
    "EmailEncodingKey": ("picklist", 40, True, True, ["UTF-8", "ISO-8859-1"]),
    "UserPermissionsMarketingUser": ("boolean", 0, True, True, []),
    "UserType": ("picklist", 40, False, False, ["Standard"]),
    "Sluice_Id__c": ("string", 64, True, True, []),
    "Badge__c": ("double", 0, True, True, []),
    "Hired__c": ("string", 20, True, False, []),
    "Skills__c": ("multipicklist", 400, True, True, ["A", "B"]),
}
_REQUIRED = (
    *("Username", "LastName", "Email", "Alias", "ProfileId"),
    *("TimeZoneSidKey", "LocaleSidKey", "LanguageLocaleKey", "EmailEncodingKey"),
)
_OTHERS: dict[str, tuple[str, ...]] = {
    "Group": ("Id", "Name", "DeveloperName", "Type"),
    "GroupMember": ("Id", "GroupId", "UserOrGroupId"),
    "PermissionSet": ("Id", "Name", "Label", "IsOwnedByProfile"),
    "PermissionSetAssignment": ("Id", "PermissionSetId", "AssigneeId"),
    "Profile": ("Id", "Name"),
}
_PREFIX = {"User": "005", "Group": "00G", "GroupMember": "011", "PermissionSetAssignment": "0Pa"}
_JOINTS = {
    "GroupMember": ("GroupId", "UserOrGroupId", "Group"),
    "PermissionSetAssignment": ("PermissionSetId", "AssigneeId", "PermissionSet"),
}


@cache
def private_key() -> rsa.RSAPrivateKey:
    """The key of whoever signs tokens for the connected app; making one takes a moment."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Refused(Exception):
    """The request is answered with this error."""

    def __init__(self, status: int, code: str, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.fields = status, code, message, fields


def salesforce_error(status: int, code: str, message: str, **headers: str) -> Reply:
    """An error in Salesforce's form."""
    return _json(status, [{"message": message, "errorCode": code}], **headers)


@dataclass
class SalesforceTarget:
    """The organization. Faults are scripted: `script` holds a reply, or a function of the real one, per call."""

    instance: str = BASE
    versions: tuple[str, ...] = ("v59.0",)
    used: int = 18
    allowance: int = 15000
    page: int = 2000
    elsewhere: set[str] = field(default_factory=set)
    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    grants: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    cursors: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    script: deque[Any] = field(default_factory=deque)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.records = {kind: {} for kind in ("User", *_OTHERS)}
        self.records["Profile"] = {"00e000000000001AAA": {"Id": "00e000000000001AAA", "Name": "Standard User"}}

    def answer(self, request: Request) -> Reply:
        """The answer to any request."""
        parts = urlsplit(request.url)
        if parts.path == "/services/oauth2/token":
            return self._token(request)
        self.calls.append(f"{request.method} {parts.path}")
        planned = self.script.popleft() if self.script else None
        if isinstance(planned, Reply):
            return planned
        self.used += 1
        try:
            reply = self._call(request, parts.path, parse_qs(parts.query, keep_blank_values=True))
        except Refused as error:
            known = {"message": error.message, "errorCode": error.code}
            reply = _json(error.status, [known | ({"fields": list(error.fields)} if error.fields else {})])
        usage = {"sforce-limit-info": f"api-usage={self.used}/{self.allowance}"}
        reply = Reply(reply.status, {**reply.headers, **usage}, reply.body)
        return planned(reply) if callable(planned) else reply

    def give(self, kind: str, identifier: str, **values: Any) -> dict[str, Any]:
        """A record that somebody else has made."""
        self.records[kind][identifier] = {"Id": identifier, **values}
        return self.records[kind][identifier]

    # --- tokens -------------------------------------------------------------------------------------------------------

    def _token(self, request: Request) -> Reply:
        form = {name: values[0] for name, values in parse_qs((request.body or b"").decode()).items()}
        kind = form.get("grant_type", "").rpartition(":")[2]
        self.grants.append(kind)
        headers = {name.lower(): value for name, value in request.headers.items()}
        problem = self._grant_problem(kind, form, headers.get("authorization", ""))
        if problem:
            return _json(400, {"error": problem[0], "error_description": problem[1]})
        token = f"00D000000000001!token.{len(self.tokens) + 1}"
        self.tokens.add(token)
        answer = {"access_token": token, "instance_url": self.instance, "token_type": "Bearer"}
        return _json(200, answer | {"id": f"{self.instance}/id/00D/005", "issued_at": "1", "signature": "x"})

    def _grant_problem(self, kind: str, form: Mapping[str, str], authorization: str) -> tuple[str, str] | None:
        if kind == "jwt-bearer":
            return self._assertion_problem(form.get("assertion", ""))
        if kind not in {"password", "client_credentials"}:
            return "unsupported_grant_type", "grant type not supported"
        client = (form.get("client_id"), form.get("client_secret"))
        if authorization.startswith("Basic "):
            name, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
            client = (unquote_plus(name), unquote_plus(secret))
        if client != (CLIENT, SECRET):
            return "invalid_client", "invalid client credentials"
        if kind == "password" and (form.get("username"), form.get("password")) != (USERNAME, PASSWORD):
            return "invalid_grant", "authentication failure"
        return None

    def _assertion_problem(self, assertion: str) -> tuple[str, str] | None:
        claims = verified(assertion, private_key().public_key())
        if claims is None:
            return "invalid_grant", "invalid assertion"
        if claims["iss"] != CLIENT or claims["sub"] != USERNAME:
            return "invalid_grant", "user hasn't approved this consumer"
        if claims["aud"] not in AUDIENCES:
            return "invalid_grant", "audience is invalid"
        if "iat" in claims and int(claims["exp"]) > claims["iat"] + 180:
            return "invalid_grant", "token lives too long"
        if claims.get("jti") in self.seen:
            return "invalid_grant", "assertion was used before"
        self.seen |= {claims["jti"]} if "jti" in claims else set()
        return None

    # --- every call ---------------------------------------------------------------------------------------------------

    def _call(self, request: Request, path: str, query: dict[str, list[str]]) -> Reply:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise Refused(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if self.used > self.allowance:
            raise Refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        found = re.fullmatch(r"/services/data/(v[\d.]+)/(.+)", path)
        if found is None or found[1] not in self.versions:
            raise Refused(404, "NOT_FOUND", "The requested resource does not exist")
        try:
            body = json.loads(request.body) if request.body else None
        except ValueError as error:
            raise Refused(400, "JSON_PARSER_ERROR", str(error)) from error
        first, *rest = [unquote(part) for part in found[2].strip("/").split("/")]
        if first == "limits":
            left = self.allowance - self.used
            return _json(200, {"DailyApiRequests": {"Max": self.allowance, "Remaining": left}})
        if first == "query":
            return self._query(rest, query)
        if first == "composite" and rest == ["sobjects"]:
            return self._collection(request.method, body, query)
        if first == "sobjects" and rest and rest[0] in self.records:
            return self._record(request.method, rest, body, query)
        raise Refused(404, "NOT_FOUND", "The requested resource does not exist")

    def _record(self, method: str, parts: list[str], body: Any, query: dict[str, list[str]]) -> Reply:
        kind, *rest = parts
        if method == "POST" and not rest:
            return _json(201, {"id": self._create(kind, body), "success": True, "errors": []})
        if rest == ["describe"]:
            return _json(200, describe(kind))
        record = self._found(kind, rest[0])
        if rest[1:] == ["password"] and kind == "User" and method == "POST":
            return self._new_password(record, body)
        if len(rest) > 1:
            raise Refused(404, "NOT_FOUND", "The requested resource does not exist")
        if method == "GET":
            names = query.get("fields", [",".join(known_fields(kind))])[0].split(",")
            _check_names(kind, names)
            return _json(200, _shown(kind, record, names))
        if method == "PATCH":
            self._check(kind, body, creating=False, own=record)
            record.update(body)
            return Reply(204, {}, b"")
        if method == "DELETE":
            self._delete(kind, record)
            return Reply(204, {}, b"")
        raise Refused(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed.")

    def _found(self, kind: str, identifier: str) -> dict[str, Any]:
        for known, record in self.records[kind].items():
            if known[:15] == identifier[:15]:
                return record
        raise Refused(404, "NOT_FOUND", "The requested resource does not exist")

    def _delete(self, kind: str, record: dict[str, Any]) -> None:
        if kind == "User":
            raise Refused(400, "INSUFFICIENT_ACCESS_OR_READONLY", "entity type User does not support delete")
        self.records[kind].pop(record["Id"])

    def _new_password(self, record: dict[str, Any], body: Any) -> Reply:
        password = body["NewPassword"]
        if len(password) < 8:
            raise Refused(400, "INVALID_NEW_PASSWORD", f"Your password must be at least 8 characters: {password}")
        if self.passwords.get(record["Id"]) == password:
            raise Refused(400, "INVALID_NEW_PASSWORD", "invalid repeated password")
        self.passwords[record["Id"]] = password
        return Reply(204, {}, b"")

    # --- writing ------------------------------------------------------------------------------------------------------

    def _create(self, kind: str, body: Any) -> str:
        self._check(kind, body, creating=True, own={})
        if kind == "User":
            missing = tuple(name for name in _REQUIRED if not body.get(name))
            if missing:
                words = f"Required fields are missing: [{', '.join(missing)}]"
                raise Refused(400, "REQUIRED_FIELD_MISSING", words, missing)
        identifier = f"{_PREFIX[kind]}{next(self.numbers):012d}AAA"
        defaults = {"IsActive": True} if kind == "User" else {}
        self.records[kind][identifier] = {**defaults, **body, "Id": identifier}
        return identifier

    def _check(self, kind: str, body: Any, *, creating: bool, own: dict[str, Any]) -> None:
        if not isinstance(body, dict):
            raise Refused(400, "JSON_PARSER_ERROR", "an object was expected")
        _check_names(kind, body)
        if kind == "User":
            for name, value in body.items():
                _check_value(name, value, creating=creating)
            self._check_unique(body, own)
            profile = body.get("ProfileId")
            if profile and profile[:15] not in {one[:15] for one in self.records["Profile"]}:
                raise Refused(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ("ProfileId",))
        elif kind == "Group":
            name = body.get("DeveloperName", "G")
            if not re.fullmatch(r"[A-Za-z](?:_?[A-Za-z0-9])*", name) or len(name) > 80:
                raise Refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "The Group API Name can only contain underscores")
            if len(body.get("Name") or "") > 40:
                raise Refused(400, "STRING_TOO_LONG", "Name: data value too large")
            if any(one["DeveloperName"] == name and one is not own for one in self.records["Group"].values()):
                raise Refused(400, "DUPLICATE_DEVELOPER_NAME", f"This Group Name already exists: {name}")
        elif kind in _JOINTS:
            self._check_joint(kind, body)

    def _check_unique(self, body: Mapping[str, Any], own: dict[str, Any]) -> None:
        others = [one for one in self.records["User"].values() if one is not own]
        name = str(body.get("Username", "x@y")).lower()
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+|x@y", name):
            raise Refused(400, "INVALID_EMAIL_ADDRESS", f"Username must be in the form of an email address: {name}")
        if name in self.elsewhere or any(one["Username"].lower() == name for one in others):
            words = "Duplicate Username.<br>The username already exists in this or another Salesforce organization."
            raise Refused(400, "DUPLICATE_USERNAME", words, ("Username",))
        for unique in ("FederationIdentifier", "Sluice_Id__c"):
            if body.get(unique) and any(one.get(unique) == body[unique] for one in others):
                raise Refused(400, "DUPLICATE_VALUE", f"duplicate value found: {unique} duplicates value", (unique,))

    def _check_joint(self, kind: str, body: Mapping[str, Any]) -> None:
        group, member, of = _JOINTS[kind]
        if body.get(group) not in self.records[of]:
            raise Refused(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        allowed = {**self.records["User"], **(self.records["Group"] if kind == "GroupMember" else {})}
        if body.get(member) not in allowed or body[member] == body[group]:
            raise Refused(400, "INVALID_CROSS_REFERENCE_KEY", f"invalid cross reference id: {body.get(member)}")
        if any(one[group] == body[group] and one[member] == body[member] for one in self.records[kind].values()):
            raise Refused(400, "DUPLICATE_VALUE", f"duplicate value found: {member} duplicates value on record")

    def _collection(self, method: str, body: Any, query: dict[str, list[str]]) -> Reply:
        """sObject Collections: a result for each record."""
        if method == "DELETE":
            work = [("", one) for one in query["ids"][0].split(",")]
        else:
            work = [(one["attributes"]["type"], one) for one in body["records"]]
        if len(work) > 200:
            raise Refused(400, "EXCEEDED_MAX_SIZE_REQUEST", "record limit reached. cannot submit more than 200 records")
        return _json(200, [self._one_of_many(kind, one) for kind, one in work])

    def _one_of_many(self, kind: str, one: Any) -> dict[str, Any]:
        try:
            if kind:
                own = {name: value for name, value in one.items() if name != "attributes"}
                return {"id": self._create(kind, own), "success": True, "errors": []}
            self._delete(*self._holder(one))
        except Refused as error:
            errors = [{"statusCode": error.code, "message": error.message, "fields": list(error.fields)}]
            return {"success": False, "errors": errors}
        return {"id": one, "success": True, "errors": []}

    def _holder(self, identifier: str) -> tuple[str, dict[str, Any]]:
        for kind, records in self.records.items():
            if identifier in records:
                return kind, records[identifier]
        raise Refused(404, "ENTITY_IS_DELETED", "entity is deleted")

    # --- queries ------------------------------------------------------------------------------------------------------

    def _query(self, rest: list[str], query: dict[str, list[str]]) -> Reply:
        if rest:
            found = self.cursors.pop(rest[0])
        else:
            names, kind, conditions = parse_soql(query["q"][0])
            if kind not in self.records:
                raise Refused(400, "INVALID_TYPE", f"sObject type '{kind}' is not supported.")
            _check_names(kind, [*names, *conditions])
            matching = [one for one in self.records[kind].values() if _matches(one, conditions)]
            found = [_shown(kind, one, names) for one in matching]
        answer: dict[str, Any] = {
            "totalSize": len(found),
            "done": len(found) <= self.page,
            "records": found[: self.page],
        }
        if not answer["done"]:
            cursor = f"01g{next(self.numbers):012d}AAA-{self.page}"
            self.cursors[cursor] = found[self.page :]
            answer["nextRecordsUrl"] = f"/services/data/{self.versions[0]}/query/{cursor}"
        return _json(200, answer)


_LITERAL = r"'(?:[^'\\\n\r]|\\[\\'\"nrtbf])*'"
_CLAUSE = rf"(\w+) (?:= ({_LITERAL})|IN \(({_LITERAL}(?:, ?{_LITERAL})*)\))"
_SELECT = re.compile(
    rf"SELECT (\w+(?:, ?\w+)*) FROM (\w+)(?: WHERE ({_CLAUSE}(?: AND {_CLAUSE})*))?(?: LIMIT \d+)?", re.IGNORECASE
)
_UNESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def parse_soql(text: str) -> tuple[list[str], str, dict[str, list[str]]]:
    """The fields, the kind, and the conditions as field to values. Refuses what is not well written."""
    found = _SELECT.fullmatch(text)
    if found is None:
        raise Refused(400, "MALFORMED_QUERY", f"unexpected token in: {text}")
    conditions = {}
    for clause in re.finditer(_CLAUSE, found[3] or "", re.IGNORECASE):
        literals = re.findall(_LITERAL, clause[2] or clause[3])
        conditions[clause[1]] = [
            re.sub(r"\\(.)", lambda match: _UNESCAPED.get(match[1], match[1]), one[1:-1]) for one in literals
        ]
    return re.split(r", ?", found[1]), found[2], conditions


def describe(kind: str) -> dict[str, Any]:
    """What the describe call says, as far as anybody here reads it."""
    if kind != "User":
        return {"name": kind, "createable": True, "fields": [{"name": name} for name in _OTHERS[kind]]}
    fields = [
        {
            "name": name,
            "type": type_,
            "length": length,
            "createable": createable,
            "updateable": updateable,
            "nillable": name not in _REQUIRED,
            "picklistValues": [{"value": one, "active": True, "label": one} for one in values],
        }
        for name, (type_, length, createable, updateable, values) in _USER.items()
    ]
    return {"name": "User", "createable": True, "updateable": True, "deletable": False, "fields": fields}


def known_fields(kind: str) -> tuple[str, ...]:
    """The fields of a kind of records."""
    return tuple(_USER) if kind == "User" else _OTHERS[kind]


def _check_names(kind: str, names: Any) -> None:
    for name in names:
        if name not in known_fields(kind):
            raise Refused(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {kind}", (name,))


def _check_value(name: str, value: Any, *, creating: bool) -> None:
    type_, length, createable, updateable, values = _USER[name]
    if not (createable if creating else updateable):
        raise Refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", f"Unable to create/update fields: {name}", (name,))
    if value is None:
        if name in _REQUIRED:
            raise Refused(400, "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{name}]", (name,))
        return
    expected = {"boolean": bool, "double": (int, float)}.get(type_, str)
    if not isinstance(value, expected):
        raise Refused(400, "JSON_PARSER_ERROR", f"Cannot deserialize instance of {type_} from {value!r}")
    if isinstance(value, str) and length and len(value) > length:
        raise Refused(400, "STRING_TOO_LONG", f"{name}: data value too large: {value}", (name,))
    if values and not set(value.split(";")) <= set(values):
        code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        raise Refused(400, code, f"bad value for restricted picklist field: {value}", (name,))


def _matches(record: Mapping[str, Any], conditions: Mapping[str, list[str]]) -> bool:
    """Text compares without case."""
    return all(
        str(record.get(name) or "").lower() in [one.lower() for one in values] for name, values in conditions.items()
    )


def _shown(kind: str, record: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    place = f"/services/data/v59.0/sobjects/{kind}/{record['Id']}"
    return {"attributes": {"type": kind, "url": place}} | {name: record.get(name) for name in names}


def _json(status: int, data: Any, **headers: str) -> Reply:
    named = {"content-type": "application/json;charset=UTF-8", **headers}
    return Reply(status, named, json.dumps(data).encode())
