"""The gate: who is refused is never sent, and every decision is on record with all that it was made from."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from lxml import etree

from tests.support.gate import is_in, obligation, policy
from tests.support.service import Api, assert_problem, eventually, request_body, row

pytestmark = pytest.mark.xdist_group("acceptance-gate")

USER = "http://wso2.org/identity/user"
ROLE = "http://wso2.org/claims/role"
NICKNAME = "http://wso2.org/claims/nickname"
AND = "urn:oasis:names:tc:xacml:1.0:function:and"
SETTINGS = {"SLUICE_BLOCKING_TIMEOUT": "1"}
PATIENCE = {"firstRetry": 0.2, "longestRetry": 0.5}


def for_role(role, name, effect="Permit", **more):
    """A policy that has an answer for users of one role only."""
    return policy(name, effect, condition=is_in(role, ROLE, USER), **more)


def puzzled(name="puzzle"):
    """A policy that permits users of the role `puzzling`, but cannot say so of those without a nickname."""
    known = is_in("Puck", NICKNAME, USER, must_be_present=True)
    both = f'<Apply FunctionId="{AND}">{is_in("puzzling", ROLE, USER)}{known}</Apply>'
    return policy(name, condition=both)


APPROVAL = obligation("urn:sluice:obligation:require-approval", approver="the manager", reason="one by one")
POLICIES = {
    "staff.xml": for_role("staff", "staff", rule="may-enter"),
    "barred.xml": for_role("barred", "barred", "Deny", rule="stay-out"),
    "contractors.xml": for_role("contractor", "contractors", inside=APPROVAL),
    "fax.xml": for_role("fax", "fax", inside=obligation("urn:example:obligation:send-a-fax", to="head office")),
    "logged.xml": for_role("logged", "logged", inside=obligation("urn:sluice:obligation:log", note="seen at the gate")),
    "puzzle.xml": puzzled(),
}


@pytest.fixture(scope="module")
def providers(api, scim):
    api.identity_provider("acme", "scim2", scim.properties, delivery=PATIENCE)
    api.service_provider("hr-portal", row("acme", rules=True))
    api.service_provider("lenient", row("acme", rules=True, notApplicable="permit"))
    api.service_provider("unruled", row("acme", rules=False))


def with_roles(*roles, **attributes):
    return {"roles": [{"value": role} for role in roles], **attributes}


def create(api, name, *roles, provider="hr-portal", **attributes):
    """The only delivery of a new user's request, as the answer tells it."""
    [delivery] = api.provision(provider, "create", name, with_roles(*roles, **attributes))["deliveries"]
    return delivery


def mentions(scim, name):
    """What the target heard of somebody: requests that name them in their body, path or query."""
    return [one.method for one in scim.arrived if name.encode() in one.body or name in f"{one.path}?{one.query}"]


@contextmanager
def paused(api):
    """Nothing is sent to `acme` meanwhile."""
    api.post("/identity-providers/acme/pause")
    try:
        yield
    finally:
        api.post("/identity-providers/acme/resume")


@contextmanager
def with_policy(service, name, text):
    """Decide with one more, or another, policy meanwhile."""
    before = service.api.get("/policies")["snapshot"]["hash"]
    path = service.policies / name
    old = path.read_text() if path.exists() else None
    service.write_policy(name, text)
    eventually(lambda: service.api.get("/policies")["snapshot"]["hash"] != before, "the edit is in force")
    try:
        yield
    finally:
        service.write_policy(name, old) if old is not None else path.unlink()
        eventually(lambda: service.api.get("/policies")["snapshot"]["hash"] == before, "it is taken back")


@pytest.mark.parametrize("roles", [["barred"], ["staff", "barred"], ["nobody-knows"], []])
def test_who_is_refused_is_never_sent(providers, api, scim, roles):
    name = f"refused-{'-'.join(roles)}"
    delivery = create(api, name, *roles)
    assert (delivery["state"], delivery["attempts"], delivery["provisionedIdentifier"]) == ("refused", 0, None)
    assert api.delivery(delivery["id"])["attemptHistory"] == []
    assert mentions(scim, name) == []


def test_the_decision_is_on_record_with_all_that_it_was_made_from(providers, api):
    delivery = create(api, "mallory", "staff", "barred", password="Mallorys-Pa55w0rd", nickName="Mal")
    decision = delivery["decision"]
    assert decision["decision"] == "Deny"
    assert (decision["policies"], decision["rules"]) == (["barred"], ["stay-out"])
    assert decision["snapshot"].startswith("sha256:")
    assert decision["snapshot"] == api.get("/policies")["snapshot"]["hash"]
    assert (decision["status"], decision["obligations"]) == (None, [])
    assert delivery["reason"] == "policy `barred` rule `stay-out` denies"
    [recorded] = api.delivery(delivery["id"])["decisions"]
    assert {key: recorded[key] for key in decision} == decision
    frozen = etree.fromstring(recorded["request"].encode())
    assert etree.QName(frozen).namespace == "urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"
    values = [value.text for value in frozen.iter("{*}AttributeValue")]
    assert {"PRIMARY/mallory", "staff", "barred", "Mal", "acme", "hr-portal", "POST"} <= set(values)
    assert "Pa55w0rd" not in recorded["request"]


def test_the_frozen_request_decided_again_has_the_same_answer(providers, api):
    delivery = create(api, "niaj", "staff", "barred")
    [recorded] = api.delivery(delivery["id"])["decisions"]
    reply = api.call(
        "POST",
        "/policy-decisions",
        data=recorded["request"].encode(),
        headers={"Content-Type": "application/xacml+xml"},
    )
    again = reply.json()
    assert [again[key] for key in ("decision", "policies", "rules", "snapshot")] == [
        recorded[key] for key in ("decision", "policies", "rules", "snapshot")
    ]


def test_a_permitted_delivery_is_decided_at_acceptance_and_again_before_the_attempt(providers, api, scim):
    delivery = create(api, "alice", "staff")
    assert delivery["state"] == "delivered"
    history = api.delivery(delivery["id"])
    assert [(one["stage"], one["attempt"], one["decision"]) for one in history["decisions"]] == [
        ("acceptance", 0, "Permit"),
        ("attempt", 1, "Permit"),
    ]
    [attempt] = history["attemptHistory"]
    assert (attempt["gate"], attempt["decision"]["rules"]) == ("open", ["may-enter"])
    assert mentions(scim, "alice") != []


def test_without_enable_rules_no_policy_is_asked_and_the_record_says_so(providers, api, scim):
    delivery = create(api, "unasked", "barred", provider="unruled")
    assert (delivery["state"], delivery["decision"], delivery["enableRules"]) == ("delivered", None, False)
    history = api.delivery(delivery["id"])
    assert history["decisions"] == []
    assert [(one["gate"], one["decision"]) for one in history["attemptHistory"]] == [("off", None)]
    assert mentions(scim, "unasked") != []


def test_no_applicable_policy_refuses(providers, api, scim):
    delivery = create(api, "unknown-to-all")
    assert (delivery["state"], delivery["decision"]["decision"]) == ("refused", "NotApplicable")
    assert delivery["reason"] == "no policy applies"
    assert mentions(scim, "unknown-to-all") == []


def test_a_row_may_permit_what_no_policy_applies_to_and_nothing_else(providers, api, scim):
    delivery = create(api, "let-through", provider="lenient")
    assert (delivery["state"], delivery["decision"]["decision"]) == ("delivered", "NotApplicable")
    refused = create(api, "not-let-through", "barred", provider="lenient")
    assert (refused["state"], refused["decision"]["decision"]) == ("refused", "Deny")
    undecided = create(api, "not-known", "puzzling", provider="lenient")
    assert (undecided["state"], undecided["decision"]["decision"]) == ("retrying", "Indeterminate")
    assert mentions(scim, "not-let-through") == mentions(scim, "not-known") == []


def test_a_permit_with_an_obligation_that_is_not_understood_refuses(providers, api, scim):
    delivery = create(api, "faxed", "fax")
    assert (delivery["state"], delivery["decision"]["decision"]) == ("refused", "Permit")
    assert delivery["decision"]["obligations"][0]["id"] == "urn:example:obligation:send-a-fax"
    assert "urn:example:obligation:send-a-fax" in delivery["reason"]
    assert mentions(scim, "faxed") == []


def test_an_obligation_to_log_is_fulfilled(providers, api, service):
    assert create(api, "logged-one", "logged")["state"] == "delivered"
    assert "seen at the gate" in service.log


def test_what_requires_approval_waits_and_goes_once_approved(providers, api, scim):
    waiting = create(api, "carla", "contractor")
    assert (waiting["state"], waiting["decision"]["decision"]) == ("awaiting-approval", "Permit")
    assert "the manager" in waiting["reason"]
    assert mentions(scim, "carla") == []
    api.post(f"/deliveries/{waiting['id']}/approve", {"comment": "until March"})
    delivered = api.delivery_in("delivered", waiting["id"])
    assert delivered["provisionedIdentifier"] == next(u["id"] for u in scim.users if u["userName"] == "carla")
    again = api.call("POST", f"/deliveries/{waiting['id']}/approve", {})
    assert_problem(again, 409, "state", "delivered")


def test_what_is_rejected_is_refused_and_never_sent(providers, api, scim):
    waiting = create(api, "carlos", "contractor")
    rejected = api.post(f"/deliveries/{waiting['id']}/reject", {"comment": "not this year"})
    assert rejected["state"] == "refused"
    assert "not this year" in rejected["reason"]
    assert mentions(scim, "carlos") == []


def test_a_deny_counts_more_than_an_approval(providers, service, scim):
    waiting = create(service.api, "carmen", "contractor")
    with with_policy(service, "veto.xml", for_role("contractor", "veto", "Deny")):
        service.api.post(f"/deliveries/{waiting['id']}/approve", {})
        refused = service.api.delivery_in("refused", waiting["id"])
    assert refused["decision"]["policies"] == ["veto"]
    assert mentions(scim, "carmen") == []


def test_indeterminate_ends_nothing_and_is_asked_again_until_it_is_decided(providers, service, scim):
    waiting = create(service.api, "puzzled", "puzzling")
    assert (waiting["state"], waiting["decision"]["decision"]) == ("retrying", "Indeterminate")
    assert waiting["decision"]["policies"] == ["puzzle"]
    assert NICKNAME in waiting["decision"]["status"]
    assert waiting["nextAttemptAt"] is not None
    asked = len(service.api.delivery(waiting["id"])["decisions"])
    eventually(lambda: len(service.api.delivery(waiting["id"])["decisions"]) > asked, "it is asked again")
    assert mentions(scim, "puzzled") == []
    with with_policy(service, "puzzle.xml", for_role("puzzling", "puzzle")):
        delivered = service.api.delivery_in("delivered", waiting["id"])
    assert delivered["attempts"] == 1  # only what was permitted to leave is an attempt


def test_what_was_permitted_at_acceptance_is_refused_when_the_policy_denies_before_it_leaves(providers, service, scim):
    with paused(service.api):
        held = service.api.delivery_in("held", create(service.api, "late", "staff")["id"])
        assert held["decision"]["decision"] == "Permit"
        service.write_policy("veto.xml", for_role("staff", "veto", "Deny"))
        eventually(
            lambda: "veto" in [one["id"] for one in service.api.get("/policies")["items"]], "the veto is in force"
        )
    refused = service.api.delivery_in("refused", held["id"])
    (service.policies / "veto.xml").unlink()
    eventually(lambda: "veto" not in [one["id"] for one in service.api.get("/policies")["items"]], "the veto is gone")
    assert refused["decision"]["policies"] == ["veto"]
    acceptance, attempt = refused["decisions"]
    assert [acceptance[key] for key in ("stage", "attempt", "decision", "gate")] == ["acceptance", 0, "Permit", "open"]
    assert [attempt[key] for key in ("stage", "attempt", "decision", "gate")] == ["attempt", 1, "Deny", "refused"]
    assert acceptance["snapshot"] != attempt["snapshot"]
    assert acceptance["decidedAt"] < attempt["decidedAt"]
    for decision in (acceptance, attempt):  # each with what it was made from
        assert etree.fromstring(decision["request"].encode()).tag.endswith("}Request")
        assert ">late<" in decision["request"]
    assert (refused["uncertain"], refused["attempts"], refused["attemptHistory"]) == (False, 0, [])
    assert mentions(scim, "late") == []


def test_enable_rules_switched_on_counts_for_what_is_under_way_and_switched_off_does_not(providers, api, scim):
    api.service_provider("changing", row("acme", rules=False))
    with paused(api):
        accepted = create(api, "caught", "barred", provider="changing")
        api.patch("/service-providers/changing", {"outboundProvisioning": [row("acme", rules=True)]})
    refused = api.delivery_in("refused", accepted["id"])
    assert refused["reason"] == "policy `barred` rule `stay-out` denies"
    # The policy was asked, though it was not at acceptance: who decided is on record as ever.
    assert (refused["decision"]["decision"], refused["decision"]["rules"]) == ("Deny", ["stay-out"])
    with paused(api):
        accepted = create(api, "puzzling-still", "puzzling", provider="changing")
        api.patch("/service-providers/changing", {"outboundProvisioning": [row("acme", rules=False)]})
    assert api.delivery_in("retrying", accepted["id"])["decision"]["decision"] == "Indeterminate"
    assert mentions(scim, "caught") == mentions(scim, "puzzling-still") == []


def test_a_row_that_no_longer_permits_what_no_policy_applies_to_counts_for_what_is_under_way(providers, api, scim):
    api.service_provider("hardening", row("acme", rules=True, notApplicable="permit"))
    with paused(api):
        accepted = create(api, "unjudged", "nobody-knows", provider="hardening")
        assert accepted["decision"]["gate"] == "open"
        api.patch("/service-providers/hardening", {"outboundProvisioning": [row("acme", rules=True)]})
    refused = api.delivery_in("refused", accepted["id"])
    assert (refused["decision"]["decision"], refused["reason"]) == ("NotApplicable", "no policy applies")
    with paused(api):
        accepted = create(api, "unjudged-still", "nobody-knows", provider="hardening")
        assert accepted["state"] == "refused"
    assert mentions(scim, "unjudged") == []


def test_a_request_just_in_time_goes_to_rows_with_enable_jit_only(providers, api, scim):
    api.identity_provider("branch", "scim2", scim.properties)
    api.service_provider("sign-in", row("acme", enableJit=True), row("branch"))
    request = api.provisioned("sign-in", "create", "walk-in", with_roles("staff"), jit=True)
    assert [one["identityProvider"] for one in request["deliveries"]] == ["acme"]
    assert [(one["identityProvider"], one["reason"]) for one in request["skipped"]] == [("branch", "Enable JIT is off")]


def test_a_trial_decision_says_what_would_be_and_stores_and_sends_nothing(providers, api, scim):
    body = request_body("hr-portal", "create", "trial", with_roles("staff", "barred")) | {"identityProvider": "acme"}
    decided = api.post("/policy-decisions", body)
    assert (decided["decision"], decided["policies"], decided["rules"]) == ("Deny", ["barred"], ["stay-out"])
    assert api.get("/provisioning-requests?entity=trial")["items"] == []
    assert mentions(scim, "trial") == []


def test_the_decision_endpoint_answers_in_xacml_to_a_token_that_may_do_nothing_else(providers, service, api):
    [recorded] = api.delivery(create(api, "olivia", "staff", "barred")["id"])["decisions"]
    token = api.post("/tokens", {"name": "gateway", "scopes": ["pdp"]})["token"]
    gateway = Api(service.base, token)
    as_xacml = {"Content-Type": "application/xacml+xml"}
    try:
        reply = gateway.call("POST", "/xacml/pdp", data=recorded["request"].encode(), headers=as_xacml)
        assert reply.headers["Content-Type"].startswith("application/xacml+xml")
        assert etree.fromstring(reply.content).findtext(".//{*}Decision") == "Deny"
        for method, path in (("GET", "/deliveries"), ("GET", "/policies"), ("GET", "/identity-providers")):
            assert_problem(gateway.call(method, path), 403)
        assert_problem(gateway.call("POST", "/provisioning-requests", request_body("hr-portal", "create", "x")), 403)
    finally:
        gateway.session.close()


def test_the_policies_are_listed_with_file_and_line_and_the_templates_with_their_places_to_fill_in(api):
    listed = {one["id"]: one for one in api.get("/policies")["items"]}
    assert listed["barred"]["file"] == "barred.xml"
    assert listed["barred"]["line"] in {1, 2}  # the start tag stands on both: libxml2 tells where it ends
    assert [(one["id"], one["effect"]) for one in listed["barred"]["rules"]] == [("stay-out", "Deny")]
    templates = {one["id"]: one for one in api.get("/policy-templates")["items"]}
    assert set(templates) == {"role", "time", "time-and-role", "user-claim", "time-and-user-claim"}
    for template in templates.values():
        for parameter in template["parameters"]:
            assert f"{{{{{parameter['name']}}}}}" in template["content"]
