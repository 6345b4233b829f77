"""Bodies of exchanges for people: JSON and XML with a line for each part, no character of a value changed."""

from __future__ import annotations

import json
import re
from typing import Final

from lxml import etree

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
LONGEST: Final = 200_000
"""A body of more characters is shown as it is."""


def pretty(body: str | None) -> str:
    """The body with line breaks when it is JSON or XML, else as it is."""
    text = (body or "").strip()
    if not text or len(text) > LONGEST:
        return body or ""
    if text[0] in "{[":
        return _json(text)
    return _xml(text) if text[0] == "<" else text


def _json(text: str) -> str:
    """Its own tokens over lines: reading values and writing them again would change numbers and repeated names."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    lines, depth, previous = [""], 0, ""
    for part in _TOKEN.findall(text):
        opened = previous in {"{", "["}
        if part in {"}", "]"}:
            depth -= 1
            if not opened:
                lines.append("  " * depth)
        elif opened or previous == ",":
            lines.append("  " * depth)
        lines[-1] += ": " if part == ":" else part
        depth += part in {"{", "["}
        previous = part
    return "\n".join(lines)


def _xml(text: str) -> str:
    if "<!DOCTYPE" in text:  # lxml would drop it: nothing is left out of what was sent
        return text
    parser = etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError:
        return text
    return str(etree.tostring(root, pretty_print=True, encoding="unicode")).strip()
