"""The provisioning pattern: how the name of an account is put together, so that names of two stores do not collide.

Facts of WSO2 Identity Server, kept for its users: `{UD,UN,TD,IDP}` with the separator `-` makes
`primary-alice-carbon.super-google`.
"""

from __future__ import annotations

import re
from typing import Final

from connectors.errors import Misconfigured

DEFAULT_SEPARATOR: Final = "_"
PARTS: Final = {"UD": "user store domain", "UN": "user name", "TD": "tenant domain", "IDP": "identity provider"}

_PATTERN: Final = re.compile(r"\{([^{}]*)\}")


def pattern_parts(pattern: str) -> tuple[str, ...]:
    """The parts of a pattern, in its order; none when it is blank.

    Raises `Misconfigured` for anything but names of `PARTS` in braces, in any case, separated by commas.
    """
    if not pattern.strip():
        return ()
    found = _PATTERN.fullmatch(pattern.strip())
    parts = tuple(part.strip().upper() for part in found[1].split(",")) if found else ()
    if not parts or not set(parts) <= set(PARTS):
        raise Misconfigured(f"`{pattern}` is no provisioning pattern: write `{{UD,UN,TD,IDP}}` or some of these")
    return parts


def provisioning_pattern(
    pattern: str, separator: str, *, domain: str, name: str, tenant: str, identity_provider: str
) -> str:
    """The name of the account: the pattern's parts joined by `separator`, in lower case.

    The separator is literal text, `_` when empty. Parts without a value are left out. Without a pattern the account has
    the user's name as it is. Raises `Misconfigured` for an unreadable pattern.
    """
    parts = pattern_parts(pattern)
    if not parts:
        return name
    values = {"UD": domain, "UN": name, "TD": tenant, "IDP": identity_provider}
    return (separator or DEFAULT_SEPARATOR).join(values[part] for part in parts if values[part]).lower()
