"""An explanation as a tree to unfold: open where it was decided, closed everywhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]

KINDS: Final = {"Permit": "good", "Deny": "warn", "NotApplicable": "", "match": "good", "no match": "", "error": "bad"}
_DEEPEST: Final = 150
"""Templates recurse: what is nested deeper than any policy that people write is left out, and said to be."""


@dataclass(slots=True)
class Branch:
    """One thing that was evaluated, as it is shown. `path`: it, or something in it, decided."""

    kind: str
    name: str
    where: str
    outcome: str
    detail: str
    error: str
    file: str = ""
    line: str = ""
    badge: str = ""
    decided: bool = False
    path: bool = False
    children: list[Branch] = field(default_factory=list)
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    """All root policies that were evaluated; `cut`: there was more."""

    roots: list[Branch]
    cut: bool


def tree(explanation: Json | None) -> Tree | None:
    """The tree of an explanation as the HTTP contract has it; None when there is none."""
    if explanation is None:
        return None
    deciders = {(f"{one['policy']} {one['version']}", one["rule"]) for one in explanation["deciders"]}
    deciders |= {(f"{one['policy']} {one['version']}", one["rule"]) for one in explanation["errors"]}
    return Tree([_branch(one, "", deciders, 0) for one in explanation["tree"]], explanation["cut"])


def _branch(node: Json, policy: str, deciders: set[tuple[str, str | None]], depth: int) -> Branch:
    kind, name, where = node["kind"], node.get("name", ""), node.get("where", "")
    branch = Branch(kind, name, where, node.get("outcome", ""), node.get("detail", ""), node.get("error", ""))
    branch.badge = KINDS.get(branch.outcome.partition(" {")[0], "")
    if kind in {"policy", "policy set", "rule"}:
        branch.file, _, branch.line = where.rpartition(":")
    if kind in {"policy", "policy set"}:
        policy = name
        branch.decided = (name, None) in deciders
    elif kind == "rule":
        branch.decided = (policy, name) in deciders
    children = node.get("children", ())
    branch.cut = depth >= _DEEPEST and bool(children)
    if not branch.cut:
        branch.children = [_branch(one, policy, deciders, depth + 1) for one in children]
    branch.path = branch.decided or any(one.path for one in branch.children)
    return branch
