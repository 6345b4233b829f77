"""Which values of a multi-valued attribute a filter selects (RFC 7644, section 3.4.2.2); `scim2_models` parses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from scim2_models.path import AttrPath, Comparison, FilterNode, LogicalExpr, LogicalOperator, Not, Present

from service.image.errors import fail, show, suggestion
from service.image.schema import Attribute

_BOOLEANS: Final = {"true": True, "false": False}
_ORDERING: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gt": lambda one, other: one > other,
    "ge": lambda one, other: one >= other,
    "lt": lambda one, other: one < other,
    "le": lambda one, other: one <= other,
}
_TEXT: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "co": lambda one, other: other in one,
    "sw": lambda one, other: one.startswith(other),
    "ew": lambda one, other: one.endswith(other),
}


def check_filter(node: FilterNode, attribute: Attribute, at: str) -> None:
    """Raises `ImageErrors` when the filter names what the attribute does not have, or compares it impossibly."""
    match node:
        case LogicalExpr(terms=terms):
            for term in terms:
                check_filter(term, attribute, at)
        case Not(expr=inner):
            check_filter(inner, attribute, at)
        case Comparison(attr_path=path, op=op):
            sub = _sub(path, attribute, at)
            if sub.type in {"boolean", "binary"} and op.value in _ORDERING:
                raise fail(at, f"`{op.value}` cannot compare `{sub.name}`", "invalidFilter")
        case Present(attr_path=path):
            _sub(path, attribute, at)
        case _:
            raise fail(at, "a filter inside a filter selects nothing", "invalidFilter")


def _sub(path: AttrPath, attribute: Attribute, at: str) -> Attribute:
    """The sub-attribute that a filter names."""
    sub = None if path.uri or path.sub_attr else attribute.sub(path.attr)
    if sub is None:
        known = suggestion(path.attr, [one.name for one in attribute.subs.values()])
        raise fail(at, f"`{attribute.name}` has no `{show(str(path))}` to filter by{known}", "invalidFilter")
    return sub


def selects(node: FilterNode, attribute: Attribute, value: Any) -> bool:
    """Whether a checked filter selects one value of the attribute. A simple value is its own `value`."""
    match node:
        case LogicalExpr(op=LogicalOperator.and_, terms=terms):
            return all(selects(term, attribute, value) for term in terms)
        case LogicalExpr(terms=terms):
            return any(selects(term, attribute, value) for term in terms)
        case Not(expr=inner):
            return not selects(inner, attribute, value)
        case Present(attr_path=path):
            return look_up(value, path.attr) not in (None, "", [], {})
        case Comparison(attr_path=path, op=op, value=wanted):
            return _compares(attribute.sub(path.attr), look_up(value, path.attr), op.value, wanted)
    return False


def weight(node: FilterNode) -> int:
    """How many tests a filter makes of one value at most."""
    match node:
        case LogicalExpr(terms=terms):
            return sum(map(weight, terms))
        case Not(expr=inner):
            return weight(inner)
    return 1


def look_up(value: Any, name: str) -> Any:
    """The sub-attribute `name`, in any case, of one value; None when it is not assigned."""
    if not isinstance(value, Mapping):
        return value if name.casefold() == "value" else None
    return next((inner for key, inner in value.items() if key.casefold() == name.casefold()), None)


def _compares(sub: Attribute | None, found: Any, op: str, wanted: Any) -> bool:
    if sub is not None and sub.type == "boolean":
        # RFC 7643, section 2.4: `primary` is assumed to be false. Microsoft Entra ID compares with `"True"`.
        found = bool(found)
        wanted = _BOOLEANS.get(wanted.casefold(), wanted) if isinstance(wanted, str) else wanted
    if isinstance(found, str) and isinstance(wanted, str) and not (sub is not None and sub.case_exact):
        found, wanted = found.casefold(), wanted.casefold()
    if op in {"eq", "ne"}:
        return (_same(found, wanted)) is (op == "eq")
    if isinstance(found, str) and isinstance(wanted, str):
        return (_TEXT.get(op) or _ORDERING[op])(found, wanted)
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (found, wanted))
    return numbers and op in _ORDERING and _ORDERING[op](found, wanted)


def _same(found: Any, wanted: Any) -> bool:
    """Equal in JSON, where true is not 1."""
    return isinstance(found, bool) is isinstance(wanted, bool) and bool(found == wanted)


def equalities(node: FilterNode) -> dict[str, Any] | None:
    """The values that a filter asks for when it is `eq` tests joined by `and`; None for any other filter."""
    match node:
        case Comparison(attr_path=path, op=op, value=wanted) if op.value == "eq":
            return {path.attr: wanted}
        case LogicalExpr(op=LogicalOperator.and_, terms=terms):
            parts = [equalities(term) for term in terms]
            return None if None in parts else {name: one for part in parts if part for name, one in part.items()}
    return None


def alternatives(node: FilterNode, name: str) -> list[str] | None:
    """The values that a filter allows when it is `name eq "…"` tests joined by `or`; None for any other filter."""
    match node:
        case Comparison(attr_path=path, op=op, value=str(wanted)) if op.value == "eq":
            return [wanted] if str(path).casefold() == name else None
        case LogicalExpr(op=LogicalOperator.or_, terms=terms):
            parts = [alternatives(term, name) for term in terms]
            return None if None in parts else [one for part in parts if part for one in part]
    return None
