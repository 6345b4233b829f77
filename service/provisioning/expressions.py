r"""Templates in claim mappings: text with attributes in braces, each shaped by functions. Pure; runs no code.

    {userName | lower}@example.com
    {name.givenName | lower | replace("[^a-z]", "")}.{name.familyName | lower}
    {emails[type eq "work"].value | default("none")}
    {roles | join("; ")}

An attribute is a WSO2 claim URI, a SCIM 1.1 URI or a SCIM 2.0 path. `{{` and `}}` are braces. In a quoted text `\"` and
`\\` are a quote and a backslash, and any other backslash stands for itself, so that patterns read as they are.

A template that is one pair of braces and nothing else has all values that come out of it; among other text, each pair
of braces stands for its first value. When one of them has no value, the whole template has none. Time is linear in the
length of the values: patterns are RE2's. Values are cut short nowhere: more than `MOST_TEXT` characters or
`MOST_VALUES` values are an error.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final

import re2

from connectors import claims
from connectors.claims import PathError, Scalar

MOST_TEXT: Final = 20_000
MOST_VALUES: Final = 1_000

Values = tuple[Scalar, ...]
Step = Callable[[Values], Values]

_WORD = re.compile(r"\s*([A-Za-z]\w*)\s*", re.ASCII)
_QUOTED = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*', re.DOTALL)
# An attribute ends at a bar or a brace; inside a filter's quotes both are text.
_ATTRIBUTE = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^"|{}])+', re.DOTALL)


class ExpressionError(ValueError):
    """The template cannot be read; `position` counts characters from 1."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(f"position {position}: {message}")
        self.position = position


class TooLarge(ValueError):
    """A template came to more than `MOST_TEXT` characters or `MOST_VALUES` values."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """An attribute and what is done to its values, in order."""

    attribute: str
    steps: tuple[Step, ...]

    def values(self, image: Mapping[str, Any]) -> Values:
        """What comes out for a resource. Raises `TooLarge`."""
        found = claims.claim_values(image, self.attribute) or claims.read(image, self.attribute)
        for step in self.steps:
            found = _limited(step(found))
        return found


@dataclass(frozen=True, slots=True)
class Template:
    """Texts and placeholders, in order."""

    parts: tuple[str | Placeholder, ...]

    def values(self, image: Mapping[str, Any]) -> Values:
        """The values for a SCIM 2.0 resource; none when a placeholder has none. Raises `TooLarge`."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Placeholder):
            return self.parts[0].values(image)
        texts = []
        for part in self.parts:
            found: Values = (part,) if isinstance(part, str) else part.values(image)
            if not found:
                return ()
            texts.append(as_text(found[0]))
        return _limited(("".join(texts),))


def is_template(text: str) -> bool:
    """Whether a mapping's `local` is a template: it has a brace, and is no path with one in a filter's quotes."""
    if "{" not in text and "}" not in text:
        return False
    try:
        claims.parse_path(text)
    except PathError:
        return True
    return False


@lru_cache(maxsize=4096)
def parse(text: str) -> Template:
    """The template in a text. Raises `ExpressionError`."""
    parts: list[str | Placeholder] = []
    literal, at = "", 0
    while at < len(text):
        if text[at : at + 2] in {"{{", "}}"}:
            literal, at = literal + text[at], at + 2
        elif text[at] == "}":
            raise ExpressionError(at + 1, "`}` closes nothing: write `}}` for a brace")
        elif text[at] == "{":
            parts += [literal] if literal else []
            placeholder, at = _placeholder(text, at)
            parts.append(placeholder)
            literal = ""
        else:
            literal, at = literal + text[at], at + 1
    return Template((*parts, literal) if literal else tuple(parts))


def _placeholder(text: str, opened: int) -> tuple[Placeholder, int]:
    """The placeholder that a brace opens, and where it ends."""
    found = _ATTRIBUTE.match(text, opened + 1)
    attribute = found.group().strip() if found else ""
    if found is None or not attribute:
        raise ExpressionError(opened + 2, "an attribute is missing: write `{userName}`")
    try:
        claims.claim_values({}, attribute)
    except PathError as error:
        raise ExpressionError(opened + 2, str(error)) from error
    steps, at = [], found.end()
    while text[at : at + 1] == "|":
        step, at = _step(text, at + 1)
        steps.append(step)
    if text[at : at + 1] != "}":
        raise ExpressionError(at + 1, f"`}}` is missing for the brace at position {opened + 1}")
    return Placeholder(attribute, tuple(steps)), at + 1


def _step(text: str, at: int) -> tuple[Step, int]:
    word = _WORD.match(text, at)
    if word is None:
        raise ExpressionError(at + 1, f"a function is missing after `|`: use one of {_known()}")
    name, where = word[1], word.start(1) + 1
    if name not in _FUNCTIONS:
        close = difflib.get_close_matches(name, _FUNCTIONS, n=1)
        help_ = f"did you mean `{close[0]}`?" if close else f"use one of {_known()}"
        raise ExpressionError(where, f"unknown function `{name}`: {help_}")
    arguments, end = _arguments(text, word.end()) if text[word.end() : word.end() + 1] == "(" else ((), word.end())
    count, make = _FUNCTIONS[name]
    if len(arguments) != count:
        raise ExpressionError(where, f"`{name}` takes {count} quoted texts, not {len(arguments)}")
    try:
        return make(*arguments), end
    except ValueError as error:
        raise ExpressionError(where, f"`{name}`: {error}") from error


def _arguments(text: str, opened: int) -> tuple[tuple[str, ...], int]:
    """Quoted texts between parentheses, and where the next thing begins."""
    found: list[str] = []
    at = opened
    while text[at : at + 1] == ("," if found else "("):
        quoted = _QUOTED.match(text, at + 1)
        if quoted is None:
            raise ExpressionError(at + 2, 'a quoted text is missing: write `"…"`')
        found.append(re.sub(r'\\(["\\])', r"\1", quoted[1]))
        at = quoted.end()
    if text[at : at + 1] != ")":
        raise ExpressionError(at + 1, f"`)` is missing for the parenthesis at position {opened + 1}")
    return tuple(found), at + 1 + len(text[at + 1 :]) - len(text[at + 1 :].lstrip())


def as_text(value: Scalar) -> str:
    """A value among text: booleans as SCIM spells them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _limited(values: Values) -> Values:
    if len(values) > MOST_VALUES:
        raise TooLarge(f"has more than {MOST_VALUES} values")
    if any(isinstance(one, str) and len(one) > MOST_TEXT for one in values):
        raise TooLarge(f"has a value of more than {MOST_TEXT} characters")
    return values


def _each(change: Callable[[str], str]) -> Step:
    """A step that changes every value; what comes out empty is no value."""
    return lambda values: tuple(filter(None, (change(as_text(one)) for one in values)))


def _join(separator: str) -> Step:
    return lambda values: (separator.join(map(as_text, values)),) if values else ()


def _split(separator: str) -> Step:
    if not separator:
        raise ValueError("the separator must not be empty")
    return lambda values: tuple(
        part for one in values for part in map(str.strip, as_text(one).split(separator)) if part
    )


def _default(text: str) -> Step:
    return lambda values: values or (text,)


def _replace(pattern: str, by: str) -> Step:
    r"""RE2 patterns, `\1` for a group. The replacement is tried at once, so that a group that is not there is told."""
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(f"`{pattern}` is no RE2 pattern: {_said(error)}") from error
    highest = max((int(group) for group in re.findall(r"\\(\d)", by.replace(r"\\", ""))), default=0)
    if highest > compiled.groups or re.search(r"\\(?![\d\\])", by.replace(r"\\", "")):
        raise ValueError(rf"`{by}` names a group that `{pattern}` does not have: `\1` is the first of its groups")
    return _each(partial(_substituted, compiled, by))


def _substituted(compiled: Any, by: str, text: str) -> str:
    """Every match replaced. Raises `TooLarge` as soon as the text has grown too long."""
    made, size, last = [], 0, 0
    for match in compiled.finditer(text):
        piece = text[last : match.start()] + _expanded(match, by)
        made.append(piece)
        size += len(piece)
        if size > MOST_TEXT:
            raise TooLarge(f"has a value of more than {MOST_TEXT} characters")
        last = match.end()
    return "".join((*made, text[last:]))


def _expanded(match: Any, by: str) -> str:
    return re.sub(r"\\(\d|\\)", lambda one: "\\" if one[1] == "\\" else match.group(int(one[1])) or "", by)


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _known() -> str:
    return ", ".join(f"`{name}`" for name in _FUNCTIONS)


_FUNCTIONS: Final[Mapping[str, tuple[int, Callable[..., Step]]]] = {
    "lower": (0, partial(_each, str.lower)),
    "upper": (0, partial(_each, str.upper)),
    "title": (0, partial(_each, str.title)),
    "trim": (0, partial(_each, str.strip)),
    "first": (0, lambda: lambda values: values[:1]),
    "join": (1, _join),
    "split": (1, _split),
    "default": (1, _default),
    "replace": (2, _replace),
}
