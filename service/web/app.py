"""Makes the Flask application: guards, limits, headers, and all endpoints."""

from __future__ import annotations

import structlog
from flask import Flask, Response, g, request

from service.web import problems
from service.web.api_accounts import AccountApi
from service.web.api_connectors import ConnectorApi
from service.web.api_decisions import DecisionApi
from service.web.api_identity_providers import IdentityProviderApi
from service.web.api_metrics import MetricsApi
from service.web.api_policies import PolicyApi
from service.web.api_requests import RequestApi
from service.web.api_service_providers import ServiceProviderApi
from service.web.api_tokens import TokenApi
from service.web.auth import Authenticator
from service.web.console.layout import NAME as CONSOLE
from service.web.console.pages import console
from service.web.fields import View
from service.web.health import HealthApi
from service.web.limited_request import LimitedRequest
from service.web.openapi import document
from service.web.operations import Answer, Call, operation, register
from service.web.services import Services

SCIM = "/scim/"

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class OpenApiDocument(View):
    """An OpenAPI 3.1 document."""

    openapi: str


class DocumentApi:
    """The description of the API itself."""

    def __init__(self) -> None:
        self.document: dict[str, object] = {}

    @operation(
        "GET",
        "/api/v1/openapi.json",
        tag="description",
        scopes=("read", "provision", "pdp"),
        answers={200: OpenApiDocument},
    )
    def openapi(self, _call: Call) -> Answer:
        """The OpenAPI document of this API."""
        return Answer(self.document)


def create_app(services: Services) -> Flask:
    """The WSGI application over these services. All addresses need credentials, but those marked as open to all."""
    app = _bare()
    description = DocumentApi()
    groups = [
        ServiceProviderApi(services),
        IdentityProviderApi(services),
        ConnectorApi(services),
        RequestApi(services),
        PolicyApi(services),
        DecisionApi(services),
        TokenApi(services),
        HealthApi(services),
        MetricsApi(services),
        AccountApi(services),
        description,
    ]
    operations = register(app, groups)
    description.document = document(operations)
    authenticator = Authenticator(services)
    app.register_blueprint(console(services, authenticator))
    _guard(app, services, authenticator, frozenset(one.name for one in operations if one.open_to_all))
    return app


def create_worker_app(services: Services) -> Flask:
    """What a process that only delivers tells of itself: `/healthz`, `/readyz` and `/metrics`, guarded as elsewhere."""
    app = _bare()
    operations = register(app, [HealthApi(services), MetricsApi(services)])
    _guard(app, services, Authenticator(services), frozenset(one.name for one in operations if one.open_to_all))
    return app


def _bare() -> Flask:
    app = Flask("service.web", static_folder=None)
    app.request_class = LimitedRequest
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    problems.register(app)
    return app


def _guard(app: Flask, services: Services, authenticator: Authenticator, open_to_all: frozenset[str]) -> None:
    """What happens around every request, whether or not an endpoint answers it; all may call `open_to_all`."""

    @app.before_request
    def begin_log() -> None:
        """What this call works on is bound to its log lines; what the thread worked on before is not."""
        structlog.contextvars.clear_contextvars()

    @app.before_request
    def authenticate() -> None:
        if request.endpoint not in open_to_all and request.blueprint != CONSOLE:  # it has a guard of its own
            g.principal = authenticator.principal(request)

    @app.before_request
    def limit_body() -> None:
        """Refused by the length that is announced; a body without one is read up to the limit only."""
        settings = services.settings
        request.max_content_length = settings.max_scim_body if request.path.startswith(SCIM) else settings.max_body

    @app.teardown_request
    def end_log(_error: BaseException | None) -> None:
        structlog.contextvars.clear_contextvars()

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if isinstance(request, LimitedRequest) and request.has_unread_body:
            # The server ends the connection then; a client that is not told loses its next request on it.
            response.headers["Connection"] = "close"
        return response
