"""One value, checked against the definition of its attribute and spelled canonically (RFC 7643, section 2)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from service.image.errors import Findings, below, show, suggestion
from service.image.schema import Attribute

MOST_TEXT: Final = 262_144
"""Characters in one string: enough for a photo as a data URI or a certificate with its chain."""

MOST_VALUES: Final = 1_000
"""Values of one multi-valued attribute; a group's members are none."""

DEEPEST: Final = 16
"""Objects and lists inside each other, in an extension that we do not know."""

# What XML 1.0 cannot carry (section 2.2), and so neither a XACML request nor an SPML message. Lone surrogates have no
# UTF-8 form either.
_UNFIT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_BOOLEANS: Final = {"true": True, "false": False}


def attribute_value(attribute: Attribute, value: Any, at: str, findings: Findings) -> Any:
    """The canonical value of an attribute; None when it is unassigned (RFC 7643, section 2.5) or cannot be taken.

    What cannot be taken is noted in `findings`, under the field path `at` and below.
    """
    if value is None:
        return None
    if attribute.type == "any":
        return any_value(value, at, findings)
    if not attribute.multi_valued:
        return single_value(attribute, value, at, findings)
    if not isinstance(value, list | tuple):
        findings.error(at, f"must be a list, not {kind(value)}")
        return None
    return _values(attribute, value, at, findings)


def _values(attribute: Attribute, values: list[Any] | tuple[Any, ...], at: str, findings: Findings) -> Any:
    """The values of a multi-valued attribute, each once: their set is what counts (RFC 7643, section 2.4)."""
    if len(values) > MOST_VALUES:
        findings.error(at, f"has {len(values)} values: at most {MOST_VALUES} are taken", "tooMany")
        return None
    found: dict[object, Any] = {}
    for index, value in enumerate(values):
        one = single_value(attribute, value, f"{at}[{index}]", findings) if value is not None else None
        if one is not None:
            found.setdefault(identity(one), one)
    check_primary(list(found.values()), at, findings)
    return list(found.values()) or None


def identity(value: Any) -> object:
    """What tells one JSON value from another, and can be a key: true is not 1."""
    if isinstance(value, dict):
        return frozenset((name, identity(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return tuple(map(identity, value))
    return value if isinstance(value, str) else (type(value), value)


def check_primary(values: list[Any], at: str, findings: Findings) -> None:
    """RFC 7643, section 2.4: `primary` is true for one value at most."""
    primaries = sum(isinstance(one, dict) and one.get("primary") is True for one in values)
    if primaries > 1:
        findings.error(at, f"marks {primaries} values as primary: at most one can be")


def single_value(attribute: Attribute, value: Any, at: str, findings: Findings) -> Any:
    """One value of the attribute, whether it may have several or not; None when it cannot be taken."""
    match attribute.type:
        case "any":
            return any_value(value, at, findings)
        case "complex":
            return complex_value(attribute, value, at, findings)
        case "boolean":
            return _boolean(value, at, findings)
        case "binary":
            return _binary(value, at, findings)
        case "string" | "reference":
            return text_value(value, at, findings)


def complex_value(attribute: Attribute, value: Any, at: str, findings: Findings) -> dict[str, Any] | None:
    """An object of sub-attributes (RFC 7643, section 2.3.8); None when none is assigned."""
    if not isinstance(value, Mapping):
        example = f', such as `{{"{_example(attribute)}": …}}`' if attribute.subs else ""
        findings.error(at, f"must be an object{example}, not {kind(value)}")
        return None
    found: dict[str, Any] = {}
    for name, inner in named(value, at, findings):
        sub = attribute.sub(name)
        if sub is None:
            known = [one.name for one in attribute.subs.values()]
            findings.error(below(at, name), f"`{attribute.name}` has no `{show(name)}`{suggestion(name, known)}")
        elif sub.read_only:
            findings.ignored.append(below(at, sub.name))
        elif (one := attribute_value(sub, inner, below(at, sub.name), findings)) is not None:
            found[sub.name] = one
    return found or None


def _example(attribute: Attribute) -> str:
    """The sub-attribute that says most."""
    name = next(iter([name for name in ("value", "givenname") if name in attribute.subs] or attribute.subs))
    return attribute.subs[name].name


def named(value: Mapping[Any, Any], at: str, findings: Findings) -> list[tuple[str, Any]]:
    """The members of a JSON object whose names can be taken; names compare without case, so each may come once."""
    found: dict[str, tuple[str, Any]] = {}
    for name, inner in value.items():
        if not isinstance(name, str) or _UNFIT.search(name):
            findings.error(at, f"the attribute name `{show(str(name))}` cannot be taken")
        elif name.casefold() in found:
            findings.error(below(at, name), "is given twice: attribute names are compared without case")
        else:
            found[name.casefold()] = (name, inner)
    return list(found.values())


def text_value(value: Any, at: str, findings: Findings) -> str | None:
    """A string that every format of ours can carry."""
    if not isinstance(value, str):
        findings.error(at, f"must be a string, not {kind(value)}")
    elif len(value) > MOST_TEXT:
        findings.error(at, f"has {len(value)} characters: at most {MOST_TEXT} are taken")
    elif unfit := _UNFIT.search(value):
        findings.error(at, f"holds the character U+{ord(unfit[0]):04X}, which cannot be sent on")
    else:
        return value
    return None


def _boolean(value: Any, at: str, findings: Findings) -> bool | None:
    """True or false. Clients that send `"False"` exist, Microsoft Entra ID among them."""
    truth = value if isinstance(value, bool) else _BOOLEANS.get(value.casefold()) if isinstance(value, str) else None
    if truth is None:
        findings.error(at, "must be true or false")
    return truth


def _binary(value: Any, at: str, findings: Findings) -> str | None:
    """Base64 (RFC 7643, section 2.3.6), in either alphabet; PEM's line breaks are taken out."""
    text = text_value(value, at, findings)
    if text is None:
        return None
    text = "".join(text.split())
    if _BASE64.fullmatch(text) is None or len(text.rstrip("=")) % 4 == 1:
        findings.error(at, "must be base64")
        return None
    return text


def any_value(value: Any, at: str, findings: Findings, depth: int = 1) -> Any:
    """A JSON value as it is, copied, when it can be stored and sent on at all."""
    if depth > DEEPEST:
        findings.error(at, f"is more than {DEEPEST} levels deep")
        return None
    if isinstance(value, Mapping):
        inner = named(value, at, findings)
        return {name: any_value(one, below(at, name), findings, depth + 1) for name, one in inner}
    if isinstance(value, list | tuple):
        return [any_value(one, f"{at}[{index}]", findings, depth + 1) for index, one in enumerate(value)]
    if isinstance(value, str):
        return text_value(value, at, findings)
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    findings.error(at, "is no JSON value")
    return None


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    return {str: "a string", bool: "a boolean", int: "a number", float: "a number"}.get(type(value), "null")
