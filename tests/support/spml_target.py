"""A strict SPML 2.0 server, of our own from the standard, for tests.

`SpmlTarget.answer` is the whole server as a function of one request; `tests.support.loopback.serving` puts it on a
port. Everything that is not as the standard says is refused and noted in `violations`. It answers in the shapes seen on
a server of Sun's OpenSPML 2.0 toolkit: identifiers of its own making (`emailInfo:bob`), attributes straight under
`pso`, errors as `status="failure"` with HTTP 200. Attributes behave as in LDAP.
"""

import base64
import re
from dataclasses import dataclass, field

from lxml import etree

from connectors.connector import Reply
from tests.support.schemas import SpmlSchema

CORE = "urn:oasis:names:tc:SPML:2:0"
DSML = "urn:oasis:names:tc:DSML:2:0:core"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
PASSWORD, SUSPEND, SEARCH = (f"{CORE}:{name}" for name in ("password", "suspend", "search"))
ALL_CAPABILITIES = (PASSWORD, SUSPEND, SEARCH)
NAMESPACES = {"spml": CORE, "dsml": DSML, "soap": SOAP, "search": SEARCH}
NAME_ATTRIBUTES = {"person": "accountid", "group": "cn"}


class Refused(Exception):
    """The request is answered with `status="failure"` and this error code."""

    def __init__(self, code, message=""):
        super().__init__(code)
        self.code, self.message = code, message


@dataclass
class Stored:
    object_class: str
    attributes: dict  # lower-case name: (name as first given, values)
    active: bool = True
    password: str | None = None

    def values(self, name):
        return list(self.attributes.get(name.lower(), (name, []))[1])


@dataclass
class SpmlTarget:
    """The server. Objects are kept by identifier; faults are scripted with `misbehave`."""

    schema: SpmlSchema | None = None
    target_id: str | None = "directory"
    username: str = "prov"
    password: str = "s3cr3t & <more>"
    capabilities: tuple = ALL_CAPABILITIES
    lists_targets: bool = True
    plain: bool = False  # the bare message over HTTP, without an envelope
    attributes_under_pso: bool = True
    returns_data: bool = True
    objects: dict = field(default_factory=dict)
    received: list = field(default_factory=list)  # message names in order
    messages: list = field(default_factory=list)
    violations: list = field(default_factory=list)
    script: list = field(default_factory=list)  # [(message name, what to do)]

    # --- for tests ----------------------------------------------------------------------------------------------------

    def misbehave(self, on, how):
        """At the next message named `on`: an error code, a `Reply`, or a callable of the reply that would be given."""
        self.script.append((on, how))

    def put(self, name, object_class="person", **attributes):
        """Store an object as if someone else had made it; answers its identifier."""
        named = {NAME_ATTRIBUTES[object_class]: [name], "objectclass": [object_class], **attributes}
        identifier = self.identifier(object_class, name)
        self.objects[identifier] = Stored(object_class, {key.lower(): (key, list(v)) for key, v in named.items()})
        return identifier

    def identifier(self, object_class, name):
        return f"{object_class}:{name}"

    # --- HTTP and SOAP ------------------------------------------------------------------------------------------------

    def answer(self, request):
        headers = {name.lower(): value for name, value in request.headers.items()}
        token = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        if self.username and headers.get("authorization") != f"Basic {token}":
            return Reply(401, {"www-authenticate": 'Basic realm="spml"', "content-type": "text/plain"}, b"who are you?")
        try:
            message = self._opened(request, headers)
        except (ValueError, etree.XMLSyntaxError) as error:
            return self._soap_fault("Client", self._violation(str(error)))
        name = etree.QName(message).localname
        self.received.append(name)
        self.messages.append(message)
        how = next((how for on, how in self.script if on == name), None)
        if how is None:
            return self._dispatched(name, message)
        self.script.remove((name, how))
        if isinstance(how, str):
            return self._reply(name, self._failure(name, how, "as scripted"))
        return how if isinstance(how, Reply) else how(self._dispatched(name, message))

    def _opened(self, request, headers):
        root = etree.fromstring(request.body, etree.XMLParser(resolve_entities=False))
        if request.method != "POST":
            raise ValueError(f"{request.method} instead of POST")
        expected = "application/xml; charset=utf-8" if self.plain else "text/xml; charset=utf-8"
        if headers.get("content-type") != expected:
            raise ValueError(f"content type {headers.get('content-type')}")
        message = root if self.plain else self._out_of_envelope(root)
        name = etree.QName(message).localname
        if not self.plain and headers.get("soapaction") != f'"SPML{name[0].upper()}{name[1:]}"':
            raise ValueError(f"SOAPAction {headers.get('soapaction')} for {name}")
        for complaint in self.schema.complaints(message) if self.schema else ():
            raise ValueError(complaint)
        return message

    def _out_of_envelope(self, root):
        body = root.find("soap:Body", NAMESPACES)
        if root.tag != f"{{{SOAP}}}Envelope" or body is None or len(body) != 1:
            raise ValueError("no envelope with one message in its body")
        return body[0]

    def _violation(self, text):
        self.violations.append(text)
        return text

    def _soap_fault(self, code, text):
        envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"S": SOAP})
        fault = etree.SubElement(etree.SubElement(envelope, f"{{{SOAP}}}Body"), f"{{{SOAP}}}Fault")
        etree.SubElement(fault, "faultcode").text = f"S:{code}"
        etree.SubElement(fault, "faultstring").text = text
        return Reply(500, {"content-type": "text/xml"}, etree.tostring(envelope))

    def _reply(self, name, response):
        if self.schema and response.get("error") is None:
            assert not self.schema.complaints(response), etree.tostring(response)
        if self.plain:
            return Reply(200, {"content-type": "application/xml"}, etree.tostring(response))
        envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"S": SOAP})
        etree.SubElement(envelope, f"{{{SOAP}}}Body").append(response)
        return Reply(200, {"content-type": "text/xml; charset=utf-8"}, etree.tostring(envelope, encoding="utf-8"))

    # --- SPML ---------------------------------------------------------------------------------------------------------

    def _dispatched(self, name, message):
        try:
            self._require_offered(name, message)
            words = re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", name.removesuffix("Request"))
            response = getattr(self, f"on_{words}")(message)
        except Refused as refused:
            response = self._failure(name, refused.code, refused.message)
        return self._reply(name, response)

    def _require_offered(self, name, message):
        if message.get("executionMode") != "synchronous":
            raise Refused("unsupportedExecutionMode", "synchronous only")
        namespace = etree.QName(message).namespace
        if namespace != CORE and namespace not in self.capabilities:
            raise Refused("unsupportedOperation", f"{name} is not offered")

    def _response(self, request_name, namespace=CORE, **attributes):
        name = request_name.replace("Request", "Response")
        return etree.Element(f"{{{namespace}}}{name}", {"status": "success", **attributes}, nsmap={None: namespace})

    def _failure(self, name, code, text):
        response = self._response(name)
        response.set("status", "failure")
        response.set("error", code)
        etree.SubElement(response, f"{{{CORE}}}errorMessage").text = text
        return response

    def on_list_targets(self, message):
        if not self.lists_targets:
            raise Refused("unsupportedOperation")
        response = self._response("listTargetsRequest")
        target = etree.SubElement(response, f"{{{CORE}}}target", profile=f"{CORE}:DSML")
        if self.target_id:
            target.set("targetID", self.target_id)
        schema = etree.SubElement(target, f"{{{CORE}}}schema")
        for entity in ("person", "group"):
            etree.SubElement(schema, f"{{{CORE}}}supportedSchemaEntity", entityName=entity)
        if self.capabilities:
            listed = etree.SubElement(target, f"{{{CORE}}}capabilities")
            for uri in self.capabilities:
                etree.SubElement(listed, f"{{{CORE}}}capability", namespaceURI=uri)
        return response

    def on_add(self, message):
        self._require_target(message.get("targetID"))
        attributes = {}
        for attribute in message.iterfind("spml:data/dsml:attr", NAMESPACES):
            if attribute.get("name").lower() in attributes:
                raise Refused("malformedRequest", f"{attribute.get('name')} twice")
            attributes[attribute.get("name").lower()] = (attribute.get("name"), self._values(attribute))
        object_class = attributes.get("objectclass", ("", [""]))[1][0]
        if object_class not in NAME_ATTRIBUTES:
            raise Refused("malformedRequest", f"no objectclass that is known: {object_class}")
        stored = Stored(object_class, attributes)
        stored.password = next(iter(attributes.pop("credentials", ("", [None]))[1]))
        name = stored.values(NAME_ATTRIBUTES[object_class])[0]
        identifier = self.identifier(object_class, name)
        if identifier in self.objects:
            raise Refused("alreadyExists", f"{name} exists")
        self.objects[identifier] = stored
        return self._with_pso(self._response("addRequest"), identifier, message)

    def on_lookup(self, message):
        identifier, _ = self._object(message)
        return self._with_pso(self._response("lookupRequest"), identifier, message)

    def on_modify(self, message):
        identifier, stored = self._object(message)
        self._require_free(message, stored)
        for modification in message.iterfind("spml:modification", NAMESPACES):
            if modification.get("modificationMode") is None:
                raise Refused("malformedRequest", self._violation("a modification without modificationMode"))
            parts = [
                *modification.iterfind("spml:data/dsml:attr", NAMESPACES),
                *modification.iterfind("dsml:modification", NAMESPACES),
            ]
            if not parts:
                raise Refused("malformedRequest", self._violation("an empty modification"))
            for attribute in parts:
                mode = attribute.get("operation") or modification.get("modificationMode")
                self._change(stored, mode, attribute.get("name"), self._values(attribute))
        return self._with_pso(self._response("modifyRequest"), identifier, message)

    def _require_free(self, message, stored):
        """Refuse a rename to the name of another object."""
        own = NAME_ATTRIBUTES[stored.object_class]
        parts = [*message.iter(f"{{{DSML}}}attr"), *message.iter(f"{{{DSML}}}modification")]
        named = [one for part in parts if part.get("name").lower() == own for one in self._values(part)]
        others = [one for one in self.objects.values() if one is not stored and one.object_class == stored.object_class]
        if any(set(named) & set(one.values(own)) for one in others):
            raise Refused("alreadyExists", "the name is taken")

    def _change(self, stored, mode, name, values):
        if name.lower() == "credentials":
            stored.password = values[0]
            return
        known = stored.values(name)
        if mode == "add":
            if set(known) & set(values) or not values:
                raise Refused("customError", f"attributeOrValueExists: {name}")
            values = known + values
        elif mode == "delete":
            if not known or not set(values) <= set(known):
                raise Refused("customError", f"noSuchAttribute: {name}")
            values = [value for value in known if values and value not in values]
        stored.attributes.pop(name.lower(), None)
        if values:
            stored.attributes[name.lower()] = (name, values)

    def on_delete(self, message):
        identifier, _ = self._object(message)
        del self.objects[identifier]
        return self._response("deleteRequest")

    def on_set_password(self, message):
        _, stored = self._object(message)
        stored.password = message.findtext(f"{{{PASSWORD}}}password")
        return self._response("setPasswordRequest", PASSWORD)

    def on_suspend(self, message):
        self._object(message)[1].active = False
        return self._response("suspendRequest", SUSPEND)

    def on_resume(self, message):
        self._object(message)[1].active = True
        return self._response("resumeRequest", SUSPEND)

    def on_active(self, message):
        active = self._object(message)[1].active
        return self._response("activeRequest", SUSPEND, active="true" if active else "false")

    def on_search(self, message):
        query = message.find("search:query", NAMESPACES)
        self._require_target(query.get("targetID"))
        match = query.find("dsml:filter/dsml:equalityMatch", NAMESPACES)
        wanted = match.findtext("dsml:value", namespaces=NAMESPACES)
        response = self._response("searchRequest", SEARCH)
        for identifier, stored in self.objects.items():
            if wanted in stored.values(match.get("name")):
                self._with_pso(response, identifier, message, namespace=SEARCH)
        return response

    def _object(self, message):
        identity = next(element for element in message if etree.QName(element).localname == "psoID")
        self._require_target(identity.get("targetID"))
        identifier = identity.get("ID")
        if identifier not in self.objects:
            raise Refused("noSuchIdentifier", f"no {identifier} here")
        return identifier, self.objects[identifier]

    def _require_target(self, named):
        if named is not None and named != self.target_id:
            raise Refused("malformedRequest", self._violation(f"no target {named} here"))

    def _values(self, attribute):
        return [value.text or "" for value in attribute.iterfind("dsml:value", NAMESPACES)]

    def _with_pso(self, response, identifier, message, namespace=CORE):
        pso = etree.SubElement(response, f"{{{namespace}}}pso")
        identity = etree.Element(f"{{{CORE}}}psoID", ID=identifier)
        if self.target_id:
            identity.set("targetID", self.target_id)
        data = pso if self.attributes_under_pso else etree.Element(f"{{{CORE}}}data")
        if self.returns_data and message.get("returnData", "everything") != "identifier":
            for name, values in self.objects[identifier].attributes.values():
                attribute = etree.SubElement(data, f"{{{DSML}}}attr", name=name)
                for value in values:
                    etree.SubElement(attribute, f"{{{DSML}}}value").text = value
        pso.append(identity)  # open content comes first in an extensible type
        if data is not pso:
            pso.append(data)
        return response
