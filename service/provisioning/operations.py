"""Which operation a delivery comes to at its target. Pure."""

from __future__ import annotations

from typing import Literal

Operation = Literal["create", "replace", "modify", "delete"]


def effective(operation: Operation, *, linked: bool, permitted_by_role: bool = True) -> Operation:
    """The operation as the target will see it.

    Without an account there everything but a delete creates one; with one a create becomes a replace. An entity
    that the role filter no longer lets pass is removed where it has an account.
    """
    if operation == "delete" or not permitted_by_role:
        return "delete"
    if not linked:
        return "create"
    return "replace" if operation == "create" else operation
