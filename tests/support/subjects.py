"""The built-in connectors as subjects of the conformance suite, each with a target of ours on a loopback port."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from connectors.claims import CORE_GROUP, CORE_USER
from connectors.conformance import Account, Group, Subject, Target
from connectors.google import Google
from connectors.salesforce import Salesforce
from connectors.scim1 import Scim1
from connectors.scim2 import Scim2
from connectors.spml import Spml
from tests.support.google_target import GoogleTarget
from tests.support.google_tasks import google_settings
from tests.support.loopback import serving
from tests.support.salesforce_target import SalesforceTarget
from tests.support.salesforce_tasks import salesforce_settings
from tests.support.schemas import spml_schema
from tests.support.scim1_target import Scim1Target
from tests.support.scim_target import ScimTarget, scim_target
from tests.support.simulated_target import PLAYED, Quirks, SimulatedTarget
from tests.support.spml_target import SpmlTarget


def scim_fields(resource: Mapping[str, Any]) -> dict[str, str]:
    name = resource.get("name") or {}
    emails = resource.get("emails") or [{}]
    return {
        "name.givenName": name.get("givenName", ""),
        "name.familyName": name.get("familyName", ""),
        "displayName": resource.get("displayName", ""),
        "title": resource.get("title", ""),
        "emails": emails[0].get("value", ""),
    }


# --- SCIM 2.0 ---------------------------------------------------------------------------------------------------------


@dataclass
class Simulated(Target):
    server: SimulatedTarget
    base: str
    more: Mapping[str, str]

    def properties(self):
        return {**self.server.properties_at(f"{self.base}/scim"), **self.more}

    def users(self):
        return {
            key: Account(
                name=one["userName"],
                active=one.get("active", True),
                fields=scim_fields(one),
                password=self.server.passwords.get(key),
            )
            for key, one in self.server.stored.items()
            if one["schemas"][0] == CORE_USER
        }

    def groups(self):
        return {
            key: Group(name=one["displayName"], members=frozenset(self.server.members(key)))
            for key, one in self.server.stored.items()
            if one["schemas"][0] == CORE_GROUP
        }

    def add_user(self, name):
        given = {"userName": name, "active": True}
        return self.server.give(CORE_USER, given)

    def add_group(self, name):
        return self.server.give(CORE_GROUP, {"displayName": name})

    def remove(self, identifier):
        del self.server.stored[identifier]

    def add_member(self, group, user):
        self.server.stored[group].setdefault("members", []).append({"value": user})


class Scim2Subject(Subject):
    """SCIM 2.0 at the simulation of a target that has a profile, or quirks that no profile tells of."""

    connector = Scim2()
    default_password = "scim2-default-pwd"
    password_switch = "scim2-enable-pwd-provisioning"
    nesting = "scim2-nested-groups"
    mapping: ClassVar = {"userName": "userName", "name.familyName": "name.familyName"}

    def __init__(
        self,
        profile: str = "generic",
        quirks: Quirks | None = None,
        overrides: str = "",
        more: Mapping[str, str] | None = None,
    ):
        self.profile = profile
        self.quirks = replace(quirks or PLAYED[profile], known_members=True)
        self.cannot = PROFILE_LIMITS.get(profile, {})
        self.attributes = {"entitlements": [{"value": "00e000000000001"}]} if profile == "salesforce" else {}
        self.more = {"scim2-profile-overrides": overrides, **(more or {})}

    @contextmanager
    def start(self) -> Iterator[Target]:
        server = SimulatedTarget(self.quirks)
        with serving(server) as base:
            yield Simulated(server, base, self.more)


@dataclass
class Scim2ServerAt(Target):
    """The scim2-server package, looked into past its API."""

    server: ScimTarget

    def properties(self):
        return self.server.properties

    def users(self):
        return {
            one["id"]: Account(
                name=one["userName"],
                active=one.get("active", True),
                fields=scim_fields(one),
                password=one.get("password"),
            )
            for one in self.server.users
        }

    def groups(self):
        return {
            one["id"]: Group(
                name=one["displayName"], members=frozenset(each["value"] for each in one.get("members") or ())
            )
            for one in self.server.groups
        }

    def add_user(self, name):
        return self._post("Users", {"schemas": [CORE_USER], "userName": name, "active": True})

    def add_group(self, name):
        return self._post("Groups", {"schemas": [CORE_GROUP], "displayName": name})

    def remove(self, identifier):
        kind = "Users" if identifier in self.users() else "Groups"
        self._call("DELETE", f"{kind}/{identifier}")

    def add_member(self, group, user):
        operation = {"op": "add", "path": "members", "value": [{"value": user}]}
        schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
        self._call("PATCH", f"Groups/{group}", {"schemas": [schema], "Operations": [operation]})

    def _post(self, kind, body):
        return self._call("POST", kind, body)["id"]

    def _call(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.server.token}", "Content-Type": "application/scim+json"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.server.base}/{path}", content, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as reply:
            answer = reply.read()
        return json.loads(answer) if answer else None


class Scim2ServerSubject(Subject):
    connector = Scim2()
    default_password = "scim2-default-pwd"
    password_switch = "scim2-enable-pwd-provisioning"
    nesting = "scim2-nested-groups"
    mapping: ClassVar = {"userName": "userName", "name.familyName": "name.familyName"}

    @contextmanager
    def start(self) -> Iterator[Target]:
        with scim_target() as server:
            yield Scim2ServerAt(server)


#: What cannot be done at the targets that have a profile.
PROFILE_LIMITS = {
    "aws-identity-center": {"reading members": "it tells nobody who is in a group"},
    "gitlab": {
        "groups": "it has users only",
        "linking": "it is searched by the id alone, which is our externalId: nobody else's account is found",
    },
}


# --- SCIM 1.1 ---------------------------------------------------------------------------------------------------------


@dataclass
class Scim1At(Target):
    server: Scim1Target
    base: str

    def properties(self):
        return {
            "scim-username": "admin",
            "scim-password": "s3cr3t-of-the-admin",
            "scim-user-ep": f"{self.base}/Users",
            "scim-group-ep": f"{self.base}/Groups",
        }

    def users(self):
        return {
            key: Account(
                name=one["userName"],
                active=one.get("active", True),
                fields=scim_fields(one),
                password=one.get("password"),
            )
            for key, one in self.server.resources["Users"].items()
        }

    def groups(self):
        return {
            key: Group(name=one["displayName"], members=frozenset(each["value"] for each in one.get("members", [])))
            for key, one in self.server.resources["Groups"].items()
        }

    def add_user(self, name):
        return self.server.put("Users", userName=name, active=True)

    def add_group(self, name):
        return self.server.put("Groups", displayName=name)

    def remove(self, identifier):
        for collection in self.server.resources.values():
            collection.pop(identifier, None)

    def add_member(self, group, user):
        self.server.resources["Groups"][group].setdefault("members", []).append({"value": user})

    def violations(self):
        return self.server.violations


class Scim1Subject(Subject):
    connector = Scim1()
    default_password = "scim-default-pwd"
    password_switch = "scim-enable-pwd-provisioning"
    nesting = "scim-nested-groups"
    mapping: ClassVar = {"userName": "userName", "name.familyName": "name.familyName"}

    def __init__(self, *, patches: bool = True):
        self.patches = patches
        reason = "a group is sent whole to a target without PATCH, which refuses it whole"
        of_vanished = ("costs_no_other_its_membership", "keeps_no_group_from_being_made")
        self.cannot = {} if patches else {f"a_member_that_has_vanished_{one}": reason for one in of_vanished}

    @contextmanager
    def start(self) -> Iterator[Target]:
        server = Scim1Target(password="s3cr3t-of-the-admin", patches=self.patches, known_members=True)
        with serving(server) as base:
            yield Scim1At(server, base)


# --- SPML 2.0 ---------------------------------------------------------------------------------------------------------

_SPML_FIELDS = {
    "name.givenName": "givenName",
    "name.familyName": "sn",
    "displayName": "displayName",
    "title": "title",
    "emails": "mail",
}


@dataclass
class SpmlAt(Target):
    server: SpmlTarget
    base: str
    more: Mapping[str, str]

    def properties(self):
        return {
            "spml-username": self.server.username,
            "spml-password": self.server.password,
            "spml-ep": f"{self.base}/spml",
            "spml-oc": "person",
            "spml-group-oc": "group",
            "spml-binding": "http" if self.server.plain else "soap",
            **self.more,
        }

    def _of(self, object_class):
        return {key: one for key, one in self.server.objects.items() if one.object_class == object_class}

    def users(self):
        return {
            key: Account(
                name=one.values("accountId")[0],
                active=one.active,
                fields={path: next(iter(one.values(name)), "") for path, name in _SPML_FIELDS.items()},
                password=one.password,
            )
            for key, one in self._of("person").items()
        }

    def groups(self):
        return {
            key: Group(name=one.values("cn")[0], members=frozenset(one.values("member")))
            for key, one in self._of("group").items()
        }

    def add_user(self, name):
        return self.server.put(name)

    def add_group(self, name):
        return self.server.put(name, "group")

    def remove(self, identifier):
        del self.server.objects[identifier]

    def add_member(self, group, user):
        stored = self.server.objects[group]
        stored.attributes["member"] = ("member", [*stored.values("member"), user])

    def violations(self):
        return self.server.violations


class SpmlSubject(Subject):
    connector = Spml()
    default_password = "spml-default-pwd"
    password_switch = "spml-enable-pwd-provisioning"
    nesting = "spml-nested-groups"
    mapping: ClassVar = {"accountId": "userName", "sn": "name.familyName"}

    def __init__(self, more: Mapping[str, str] | None = None, **how: Any):
        self.more = more or {}
        self.how = how

    @contextmanager
    def start(self) -> Iterator[Target]:
        server = SpmlTarget(schema=spml_schema(), password="s3cr3t & <more>", **self.how)
        with serving(server) as base:
            yield SpmlAt(server, base, self.more)


# --- Google -----------------------------------------------------------------------------------------------------------


@dataclass
class GoogleAt(Target):
    server: GoogleTarget
    base: str
    more: Mapping[str, str]

    def properties(self):
        return google_settings(self.base, f"{self.base}/token", **self.more).properties

    def users(self):
        return {
            key: Account(
                name=one["primaryEmail"],
                active=not one.get("suspended", False),
                fields=self._fields(one),
                password=self.server.passwords.get(key),
            )
            for key, one in self.server.users.items()
        }

    def _fields(self, user):
        name = user.get("name") or {}
        organizations = user.get("organizations") or [{}]
        return {
            "name.givenName": name.get("givenName", ""),
            "name.familyName": name.get("familyName", ""),
            "title": organizations[0].get("title", ""),
        }

    def groups(self):
        return {
            key: Group(name=one.get("name", ""), members=frozenset(self.server.members[key]))
            for key, one in self.server.groups.items()
        }

    def add_user(self, name):
        key = str(next(self.server.numbers))
        self.server.users[key] = {
            "id": key,
            "primaryEmail": name,
            "name": {"givenName": "A.", "familyName": "L."},
            "kind": "admin#directory#user",
        }
        return key

    def add_group(self, name):
        key = f"g{next(self.server.numbers)}"
        made = {"id": key, "email": f"{name}@example.com", "name": name, "kind": "admin#directory#group"}
        self.server.groups[key] = made
        self.server.members[key] = {}
        return key

    def remove(self, identifier):
        self.server.users.pop(identifier, None)
        self.server.groups.pop(identifier, None)

    def add_member(self, group, user):
        stored = {"id": user, "role": "MEMBER", "type": "USER", "kind": "admin#directory#member"}
        self.server.members[group][user] = stored

    def violations(self):
        return self.server.violations


class GoogleSubject(Subject):
    connector = Google()
    default_password = "google_prov_default_pwd"
    password_switch = "google_prov_enable_pwd_provisioning"
    nesting = "google_prov_nested_groups"
    mapping: ClassVar = {
        "primaryEmail": "emails",
        "name.givenName": "name.givenName",
        "name.familyName": "name.familyName",
    }
    cannot: ClassVar = {
        "accounts without password": "Google demands one: it gets a random one that nobody knows",
        "any user name": "an address of Google has letters a to z, digits and four other characters",
        "a_user_is_created_with_nothing_but_a_name": "Google demands a given name and a family name",
    }

    def __init__(self, **more: str):
        self.more = more

    @contextmanager
    def start(self) -> Iterator[Target]:
        server = GoogleTarget(token_url="http://loopback/token")
        with serving(server) as base:
            yield GoogleAt(server, base, self.more)

    def account_name(self, name):
        return f"{name}@example.com"


# --- Salesforce -------------------------------------------------------------------------------------------------------

_SALESFORCE_FIELDS = {
    "name.givenName": "FirstName",
    "name.familyName": "LastName",
    "title": "Title",
    "emails": "Email",
}


@dataclass
class SalesforceAt(Target):
    server: SalesforceTarget
    base: str
    more: Mapping[str, str]

    def properties(self):
        return salesforce_settings(self.base, **self.more).properties

    def users(self):
        return {
            key: Account(
                name=one["Username"],
                active=one["IsActive"],
                fields={path: one.get(name) or "" for path, name in _SALESFORCE_FIELDS.items()},
                password=self.server.passwords.get(key),
            )
            for key, one in self.server.records["User"].items()
        }

    def groups(self):
        joints = list(self.server.records["GroupMember"].values())
        return {
            key: Group(
                name=one["Name"],
                members=frozenset(each["UserOrGroupId"] for each in joints if each["GroupId"] == key),
            )
            for key, one in self.server.records["Group"].items()
        }

    def add_user(self, name):
        key = f"005{next(self.server.numbers):012d}AAA"
        self.server.give("User", key, Username=name, LastName="L", Email="l@example.com", Alias="l", IsActive=True)
        return key

    def add_group(self, name):
        key = f"00G{next(self.server.numbers):012d}AAA"
        self.server.give("Group", key, Name=name, DeveloperName=name, Type="Regular")
        return key

    def remove(self, identifier):
        self.server.records["User"].pop(identifier, None)
        self.server.records["Group"].pop(identifier, None)

    def add_member(self, group, user):
        key = f"011{next(self.server.numbers):012d}AAA"
        self.server.give("GroupMember", key, GroupId=group, UserOrGroupId=user)


class SalesforceSubject(Subject):
    connector = Salesforce()
    default_password = "sf-default-pwd"
    password_switch = "sf-enable-pwd-provisioning"
    nesting = "sf-nested-groups"
    mapping: ClassVar = {"LastName": "name.familyName", "Email": "emails"}
    cannot: ClassVar = {"any user name": "a user name of Salesforce has the form of an email address"}

    def __init__(self, **more: str):
        self.more = more

    @contextmanager
    def start(self) -> Iterator[Target]:
        server = SalesforceTarget()
        with serving(server) as base:
            server.instance = base
            yield SalesforceAt(server, base, self.more)

    def account_name(self, name):
        return f"{name}@acme.test"
