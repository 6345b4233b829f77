"""Names of one attribute in three worlds: WSO2 claim URI, SCIM 2.0 path, SCIM 1.1 URI; and reading it from a resource.

`CLAIMS` is the one table; policies, claim mappings and just-in-time provisioning all use it. `read` takes the values of
a path out of a SCIM 2.0 resource. Every value stays whole: nothing is ever split on commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

DataType = Literal["string", "boolean", "integer", "double", "dateTime"]
Scalar = str | bool | int | float

LOCAL_CLAIMS: Final = "http://wso2.org/claims/"
CORE_USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_USER: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
WSO2_USER: Final = "urn:scim:wso2:schema"
CORE_1_1: Final = "urn:scim:schemas:core:1.0"
ENTERPRISE_1_1: Final = "urn:scim:schemas:extension:enterprise:1.0"

# RFC 7643, section 2.4 and 4.1: what an element of a multi-valued attribute may hold. Any other name after the dot is
# looked up among the elements' types (`emails.work`), which is how WSO2 and SCIM 1.1 URIs spell a type.
SUB_ATTRIBUTES: Final = frozenset({
    "value", "display", "type", "primary", "$ref",
    "formatted", "streetaddress", "locality", "region", "postalcode", "country",
})  # fmt: skip


class PathError(ValueError):
    """The text is no attribute path (RFC 7644, section 3.10): it names nothing, in any resource."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One row of the table.

    `path` is the SCIM 2.0 path, absolute when it is in an extension. `inverted` says that the claim is true where the
    attribute is false. `scim1` are the SCIM 1.1 URIs under which a SCIM 1.1 caller's value of it is known.
    """

    uri: str
    path: str
    scim1: tuple[str, ...]
    example: str
    type: DataType = "string"
    inverted: bool = False


def _claim(name: str, path: str, example: str, *scim1: str, kind: DataType = "string", inverted: bool = False) -> Claim:
    """A row whose SCIM 1.1 URI is spelled like its SCIM 2.0 path, unless given."""
    own = scim1 or ((scim1_uri(path),) if scim1_uri(path) else ())
    return Claim(LOCAL_CLAIMS + name, path, tuple(own), example, kind, inverted)


def scim1_uri(path: str) -> str:
    """The SCIM 1.1 URI spelled like a dotted SCIM 2.0 path; empty when SCIM 1.1 has no schema for it."""
    if path.startswith(f"{ENTERPRISE_USER}:"):
        return f"{ENTERPRISE_1_1}:{path.removeprefix(f'{ENTERPRISE_USER}:')}"
    if ":" in path:
        return ""
    return f"{CORE_1_1}:{path}"


CLAIMS: Final[tuple[Claim, ...]] = (
    _claim("userid", "id", "2819c223-7f76-453a-919d-413861904646"),
    _claim("externalid", "externalId", "e-4711"),
    _claim("username", "userName", "alice"),
    _claim("givenname", "name.givenName", "Alice"),
    _claim("lastname", "name.familyName", "Liddell"),
    _claim("fullname", "name.formatted", "Alice Liddell"),
    _claim("formattedName", "name.formatted", "Alice Liddell"),
    _claim("middleName", "name.middleName", "Pleasance"),
    _claim("honorificPrefix", "name.honorificPrefix", "Dr."),
    _claim("honorificSuffix", "name.honorificSuffix", "PhD"),
    _claim("displayName", "displayName", "Alice Liddell"),
    _claim("nickname", "nickName", "Al"),
    _claim("title", "title", "Engineer"),
    _claim("userType", "userType", "Employee"),
    _claim("emailaddress", "emails", "alice@example.com"),
    _claim("emails", "emails", "alice@example.com"),
    _claim("emails.work", "emails.work", "alice@example.com"),
    _claim("emails.home", "emails.home", "alice@example.org"),
    _claim("emails.other", "emails.other", "al@example.net"),
    _claim("mobile", "phoneNumbers.mobile", "+44 7700 900123"),
    _claim("telephone", "phoneNumbers.work", "+44 20 7946 0958"),
    _claim("phoneNumbers", "phoneNumbers", "+44 20 7946 0958"),
    _claim("phoneNumbers.work", "phoneNumbers.work", "+44 20 7946 0958"),
    _claim("phoneNumbers.home", "phoneNumbers.home", "+44 20 7946 0000"),
    _claim("phoneNumbers.fax", "phoneNumbers.fax", "+44 20 7946 0111"),
    _claim("phoneNumbers.pager", "phoneNumbers.pager", "+44 20 7946 0222"),
    _claim("phoneNumbers.other", "phoneNumbers.other", "+44 20 7946 0333"),
    _claim("im", "ims", "alice@im.example.com"),
    _claim("gtalk", "ims.gtalk", "alice@im.example.com"),
    _claim("skype", "ims.skype", "alice.liddell"),
    _claim("photos", "photos", "https://photos.example.com/alice.jpg"),
    _claim("photourl", "photos.photo", "https://photos.example.com/alice.jpg"),
    _claim("thumbnail", "photos.thumbnail", "https://photos.example.com/alice-small.jpg"),
    _claim("url", "profileUrl", "https://people.example.com/alice"),
    _claim("addresses", "addresses.formatted", "1 Wonder Lane, Oxford"),
    _claim("addresses.formatted", "addresses.formatted", "1 Wonder Lane, Oxford"),
    _claim("streetaddress", "addresses.streetAddress", "1 Wonder Lane"),
    _claim("locality", "addresses.locality", "Oxford"),
    _claim("addresses.locality", "addresses.locality", "Oxford"),
    _claim("region", "addresses.region", "Oxfordshire"),
    _claim("stateorprovince", "addresses.region", "Oxfordshire"),
    _claim("postalcode", "addresses.postalCode", "OX1 1AA"),
    _claim("country", "addresses.country", "GB"),
    _claim("preferredLanguage", "preferredLanguage", "en-GB"),
    # SCIM 1.1 callers of WSO2 send `local`, its spelling of `locale`.
    _claim("local", "locale", "en-GB", f"{CORE_1_1}:local", f"{CORE_1_1}:locale"),
    _claim("timeZone", "timezone", "Europe/London", f"{CORE_1_1}:timeZone", f"{CORE_1_1}:timezone"),
    _claim("role", "roles", "eng"),
    _claim("roles", "roles", "Internal/eng"),
    _claim("groups", "groups.display", "engineering", f"{CORE_1_1}:groups", f"{CORE_1_1}:groups.display"),
    _claim("entitlements", "entitlements", "printing"),
    _claim("x509Certificates", "x509Certificates", "MIIDQzCCAqyg…"),
    _claim("active", "active", "true", kind="boolean"),
    _claim("identity/accountDisabled", "active", "false", kind="boolean", inverted=True),
    _claim("identity/accountLocked", f"{WSO2_USER}:accountLocked", "false", kind="boolean"),
    _claim("identity/emailVerified", f"{WSO2_USER}:emailVerified", "true", kind="boolean"),
    _claim("identity/phoneVerified", f"{WSO2_USER}:phoneVerified", "true", kind="boolean"),
    _claim("dob", f"{WSO2_USER}:dateOfBirth", "1990-05-04"),
    _claim("gender", f"{WSO2_USER}:gender", "female"),
    _claim("organization", f"{ENTERPRISE_USER}:organization", "Example Ltd"),
    _claim("department", f"{ENTERPRISE_USER}:department", "engineering"),
    _claim("division", f"{ENTERPRISE_USER}:division", "Products"),
    _claim("costCenter", f"{ENTERPRISE_USER}:costCenter", "4130"),
    _claim("employeeNumber", f"{ENTERPRISE_USER}:employeeNumber", "701984"),
    _claim("managers", f"{ENTERPRISE_USER}:manager.value", "26118915-6090-4610-87e4-49d8ca9f808d"),
    _claim("manager.displayName", f"{ENTERPRISE_USER}:manager.displayName", "John Smith"),
    _claim("resourceType", "meta.resourceType", "User"),
    _claim("created", "meta.created", "2026-01-31T08:00:00Z", kind="dateTime"),
    _claim("modified", "meta.lastModified", "2026-01-31T08:00:00Z", kind="dateTime"),
    _claim("location", "meta.location", "https://sluice.example.com/scim/v2/Users/2819c223"),
)
BY_URI: Final[Mapping[str, Claim]] = {claim.uri: claim for claim in CLAIMS}


@dataclass(frozen=True, slots=True)
class Path:
    """An attribute path, names folded to lower case.

    `schema` is the extension's URN or empty for the resource itself; `sub` is empty for the attribute's own value;
    `where` are the equality tests of a value filter, all of which an element must meet.
    """

    schema: str
    attribute: str
    where: tuple[tuple[str, Scalar | None], ...]
    sub: str


_PATH = re.compile(
    r"""(?:(?P<schema>urn:[^\[\]"]+):)?
        (?P<attribute>[A-Za-z$_][\w$-]*)
        (?:\[(?P<filter>.*)\])?
        (?:\.(?P<sub>[\w$][\w$-]*))?""",
    re.VERBOSE | re.DOTALL | re.ASCII | re.IGNORECASE,
)
_TEST = re.compile(
    r"""\s*(?P<name>[A-Za-z$][\w$-]*)\s+eq\s+
        (?:"(?P<text>(?:[^"\\]|\\["\\/])*)"|(?P<word>true|false|null)|(?P<number>-?\d+))\s*
        (?P<more>and\s|$)""",
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)
_WORDS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}
CORE_SCHEMAS: Final = frozenset({CORE_USER.casefold(), CORE_GROUP.casefold(), CORE_1_1.casefold()})


@lru_cache(maxsize=4096)
def parse_path(path: str) -> Path:
    """The path taken apart (RFC 7644, section 3.10; of filters only `eq` joined by `and`). Raises `PathError`."""
    found = _PATH.fullmatch(path)
    if found is None:
        msg = f'`{path}` is no attribute path: write `name.givenName`, `emails[type eq "work"].value`, `urn:…:name`'
        raise PathError(msg)
    schema = (found["schema"] or "").casefold()
    return Path(
        schema="" if schema in CORE_SCHEMAS else schema,
        attribute=found["attribute"].casefold(),
        where=tuple(_tests(found["filter"], path)) if found["filter"] is not None else (),
        sub=(found["sub"] or "").casefold(),
    )


def _tests(text: str, path: str) -> Iterator[tuple[str, Scalar | None]]:
    """The equality tests of a value filter."""
    at, more = 0, True
    while more:
        found = _TEST.match(text, at)
        if found is None:
            msg = f'`{path}`: cannot read the filter `{text}`: write `type eq "work"`, several joined by `and`'
            raise PathError(msg)
        yield found["name"].casefold(), _literal(found)
        at, more = found.end(), bool(found["more"])


def _literal(found: re.Match[str]) -> Scalar | None:
    """The value that a test compares with."""
    if found["word"]:
        return _WORDS[found["word"].casefold()]
    if found["number"]:
        return int(found["number"])
    return re.sub(r"\\(.)", r"\1", found["text"])


def read(resource: Mapping[str, Any], path: str) -> tuple[Scalar, ...]:
    """All values of `path` in a SCIM 2.0 resource, each whole; empty when it has none.

    `path` is a SCIM path (`emails[type eq "work"].value`, `name.givenName`, `urn:…:User:department`), the dotted form
    with a type (`emails.work`), or the URI of a claim that is kept under its own name. Without a sub-attribute a
    complex value stands for its `value`. Attribute names and types compare without case (RFC 7643, section 2.1);
    elements marked primary come first. Raises `PathError` for a text that is no path.
    """
    if "://" in path:
        return tuple(_scalars(_get(resource, path.casefold())))
    wanted = parse_path(path)
    within = _get(resource, wanted.schema) if wanted.schema else resource
    if not isinstance(within, Mapping):
        return ()
    elements = [one for one in elements_of(_get(within, wanted.attribute)) if _meets(one, wanted.where)]
    return tuple(_select(elements, wanted.sub))


def claim_values(resource: Mapping[str, Any], claim_uri: str) -> tuple[Scalar, ...]:
    """All values of a claim: by the table for a WSO2 claim or a SCIM 1.1 URI, else as `read` does.

    An unknown claim URI has the values that the resource keeps under that very name.
    """
    claim = BY_URI.get(claim_uri) or _by_scim1().get(claim_uri)
    if claim is None:
        return read(resource, path_of(claim_uri))
    values = read(resource, claim.path)
    return tuple(not truth for truth in map(as_boolean, values) if truth is not None) if claim.inverted else values


def path_of(name: str) -> str:
    """The SCIM 2.0 path of a WSO2 claim URI or SCIM 1.1 URI; any other name is returned as it is."""
    claim = BY_URI.get(name) or _by_scim1().get(name)
    if claim is not None:
        return claim.path
    if name.startswith(f"{ENTERPRISE_1_1}:"):
        return ENTERPRISE_USER + name.removeprefix(ENTERPRISE_1_1)
    return name.removeprefix(f"{CORE_1_1}:")


@lru_cache(maxsize=1)
def _by_scim1() -> Mapping[str, Claim]:
    """The table by SCIM 1.1 URI; inverted claims have none of their own."""
    return {uri: claim for claim in reversed(CLAIMS) if not claim.inverted for uri in claim.scim1}


def as_boolean(value: Scalar) -> bool | None:
    """A truth value as clients send it (true, "True"); None for anything else."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().casefold()) if isinstance(value, str) else None


def elements_of(value: Any) -> list[Any]:
    """The elements of an attribute's value, those marked primary first; no element for an unassigned one."""
    if value is None:
        return []
    if not isinstance(value, Sequence) or isinstance(value, str):
        return [value]
    return sorted(value, key=lambda one: not (isinstance(one, Mapping) and _get(one, "primary") is True))


def _select(elements: Sequence[Any], sub: str) -> Iterator[Scalar]:
    """The values of the sub-attribute `sub` of all elements, or of the elements whose type it names."""
    own = [value for one in elements if isinstance(one, Mapping) for value in _scalars(_get(one, sub))] if sub else []
    if own or sub in SUB_ATTRIBUTES:
        yield from own
        return
    for one in elements:
        if not sub or _meets(one, (("type", sub),)):
            yield from _scalars(_get(one, "value") if isinstance(one, Mapping) else one)


def _scalars(value: Any) -> Iterator[Scalar]:
    """The simple values in `value`; a complex one inside stands for its `value`."""
    for one in elements_of(value):
        simple = _get(one, "value") if isinstance(one, Mapping) else one
        if isinstance(simple, str | bool | int | float):
            yield simple


def _meets(element: Any, where: tuple[tuple[str, Scalar | None], ...]) -> bool:
    """Whether an element meets every test; a simple element only has a `value`."""
    for name, wanted in where:
        found = _get(element, name) if isinstance(element, Mapping) else element if name == "value" else None
        if isinstance(found, str) and isinstance(wanted, str):
            # Types are case-insensitive strings (RFC 7643, section 2.3.1 and 4.1.2); values of the others are compared
            # as they are.
            same = found.casefold() == wanted.casefold() if name == "type" else found == wanted
        else:
            same = type(found) is type(wanted) and found == wanted
        if not same:
            return False
    return True


def _get(within: Mapping[str, Any], name: str) -> Any:
    """The attribute whose name is `name`, given in lower case, without regard to case."""
    for key, value in within.items():
        if key.casefold() == name:
            return value
    return None
