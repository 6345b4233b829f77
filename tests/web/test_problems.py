from __future__ import annotations

from structlog.testing import capture_logs

from service.store import configuration
from service.web.fields import field_path
from tests.support.api import Api

SP = "/api/v1/service-providers"


def test_an_unexpected_error_tells_the_caller_a_reference_and_the_log_the_rest(api, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("the innermost detail")

    monkeypatch.setattr(configuration, "service_providers", fails)
    with capture_logs() as log:
        response = api.get(SP)
    assert response.status_code == 500
    assert response.content_type == "application/problem+json"
    assert response.json["reference"] in response.json["detail"]
    assert "innermost" not in response.text
    (entry,) = [one for one in log if one["event"] == "unexpected error"]
    assert entry["reference"] == response.json["reference"]
    assert "innermost" in str(entry["exc_info"])


def test_nothing_is_stored_when_a_write_ends_in_an_error(api, application, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError

    api.post(SP, {"name": "before"})
    monkeypatch.setattr(type(application.desk), "configuration_changed", fails)
    assert api.patch(f"{SP}/before", {"name": "after"}).status_code == 500
    assert api.delete(f"{SP}/before").status_code == 500
    assert [one["name"] for one in api.get(SP).json["items"]] == ["before", "resident"]


def test_every_answer_carries_the_headers_that_keep_browsers_careful(api):
    nobody = Api(api.web, None)
    for response in (api.get(SP), api.get("/nothing"), nobody.get(SP), api.post(SP, []), nobody.get("/healthz")):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_who_changed_what_is_logged_without_the_body(api):
    with capture_logs() as log:
        api.post(SP, {"name": "logged", "description": "private"})
        api.get(SP)
    (entry,) = [one for one in log if one["event"] == "done"]
    assert (entry["operation"], entry["status"]) == ("ServiceProviderApi.create", 201)
    assert entry["principal"] == "setting:SLUICE_ADMIN_TOKEN"
    assert "private" not in str(log)


def test_paths_of_fields_read_like_the_contract():
    assert field_path(("outboundProvisioning", 0, "identityProvider")) == "outboundProvisioning[0].identityProvider"
    assert field_path(()) == ""
    assert field_path(("entity", "name")) == "entity.name"
