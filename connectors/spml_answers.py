"""SPML 2.0 answers: what a target said, and which error a failure stands for.

Liberal in shape, as toolkits differ: with or without an envelope, attributes in `data` or straight under `pso`, local
elements in any namespace. Strict in what could harm: no document type, no entity, a size limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lxml import etree
from lxml.etree import QName
from lxml.etree import _Element as Element

from connectors.connector import Reply
from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    Misconfigured,
    TargetConflict,
    TargetRefused,
    TargetUnavailable,
)
from connectors.masking import mask_text
from connectors.spml_attributes import Values
from connectors.spml_messages import CORE, SOAP, Identity
from connectors.statuses import status_error

SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
LARGEST_ANSWER = 8 * 1024 * 1024
LONGEST_DETAIL = 2_000


@dataclass(frozen=True, slots=True)
class Pso:
    """A provisioning service object as an answer shows it; `attributes` is empty when no data came."""

    identity: Identity
    attributes: Values


@dataclass(frozen=True, slots=True)
class Target:
    """A target of listTargets (section 3.6.1.1); `entities` are the object classes that its schema names."""

    id: str | None
    profile: str | None
    entities: tuple[str, ...]
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the target said: `outcome` `success`, `failure` with an error code, or a SOAP `fault` with its code."""

    outcome: Literal["success", "failure", "fault"]
    code: str
    detail: str
    status: int
    element: Element

    @property
    def refused(self) -> bool:
        """Whether the target understood and said no."""
        return self.outcome != "success" and isinstance(self.error(""), TargetRefused)

    def confirm(self, doing: str) -> None:
        """Nothing on success; else raises the error that the code stands for, with what the target said."""
        if self.outcome != "success":
            raise self.error(doing)

    def error(self, doing: str) -> ConnectorError:
        """The error that the failure or fault stands for; `doing` is the request's purpose."""
        if self.outcome == "fault":
            return self._fault(doing)
        kind, meaning = FAILURES.get(self.code, (TargetRefused, "the target reports an error of its own"))
        said = f" (`{self.code}`)" if self.code else ""
        if kind is Misconfigured:
            return Misconfigured(": ".join(filter(None, (f"{doing}: {meaning}{said}", self.detail))))
        return kind(f"{doing}: {meaning}{said}", status=self.status, detail=self.detail or None)

    def _fault(self, doing: str) -> ConnectorError:
        message = f"{doing}: the target answered a SOAP fault `{self.code}`"
        first, _, rest = self.code.partition(".")
        if "auth" in rest.lower():  # SOAP 1.1 section 4.4.1 has `Client.Authentication` as its example
            return CredentialsRejected(message, status=self.status, detail=self.detail)
        if first in {"Client", "Sender", "VersionMismatch", "MustUnderstand"}:
            return TargetRefused(message, status=self.status, detail=self.detail)
        return TargetUnavailable(message, status=self.status, detail=self.detail)

    def pso(self) -> Pso | None:
        """The object of an add, lookup or modify answer, None when it has none with an identifier."""
        return next(iter(self.psos()), None)

    def psos(self) -> list[Pso]:
        """The objects of an answer that have an identifier; a search may give several."""
        return [pso for pso in map(_read_pso, _named(self.element, "pso")) if pso is not None]

    def targets(self) -> list[Target]:
        """The targets of a listTargets answer."""
        return [_read_target(element) for element in _named(self.element, "target")]


# SPML 2.0 section 3.1.2.2, ErrorCode; the schema misspells the eleventh, so both spellings are known.
FAILURES: Mapping[str, tuple[type[ConnectorError], str]] = {
    "malformedRequest": (TargetRefused, "the target finds the request malformed"),
    "unsupportedOperation": (TargetRefused, "the target does not offer this operation"),
    "unsupportedIdentifierType": (TargetRefused, "the target does not know this kind of identifier"),
    "noSuchIdentifier": (TargetRefused, "the target has no object of this identifier"),
    "customError": (TargetRefused, "the target reports an error of its own"),
    "unsupportedExecutionMode": (Misconfigured, "the target executes asynchronously only, which cannot be followed"),
    "invalidContainment": (TargetRefused, "the target does not allow the object in this container"),
    "noSuchRequest": (TargetRefused, "the target does not know the request"),
    "unsupportedSelectionType": (TargetRefused, "the target does not understand the selection"),
    "resultSetToLarge": (TargetRefused, "the answer is too large for the target"),
    "resultSetTooLarge": (TargetRefused, "the answer is too large for the target"),
    "unsupportedProfile": (Misconfigured, "the target does not speak the DSML profile"),
    "invalidIdentifier": (TargetRefused, "the target finds the identifier invalid"),
    "alreadyExists": (TargetConflict, "the object exists at the target"),
    "containerNotEmpty": (TargetRefused, "the object contains others"),
}


def read(reply: Reply, *, now: datetime, doing: str, secrets: Iterable[str] = ()) -> Answer:
    """What the target answered, of any HTTP status as far as it is SPML or a SOAP fault (which comes with 500).

    `secrets` are taken out of what the target said. Raises `ConnectorError` for every other answer:
    by the HTTP status, `TargetUnavailable` for what cannot be read and for `pending`.
    """
    if reply.status in {401, 429, 502, 503, 504}:  # a gateway or container speaks, whatever the body looks like
        raise status_error(reply, now=now, doing=doing)
    try:
        message = _message(parsed(reply.body))
    except ValueError as error:
        if not 200 <= reply.status < 300:
            raise status_error(reply, now=now, doing=doing, endpoint="spml-ep") from error
        raise TargetUnavailable(f"{doing}: the answer cannot be read: {error}", status=reply.status) from error
    if QName(message).namespace in {SOAP, SOAP_12}:
        code, said = _fault_said(message)
        return Answer("fault", code, mask_text(said, secrets)[:LONGEST_DETAIL], reply.status, message)
    return _response(message, reply, now, doing, mask_text(_error_messages(message), secrets)[:LONGEST_DETAIL])


def _response(message: Element, reply: Reply, now: datetime, doing: str, said: str) -> Answer:
    status = message.get("status")
    if status == "pending":
        raise TargetUnavailable(
            f"{doing}: the target answered `pending` although synchronous execution was asked for",
            status=reply.status,
            detail=said or None,
        )
    if status == "success":
        if not 200 <= reply.status < 300:
            raise status_error(reply, now=now, doing=doing, detail=said or None)
        return Answer("success", "", said, reply.status, message)
    return Answer("failure", message.get("error", ""), said, reply.status, message)


def _error_messages(message: Element) -> str:
    return " ".join(_text(element) for element in _named(message, "errorMessage"))


def parsed(body: bytes) -> Element:
    """The document element of an answer; no DTD, no entity, no network, limited size and depth.

    Raises ValueError with the reason, for people.
    """
    if not body.strip():
        raise ValueError("it is empty")
    if len(body) > LARGEST_ANSWER:
        raise ValueError(f"it is larger than {LARGEST_ANSWER} bytes")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"it is no XML: {error.msg}") from error
    if etree.ElementTree(root).docinfo.internalDTD is not None:
        raise ValueError("it has a document type declaration")
    return root


def _message(root: Element) -> Element:
    """The SPML response or the fault in a document, with or without an envelope."""
    name = QName(root)
    message: Element | None = root
    if name.localname == "Envelope" and name.namespace in {SOAP, SOAP_12}:
        body = root.find(f"{{{name.namespace}}}Body")
        message = None if body is None else next(iter(body), None)
        if message is None:
            raise ValueError("its envelope is empty")
    assert message is not None
    inner = QName(message)
    if inner.namespace in {SOAP, SOAP_12} and inner.localname == "Fault":
        return message
    if not (inner.namespace or "").startswith(CORE) or not inner.localname.endswith("Response"):
        raise ValueError(f"`{inner.localname}` is no SPML 2.0 response")
    if message.get("status") not in {"success", "failure", "pending"}:
        raise ValueError(f"its status is `{message.get('status', '')}`")
    return message


def _fault_said(fault: Element) -> tuple[str, str]:
    """A fault's code without prefix and its words, of SOAP 1.1 (section 4.4) or 1.2."""
    codes = [_text(element) for element in fault.iter("faultcode", QName(SOAP_12, "Value"))]
    words = [_text(element) for element in fault.iter("faultstring", QName(SOAP_12, "Text"), "detail")]
    return (codes[0].rpartition(":")[2] if codes else ""), " ".join(words)


def _named(element: Element, name: str) -> list[Element]:
    """Children by local name: toolkits disagree about the namespace of local elements."""
    return [child for child in element if QName(child).localname == name]


def _text(element: Element) -> str:
    return " ".join(_verbatim(element).split())


def _verbatim(element: Element) -> str:
    return "".join(str(text) for text in element.itertext())


def _read_pso(element: Element) -> Pso | None:
    identity = next((_read_identity(child) for child in _named(element, "psoID")), None)
    if identity is None:
        return None
    # OpenSPML puts the attributes straight under `pso`; the standard has them in `data`.
    holders = [*_named(element, "data"), element]
    attributes: Values = {}
    for holder in holders:
        for attribute in _named(holder, "attr"):
            values = [_verbatim(value) for value in _named(attribute, "value")]
            attributes.setdefault(attribute.get("name", ""), []).extend(values)
    return Pso(identity, attributes)


def _read_identity(element: Element) -> Identity | None:
    """The identity, None when the ID is missing or empty (open content in its place is of profiles unknown here)."""
    if not element.get("ID"):
        return None
    container = next((_read_identity(child) for child in _named(element, "containerID")), None)
    return Identity(element.get("ID", ""), element.get("targetID"), container)


def _read_target(element: Element) -> Target:
    entities = [
        *(entity.get("entityName", "") for entity in element.iter("{*}supportedSchemaEntity")),
        *(entity.get("name", "") for entity in element.iter("{*}objectClassDefinition")),
    ]
    capabilities = [capability.get("namespaceURI", "") for capability in element.iter("{*}capability")]
    return Target(element.get("targetID"), element.get("profile"), tuple(filter(None, entities)), tuple(capabilities))
