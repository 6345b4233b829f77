from __future__ import annotations

import copy

import pytest
from sqlalchemy import select

from service.store import configuration
from service.store.models import ConnectorRow
from tests.support.api import Api, fields, scim

SP = "/api/v1/service-providers"
IDP = "/api/v1/identity-providers"

ACME = {
    "name": "acme",
    "enabled": True,
    "defaultConnector": "scim2",
    "claimMappings": [{"local": "http://wso2.org/claims/emailaddress", "remote": "mail", "default": None}],
    "roleMappings": [{"local": "Doe, Jane", "remote": "Engineering"}],
    "outboundProvisioningRoles": ["eng"],
    "connectors": [scim()],
}
PORTAL = {
    "name": "hr-portal",
    "description": "people\nand more",
    "inboundProvisioning": {"proxyMode": False, "userStoreDomain": "PRIMARY", "mode": "strict"},
    "outboundProvisioning": [
        {
            "identityProvider": "acme",
            "connector": "scim2",
            "blocking": True,
            "enableRules": True,
            "enableJit": False,
            "notApplicable": "refuse",
        }
    ],
}


@pytest.fixture
def acme(api):
    response = api.post(IDP, ACME)
    assert response.status_code == 201, response.text
    return response


@pytest.fixture
def portal(api, acme):
    response = api.post(SP, PORTAL)
    assert response.status_code == 201, response.text
    return response


def changed(base: dict, *path: object, value: object) -> dict:
    """A deep copy in which one place has another value."""
    result = copy.deepcopy(base)
    place = result
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return result


def test_a_service_provider_is_answered_as_it_was_sent(api, portal):
    assert portal.json == PORTAL
    assert portal.headers["Location"] == f"{SP}/hr-portal"
    read = api.get(f"{SP}/HR-Portal")
    assert (read.json, read.headers["ETag"]) == (PORTAL, portal.headers["ETag"])


def test_only_the_name_of_a_service_provider_is_required(api):
    assert api.post(SP, {"name": "x"}).json == {
        "name": "x",
        "description": "",
        "inboundProvisioning": {"proxyMode": False, "userStoreDomain": "PRIMARY", "mode": "strict"},
        "outboundProvisioning": [],
    }


def test_only_the_identity_provider_of_a_row_is_required(api, acme):
    made = api.post(SP, {"name": "x", "outboundProvisioning": [{"identityProvider": "ACME"}]})
    assert made.json["outboundProvisioning"] == [
        {
            "identityProvider": "acme",
            "connector": "scim2",
            "blocking": False,
            "enableRules": False,
            "enableJit": False,
            "notApplicable": "refuse",
        }
    ]


WRONG_SERVICE_PROVIDERS = [
    (["name"], 7, "name"),
    (["name"], "", "name"),
    (["name"], "a/b", "name"),
    (["name"], "..", "name"),
    (["name"], " padded ", "name"),
    (["name"], "line\nbreak", "name"),
    (["name"], "zero\u200bwidth", "name"),
    (["name"], "x" * 129, "name"),
    (["nmae"], "typo", "nmae"),
    (["description"], None, "description"),
    (["description"], "bell\u0007", "description"),
    (["inboundProvisioning"], [], "inboundProvisioning"),
    (["inboundProvisioning", "proxyMode"], "false", "inboundProvisioning.proxyMode"),
    (["inboundProvisioning", "mode"], "lax", "inboundProvisioning.mode"),
    (["outboundProvisioning"], {}, "outboundProvisioning"),
    (["outboundProvisioning", 0], "acme", "outboundProvisioning[0]"),
    (["outboundProvisioning", 0, "blocking"], "true", "outboundProvisioning[0].blocking"),
    (["outboundProvisioning", 0, "enableRules"], 1, "outboundProvisioning[0].enableRules"),
    (["outboundProvisioning", 0, "enablerules"], True, "outboundProvisioning[0].enablerules"),
    (["outboundProvisioning", 0, "notApplicable"], "ignore", "outboundProvisioning[0].notApplicable"),
    (["outboundProvisioning", 0, "identityProvider"], "nowhere", "outboundProvisioning[0].identityProvider"),
    (["outboundProvisioning", 0, "connector"], "spml", "outboundProvisioning[0].connector"),
    (["outboundProvisioning"], PORTAL["outboundProvisioning"] * 2, "outboundProvisioning[1].identityProvider"),
]


def test_a_service_provider_with_a_wrong_field_is_refused_with_the_fields_name(api, acme):
    for path, value, field in WRONG_SERVICE_PROVIDERS:
        response = api.post(SP, changed(PORTAL, *path, value=value))
        assert (response.status_code, fields(response)) == (422, [field]), (path, value)
    response = api.post(SP, {"outboundProvisioning": [{"blocking": 1}]})
    assert fields(response) == ["name", "outboundProvisioning[0].identityProvider", "outboundProvisioning[0].blocking"]
    assert [one["name"] for one in api.get(SP).json["items"]] == ["resident"]


def test_messages_say_what_would_be_right(api):
    def message(body):
        return api.post(SP, body).json["errors"][0]["message"]

    assert message({}) == "is required"
    assert message({"name": "x", "y": 1}) == "unknown field"
    assert message({"name": "x", "description": 1}) == "must be a string"
    assert message({"name": "x", "inboundProvisioning": {"proxyMode": "no"}}) == "must be true or false"
    assert message({"name": "x", "inboundProvisioning": {"mode": "x"}}) == "must be one of `strict`, `accept`"
    assert message({"name": "x" * 129}) == "has more than 128 characters"
    assert message({"name": "a/b"}).startswith("must not contain `/`")
    assert message({"name": "x", "outboundProvisioning": [3]}) == "must be an object"


def test_a_name_that_is_taken_in_any_case_is_409(api, portal):
    response = api.post(SP, {"name": "HR-PORTAL"})
    assert (response.status_code, fields(response)) == (409, ["name"])
    response = api.post(IDP, {"name": "Acme"})
    assert (response.status_code, fields(response)) == (409, ["name"])


def test_put_replaces_and_what_is_left_out_takes_its_default(api, portal):
    response = api.put(f"{SP}/hr-portal", {"name": "hr-portal"})
    assert response.status_code == 200
    assert (response.json["description"], response.json["outboundProvisioning"]) == ("", [])
    assert response.json["cancelledDeliveries"] == 0
    assert response.headers["Sluice-Cancelled-Deliveries"] == "0"


def test_what_is_answered_can_be_sent_back(api, portal):
    answered = api.put(f"{SP}/hr-portal", api.get(f"{SP}/hr-portal").json).json
    assert api.put(f"{SP}/hr-portal", answered).status_code == 200
    target = api.get(f"{IDP}/acme").json
    assert api.put(f"{IDP}/acme", target).json == target


def test_patch_changes_parts_and_null_restores_a_default(api, portal):
    merge = {"Content-Type": "application/merge-patch+json"}
    patch = {"inboundProvisioning": {"proxyMode": True}}
    response = api.patch(f"{SP}/hr-portal", patch, headers=merge)
    expected = changed(PORTAL, "inboundProvisioning", "proxyMode", value=True)
    assert response.json == expected | {"cancelledDeliveries": 0}
    response = api.patch(f"{SP}/hr-portal", {"description": None})
    assert response.json["description"] == ""
    assert fields(api.patch(f"{SP}/hr-portal", {"name": None})) == ["name"]
    assert fields(api.patch(f"{SP}/hr-portal", {"nope": 1})) == ["nope"]
    assert fields(api.patch(f"{SP}/hr-portal", [1])) == [""]


def test_a_service_provider_can_be_renamed_when_the_name_is_free(api, portal):
    token = api.token(["provision"], "hr-portal")
    assert api.patch(f"{SP}/hr-portal", {"name": "People"}).json["name"] == "People"
    assert api.get(f"{SP}/hr-portal").status_code == 404
    request = {"operation": "create", "entity": {"type": "user", "name": "a"}, "dryRun": True}
    assert token.post("/api/v1/provisioning-requests", request).json["serviceProvider"] == "People"
    assert api.patch(f"{SP}/people", {"name": "PEOPLE"}).json["name"] == "PEOPLE"
    assert api.patch(f"{SP}/people", {"name": "Resident"}).status_code == 409
    assert api.patch(f"{SP}/people", {"name": "wso2carbon-local-sp"}).status_code == 409


def test_the_resident_service_provider_can_be_changed_but_not_renamed_or_deleted(api, acme):
    for name in ("resident", "wso2carbon-local-sp"):
        assert api.get(f"{SP}/{name}").json["name"] == "resident"
        assert api.delete(f"{SP}/{name}").status_code == 409
        assert api.patch(f"{SP}/{name}", {"name": "mine"}).status_code == 409
        rows = [{"identityProvider": "acme", "blocking": True}]
        assert api.patch(f"{SP}/{name}", {"outboundProvisioning": rows}).status_code == 200


def test_a_stale_etag_writes_nothing(api, portal):
    for path, stale in (
        (f"{SP}/hr-portal", portal.headers["ETag"]),
        (f"{IDP}/acme", api.get(f"{IDP}/acme").headers["ETag"]),
    ):
        current = api.get(path).json
        assert api.put(path, current, headers={"If-Match": stale}).status_code == 200
        fresh = api.get(path).headers["ETag"]
        assert fresh != stale
        for method in ("PUT", "PATCH", "DELETE"):
            for tag in (stale, f"W/{fresh}", "nonsense", ""):
                response = api.call(method, path, current, headers={"If-Match": tag})
                assert response.status_code == 412, (method, tag)
                assert response.headers["ETag"] == fresh
        assert api.get(path).headers["ETag"] == fresh
        assert api.patch(path, {}, headers={"If-Match": f'"other", {fresh}'}).status_code == 200
        assert api.patch(path, {}, headers={"If-Match": "*"}).status_code == 200


def test_a_new_secret_changes_the_etag(api, acme):
    def token(value):
        return api.put(f"{IDP}/acme", changed(ACME, "connectors", 0, "properties", "scim2-access-token", value=value))

    assert token("one").headers["ETag"] != token("two").headers["ETag"]


def test_an_identity_provider_is_answered_with_its_secrets_masked(api, acme):
    expected = changed(ACME, "connectors", 0, "properties", "scim2-access-token", value="********")
    expected["connectors"][0] |= {"enabled": True, "profile": "generic", "onConflict": "link"}
    delivery = {"firstRetry": 2, "longestRetry": 86400, "giveUpAfter": 604800, "exchangeTimeout": 20}
    delivery |= {"rate": None, "burst": 10, "concurrency": None}
    delivery |= {"breakerThreshold": 10, "firstProbe": 5, "longestProbe": 900}
    delivery |= {"deletionCount": None, "deletionShare": None, "deletionWindow": 3600, "deleteLinkedAccounts": False}
    health = {"state": "never-used", "reason": None, "nextProbeAt": None, "failures": 0, "pending": 0}
    health |= dict.fromkeys(("lastSuccessAt", "lastFailureAt", "oldestPendingAt"))
    expected |= {"paused": False, "delivery": delivery, "health": health}
    assert acme.json == expected
    assert api.get(f"{IDP}/ACME").json == expected
    assert api.get(IDP).json["items"] == [expected]


def test_no_answer_holds_a_secret(api, portal):
    paths = [SP, IDP, f"{IDP}/acme", f"{SP}/hr-portal", "/api/v1/connectors"]
    assert not any("s3cret-token" in api.get(path).text for path in paths)
    wrong = changed(ACME, "connectors", 0, "properties", "scim2-user-ep", value="nowhere")
    assert "s3cret-token" not in api.put(f"{IDP}/acme", wrong).text


def test_the_mask_keeps_the_stored_secret_and_links_keep_their_connector(api, application, acme):
    def stored():
        with application.database.read() as tx:
            return configuration.connector_settings(tx, application.vault, "acme", "scim2", tenant="t")

    before, settings = stored()
    edited = changed(acme.json, "connectors", 0, "properties", "scim2-user-ep", value="https://new.example/Users")
    assert api.put(f"{IDP}/acme", edited).status_code == 200
    after, settings = stored()
    assert (before, settings.get("scim2-access-token")) == (after, "s3cret-token")
    assert api.put(f"{IDP}/acme", changed(ACME, "connectors", 0, "properties", "scim2-access-token", value="n"))
    assert stored()[1].get("scim2-access-token") == "n"


WRONG_IDENTITY_PROVIDERS = [
    (["enabled"], "true", "enabled"),
    (["defaultConnector"], "spml", "defaultConnector"),
    (["defaultConnector"], "nothing", "defaultConnector"),
    (["claimMappings", 0, "remote"], "", "claimMappings[0].remote"),
    (["claimMappings", 0, "default"], 1, "claimMappings[0].default"),
    (["claimMappings", 0, "extra"], 1, "claimMappings[0].extra"),
    (["roleMappings", 0], ["a", "b"], "roleMappings[0]"),
    (["outboundProvisioningRoles", 0], None, "outboundProvisioningRoles[0]"),
    (["paused"], True, "paused"),
    (["delivery"], {"firstRetry": 0}, "delivery.firstRetry"),
    (["delivery"], {"firstRetry": "2"}, "delivery.firstRetry"),
    (["delivery"], {"firstRetry": True}, "delivery.firstRetry"),
    (["delivery"], {"firstRetry": 60, "longestRetry": 30}, "delivery"),
    (["delivery"], {"patience": 1}, "delivery.patience"),
    (["connectors", 0, "type"], "scim3", "connectors[0].type"),
    (["connectors", 0, "onConflict"], "explode", "connectors[0].onConflict"),
    (["connectors", 0, "profile"], "nowhere", "connectors[0].profile"),
    (["connectors", 0, "properties", "scim2-user-ep"], "ftp://x", "connectors[0].properties.scim2-user-ep"),
    (["connectors", 0, "properties", "scim2-user-ep"], "", "connectors[0].properties.scim2-user-ep"),
    (["connectors", 0, "properties", "scim2-user-ep"], 7, "connectors[0].properties.scim2-user-ep"),
    (["connectors", 0, "properties", "scim2-user-ep"], "http://a\nb", "connectors[0].properties.scim2-user-ep"),
    (["connectors", 0, "properties", "scim-user-ep"], "http://x/", "connectors[0].properties.scim-user-ep"),
    (["connectors", 0, "properties", "scim2-access-token"], "********", "connectors[0].properties.scim2-access-token"),
    (["connectors", 0, "properties", "scim2-access-token"], "", "connectors[0].properties.scim2-access-token"),
    (
        ["connectors", 0, "properties", "scim2-authentication-mode"],
        "magic",
        "connectors[0].properties.scim2-authentication-mode",
    ),
    (
        ["connectors", 0, "properties", "scim2-enable-pwd-provisioning"],
        "perhaps",
        "connectors[0].properties.scim2-enable-pwd-provisioning",
    ),
    (["connectors"], [scim(), scim(type="SCIM2")], "connectors[1].type"),
]


def test_an_identity_provider_with_a_wrong_field_is_refused_with_the_fields_name(api):
    for path, value, field in WRONG_IDENTITY_PROVIDERS:
        response = api.post(IDP, changed(ACME | {"name": "x"}, *path, value=value))
        assert (response.status_code, fields(response)) == (422, [field]), (path, value, response.text)
    assert api.get(IDP).json["items"] == []


def test_connector_types_are_kept_in_their_own_spelling(api):
    body = ACME | {"defaultConnector": "SCIM2", "connectors": [scim(type="SCIM2")]}
    made = api.post(IDP, body).json
    assert (made["defaultConnector"], made["connectors"][0]["type"]) == ("scim2", "scim2")
    row = {"identityProvider": "acme", "connector": "SCIM2"}
    assert (
        api.post(SP, {"name": "x", "outboundProvisioning": [row]}).json["outboundProvisioning"][0]["connector"]
        == "scim2"
    )


def test_an_identity_provider_in_use_cannot_be_deleted_and_its_users_are_named(api, portal):
    response = api.delete(f"{IDP}/acme")
    assert (response.status_code, response.json["users"]) == (409, ["hr-portal"])
    assert "`hr-portal`" in response.json["detail"]
    response = api.patch(f"{IDP}/acme", {"connectors": [], "defaultConnector": None})
    assert (response.status_code, response.json["users"]) == (409, ["hr-portal"])
    assert api.delete(f"{SP}/hr-portal").status_code == 204
    assert api.delete(f"{IDP}/acme").status_code == 204
    assert api.get(f"{IDP}/acme").status_code == 404


def test_renaming_an_identity_provider_keeps_rows_and_links(api, application, portal):
    with application.database.read() as tx:
        before = tx.scalars(select(ConnectorRow.id)).all()
    assert api.patch(f"{IDP}/acme", {"name": "Acme Corp"}).status_code == 200
    row = api.get(f"{SP}/hr-portal").json["outboundProvisioning"][0]
    assert row["identityProvider"] == "Acme Corp"
    with application.database.read() as tx:
        assert tx.scalars(select(ConnectorRow.id)).all() == before
    assert api.get(f"{IDP}/acme%20corp").status_code == 200


def test_pausing_is_said_by_the_identity_provider(api, acme):
    assert api.post(f"{IDP}/acme/pause").json["paused"] is True
    assert api.get(f"{IDP}/acme").json["paused"] is True
    assert api.put(f"{IDP}/acme", ACME).json["paused"] is True
    assert api.post(f"{IDP}/acme/resume").json["paused"] is False
    assert api.post(f"{IDP}/nowhere/pause").status_code == 404


def test_a_connection_test_says_what_it_found(api, acme):
    found = api.post(f"{IDP}/acme/connectors/SCIM2/test")
    assert found.status_code == 200
    assert found.json["good"] is False
    assert found.json["findings"][0]["message"]
    assert api.post(f"{IDP}/acme/connectors/spml/test").status_code == 404
    assert api.post(f"{IDP}/acme/connectors/nothing/test").status_code == 404
    assert api.post(f"{IDP}/nowhere/connectors/scim2/test").status_code == 404


def test_lists_come_in_pages(api):
    for name in ("c", "A", "b"):
        api.post(IDP, {"name": name})
    first = api.get(f"{IDP}?limit=2").json
    assert [one["name"] for one in first["items"]] == ["A", "b"]
    rest = api.get(IDP, query_string={"limit": 2, "cursor": first["next"]}).json
    assert ([one["name"] for one in rest["items"]], rest["next"]) == (["c"], None)
    for query in ("limit=0", "limit=201", "limit=x", "limit=1&limit=2", "colour=red"):
        response = api.get(f"{IDP}?{query}")
        assert (response.status_code, fields(response)) == (422, [query.partition("=")[0]]), query


def test_the_catalog_tells_each_connectors_settings(api: Api):
    found = {one["type"]: one for one in api.get("/api/v1/connectors").json["items"]}
    assert {"scim2", "spml"} <= found.keys()
    assert found["scim2"]["displayName"] == "SCIM 2.0"
    token = next(p for p in found["scim2"]["properties"] if p["key"] == "scim2-access-token")
    assert token["confidential"] is True
    assert token.keys() >= {"displayName", "description", "type", "required", "defaultValue", "options", "displayOrder"}


def test_names_may_have_any_letters(api):
    name = "Größe 大きさ & co?#%"
    made = api.post(SP, {"name": name})
    assert made.status_code == 201
    assert api.get(made.headers["Location"]).json["name"] == name
    assert api.delete(made.headers["Location"]).status_code == 204


def test_a_claim_mapping_whose_local_side_means_nothing_is_refused(api):
    mapping = {"local": "first name", "remote": "givenName"}
    answer = api.post("/api/v1/identity-providers", json={"name": "mapped", "claimMappings": [mapping]})
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == "claimMappings[0].local"
