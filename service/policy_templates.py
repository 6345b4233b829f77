"""Policy templates: XACML files with named places to fill in, and a comment that describes them.

A template is a policy file in `templates/` whose first comment reads

```
template: Title in one line
parameter NAME (TYPE, for example EXAMPLE): what to put there
```

and in whose text `{{NAME}}` stands for each value. TYPE is `text`, `time` (`09:00:00+01:00`) or `name`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from xml.sax.saxutils import escape

from lxml import etree

_COMMENT: Final = re.compile(r"<!--(.*?)-->\s*", re.DOTALL)
_TITLE: Final = re.compile(r"^\s*template:\s*(.+?)\s*$", re.MULTILINE)
_PARAMETER: Final = re.compile(r"^\s*parameter ([\w-]+) \((\w+), for example (.+?)\):\s*(.+?)\s*$", re.MULTILINE)
_PLACE: Final = re.compile(r"\{\{\s*([\w-]+)\s*\}\}")


class TemplateError(ValueError):
    """A template cannot be filled with these values; the message names the parameter."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One place to fill in. `example` is a value that works."""

    name: str
    type: str
    example: str
    description: str


@dataclass(frozen=True, slots=True)
class Template:
    """A template; `id` is the file's name without its ending, `content` the text with its places."""

    id: str
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    content: str


def read_template(path: str, content: bytes) -> Template | None:
    """A template from its file, None when it is no UTF-8 XML with a `template:` comment."""
    try:
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
        text = content.decode()
    except (etree.XMLSyntaxError, UnicodeDecodeError):
        return None
    comment = _COMMENT.search(text)
    title = _TITLE.search(comment[1]) if comment else None
    if comment is None or title is None:
        return None
    description = root.findtext("{*}Description") or ""
    return Template(
        id=PurePosixPath(path).stem,
        title=title[1],
        description=" ".join(description.split()),
        parameters=tuple(Parameter(*found) for found in _PARAMETER.findall(comment[1])),
        content=text,
    )


def fill(template: Template, values: Mapping[str, str], *, policy_id: str | None = None) -> str:
    """The policy that `values` make of a template, as XML text; the comment that describes the template is left out.

    Each value is written as text, whatever characters it has. `policy_id` replaces the template's PolicyId: the same
    template filled twice must give two policies. Raises `TemplateError` for a missing, unknown or malformed value.
    """
    _check(template.parameters, values)
    text = _COMMENT.sub("", template.content, count=1)
    if policy_id is not None:
        text = re.sub(r'(\sPolicyId=)"[^"]*"', lambda found: f'{found[1]}"{_attribute(policy_id)}"', text, count=1)
    return _PLACE.sub(lambda found: _attribute(values[found[1]]), text)


def examples(template: Template) -> Mapping[str, str]:
    """Values that work, one for each parameter."""
    return {parameter.name: parameter.example for parameter in template.parameters}


_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-](0\d|1[0-4]):[0-5]\d)?")
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _check(parameters: Iterable[Parameter], values: Mapping[str, str]) -> None:
    """Raise `TemplateError` unless every parameter has a value of its type, and nothing else has one."""
    known = {parameter.name: parameter for parameter in parameters}
    for name in values:
        if name not in known:
            names = ", ".join(f"`{one}`" for one in known)
            raise TemplateError(f"`{name}` is no parameter of this template: its parameters are {names}")
    for name, parameter in known.items():
        value = values.get(name, "")
        if not value.strip():
            raise TemplateError(f"parameter `{name}` has no value: {parameter.description}")
        if parameter.type == "time" and _TIME.fullmatch(value) is None:
            raise TemplateError(f"parameter `{name}`: `{value}` is no time: write it like `{parameter.example}`")
        if _NO_XML.search(value):
            raise TemplateError(f"parameter `{name}` has a character that XML cannot carry: leave it out")


def _attribute(value: str) -> str:
    """A value that is safe in text and in attributes alike."""
    return escape(value, {'"': "&quot;", "'": "&apos;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})
