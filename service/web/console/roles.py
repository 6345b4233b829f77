"""The roles of console users in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Role:
    """A role as people read it."""

    name: str
    may: str


ROLES: Final = {
    "admin": Role("Administrator", "may see and change everything, also who may sign in"),
    "policy-editor": Role("Policy editor", "may see everything, write policies and try them"),
    "operator": Role("Operator", "may see everything, and retry, cancel, approve and reject deliveries"),
    "viewer": Role("Reader", "may see everything and change nothing"),
}
"""By the names that are stored; what each may do in earnest is `principals.ROLE_RIGHTS`."""
