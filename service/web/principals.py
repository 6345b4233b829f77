"""Who asks, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from service.web.problems import Problem

Scope = Literal["admin", "provision", "pdp", "read"]
Right = Literal["admin", "provision", "pdp", "read", "policies", "operate"]
"""What someone may do: a token's scopes, and two more that roles of the console have.

`policies` writes policy files, `operate` retries, cancels, approves and rejects deliveries.
"""
SCOPES: tuple[Scope, ...] = get_args(Scope)
RIGHTS: tuple[Right, ...] = get_args(Right)

ROLE_RIGHTS: dict[str, frozenset[Right]] = {
    "admin": frozenset({"admin"}),
    "policy-editor": frozenset({"read", "pdp", "policies"}),
    "operator": frozenset({"read", "operate"}),
    "viewer": frozenset({"read"}),
}
"""What console users may do, by their role (`users.ROLES`), in the console and with Basic credentials alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Someone with valid credentials.

    `name` says who, for records: `token:<id>`, `user:<name>` or `setting:SLUICE_ADMIN_TOKEN`. `service_provider` is
    the one that scope `provision` is bound to.
    """

    name: str
    scopes: frozenset[Right]
    service_provider: str | None = None

    def has(self, scope: Right) -> bool:
        """Whether the credentials reach that far; `admin` reaches everywhere."""
        return "admin" in self.scopes or scope in self.scopes

    def require(self, scopes: frozenset[Right]) -> None:
        """Raise `Problem` 403 unless one of the scopes is held."""
        enough: frozenset[Right] = scopes | {"admin"}
        if not any(self.has(scope) for scope in enough):
            wanted = " or ".join(f"`{scope}`" for scope in RIGHTS if scope in enough)
            raise Problem(403, f"these credentials lack the scope {wanted}")

    @property
    def confined_to(self) -> str | None:
        """The only service provider whose requests may be read or made; None: any."""
        return None if self.has("read") else self.service_provider

    def require_provider(self, name: str) -> None:
        """Raise `Problem` 403 unless requests for that service provider may be made."""
        if self.has("admin") or (self.service_provider or "").casefold() == name.casefold():
            return
        raise Problem(403, f"these credentials are bound to another service provider than `{name}`")


NOBODY = Principal(name="nobody", scopes=frozenset())
"""Who calls an endpoint that is open to all."""
