"""XML as lines of coloured text. Broken XML is shown too, as far as it can be told what is what.

The classes are those of the style sheet: `nt` a name of an element, `na` of an attribute, `s` a value, `c` a comment,
`cp` an instruction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from markupsafe import Markup

MOST_LINES: Final = 20_000
"""A file of more lines is shown without its end: a browser would take minutes for it."""

_PIECE: Final = re.compile(
    r"(?P<c><!--.*?(?:-->|\Z))"
    r"|(?P<cp><\?.*?(?:\?>|\Z)|<!\[CDATA\[|\]\]>|<![^>]*>?)"
    r"|(?P<tag></?[^\s<>/=\"']+(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*>?)"
    r"|(?P<text>[^<\]]+|.)",
    re.DOTALL,
)
_IN_TAG: Final = re.compile(
    r"(?P<nt>^</?[^\s<>/=\"']+|/?>)|(?P<s>\"[^\"]*\"?|'[^']*'?)|(?P<na>[^\s=\"'<>/]+)|(?P<text>[\s=/]+|.)", re.DOTALL
)


def coloured(text: str) -> list[Markup]:
    """The lines of a text, each safe to be put into a page."""
    lines = [Markup()]
    for kind, piece in _pieces(text):
        first, *rest = piece.split("\n")
        lines[-1] += _span(kind, first)
        lines.extend(_span(kind, part) for part in rest)
    return lines[:MOST_LINES]


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    for found in _PIECE.finditer(text.replace("\r\n", "\n")):
        kind = found.lastgroup or "text"
        if kind != "tag":
            yield kind, found[0]
            continue
        for part in _IN_TAG.finditer(found[0]):
            yield part.lastgroup or "text", part[0]


def _span(kind: str, piece: str) -> Markup:
    if not piece or kind == "text":
        return Markup("{}").format(piece)
    return Markup('<span class="{}">{}</span>').format(kind, piece)
