"""A request whose body is never read beyond its limit, and never cut at it either."""

from __future__ import annotations

from typing import Any

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge


class LimitedRequest(Request):
    """Refuses a body by the length that is announced; one without a length when it has reached the limit.

    werkzeug's stream ends silently at the limit when a body without a length is read whole: a cut body could mean
    something else than the whole one.
    """

    @property
    def has_unread_body(self) -> bool:
        """Whether a body was announced that nobody has begun to read."""
        announced = bool(self.content_length) or "HTTP_TRANSFER_ENCODING" in self.environ
        return announced and "stream" not in vars(self)

    def get_data(self, *args: Any, **options: Any) -> Any:
        """The whole body. Raises `RequestEntityTooLarge`, `ClientDisconnected`."""
        data = super().get_data(*args, **options)
        limit = self.max_content_length
        if self.content_length is None and limit is not None and len(data) >= limit:
            raise RequestEntityTooLarge
        if self.content_length is not None and len(data) < self.content_length:
            # What came until the connection broke off may read well, and mean something else than the whole.
            raise ClientDisconnected
        return data
