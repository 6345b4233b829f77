r"""Regular expressions of XACML: those of XML Schema with the additions of XPath (XQuery operators, 7.6.1).

They are translated for an engine that runs in linear time, whatever the expression and the text. What such an
engine cannot do, back-references above all, is refused with the reason when the policy is loaded.

The classes are those of XML Schema part 2, appendix F.1.1: `\w` is every character that is no punctuation,
separator or control character, so `_` is none and `$` is one; `\d` is a decimal digit of any script.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import re2
from elementpath.regex import RegexError, translate_pattern

from service.pdp.errors import quoted

_LONGEST_PATTERN: Final = 1_000
_DEEPEST_CLASS: Final = 8
_MEMORY: Final = 8_000_000
_CACHED_PATTERNS: Final = 1_024
_MOST_ESCAPES: Final = 24
_PIECE: Final = re.compile(r"\\.|\(\?:|-\[\^?|.", re.DOTALL)
_ESCAPED: Final = frozenset("nrt\\|.?*+(){}-[]^$wWdDsSiIcCpP")
_CLASS_ESCAPES: Final = frozenset({r"\w", r"\W", r"\d", r"\D", r"\s", r"\S"})
_NEGATED_ESCAPES: Final = frozenset({r"\P", r"\W", r"\D", r"\S", r"\I", r"\C"})
# What the translation writes for `$`: Python's own `$` would also match before a final line break.
_TRANSLATED_END: Final = r"$(?!\n\Z)"


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False  # the error is raised as well
    options.max_mem = _MEMORY
    return options


_OPTIONS: Final = _options()


@lru_cache(maxsize=_CACHED_PATTERNS)
def compile_pattern(text: str) -> Any:
    """Compile an expression; its `search(text)` gives None where it matches no part of the text.

    Anchors `^` and `$` stand for the start and the end of the whole text. ValueError says why an expression
    is malformed or cannot be run in linear time.
    """
    try:
        return re2.compile(_translated(text), _OPTIONS)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
    except RegexError as error:
        # The translator repeats the whole expression behind each reason.
        reason = re.sub(r" at position .*| in expression: .*|: '.*", "", str(error), flags=re.DOTALL)
    raise ValueError(f"{quoted(text)} is no usable regular expression: {reason}")


def _translated(text: str) -> str:
    """Put an expression into the syntax of the engine; RegexError if it is malformed."""
    if len(text) > _LONGEST_PATTERN:
        raise RegexError(f"it has more than {_LONGEST_PATTERN} characters")
    prepared = "".join(_prepared(text))
    translated = translate_pattern(prepared, xsd_version="1.1", back_references=False, anchors=True)
    return translated.replace(_TRANSLATED_END, r"\z")


def _prepared(text: str) -> Iterator[str]:
    r"""Mend what the translator leaves to Python: `\w` and its like outside of `[…]`, and `(?:`.

    Groups capture nothing here, so `(?:` (of XPath 3.0, but often written) is the same as `(`.
    """
    depth = escapes = 0
    for piece in _PIECE.findall(text):
        if piece == "[" or piece[:2] == "-[":
            depth += 1
            if depth > _DEEPEST_CLASS:
                raise RegexError(f"more than {_DEEPEST_CLASS} character classes are nested")
        elif piece == "]" and depth:
            depth -= 1
        elif piece[0] == "\\":
            _check_escape(piece)
            escapes += depth > 0
        if depth > 1 and (piece == "-[^" or piece in _NEGATED_ESCAPES):
            raise RegexError("a negated character class is subtracted: write what shall remain")
        if not depth and piece in _CLASS_ESCAPES:
            yield f"[{piece}]"
        else:
            yield "(" if piece == "(?:" and not depth else piece
    # The translator computes with all of Unicode, for milliseconds each time.
    if escapes > _MOST_ESCAPES:
        raise RegexError(f"more than {_MOST_ESCAPES} escapes stand in character classes")


def _check_escape(escape: str) -> None:
    if escape[1:].isdigit():
        raise RegexError(f"the back-reference {quoted(escape)} cannot be matched in linear time")
    if escape[1:] not in _ESCAPED:
        raise RegexError(f"{quoted(escape)} is no escape sequence")
