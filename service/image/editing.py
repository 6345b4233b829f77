"""The next value of one attribute, from the one before and an operation on it (RFC 7644, section 3.5.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from scim2_models.path import FilterNode

from service.image.elements import appended, changed, merged, without
from service.image.errors import Findings, fail, show
from service.image.filters import equalities, selects
from service.image.schema import Attribute
from service.image.values import any_value, attribute_value, complex_value, single_value

Op = Literal["add", "replace", "remove"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What to do to one target. `at` is the field that names the target, `value_at` the one that holds the value."""

    op: Op
    value: Any
    at: str
    value_at: str


@dataclass(frozen=True, slots=True)
class Editor:
    """Makes the next value of one attribute from the one before. None, `[]` and `{}` say that it is unassigned."""

    attribute: Attribute
    write: Write
    findings: Findings

    @property
    def _removes(self) -> bool:
        """Whether the operation unassigns: null does so too (RFC 7643, section 2.5)."""
        return self.write.op == "remove" or self.write.value is None

    def whole(self, before: Any) -> Any:
        """The attribute itself is the target."""
        if self._removes:
            return self._removed(before)
        if self.attribute.type == "any":
            return self._untyped(before, self._taken(any_value, self.write.value))
        if self.attribute.multi_valued:
            new = self._taken_values() or []
            return new if self.write.op == "replace" else merged(before or [], new, self.write.value_at)
        if self.attribute.type == "complex":
            return self._complex(before or {}, self.write.value)
        return self._taken(attribute_value, self.attribute, self.write.value)

    def below(self, before: Any, sub: Attribute) -> Any:
        """A sub-attribute is the target: of the one value, or of every value of a multi-valued attribute."""
        if self.attribute.multi_valued or isinstance(before, list):
            elements = before or []
            if not elements and not self._removes:
                raise fail(self.write.at, f"`{self.attribute.name}` has no value", "noTarget")
            return changed(elements, range(len(elements)), self._change(sub), self.write.value_at)
        return self._change(sub)(before or {})

    def selected(self, before: Any, node: FilterNode, sub: Attribute | None) -> Any:
        """The values that a filter selects are the target."""
        if before is not None and not isinstance(before, list):
            raise fail(self.write.at, f"`{self.attribute.name}` is no list: there is nothing to select", "invalidPath")
        elements = before or []
        chosen = [index for index, one in enumerate(elements) if selects(node, self.attribute, one)]
        change = self._change(sub) if sub is not None else self._change_element
        if chosen:
            return changed(elements, chosen, change, self.write.value_at)
        if self._removes:
            return before
        if self.write.op == "add":
            new = change(self._described(node))
            if selects(node, self.attribute, new):
                return changed([*elements, new], [len(elements)], lambda one: one, self.write.value_at)
        raise fail(self.write.at, f"no value of `{self.attribute.name}` matches the filter", "noTarget")

    def _described(self, node: FilterNode) -> dict[str, Any]:
        """The value that a filter describes, when it does."""
        wanted = equalities(node)
        if wanted is None or None in wanted.values():
            raise fail(self.write.at, f"no value of `{self.attribute.name}` matches the filter", "noTarget")
        if self.attribute.type == "any":
            return wanted
        findings = Findings()
        found = complex_value(self.attribute, wanted, self.write.at, findings)
        findings.raise_any()
        return found or {}

    def _change(self, sub: Attribute) -> Callable[[Any], Any]:
        """Sets or removes a sub-attribute of one value."""
        new = None if self._removes else self._taken(attribute_value, sub, self.write.value)

        def change(value: Any) -> Any:
            if not isinstance(value, Mapping):
                message = f"`{self.attribute.name}` is no object: it has no `{show(sub.name)}`"
                raise fail(self.write.at, message, "invalidPath")
            others = {name: one for name, one in value.items() if name.casefold() != sub.name.casefold()}
            return others if new is None else {**others, sub.name: new}

        return change

    def _change_element(self, value: Any) -> Any:
        """Removes, replaces or completes one selected value."""
        if self._removes:
            return None
        if self.write.op == "add" and isinstance(value, Mapping) and isinstance(self.write.value, Mapping):
            return self._complex(value, self.write.value)
        return self._taken(single_value, self.attribute, self.write.value)

    def _complex(self, before: Mapping[str, Any], value: Any) -> dict[str, Any]:
        """A complex value with the given sub-attributes; the others stay (sections 3.5.2.1 and 3.5.2.3)."""
        if isinstance(value, str) and "value" in self.attribute.subs:
            value = {"value": value}  # how some clients send a manager
        if self.attribute.type == "any":
            return {**before, **self._taken(any_value, value)}
        new = self._taken(complex_value, self.attribute, value) or {}
        unassigned = {name.casefold() for name, one in value.items() if one is None}
        return {name: one for name, one in {**before, **new}.items() if name.casefold() not in unassigned}

    def _untyped(self, before: Any, new: Any) -> Any:
        """In an extension that we do not know, the values say whether an attribute is complex or multi-valued."""
        if isinstance(before, dict) and isinstance(new, dict):
            return {**before, **new}
        if self.write.op == "add" and isinstance(before, list):
            return appended(before, new if isinstance(new, list) else [new])
        return new

    def _removed(self, before: Any) -> Any:
        """Nothing, or the values that the operation does not list."""
        if self.write.value is None or not isinstance(before, list):
            return None
        unwanted = self._taken(any_value, self.write.value) if self.attribute.type == "any" else self._taken_values()
        return without(before, unwanted if isinstance(unwanted, list) else [unwanted])

    def _taken_values(self) -> Any:
        """The value as a list of values of a multi-valued attribute."""
        value = self.write.value
        return self._taken(attribute_value, self.attribute, value if isinstance(value, list | tuple) else [value]) or []

    def _taken(self, check: Callable[..., Any], *what: Any) -> Any:
        """A value, checked by one of the functions of `values`."""
        findings = Findings()
        found = check(*what, self.write.value_at, findings)
        findings.raise_any()
        self.findings.ignored.extend(findings.ignored)
        return found
