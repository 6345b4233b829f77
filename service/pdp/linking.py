"""Putting policy files together: ids that must be unique, and references that must lead somewhere.

References are resolved once, at load (3.0 core, sections 5.10 to 5.13): a decision never looks for a policy.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import NamedTuple

from service.pdp.errors import PolicyError, quoted
from service.pdp.limits import Limits
from service.pdp.model import Policy, PolicySet, Reference

# Looking for a similar id goes over all ids: worth it for a typing error, not for a folder that is half missing.
_MOST_SUGGESTIONS = 10


class Linked(NamedTuple):
    """Policies without references, and everything that was wrong with those."""

    roots: tuple[Policy | PolicySet, ...]
    errors: tuple[PolicyError, ...]


@dataclass(slots=True)
class _Linker:
    limits: Limits
    complete: bool
    by_name: dict[tuple[str, bool], list[Policy | PolicySet]] = field(default_factory=dict)
    errors: list[PolicyError] = field(default_factory=list)
    done: dict[int, Policy | PolicySet] = field(default_factory=dict)
    heights: dict[int, int] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    under_way: list[PolicySet] = field(default_factory=list)

    def register(self, policy: Policy | PolicySet) -> None:
        """Note a policy under its id and version, which must be unique over all files."""
        same = self.by_name.setdefault((policy.id.id, policy.id.is_set), [])
        twin = next((each for each in same if _numbers(each.id.version) == _numbers(policy.id.version)), None)
        if twin is None:
            same.append(policy)
            return
        kind = "PolicySetId" if policy.id.is_set else "PolicyId"
        message = f"duplicate {kind} {quoted(policy.id.id)} in version {quoted(policy.id.version)}"
        hint = f"the other one is at {twin.file}:{twin.line}; give one a new id or version"
        self.errors.append(PolicyError(policy.file, policy.line, "", message, hint))

    def link(self, policy: Policy | PolicySet) -> Policy | PolicySet:
        """The policy with every reference in it replaced by what it refers to."""
        if isinstance(policy, Policy):
            self.heights[id(policy)] = self.sizes[id(policy)] = 1
            return policy
        if id(policy) not in self.done and len(self.under_way) > self.limits.policy_depth:
            self._too_deep(policy)
            self.heights[id(policy)] = self.sizes[id(policy)] = 1
            return policy
        if id(policy) not in self.done:
            self.under_way.append(policy)
            pairs = [(child, self._target_of(child)) for child in policy.children]
            linked = [(child, self.link(target)) for child, target in pairs if target is not None]
            self.under_way.pop()
            same = all(child is target for child, target in linked) and len(linked) == len(policy.children)
            new = policy if same else replace(policy, children=tuple(target for _, target in linked))
            self.done[id(policy)] = new
            self._measure(policy, new)
        return self.done[id(policy)]

    def _measure(self, policy: PolicySet, new: PolicySet) -> None:
        """Depth and size with references followed: a few files can unfold to more than any machine holds."""
        height = 1 + max((self.heights[id(child)] for child in new.children), default=0)
        size = 1 + sum(self.sizes[id(child)] for child in new.children)
        if height == self.limits.policy_depth + 1:
            self._too_deep(policy)
        if size > self.limits.policies:
            message = f"with references followed there are more than {self.limits.policies} policies"
            self.errors.append(PolicyError(policy.file, policy.line, "", message, "refer less often"))
            size = 1  # reported here, not again in every set above
        self.heights[id(new)], self.sizes[id(new)] = height, size

    def _too_deep(self, policy: PolicySet) -> None:
        message = f"policy sets and references are nested deeper than {self.limits.policy_depth}"
        self.errors.append(PolicyError(policy.file, policy.line, "", message, "use fewer levels"))

    def _target_of(self, child: Policy | PolicySet | Reference) -> Policy | PolicySet | None:
        target = self.resolve(child) if isinstance(child, Reference) else child
        if isinstance(target, PolicySet) and any(target is each for each in self.under_way):
            circle = " refers to ".join(quoted(each.id.id) for each in [*self.under_way, target])
            hint = "a policy set must not contain itself"
            self._report(child, f"circular reference: {circle}", hint)
            return None
        return target

    def resolve(self, reference: Reference) -> Policy | PolicySet | None:
        """The newest policy that a reference allows, or None after reporting why there is none."""
        same = self.by_name.get((reference.id, reference.to_set), [])
        fitting = [policy for policy in same if _fits(policy.id.version, reference)]
        if fitting:
            return max(fitting, key=lambda policy: _numbers(policy.id.version))
        kind = "policy set" if reference.to_set else "policy"
        if same:
            versions = ", ".join(sorted(policy.id.version for policy in same))
            message = f"no version of {kind} {quoted(reference.id)} fits the reference"
            self._report(reference, message, f"there are: {versions}")
            return None
        known = [name for name, is_set in self.by_name if is_set is reference.to_set]
        if not self.complete:
            return None
        near = get_close_matches(reference.id, known, n=1) if len(self.errors) < _MOST_SUGGESTIONS else []
        hint = f"did you mean {quoted(near[0])}?" if near else "add a file that holds it"
        self._report(reference, f"the reference to {kind} {quoted(reference.id)} leads nowhere", hint)
        return None

    def _report(self, child: Policy | PolicySet | Reference, message: str, hint: str) -> None:
        path = child.path if isinstance(child, Reference) else ""
        self.errors.append(PolicyError(child.file, child.line, path, message, hint))


def link(
    roots: Sequence[Policy | PolicySet],
    references: Iterable[Policy | PolicySet],
    limits: Limits,
    *,
    complete: bool,
) -> Linked:
    """Resolve all references. `references` are policies that may only be referred to, but must be right too.

    Unless `complete`, some files could not be read: nobody knows what they hold, so a reference that leads
    nowhere is not reported.
    """
    linker = _Linker(limits, complete)
    library = tuple(references)
    for top in (*roots, *library):
        for policy in within(top):
            linker.register(policy)
    linked = tuple(linker.link(root) for root in roots)
    for each in library:
        linker.link(each)
    return Linked(linked, tuple(linker.errors))


def within(policy: Policy | PolicySet) -> Iterator[Policy | PolicySet]:
    """The policy and all that are written inside of it; references are not followed."""
    yield policy
    if isinstance(policy, PolicySet):
        for child in policy.children:
            if not isinstance(child, Reference):
                yield from within(child)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _fits(version: str, reference: Reference) -> bool:
    numbers = _numbers(version)
    return (
        (reference.version is None or _compare(numbers, reference.version) == 0)
        and (reference.earliest is None or _compare(numbers, reference.earliest) >= 0)
        and (reference.latest is None or _compare(numbers, reference.latest) <= 0)
    )


def _compare(numbers: tuple[int, ...], pattern: str) -> int:
    """Negative, 0 or positive as a version is before, at or after a pattern (3.0 core, section 5.13).

    `*` stands for any number, `+` for any numbers that follow, none included.
    """
    parts = pattern.split(".")
    for number, part in zip(numbers, parts, strict=False):
        if part == "+":
            return 0
        if part != "*" and number != int(part):
            return number - int(part)
    if len(numbers) < len(parts) and parts[len(numbers)] == "+":
        return 0
    return len(numbers) - len(parts)
