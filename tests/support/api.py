"""The HTTP API through Flask's test client, and what its tests send."""

from __future__ import annotations

import json
from dataclasses import dataclass

from flask import Flask
from werkzeug.test import TestResponse

ADMIN_TOKEN = "test-admin-token"
PASSWORD = "correct horse"

PERMIT = """<?xml version="1.0"?>
<Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17" PolicyId="{id}" Version="1.0" \
RuleCombiningAlgId="urn:oasis:names:tc:xacml:1.0:rule-combining-algorithm:first-applicable">
  <Target/>
  <Rule RuleId="{rule}" Effect="{effect}"/>
</Policy>
"""


def policy(effect: str = "Permit", id_: str = "all", rule: str = "rule-1") -> str:
    return PERMIT.format(id=id_, rule=rule, effect=effect)


@dataclass
class Api:
    """The API through Flask's test client, as one principal."""

    web: Flask
    authorization: str | None

    def call(self, method: str, path: str, body: object = None, **options) -> TestResponse:
        headers = dict(options.pop("headers", {}))
        if self.authorization is not None:
            headers.setdefault("Authorization", self.authorization)
        if body is not None:
            options["data"] = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        return self.web.test_client().open(path, method=method, headers=headers, **options)

    def get(self, path: str, **options) -> TestResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, body: object = None, **options) -> TestResponse:
        return self.call("POST", path, body, **options)

    def put(self, path: str, body: object = None, **options) -> TestResponse:
        return self.call("PUT", path, body, **options)

    def patch(self, path: str, body: object = None, **options) -> TestResponse:
        return self.call("PATCH", path, body, **options)

    def delete(self, path: str, **options) -> TestResponse:
        return self.call("DELETE", path, **options)

    def token(self, scopes: list[str], provider: str | None = None) -> Api:
        made = self.post("/api/v1/tokens", {"name": "t", "scopes": scopes, "serviceProvider": provider})
        assert made.status_code == 201, made.text
        return Api(self.web, f"Bearer {made.json['token']}")


def scim(**changes) -> dict:
    """An identity provider's connector as it is sent."""
    properties = {
        "scim2-authentication-mode": "bearer",
        "scim2-access-token": "s3cret-token",
        "scim2-user-ep": "http://127.0.0.1:1/Users",
        "scim2-group-ep": "http://127.0.0.1:1/Groups",
    }
    return {"type": "scim2", "properties": properties, **changes}


def fields(response: TestResponse) -> list[str]:
    """The fields that a problem names."""
    assert response.content_type == "application/problem+json", response.text
    return [error["field"] for error in response.json.get("errors", [])]
