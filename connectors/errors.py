"""What a connector raises, typed by what the caller should do next.

ConnectorError
├── TargetUnavailable   try again later: no answer, or 408, 425, 5xx
├── TargetThrottled     leave the target alone for `retry_after` seconds: 429, or 503 with Retry-After
├── TargetConflict      the target has something that stands in the way, and `onConflict` forbids to link it
├── TargetRefused       give up: the target understood and said no (400, 403, 422, …)
├── CredentialsRejected give up on the target until its credentials change: 401
└── Misconfigured       ask an administrator: a setting is missing or cannot work
"""

from __future__ import annotations


class ConnectorError(Exception):
    """An exchange with a target did not end in `Provisioned`.

    `message` is for the record and the administrator (lower case, no secret); `status` is the HTTP status when there
    was an answer; `detail` is what the target itself said.
    """

    kind = "error"

    def __init__(self, message: str, *, status: int | None = None, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.detail = detail


class TargetUnavailable(ConnectorError):
    """The target gave no usable answer; a later attempt may succeed."""

    kind = "unavailable"


class TargetThrottled(ConnectorError):
    """The target asks for patience; `retry_after` is in seconds, None when it did not say how long."""

    kind = "throttled"

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        status: int | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message, status=status, detail=detail)
        self.retry_after = retry_after


class TargetConflict(ConnectorError):
    """The account or group exists at the target and may not be linked."""

    kind = "conflict"


class TargetRefused(ConnectorError):
    """The target understood the request and will not do it; the same request would fail again."""

    kind = "refused-by-target"


class CredentialsRejected(ConnectorError):
    """The target does not accept the credentials (401); nothing else can succeed until they change."""

    kind = "credentials"


class Misconfigured(ConnectorError):
    """A setting of the connector is missing or contradictory; `setting` names its key."""

    kind = "misconfigured"

    def __init__(self, message: str, *, setting: str | None = None) -> None:
        super().__init__(message)
        self.setting = setting
