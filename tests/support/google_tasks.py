"""Settings of the Google connector for tests, and a way to run its tasks against the fake."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.connector import Link, Provisioned, Reply, Request, Settings, Task
from connectors.google import Google
from connectors.masking import mask_body, mask_headers
from tests.support.driving import Driven, run
from tests.support.google_target import ACCOUNT, ADMIN, BASE, TOKENS, GoogleTarget, private_key
from tests.support.tasks import settings

# One for all tasks: two signed tokens are never the same.
_SOURCE = random.Random(7)


@cache
def pem() -> str:
    """The service account's private key."""
    return private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def google_settings(base: str = BASE, tokens: str = TOKENS, on_conflict: Any = "link", **changed: str) -> Settings:
    """Settings that work with the fake; `changed` are keys without `google_prov_`."""
    properties = {
        "domain_name": "example.com",
        "email_claim_dropdown": "http://wso2.org/claims/emailaddress",
        "service_acc_email": ACCOUNT,
        "private_key": pem(),
        "admin_email": ADMIN,
        "application_name": "Sluice tests",
        "api_endpoint": base,
        "token_endpoint": tokens,
        **changed,
    }
    return settings({f"google_prov_{key}": value for key, value in properties.items()}, on_conflict=on_conflict)


def provision(target: GoogleTarget, task: Task, ours: Settings | None = None, driven: Driven | None = None) -> Driven:
    """Run a task against the fake; the calls of the token endpoint are not in its `requests`."""
    driven = driven or Driven()
    task = replace(task, random=_SOURCE)
    ours = ours or google_settings()
    try:
        run(Google().provision(task, ours), recording(target.answer, driven), driven)
    finally:
        driven.requests = [one for one in driven.requests if one.url != ours.get("google_prov_token_endpoint")]
    return driven


def recording(answer: Callable[[Request], Reply], driven: Driven) -> Callable[[Request], Reply]:
    """Keeps what the service would record of every exchange, as text, in `driven.recorded`."""
    records: list[str] = []
    driven.recorded = records  # type: ignore[attr-defined]

    def answering(request: Request) -> Reply:
        reply = answer(request)
        for headers, body in ((request.headers, request.body), (reply.headers, reply.body)):
            masked = mask_body(body, "application/json", request.secrets)
            records.append(f"{request.url} {mask_headers(headers, request.secrets)} {masked}")
        return reply

    return answering


def linked(task: Task, done: Driven) -> Task:
    """The same entity's next task, knowing what an earlier one has delivered."""
    result: Provisioned = done.result
    assert result.identifier is not None
    return replace(task, link=Link(result.identifier, result.delivered, result.etag, result.active))
