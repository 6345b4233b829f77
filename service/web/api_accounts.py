"""`/api/v1/accounts` and `/api/v1/entities`: who has what where."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from service.store import accounts
from service.web.fields import Line, Name, Page, View
from service.web.operations import Answer, Call, operation
from service.web.problems import Problem
from service.web.request_schemas import DeliveryView, EntityView
from service.web.services import Services

TAG = "accounts"


class AccountsQuery(Page):
    """Which accounts to list."""

    kept: Annotated[bool | None, Field(strict=False, description="whose removal was refused, or not")] = None
    identity_provider: Name | None = None
    entity: Annotated[Line | None, Field(description="id or name of the entity")] = None


class AccountView(View):
    """What an entity has at a target. `own`: Sluice made it; `kept`: why it stays although it was to be removed."""

    entity: EntityView
    identity_provider: str
    connector: str
    provisioned_identifier: str
    active: bool
    own: bool
    kept: str | None
    omitted_members: Annotated[list[str], Field(description="ids of the members that a group was delivered without")]
    updated_at: str


class AccountPage(View):
    """Accounts, in the order of their entities."""

    items: list[AccountView]
    next: str | None


class WholeEntityView(View):
    """A user or a group with its accounts at all targets, and its latest deliveries."""

    id: str
    type: str
    name: str
    user_store_domain: str
    deleted: bool
    attributes: dict[str, Any]
    created_at: str
    updated_at: str
    accounts: list[AccountView]
    deliveries: list[DeliveryView]


class AccountApi:
    """Accounts at targets, and the entities that they belong to."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @operation("GET", "/api/v1/accounts", tag=TAG, scopes=("read",), answers={200: AccountPage})
    def list(self, _call: Call, query: AccountsQuery) -> Answer:
        """Accounts at targets; with `kept=true` those that stay although their removal was asked for."""
        filters = query.model_dump(by_alias=True, exclude={"cursor", "limit"})
        with self._services.database.read() as tx:
            items, following = accounts.accounts_page(tx, filters, query.cursor, query.limit)
        return Answer({"items": items, "next": following})

    @operation("GET", "/api/v1/entities/{id}", tag=TAG, scopes=("read",), answers={200: WholeEntityView})
    def entity(self, _call: Call, id: str) -> Answer:  # noqa: A002 - the name in the address
        """What an entity has where, and what was done last."""
        with self._services.database.read() as tx:
            view = accounts.entity_view(tx, id)
        if view is None:
            raise Problem(404, f"there is no entity `{id}`")
        return Answer(view)
