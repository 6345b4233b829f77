"""Errors as problem details (RFC 9457): what is wrong, and in which field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from service.store.ids import new_id

MEDIA_TYPE = "application/problem+json"

DETAILS = {
    400: "the request is malformed",
    404: "there is nothing at this address",
    405: "this address does not know the method",
    413: "the body is larger than this service takes",
    414: "the address is too long",
    415: "the media type of the body is not taken here",
}

log = structlog.get_logger(__name__)


class Problem(Exception):
    """An answer that says what is wrong; `errors` name fields, `extra` are further members."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Iterable[Mapping[str, Any]] = (),
        headers: Iterable[tuple[str, str]] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = [dict(error) for error in errors]
        self.headers = list(headers)
        self.extra = dict(extra or {})


def invalid(problems: Iterable[tuple[str, str]], *, status: int = 422) -> Problem:
    """A body, or a query, whose fields are wrong: (field, message) each."""
    errors = [{"field": field, "message": message} for field, message in problems]
    return Problem(status, _summary(errors), errors=errors)


def _summary(errors: list[dict[str, str]]) -> str:
    first = errors[0]
    rest = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{first['field']}: {first['message']}{rest}" if first["field"] else f"{first['message']}{rest}"


def respond(problem: Problem) -> Response:
    """The HTTP answer. `type` stays `about:blank`: the status says the kind (RFC 9457, section 4.2.1)."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        **problem.extra,
    }
    if problem.errors:
        body["errors"] = problem.errors
    response = Response(json.dumps(body, ensure_ascii=False), problem.status, content_type=MEDIA_TYPE)
    response.headers.extend(problem.headers)
    return response


def register(app: Flask) -> None:
    """Make every error of the application a problem."""
    app.register_error_handler(Problem, respond)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    # werkzeug's own words may quote the request; ours are fixed
    detail = DETAILS.get(status, HTTPStatus(status).phrase.lower())
    headers = [(name, value) for name, value in error.get_headers() if name.lower() in {"allow", "retry-after"}]
    return respond(Problem(status, detail, headers=headers))


def _unexpected(error: Exception) -> Response:
    """The caller gets a reference, the log the rest."""
    reference = new_id()
    log.error("unexpected error", reference=reference, exc_info=error)
    detail = f"something unexpected happened: the service's log says more under the reference `{reference}`"
    return respond(Problem(500, detail, extra={"reference": reference}))
