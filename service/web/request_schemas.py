"""Bodies and answers about provisioning requests and their deliveries."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from service.provisioning.bulk import Action
from service.provisioning.submission import Submission
from service.store.models import FINAL_STATES, OPEN_STATES
from service.web.fields import Body, Line, Moment, Name, Page, Text, View

EntityLine = Annotated[Line, Field(min_length=1, max_length=256)]
DeliveryState = Literal[
    "pending",
    "running",
    "retrying",
    "held",
    "awaiting-approval",
    "delivered",
    "refused",
    "failed",
    "cancelled",
]
RequestState = Literal["pending", "failed", "cancelled", "refused", "delivered", "nothing-to-do"]

assert set(get_args(DeliveryState)) == {*FINAL_STATES, *OPEN_STATES}


class EntityBody(Body):
    """The user or group that a request is about; `id` may replace `name` for one that exists."""

    type: Literal["user", "group"]
    id: EntityLine | None = None
    name: EntityLine | None = None
    domain: Annotated[Name | None, Field(description="user store domain; the service provider's own by default")] = None
    attributes: Annotated[dict[str, Any] | None, Field(description="a SCIM 2.0 resource")] = None


class PatchOperationBody(Body):
    """One operation of a SCIM 2.0 PATCH (RFC 7644, section 3.5.2)."""

    op: Annotated[str, Field(pattern="^([aA][dD][dD]|[rR][eE][mM][oO][vV][eE]|[rR][eE][pP][lL][aA][cC][eE])$")]
    path: Text | None = None
    value: Any = None


class RequestBody(Body):
    """One operation on one entity."""

    service_provider: Annotated[
        Name | None, Field(description="`resident` by default; for a token of scope `provision` the one it is bound to")
    ] = None
    operation: Literal["create", "replace", "modify", "delete"]
    entity: EntityBody
    patch: Annotated[list[PatchOperationBody] | None, Field(max_length=1000)] = None
    jit: bool = False
    dry_run: bool = False

    def submission(
        self, service_provider: str, principal: str, *, key: str | None = None, body_hash: str | None = None
    ) -> Submission:
        """What is handed to provisioning."""
        return Submission(
            service_provider=service_provider,
            operation=self.operation,
            entity_type=self.entity.type,
            entity_id=self.entity.id,
            entity_name=self.entity.name,
            domain=self.entity.domain,
            attributes=self.entity.attributes,
            patch=None if self.patch is None else [one.model_dump(exclude_unset=True) for one in self.patch],
            jit=self.jit,
            channel="api",
            principal=principal,
            idempotency_key=key,
            body_hash=body_hash,
        )


class DecisionBody(RequestBody):
    """A provisioning request, and the identity provider for which the policies are asked."""

    identity_provider: Name


class CommentBody(Body):
    """Why someone approves or rejects."""

    comment: Annotated[Line, Field(max_length=1000)] = ""


class RequestsQuery(Page):
    """Which requests to list."""

    entity: Annotated[Line | None, Field(description="id or name of the entity")] = None
    service_provider: Name | None = None
    state: RequestState | None = None
    since: Moment | None = None


class DeliveriesQuery(Page):
    """Which deliveries to list."""

    state: DeliveryState | None = None
    identity_provider: Name | None = None
    service_provider: Name | None = None
    entity: Annotated[Line | None, Field(description="id or name of the entity")] = None
    request: Annotated[Line | None, Field(description="id of the request")] = None
    since: Annotated[Moment | None, Field(description="accepted, or retried by hand, since then")] = None


class BulkFilter(Body):
    """Which deliveries: those of the listing with the same filters that the action can be done to."""

    state: DeliveryState | None = None
    identity_provider: Name | None = None
    service_provider: Name | None = None
    entity: Annotated[Line | None, Field(description="id or name of the entity")] = None
    request: Annotated[Line | None, Field(description="id of the request")] = None
    since: Annotated[Moment | None, Field(description="accepted, or retried by hand, since then")] = None


class BulkBody(Body):
    """An action on many deliveries. Without anything in `filter` it means all of them."""

    action: Action
    filter: BulkFilter = BulkFilter()
    comment: Annotated[Line, Field(max_length=1000)] = ""
    after: Annotated[Line, Field(description="`next` of the answer before, to go on")] = ""
    dry_run: Annotated[bool, Field(description="count them, and do nothing")] = False


class BulkRefusalView(View):
    """A delivery that the action could not be done to."""

    id: str
    reason: str


class BulkView(View):
    """What a call came to."""

    matched: Annotated[int, Field(description="deliveries that were meant when the call began")]
    done: int
    refused: list[BulkRefusalView]
    next: Annotated[str | None, Field(description="send it as `after` to go on; null when all are done")]


class EntityView(View):
    """The entity of a request."""

    id: str
    type: str
    name: str


class DecisionView(View):
    """What the policies said; `rules` and `policies` are those that decided."""

    decision: str
    policies: list[str]
    rules: list[str]
    snapshot: str | None
    status: str | None
    obligations: list[Any]


class DeliveryView(View):
    """One request to one identity provider's connector; `decision` is the latest one."""

    id: str
    identity_provider: str
    connector: str
    state: DeliveryState
    blocking: bool
    effective_operation: str
    provisioned_identifier: str | None
    attempts: int
    next_attempt_at: str | None
    decision: DecisionView | None
    error: dict[str, Any] | None


class SkippedView(View):
    """A row for which the request was never due, and why."""

    identity_provider: str
    connector: str
    reason: str


class RequestView(View):
    """A provisioning request with what came of it."""

    id: str
    state: RequestState
    service_provider: str
    operation: str
    entity: EntityView
    deliveries: list[DeliveryView]
    skipped: list[SkippedView]


class RequestPage(View):
    """Provisioning requests, the newest first."""

    items: list[RequestView]
    next: str | None


class DeliveryPage(View):
    """Deliveries, the newest first."""

    items: list[DeliveryView]
    next: str | None
