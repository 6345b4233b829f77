"""The standard's schemas of SPML 2.0, from `../shared/spml`; they are not part of this project.

This copy's `ExtensibleType` allows only elements of no namespace (`##local`), which rejects a DSML `attr` in `data`. A
resolver makes one replacement when it loads the core schema: `##other`, as the standard has it. With that the schemas
of the capabilities, which extend the same type, are not deterministic to libxml2; for them the replacement is the DSML
namespace alone, which allows less.
"""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "spml"
CORE = "urn:oasis:names:tc:SPML:2:0"
DSML = "urn:oasis:names:tc:DSML:2:0:core"
CAPABILITIES = ("password", "suspend", "search")


class Replacing(etree.Resolver):
    def __init__(self, namespace):
        self.namespace = namespace

    def resolve(self, url, public_id, context):
        name = url.rpartition("/")[2]
        text = (FOLDER / name).read_text(encoding="utf-8")
        if name == "pstc_spmlv2_core.xsd":
            text = text.replace('namespace="##local"', f'namespace="{self.namespace}"')
        return self.resolve_string(text.encode(), context, base_url=url)


@dataclass(frozen=True)
class SpmlSchema:
    core: etree.XMLSchema
    everything: etree.XMLSchema

    def complaints(self, message):
        """What is wrong with a message, as text; empty when it is valid. The message is one child of a SOAP body."""
        schemas = [self.core, self.everything] if etree.QName(message).namespace == CORE else [self.everything]
        candidates = [(schema, message) for schema in schemas] + [
            (self.everything, part) for part in _dsml_documents(message)
        ]
        found = []
        for schema, candidate in candidates:
            document = etree.fromstring(etree.tostring(candidate))  # as it stands on the wire
            if not schema.validate(document):
                found += [f"line {error.line}: {error.message}" for error in schema.error_log]
        return found


def _dsml_documents(message):
    """The DSML parts of a message as DSML documents of their own: open content is not checked where it stands."""
    answer, request = etree.Element(f"{{{DSML}}}batchResponse"), etree.Element(f"{{{DSML}}}batchRequest")
    found = etree.SubElement(answer, f"{{{DSML}}}searchResponse")
    entry = etree.SubElement(found, f"{{{DSML}}}searchResultEntry", dn="")
    etree.SubElement(etree.SubElement(found, f"{{{DSML}}}searchResultDone"), f"{{{DSML}}}resultCode", code="0")
    change = etree.SubElement(request, f"{{{DSML}}}modifyRequest", dn="")
    for element in message.iter(f"{{{DSML}}}*"):
        holder = {"attr": entry, "modification": change}.get(etree.QName(element).localname)
        if holder is not None:
            holder.append(_copied(element))
        elif etree.QName(element).localname == "filter":
            query = {"dn": "", "scope": "wholeSubtree", "derefAliases": "neverDerefAliases"}
            etree.SubElement(request, f"{{{DSML}}}searchRequest", query).append(_copied(element))
        elif etree.QName(element.getparent()).namespace != DSML:
            entry.append(_copied(element))  # nothing else is expected there: let the schema complain
    return [answer, request]


def _copied(element):
    copy = etree.fromstring(etree.tostring(element, with_tail=False))
    etree.cleanup_namespaces(copy)  # a prefix that both documents use for different namespaces would be mixed up
    return copy


@cache
def _load():
    return SpmlSchema(_schema("##other", ()), _schema(DSML, CAPABILITIES))


def _schema(replacement, capabilities):
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Replacing(replacement))
    imports = {CORE: "pstc_spmlv2_core.xsd", DSML: "DSMLv2.xsd"}
    imports |= {f"{CORE}:{name}": f"pstc_spmlv2_{name}.xsd" for name in capabilities}
    lines = [f'<import namespace="{namespace}" schemaLocation="{name}"/>' for namespace, name in imports.items()]
    source = f'<schema xmlns="http://www.w3.org/2001/XMLSchema">{"".join(lines)}</schema>'
    return etree.XMLSchema(etree.fromstring(source, parser, base_url=f"{FOLDER}/all.xsd"))


def spml_schema():
    """The schemas; skips the test where they are absent, fails it in CI."""
    if FOLDER.is_dir():
        return _load()
    reason = f"the SPML schemas are not there: {FOLDER}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
