"""SPML 2.0 requests with DSML data, and how they travel over HTTP.

Sections are those of the OASIS Standard "SPML Version 2" (1 April 2006) and of its DSML v2 profile.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lxml import etree
from lxml.etree import QName
from lxml.etree import _Element as Element

from connectors.connector import Request
from connectors.spml_attributes import legal

CORE = "urn:oasis:names:tc:SPML:2:0"
DSML = "urn:oasis:names:tc:DSML:2:0:core"
PASSWORD = CORE + ":password"
SUSPEND = CORE + ":suspend"
SEARCH = CORE + ":search"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
PREFIXES = {CORE: "spml", DSML: "dsml", PASSWORD: "pass", SUSPEND: "suspend", SEARCH: "search", SOAP: "soap"}

Style = Literal["data", "dsml"]
Mode = Literal["replace", "add", "delete"]
Changes = Sequence[tuple[Mode, Mapping[str, Sequence[str]]]]


@dataclass(frozen=True, slots=True)
class Identity:
    """A PSO identifier (section 3.6.1): unique within its target, which may also want to know the container."""

    id: str
    target: str | None = None
    container: Identity | None = None

    def remembered(self) -> dict[str, Any]:
        """What must be kept beside the id to name the object again, as JSON."""
        kept: dict[str, Any] = {}
        if self.target:
            kept["targetID"] = self.target
        if self.container:
            kept["containerID"] = {"ID": self.container.id, **self.container.remembered()}
        return kept

    @classmethod
    def recalled(cls, identifier: str, kept: Mapping[str, Any]) -> Identity:
        """The identity from its id and what `remembered` said."""
        container = kept.get("containerID")
        return cls(identifier, kept.get("targetID"), container and cls.recalled(container["ID"], container))


# --- requests ---------------------------------------------------------------------------------------------------------


def list_targets() -> Element:
    """`listTargetsRequest` (section 3.6.1.1)."""
    return _request(CORE, "listTargetsRequest")


def add(target: str | None, attributes: Mapping[str, Sequence[str]]) -> Element:
    """`addRequest` (section 3.6.1.2) without a psoID: the target makes it."""
    request = _request(CORE, "addRequest", returnData="everything")
    if target:
        request.set("targetID", legal(target, "target id"))
    _data(request, attributes)
    return request


def modify(identity: Identity, changes: Changes, style: Style) -> Element:
    """`modifyRequest` (section 3.6.1.4): as data with a mode each, or as the DSML profile's own modifications."""
    request = _about(CORE, "modifyRequest", identity, returnData="everything")
    for mode, attributes in changes:
        if not attributes:
            continue
        modification = _child(request, CORE, "modification", modificationMode=mode)
        if style == "data":
            _data(modification, attributes)
            continue
        for name, values in attributes.items():
            _attribute(modification, "modification", name, values).set("operation", mode)
    return request


def delete(identity: Identity) -> Element:
    """`deleteRequest` (section 3.6.1.5), never recursive."""
    return _about(CORE, "deleteRequest", identity)


def look_up(identity: Identity) -> Element:
    """`lookupRequest` (section 3.6.1.3)."""
    return _about(CORE, "lookupRequest", identity, returnData="everything")


def search(target: str | None, attribute: str, value: str) -> Element:
    """`searchRequest` (section 3.6.6.1) by one equality, as the DSML profile writes filters (DSMLv2.xsd, Filter)."""
    request = _request(SEARCH, "searchRequest", returnData="everything", maxSelect="2")
    query = _child(request, SEARCH, "query", scope="subTree")
    if target:
        query.set("targetID", legal(target, "target id"))
    match = _child(_child(query, DSML, "filter"), DSML, "equalityMatch", name=attribute)
    _child(match, DSML, "value").text = legal(value, attribute)
    return request


def set_password(identity: Identity, password: str) -> Element:
    """`setPasswordRequest` (section 3.6.4.1)."""
    request = _about(PASSWORD, "setPasswordRequest", identity)
    _child(request, PASSWORD, "password").text = legal(password, "the password")
    return request


def suspend(identity: Identity) -> Element:
    """`suspendRequest` (section 3.6.7.1)."""
    return _about(SUSPEND, "suspendRequest", identity)


def resume(identity: Identity) -> Element:
    """`resumeRequest` (section 3.6.7.2)."""
    return _about(SUSPEND, "resumeRequest", identity)


def is_active(identity: Identity) -> Element:
    """`activeRequest` (section 3.6.7.3)."""
    return _about(SUSPEND, "activeRequest", identity)


def _request(namespace: str, name: str, /, **attributes: str) -> Element:
    prefixes = {PREFIXES[namespace]: namespace, "spml": CORE, "dsml": DSML}
    request = etree.Element(QName(namespace, name), nsmap=prefixes)
    request.set("executionMode", "synchronous")
    for key, value in attributes.items():
        request.set(key, value)
    return request


def _about(namespace: str, name: str, identity: Identity, /, **attributes: str) -> Element:
    request = _request(namespace, name, **attributes)
    _identify(_child(request, namespace, "psoID"), identity)
    return request


def _identify(element: Element, identity: Identity) -> None:
    element.set("ID", legal(identity.id, "provisioned identifier"))
    if identity.target:
        element.set("targetID", legal(identity.target, "target id"))
    if identity.container:
        _identify(_child(element, CORE, "containerID"), identity.container)


def _data(parent: Element, attributes: Mapping[str, Sequence[str]]) -> None:
    data = _child(parent, CORE, "data")
    for name, values in attributes.items():
        _attribute(data, "attr", name, values)


def _attribute(parent: Element, tag: str, name: str, values: Sequence[str]) -> Element:
    element = _child(parent, DSML, tag, name=legal(name, "attribute name"))
    for value in values:
        _child(element, DSML, "value").text = legal(value, f"attribute `{name}`")
    return element


def _child(parent: Element, namespace: str, name: str, /, **attributes: str) -> Element:
    return etree.SubElement(parent, QName(namespace, name), attributes)


# --- as HTTP ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wire:
    """How messages travel: `soap` is SOAP 1.1 over HTTP, else the bare message is posted; Basic when `username`."""

    url: str
    soap: bool = True
    username: str = ""
    password: str = field(default="", repr=False)

    def request(self, message: Element, purpose: str, *, safe: bool, secrets: Iterable[str] = ()) -> Request:
        """The HTTP request that carries `message`; `secrets` are the clear texts that it holds."""
        name = QName(message).localname
        headers = {"Accept": "text/xml, application/soap+xml, application/xml", "Cache-Control": "no-cache"}
        if self.soap:
            envelope = etree.Element(QName(SOAP, "Envelope"), nsmap={"soap": SOAP})
            _child(envelope, SOAP, "Body").append(message)
            # SOAP 1.1 section 6.1.1: a quoted URI. WSO2's connector made these names known.
            headers["SOAPAction"] = f'"SPML{name[0].upper()}{name[1:]}"'
            headers["Content-Type"] = "text/xml; charset=utf-8"
            message = envelope
        else:
            headers["Content-Type"] = "application/xml; charset=utf-8"
        hidden = [*secrets]
        if self.username:
            token = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {token}"
            hidden += [token, self.password]
        body = etree.tostring(message, encoding="utf-8", xml_declaration=True)
        return Request(
            method="POST",
            url=self.url,
            headers=headers,
            body=body,
            safe=safe,
            purpose=purpose,
            secrets=tuple(dict.fromkeys(filter(None, hidden))),
        )
