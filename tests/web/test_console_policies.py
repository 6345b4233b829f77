"""The policy pages over the real application: what is written is checked first, and nothing is lost or overwritten."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import app as composition
from service.policy_reach import Reach, reaches
from service.web.console.xml_colours import coloured
from tests.support.api import policy, scim
from tests.support.console import send, sign_in, words

BROKEN = policy().replace("<Target/>", "<Target>")


@pytest.fixture
def signed_in(application):
    browser = application.web.test_client()
    assert sign_in(browser).status_code == 303
    return browser


def test_the_list_tells_what_each_policy_does_and_where_it_is(signed_in):
    said = words(signed_in.get("/policies"))
    assert "all 1.0" in said
    assert "1 Permit" in said
    assert "all.xml" in said


def test_a_file_is_shown_with_its_lines_and_colours_and_no_style_in_the_page(signed_in):
    shown = signed_in.get("/policies/all.xml")
    assert 'id="L3"' in shown.text
    assert '<span class="nt">&lt;Policy</span>' in shown.text
    assert "style=" not in shown.text


def test_an_edit_is_in_force_once_it_is_saved(signed_in, api):
    answer = send(signed_in, "/edit-policy/all.xml", content=policy("Deny").replace("\n", "\r\n"), action="update")
    assert (answer.status_code, answer.location) == (303, "/policies/all.xml?done=written")
    assert api.get("/api/v1/policies").json["items"][0]["rules"][0]["effect"] == "Deny"
    assert b"\r" not in api.get("/api/v1/policy-files/all.xml").data


def test_a_broken_policy_is_told_at_its_line_and_neither_saved_nor_lost(signed_in, api):
    answer = send(signed_in, "/edit-policy/all.xml", content=BROKEN, action="update")
    assert answer.status_code == 422
    assert "Nothing was written" in answer.text
    line = re.search(r'data-line="(\d+)"', answer.text)
    assert line
    assert f'id="E{line[1]}" class="wrong"' in answer.text
    assert BROKEN in html.unescape(answer.text)
    assert api.get("/api/v1/policy-files/all.xml").text == policy()


def test_a_check_saves_nothing_and_says_that_a_draft_is_good(signed_in, api):
    answer = send(signed_in, "/edit-policy/all.xml", content=policy("Deny"), action="check")
    assert answer.status_code == 200
    assert "All policies load with this draft" in answer.text
    assert api.get("/api/v1/policy-files/all.xml").text == policy()


def test_who_comes_second_is_told_and_overwrites_nothing(signed_in, api):
    shown = signed_in.get("/edit-policy/all.xml").text
    hidden = dict(re.findall(r'name="(form_token|etag)" value="([^"]+)"', shown))
    send(signed_in, "/edit-policy/all.xml", content=policy(rule="first"), action="update")
    late = {"form_token": hidden["form_token"], "etag": html.unescape(hidden["etag"])}
    answer = signed_in.post("/edit-policy/all.xml", data={**late, "content": policy(rule="second"), "action": "update"})
    assert answer.status_code == 412
    assert "Somebody else changed this" in answer.text
    assert "second" in answer.text
    assert "first" in api.get("/api/v1/policy-files/all.xml").text


def test_a_new_file_never_takes_the_place_of_another(signed_in, api):
    answer = send(
        signed_in, "/add-policy?template=", path="all.xml", content=policy("Deny", id_="other"), action="update"
    )
    assert answer.status_code == 409
    assert "exists already" in answer.text
    assert api.get("/api/v1/policy-files/all.xml").text == policy()


def test_a_template_is_filled_in_checked_and_saved(signed_in, api):
    values = {"value.service-provider": "hr", "value.identity-provider": "acme", "value.role": "R&D"}
    draft = send(signed_in, "/add-policy?template=role", **values, path="hr.xml", policyId="hr-by-role", action="fill")
    assert draft.status_code == 200, draft.text
    written = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", draft.text, re.DOTALL)
    assert written
    text = html.unescape(written[1])
    assert 'PolicyId="hr-by-role"' in text
    saved = send(signed_in, "/add-policy?template=", path="hr.xml", content=text, action="update")
    assert saved.location == "/policies/hr.xml?done=written"
    said = words(signed_in.get("/policies"))
    assert "hr-by-role" in said
    assert "hr no such provider" in said  # neither provider is there yet, which is nearly always a slip


def test_a_template_without_a_value_says_so_at_its_field(signed_in):
    values = {"value.service-provider": "hr", "value.identity-provider": "acme", "value.role": " "}
    answer = send(signed_in, "/add-policy?template=role", **values, path="hr.xml", action="fill")
    assert answer.status_code == 422
    assert 'id="value.role-error"' in answer.text
    assert 'value="acme"' in answer.text


def test_a_policy_is_deleted(signed_in, api):
    assert send(signed_in, "/edit-policy/all.xml", content="", action="delete").location == "/policies?done=deleted"
    assert api.get("/api/v1/policies").json["items"] == []


def test_degraded_policies_are_told_on_every_page_with_file_and_line(application, signed_in, policies_folder):
    (policies_folder / "all.xml").write_text(BROKEN)
    application.policies.refresh()
    for page in ("/", "/service-providers", "/policies", "/try-it", "/account"):
        shown = signed_in.get(page).text
        assert "Policies degraded" in shown
        assert re.search(r"all\.xml:\d+", shown)


def test_a_process_without_a_folder_says_so_and_offers_no_edit(settings):
    application = composition.assemble(replace(settings, policies=None))
    try:
        browser = application.web.test_client()
        sign_in(browser)
        shown = browser.get("/policies").text
        assert "This process has no policies folder" in shown
        assert "Add policy" not in shown
    finally:
        application.stop()


def test_trying_tells_the_decision_and_where_it_was_made(signed_in, api):
    api.post("/api/v1/identity-providers", {"name": "acme", "connectors": [scim()]})
    row = {"identityProvider": "acme", "enableRules": True}
    api.post("/api/v1/service-providers", {"name": "hr", "outboundProvisioning": [row]})
    form = {"serviceProvider": "hr", "identityProvider": "acme", "type": "user", "operation": "create"}
    answer = send(signed_in, "/try-it", **form, name="alice", roles="a, b\nc", at="2026-01-31T09:00")
    said = words(answer)
    assert "It would leave" in said
    assert "rule rule-1 (Permit) Permit decided" in said
    assert "2026-01-31 09:00:00 UTC" in said
    assert "a, b" in said  # a line is one role, whatever is in it
    assert api.get("/api/v1/provisioning-requests").json["items"] == []


@pytest.mark.parametrize(
    ("field_", "value"), [("attributes", "{"), ("attributes", "[]"), ("at", "noon"), ("identityProvider", "nowhere")]
)
def test_what_cannot_be_tried_says_why_beside_its_field(signed_in, field_, value):
    form = {"serviceProvider": "resident", "identityProvider": "x", "type": "user", "operation": "create", "name": "a"}
    answer = send(signed_in, "/try-it", **form | {field_: value})
    assert answer.status_code == 422
    assert f'id="{field_}-error"' in answer.text


@given(st.text(alphabet=st.sampled_from("<>/!-?[]CDAT\"'= ax\n&")))
def test_colours_change_no_character_of_any_text(text):
    shown = "\n".join(coloured(text))
    assert html.unescape(re.sub(r"</?span[^>]*>", "", shown)) == text


MATCH = (
    '<Match MatchId="urn:oasis:names:tc:xacml:1.0:function:string-{how}"><AttributeValue>{value}</AttributeValue>'
    '<AttributeDesignator AttributeId="http://wso2.org/identity/idp/idp-name"/></Match>'
)


def reach_of(*any_ofs: list[list[tuple[str, str]]]) -> Reach:
    target = "".join(
        "<AnyOf>"
        + "".join(
            "<AllOf>" + "".join(MATCH.format(how=how, value=value) for how, value in all_of) + "</AllOf>"
            for all_of in any_of
        )
        + "</AnyOf>"
        for any_of in any_ofs
    )
    return reaches(f"<Policy><Target>{target}</Target></Policy>".encode())[1]


@pytest.mark.parametrize(
    ("target", "reached"),
    [
        ([], None),
        ([[[("equal", "a")]]], {"a"}),
        ([[[("equal", "a")], [("equal", "b")]]], {"a", "b"}),
        ([[[("equal", "a")], [("regexp-match", "b.*")]]], None),
        ([[[("equal", "a")], [("equal", "b")]], [[("equal", "b")]]], {"b"}),
        ([[[("equal", "a"), ("equal", "b")]]], set()),
    ],
)
def test_a_policy_reaches_what_its_target_names(target, reached):
    assert reach_of(*target).identity_providers == reached


def test_a_file_that_is_no_xml_reaches_nothing_that_is_known():
    assert reaches(b"<Policy") == {}
