"""When a password is sent: written down here once, for every connector.

1. When an account is made, it gets the password that the request carries; else the default password of the settings;
   else none. Where a target demands one nevertheless (Google), it is a random one that nobody knows.
2. An account that is there (changed, replaced, renamed, enabled, linked) keeps its password, unless the request carries
   one. The default password is never sent to it.
3. Where the setting that enables the provisioning of passwords is off, neither of the two is sent.

A password is no attribute: it is in no image, and claim mappings neither choose nor make one. A mapping that names the
target's attribute for it is refused, since its value would be kept and sent like any other.
"""

from __future__ import annotations

from connectors.connector import Task
from connectors.errors import Misconfigured


def initial_password(task: Task, *, enabled: bool, default: str) -> str:
    """The password of an account that is made: the given one, else the default one; empty for none."""
    return (task.password or default) if enabled else ""


def changed_password(task: Task, *, enabled: bool) -> str:
    """The password to set for an account that is there: the given one; empty for none."""
    return (task.password or "") if enabled else ""


def refuse_mapped(task: Task, name: str) -> None:
    """Raise Misconfigured when a claim is mapped to the target's attribute for passwords, in any case and schema."""
    for mapped in task.attributes if task.mapped else ():
        if mapped.rpartition(":")[2].casefold() == name.casefold():
            raise Misconfigured(f"a claim is mapped to `{mapped}`, which is not taken from claims: remove the mapping")
