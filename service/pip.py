"""The policy information point: describes a delivery as the XACML request that policies are written against.

`describe` turns `DeliveryFacts` into one XACML 3.0 request; the bytes are the record that is stored with the decision,
and the request that is decided is read from those very bytes. `service.vocabulary` lists the attributes.

Everything that policies written for WSO2 Identity Server ask for has a value here, plus what they could not ask for:
the last known attributes on every operation, user and group told apart, and the operation as it will be carried out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, Literal
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from connectors import claims
from connectors.claims import CORE_GROUP, CORE_USER, SUB_ATTRIBUTES, DataType, Scalar
from service import pdp, vocabulary
from service.vocabulary import ACTION, CATEGORIES, ENVIRONMENT, IDENTITY_PROVIDER, PROVISIONING, SERVICE_PROVIDER, USER

Operation = Literal["create", "replace", "modify", "delete"]

RESIDENT: Final = "resident"
WSO2_RESIDENT: Final = "wso2carbon-local-sp"
_WSO2_CONNECTORS: Final[Mapping[str, str]] = {"scim2": "SCIM2"}
_WSO2_OPERATIONS: Final[Mapping[Operation, str]] = {
    "create": "POST",
    "replace": "PUT",
    "modify": "PATCH",
    "delete": "DELETE",
}
_XML_SCHEMA: Final = "http://www.w3.org/2001/XMLSchema#"

LIMITS: Final = replace(pdp.DEFAULT_LIMITS, attributes=250_000, request_bytes=64_000_000)
"""Wider than for requests of others: whatever image is taken can be judged, and each of its values has several ids."""


class Indescribable(ValueError):
    """A fact holds a character that no XML document can carry: correct it at its source, then retry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFacts:
    """What is known of a delivery when the gate is asked.

    `attributes` is the entity's last known image, a SCIM 2.0 resource, on every operation including delete. `roles` and
    `groups` are those after the identity provider's role mapping, `local_groups` are the groups under their own names
    (None: no mapping has changed them). `operation` is the one that came in, `effective_operation` the one that will be
    carried out. `attempt` is 0 at acceptance, then 1, 2, ….
    """

    tenant: str
    service_provider: str
    identity_provider: str
    connector_type: str
    entity_type: Literal["user", "group"]
    entity_name: str
    domain: str
    operation: Operation
    effective_operation: Operation
    channel: str
    jit: bool
    attempt: int
    attributes: Mapping[str, Any] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    local_groups: tuple[str, ...] | None = None

    @property
    def own_groups(self) -> tuple[str, ...]:
        """The names of the groups as the entity's attributes have them: no target's mapping changes an attribute."""
        return self.groups if self.local_groups is None else self.local_groups


@dataclass(frozen=True, slots=True)
class Described:
    """One attribute of the request: its values, in order, all of one data type."""

    category: str
    id: str
    type: DataType
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DescribedRequest:
    """The frozen XACML 3.0 request (UTF-8), its attributes, and the request read from those bytes."""

    xml: bytes
    attributes: tuple[Described, ...]
    request: pdp.Request


def describe(facts: DeliveryFacts) -> DescribedRequest:
    """The request that the policies decide about `facts`; the same facts always give the same bytes.

    Raises `Indescribable` when a value cannot be written as XML, `pdp.RequestError` when the request is over a limit.
    """
    attributes = tuple(_attributes(facts))
    xml = _encode(attributes)
    return DescribedRequest(xml, attributes, pdp.parse_request(xml, "application/xacml+xml", limits=LIMITS))


def _attributes(facts: DeliveryFacts) -> Iterator[Described]:
    """All attributes, those without a value left out, in the order of `CATEGORIES` and then by id."""
    found: dict[tuple[str, str, DataType], dict[str, None]] = {}
    for one in (*_circumstances(facts), *_entity(facts)):
        if one.values:
            found.setdefault((one.category, one.id, one.type), {}).update(dict.fromkeys(one.values))
    for category, id_, kind in sorted(found, key=lambda key: (CATEGORIES.index(key[0]), *key[1:])):
        yield Described(category, id_, kind, tuple(found[category, id_, kind]))


def _circumstances(facts: DeliveryFacts) -> Iterator[Described]:
    """Everything but the entity's own attributes."""
    service_provider = WSO2_RESIDENT if facts.service_provider == RESIDENT else facts.service_provider
    username = f"{facts.domain}/{facts.entity_name}" if facts.entity_type == "user" else facts.entity_name
    connector = _WSO2_CONNECTORS.get(facts.connector_type, facts.connector_type)
    yield _text(USER, vocabulary.TENANT_DOMAIN, facts.tenant)
    yield _text(USER, vocabulary.USERNAME, username)
    yield _text(SERVICE_PROVIDER, vocabulary.SP_NAME, service_provider)
    yield _text(SERVICE_PROVIDER, vocabulary.SP_TENANT_DOMAIN, facts.tenant)
    yield _text(IDENTITY_PROVIDER, vocabulary.IDP_NAME, facts.identity_provider)
    yield _text(IDENTITY_PROVIDER, vocabulary.CONNECTOR_TYPE, connector)
    yield _text(ACTION, vocabulary.ACTION_NAME, "provisioning")
    yield _text(PROVISIONING, vocabulary.PROVISION_OPERATION, _WSO2_OPERATIONS[facts.operation])
    yield _text(PROVISIONING, vocabulary.CLAIM_GROUP, *facts.roles, *facts.groups)
    yield _text(PROVISIONING, vocabulary.ENTITY_TYPE, facts.entity_type)
    yield _text(PROVISIONING, vocabulary.EFFECTIVE_OPERATION, facts.effective_operation)
    yield _text(PROVISIONING, vocabulary.INBOUND_CHANNEL, facts.channel)
    yield Described(PROVISIONING, vocabulary.JIT, "boolean", (_lexical(facts.jit),))
    yield Described(PROVISIONING, vocabulary.ATTEMPT, "integer", (str(facts.attempt),))
    yield _text(ENVIRONMENT, vocabulary.ENVIRONMENT_ID, facts.tenant)


def _entity(facts: DeliveryFacts) -> Iterator[Described]:
    """The entity's attributes: WSO2 claims, then SCIM 2.0 (typed) and SCIM 1.1 (text) under their URNs."""
    resource = _resource(facts)
    present = {name.casefold() for name in resource}
    roles = claims.read(resource, "roles")
    # In 5.3.0 a group is a role; from 7.x on roles are apart from groups and carry their store's name.
    yield _text(USER, vocabulary.ROLE_CLAIM, *roles, *facts.own_groups)
    yield _text(USER, vocabulary.ROLES_CLAIM, *(_internal(str(role)) for role in roles))
    for uri, place in _claim_uris():
        if place in present:
            yield _text(USER, uri, *claims.claim_values(resource, uri))
    core = CORE_USER if facts.entity_type == "user" else CORE_GROUP
    for schema, path, values in _leaves(resource):
        yield from _scim(f"{schema or core}:{path}", path, values)
        if uri := claims.scim1_uri(f"{schema}:{path}" if schema else path):
            yield _text(USER, uri, *values)
    for uri, values in _under_own_uri(resource):
        yield from _scim(uri, "", values)


@lru_cache(maxsize=1)
def _claim_uris() -> tuple[tuple[str, str], ...]:
    """Every URI of the table of claims, but those of roles, with the attribute or extension that it is read from."""
    own = {vocabulary.ROLE_CLAIM, vocabulary.ROLES_CLAIM}
    uris = [uri for claim in claims.CLAIMS for uri in (claim.uri, *claim.scim1) if uri not in own]
    paths = [claims.parse_path(claims.path_of(uri)) for uri in uris]
    return tuple((uri, path.schema or path.attribute) for uri, path in zip(uris, paths, strict=True))


def _resource(facts: DeliveryFacts) -> Mapping[str, Any]:
    """The image without what is not to be judged by: secrets, and a group's members, which are no attributes.

    Local groups come from the memberships, never from the image: `groups` is read-only (RFC 7643, section 4.1.2), and a
    caller must not be able to claim membership in a group.
    """
    resource: dict[str, Any] = {}
    for name, value in _without_secrets(facts.attributes).items():
        core = name.casefold() in claims.CORE_SCHEMAS and isinstance(value, Mapping)
        for inner, one in value.items() if core else ((name, value),):
            if inner.casefold() not in {"groups", "members", "schemas"}:
                resource.setdefault(inner, one)
    if facts.own_groups:
        resource["groups"] = [{"value": name, "display": name} for name in facts.own_groups]
    if facts.roles and not claims.read(resource, "roles"):
        resource["roles"] = [{"value": name} for name in facts.roles]
    return resource


_SECRET_WORDS: Final = frozenset({
    "password", "passwords", "passwd", "pwd", "passphrase", "secret", "secrets", "secretkey", "credential",
    "credentials", "token", "tokens", "otp", "totp", "pin", "apikey", "privatekey", "backupcodes",
})  # fmt: skip
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def is_secret(name: str) -> bool:
    """Whether an attribute's name says that its value is a secret: one of its words is (`userPassword`, `otp_seed`)."""
    last = re.split(r"[:/]", name)[-1]
    words = [word.lower() for word in _WORD.findall(last)]
    pairs = map("".join, pairwise(words))
    return not _SECRET_WORDS.isdisjoint((*words, *pairs))


def _without_secrets(value: Any) -> Any:
    """`value` without the attributes, at any depth, that are secrets."""
    if isinstance(value, Mapping):
        return {name: _without_secrets(inner) for name, inner in value.items() if not is_secret(name)}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without_secrets(inner) for inner in value]
    return value


def _internal(role: str) -> str:
    """A role as 7.x names it: in its store, `Internal` unless it says another one."""
    return role if "/" in role else f"Internal/{role}"


def _leaves(resource: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[Scalar, ...]]]:
    """Every attribute of SCIM schemas that has values, as (extension or empty, dotted path, values)."""
    for name, value in resource.items():
        if not _is_uri(name):
            yield from _leaf("", name, value)
        elif isinstance(value, Mapping) and name.casefold().startswith("urn:"):
            yield from (leaf for inner, one in value.items() for leaf in _leaf(_id(name), inner, one))


def _under_own_uri(resource: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Scalar, ...]]]:
    """Claims of the organisation's own, kept under their URI, unless the URI is one that we give its values."""
    for name, value in resource.items():
        id_ = _id(name)
        if _is_uri(name) and id_ not in vocabulary.known_attributes() and not id_.startswith(_RESERVED):
            yield id_, tuple(_simple(claims.elements_of(value)))


# The image is what callers sent. Under these an attribute of theirs would pass for one of ours.
_RESERVED: Final = (*CATEGORIES, "urn:sluice:", f"{CORE_USER}:", f"{CORE_GROUP}:", f"{claims.CORE_1_1}:")


def _is_uri(name: str) -> bool:
    """Whether an attribute's name is a URI: of an extension, or of a claim."""
    return "://" in name or name.casefold().startswith("urn:")


def _id(uri: str) -> str:
    """An attribute id: what no URI may contain is escaped, so that two names never become one id."""
    return quote(uri, safe=":/?#[]@!$&'()*+,;=-._~")


def _leaf(schema: str, name: str, value: Any) -> Iterator[tuple[str, str, tuple[Scalar, ...]]]:
    """One attribute with its sub-attributes and, when its elements have types, `name.<type>`."""
    elements = claims.elements_of(value)
    complex_ones = [one for one in elements if isinstance(one, Mapping)]
    own = _canonical(schema, name)
    yield schema, own, tuple(_simple(one.get("value") if isinstance(one, Mapping) else one for one in elements))
    subs: dict[str, list[Scalar]] = {}
    for one in complex_ones:
        for sub, inner in one.items():
            subs.setdefault(_canonical(schema, f"{name}.{sub}"), []).extend(_simple(claims.elements_of(inner)))
    yield from ((schema, path, tuple(values)) for path, values in subs.items())
    taken = SUB_ATTRIBUTES | {path.rpartition(".")[2].casefold() for path in subs}
    for kind, typed in _by_type(complex_ones).items():
        if kind not in taken:
            yield schema, f"{own}.{quote(kind, safe='$-_')}", tuple(_simple(one.get("value") for one in typed))


def _by_type(elements: Iterable[Mapping[str, Any]]) -> Mapping[str, list[Mapping[str, Any]]]:
    """The elements that have a type, by their type."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in elements:
        if isinstance(kind := one.get("type"), str) and kind:
            found.setdefault(kind.casefold(), []).append(one)
    return found


@lru_cache(maxsize=8192)
def _canonical(schema: str, path: str) -> str:
    """`path` as its schema spells it (names compare without case, RFC 7643, section 2.1), and safe in a URN."""
    safe = quote(path, safe="$-_.")
    return _SPELLING.get(f"{schema}:{safe}".casefold(), safe)


_SPELLING: Final[Mapping[str, str]] = {
    (row.path if row.path.startswith("urn:") else f":{row.path}").casefold(): row.path.rpartition(":")[2]
    for row in vocabulary.attribute_table()
    if row.path
}


def _simple(values: Iterable[Any]) -> list[Scalar]:
    """The simple values among `values`."""
    return [one for one in values if isinstance(one, str | bool | int | float)]


def _scim(id_: str, path: str, values: tuple[Scalar, ...]) -> Iterator[Described]:
    """An attribute under its URN, in the data type of each value."""
    by_type: dict[DataType, list[str]] = {}
    for value in values:
        kind, text = _typed(path, value)
        by_type.setdefault(kind, []).append(text)
    for kind, texts in by_type.items():
        yield Described(USER, id_, kind, tuple(texts))


_BOOLEANS: Final = frozenset(
    {"active"} | {claim.path.rpartition(":")[2] for claim in claims.CLAIMS if claim.type == "boolean"}
)
_DATE_TIMES: Final = frozenset({"meta.created", "meta.lastModified"})
_DATE_TIME = re.compile(r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")


def _typed(path: str, value: Scalar) -> tuple[DataType, str]:
    """Data type and text of a SCIM value; one that is not of its attribute's type stays a string."""
    if isinstance(value, str):
        truth = claims.as_boolean(value) if path in _BOOLEANS else None
        if truth is not None:
            return "boolean", _lexical(truth)
        return ("dateTime" if path in _DATE_TIMES and _DATE_TIME.fullmatch(value) else "string"), value
    if isinstance(value, bool):
        return "boolean", _lexical(value)
    return ("integer" if isinstance(value, int) else "double"), _lexical(value)


def _lexical(value: Scalar) -> str:
    """A value in the lexical form of XML Schema."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _text(category: str, id_: str, *values: Scalar) -> Described:
    """An attribute of type string: WSO2's are all of that type. Each value once."""
    return Described(category, id_, "string", tuple(dict.fromkeys(map(_lexical, values))))


# XML 1.0, section 2.2: the characters that a document can carry.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OPEN: Final = (
    '<Request xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"'
    ' ReturnPolicyIdList="true" CombinedDecision="false">'
)


def _encode(attributes: Iterable[Described]) -> bytes:
    """XACML 3.0 core, section 5.42. Written by hand: one line an attribute reads and compares well in the record."""
    lines, category = [_OPEN], ""
    for one in attributes:
        if one.category != category:
            lines += ["</Attributes>"] if category else []
            category = one.category
            lines.append(f'<Attributes Category="{category}">')
        values = "".join(
            f'<AttributeValue DataType="{_XML_SCHEMA}{one.type}">{_escaped(value, one.id)}</AttributeValue>'
            for value in one.values
        )
        lines.append(f'<Attribute AttributeId={quoteattr(one.id)} IncludeInResult="false">{values}</Attribute>')
    return "\n".join((*lines, "</Attributes>", "</Request>", "")).encode()


def _escaped(value: str, attribute: str) -> str:
    """`value` as XML text that reads back as it is, line ends included."""
    bad = _NO_XML.search(value)
    if bad is not None:
        msg = f"attribute `{attribute}` has a value with the character U+{ord(bad[0]):04X}: XML cannot carry it"
        raise Indescribable(msg)
    return escape(value, {"\r": "&#13;"})
