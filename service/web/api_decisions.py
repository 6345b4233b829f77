"""`/api/v1/policy-decisions`, which asks without doing, and the decision endpoint `/xacml/pdp`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from service.pdp import (
    DEFAULT_LIMITS,
    Advice,
    Erring,
    Limits,
    Obligation,
    RequestError,
    Response,
    Result,
    encode_response,
    parse_request,
)
from service.pdp import JSON as XACML_JSON
from service.pdp import XML as XACML_XML
from service.pip import LIMITS
from service.providers import RESIDENT
from service.web.fields import checked
from service.web.operations import JSON, Answer, Call, Content, operation, read_json
from service.web.policy_schemas import DecisionAnswer
from service.web.problems import Problem
from service.web.refusals import request_problems
from service.web.request_schemas import DecisionBody
from service.web.services import Services

TAG = "decisions"


class DecisionApi:
    """Asks the policies. Nothing is stored, nothing is sent."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @operation(
        "POST",
        "/api/v1/policy-decisions",
        tag=TAG,
        scopes=("pdp",),
        answers={200: DecisionAnswer},
        problems=(409, 503),
        media_types=(JSON, XACML_JSON, XACML_XML),
        schema=DecisionBody,
    )
    def decide(self, call: Call, body: bytes) -> Answer:
        """What the policies say, and why.

        Of a provisioning request with an `identityProvider`, as its delivery would be described to them, or of a XACML
        request. `request` and `explanation` of a provisioning request tell what is known of the entity: they are null
        without the scope `read`.
        """
        media_type = _media_type(call)
        if media_type == JSON:
            value = read_json(body)
            if not isinstance(value, dict) or "Request" not in value:
                return self._decide_delivery(call, value)
            media_type = XACML_JSON
        return Answer(_explained(self._decide(body, media_type, self._now(), explain=True)))

    def _decide_delivery(self, call: Call, value: Any) -> Answer:
        return Answer(self.of_delivery(call, checked(DecisionBody, value)))

    def of_delivery(self, call: Call, wanted: DecisionBody, now: datetime | None = None) -> dict[str, Any]:
        """What the policies say of a delivery that is not made, at a time of the caller's choice."""
        provider = wanted.service_provider or RESIDENT
        with request_problems():
            submission = wanted.submission(provider, call.principal.name)
            view = self._services.outbound.decide(submission, wanted.identity_provider, now)
        if not call.principal.has("read"):
            # Both hold what is known of the entity, which is not the business of who may ask for decisions only.
            return view | {"request": None, "explanation": None}
        return view | {"explanation": self._explanation(view)}

    def _explanation(self, view: dict[str, Any]) -> dict[str, Any] | None:
        """Why: the very request decided again, watched. None when the policies changed meanwhile or were not asked."""
        if not view["request"] or view["snapshot"] != self._services.policies.current().hash:
            return None
        now = datetime.fromisoformat(view["decidedAt"]).astimezone(self._services.settings.zone)
        response = self._decide(view["request"].encode(), XACML_XML, now, explain=True, limits=LIMITS)
        same = response.decision.value == view["decision"] and response.snapshot == view["snapshot"]
        return _tree(response.result) if same else None

    @operation(
        "POST",
        "/xacml/pdp",
        tag=TAG,
        scopes=("pdp",),
        answers={200: Content((XACML_XML, XACML_JSON))},
        problems=(503,),
        media_types=(XACML_XML, XACML_JSON),
    )
    def pdp(self, call: Call, body: bytes) -> Answer:
        """Decide a XACML request, in XML or in the JSON profile; answers in the same."""
        media_type = _media_type(call)
        response = self._decide(body, media_type, self._now())
        return Answer(encode_response(response, media_type), media_type=media_type)

    def _decide(
        self, data: bytes, media_type: str, now: datetime, *, explain: bool = False, limits: Limits = DEFAULT_LIMITS
    ) -> Response:
        snapshot = self._services.policies.current().snapshot
        if snapshot is None:
            raise Problem(503, "there is no valid snapshot of the policies: see the errors that /readyz tells")
        try:
            request = parse_request(data, media_type, limits=limits)
        except RequestError as error:
            raise Problem(400, f"the XACML request cannot be read: {error}") from error
        return snapshot.decide(request, now=now, explain=explain)

    def _now(self) -> datetime:
        return self._services.clock().astimezone(self._services.settings.zone)


def _media_type(call: Call) -> str:
    return (call.headers.get("Content-Type") or "").partition(";")[0].strip().lower()


def _explained(response: Response) -> dict[str, Any]:
    """The decision with its reasons; `results` only when the request asked for several decisions."""
    view = {"decision": response.decision.value, "snapshot": response.snapshot}
    if len(response.results) > 1:
        return _result(response.results[0]) | view | {"results": [_result(one) for one in response.results]}
    return _result(response.result) | view


def _result(result: Result) -> dict[str, Any]:
    status = None if result.status.message is None else f"{result.status.code}: {result.status.message}"
    return {
        "decision": result.decision.value,
        "policies": [policy.id for policy in result.deciding_policies],
        "rules": list(result.deciding_rules),
        "status": status,
        "missing": [
            {"category": m.category, "id": m.attribute_id, "dataType": m.data_type} for m in result.status.missing
        ],
        "obligations": [_obligation(one) for one in result.obligations],
        "advice": [_obligation(one) for one in result.advice],
        "errors": [_erring(one) for one in result.errors],
        "explanation": _tree(result),
    }


def _tree(result: Result) -> dict[str, Any] | None:
    """Everything that was evaluated, as the engine tells it."""
    data: dict[str, Any] | None = None if result.explanation is None else result.explanation.as_data()
    return data


def _obligation(one: Obligation | Advice) -> dict[str, Any]:
    attributes = [{"id": a.attribute_id, "dataType": a.data_type.uri, "value": a.text} for a in one.assignments]
    return {"id": one.id, "attributes": attributes}


def _erring(one: Erring) -> dict[str, Any]:
    return {
        "policy": one.who.policy.id,
        "rule": one.who.rule_id,
        "status": one.status.code,
        "message": one.status.message,
    }
