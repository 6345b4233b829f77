"""What answers of an SPML server mean, whatever their shape: errors by what to do next, readable or not."""

import pytest
from lxml import etree

from connectors.connector import Reply
from connectors.errors import (
    CredentialsRejected,
    Misconfigured,
    TargetConflict,
    TargetRefused,
    TargetThrottled,
    TargetUnavailable,
)
from connectors.spml import Spml
from connectors.spml_answers import FAILURES, LARGEST_ANSWER, parsed
from tests.support.driving import Driven, run
from tests.support.schemas import FOLDER, spml_schema
from tests.support.spml_cases import NOW, URL, created, deliver, linked, settings, stored, task
from tests.support.spml_target import CORE, SEARCH, SOAP, SUSPEND, SpmlTarget

XML = {"content-type": "text/xml"}
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"

CLASSES = {
    "malformedRequest": TargetRefused,
    "unsupportedOperation": TargetRefused,
    "unsupportedIdentifierType": TargetRefused,
    "noSuchIdentifier": TargetRefused,
    "customError": TargetRefused,
    "unsupportedExecutionMode": Misconfigured,
    "invalidContainment": TargetRefused,
    "noSuchRequest": TargetRefused,
    "unsupportedSelectionType": TargetRefused,
    "resultSetToLarge": TargetRefused,
    "unsupportedProfile": Misconfigured,
    "invalidIdentifier": TargetRefused,
    "alreadyExists": TargetConflict,
    "containerNotEmpty": TargetRefused,
}


def fault(code, text="it broke", status=500):
    said = f"<faultcode>S:{code}</faultcode><faultstring>{text}</faultstring>"
    body = f'<S:Envelope xmlns:S="{SOAP}"><S:Body><S:Fault>{said}</S:Fault></S:Body></S:Envelope>'
    return Reply(status, XML, body.encode())


def response(attributes, inner="", status=200, name="addResponse"):
    return Reply(status, XML, f'<{name} xmlns="{CORE}" {attributes}>{inner}</{name}>'.encode())


def create_with(reply, wanted=None, configured=None):
    """The error that a create ends with when this is the answer to its addRequest; listTargets is not known there."""
    target = SpmlTarget(lists_targets=False)
    target.misbehave("addRequest", reply)
    with pytest.raises(Exception) as caught:
        deliver(target, wanted or task(), configured or settings(on_conflict="fail"))
    return caught.value


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CLASSES)
def test_every_error_code_has_its_class(code):
    error = create_with(response(f'status="failure" error="{code}"', "<errorMessage>because</errorMessage>"))
    assert type(error) is CLASSES[code]
    assert f"`{code}`" in error.message
    assert "because" in (error.detail or error.message)


def test_no_error_code_of_the_schema_is_missing():
    spml_schema()
    core = etree.parse(FOLDER / "pstc_spmlv2_core.xsd")
    codes = core.xpath("//*[@name='ErrorCode']//*[local-name()='enumeration']/@value")
    assert sorted(codes) == sorted(CLASSES)
    assert set(codes) <= set(FAILURES)


@pytest.mark.parametrize("attributes", ['status="failure"', 'status="failure" error="mystery"'])
def test_a_failure_without_a_known_code_is_a_refusal(attributes):
    assert type(create_with(response(attributes))) is TargetRefused


def test_a_failure_is_read_whatever_the_http_status_is():
    assert type(create_with(response('status="failure" error="alreadyExists"', status=500))) is TargetConflict


def test_pending_is_tried_again():
    error = create_with(response('status="pending" requestID="x1"'))
    assert type(error) is TargetUnavailable
    assert "pending" in error.message


def test_what_the_target_echoes_is_cleared_of_secrets():
    echoed = "no: p&amp;ss-word, s3cr3t &amp; &lt;more&gt;"
    answer = response('status="failure" error="customError"', f"<errorMessage>{echoed}</errorMessage>")
    error = create_with(answer, task(password="p&ss-word"))
    assert error.detail == "no: ********, ********"


# --- SOAP faults ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("Server", 500, TargetUnavailable),
        ("Server.Busy", 200, TargetUnavailable),
        ("Client", 500, TargetRefused),
        ("VersionMismatch", 500, TargetRefused),
        ("MustUnderstand", 500, TargetRefused),
        ("Client.Authentication", 500, CredentialsRejected),
        ("Oops", 500, TargetUnavailable),
    ],
)
def test_a_soap_fault_has_its_class(code, status, kind):
    error = create_with(fault(code, status=status))
    assert type(error) is kind
    assert error.detail == "it broke"


def test_a_soap_12_fault_is_read_too():
    body = (
        f'<e:Envelope xmlns:e="{SOAP_12}"><e:Body><e:Fault><e:Code><e:Value>e:Sender</e:Value></e:Code>'
        f"<e:Reason><e:Text>bad</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>"
    )
    error = create_with(Reply(400, XML, body.encode()))
    assert type(error) is TargetRefused
    assert error.detail == "bad"


# --- HTTP -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (401, {}, CredentialsRejected),
        (403, {}, TargetRefused),
        (400, {}, TargetRefused),
        (422, {}, TargetRefused),
        (404, {}, Misconfigured),
        (405, {}, Misconfigured),
        (302, {"location": "https://sso.example/"}, Misconfigured),
        (408, {}, TargetUnavailable),
        (425, {}, TargetUnavailable),
        (500, {}, TargetUnavailable),
        (502, {}, TargetUnavailable),
        (503, {}, TargetUnavailable),
        (429, {}, TargetThrottled),
        (599, {}, TargetUnavailable),
        (204, {}, TargetUnavailable),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html><body>no</body></html>", b"\xff\xfe"])
def test_an_answer_without_spml_goes_by_its_http_status(status, headers, kind, body):
    assert type(create_with(Reply(status, headers, body))) is kind


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("99999999999999999999", 86_400.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_read_as_seconds_or_date(status, value, seconds):
    error = create_with(Reply(status, {"retry-after": value}, b""))
    assert type(error) is TargetThrottled
    assert error.retry_after == seconds


def test_a_retry_after_that_cannot_be_read_is_no_reason_to_fail():
    error = create_with(Reply(429, {"retry-after": "soon"}, b""))
    assert error.retry_after is None


def test_wrong_credentials_are_rejected_before_anything_else():
    with pytest.raises(CredentialsRejected):
        deliver(SpmlTarget(), task(), settings(password="wrong"))


# --- hostile and strange answers --------------------------------------------------------------------------------------

DOCTYPE = b"<!DOCTYPE addResponse [<!ENTITY a 'x'>]>"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"<addResponse", "no XML"),
        (DOCTYPE + b'<addResponse xmlns="urn:oasis:names:tc:SPML:2:0" status="success"/>', "document type"),
        (b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>", "document type"),
        (b"<a>" * 3000 + b"</a>" * 3000, "no XML"),
        (b'<addResponse xmlns="urn:oasis:names:tc:SPML:2:0" status="maybe"/>', "status is `maybe`"),
        (b'<addResponse xmlns="urn:example:other" status="success"/>', "no SPML"),
        (f'<e:Envelope xmlns:e="{SOAP}"><e:Body/></e:Envelope>'.encode(), "empty"),
        (f'<e:Envelope xmlns:e="{SOAP}"/>'.encode(), "empty"),
        (b"{}", "no XML"),
    ],
)
def test_what_cannot_be_read_is_no_success(body, reason):
    error = create_with(Reply(200, XML, body))
    assert type(error) is TargetUnavailable
    assert reason in error.message


def test_no_entity_is_expanded():
    with pytest.raises(ValueError, match="document type"):
        parsed(b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/hostname'>]><a>&x;</a>")


def test_a_huge_answer_is_not_even_parsed():
    with pytest.raises(ValueError, match="larger"):
        parsed(b" " * LARGEST_ANSWER + b"<a/>")


def test_a_success_without_an_identifier_is_known_by_its_name_with_a_warning():
    target = SpmlTarget(lists_targets=False)
    target.misbehave("addRequest", response('status="success"'))
    result = deliver(target, task()).result
    assert result.identifier == "alice"
    assert "no identifier" in result.warnings[0]


def test_the_container_of_an_identifier_is_sent_with_it():
    psos = '<pso><psoID ID="7" targetID="t"><containerID ID="ou=people"/></psoID></pso>'
    target = SpmlTarget(lists_targets=False, schema=spml_schema(), target_id="t")
    target.misbehave("addRequest", response('status="success"', psos))
    link = linked(deliver(target, task()).result)
    assert link.delivered["psoID"] == {"targetID": "t", "containerID": {"ID": "ou=people"}}
    target.misbehave("deleteRequest", response('status="success"', name="deleteResponse"))
    assert deliver(target, task("delete", link=link)).result.outcome == "deleted"
    identity = target.messages[-1].find("{*}psoID")
    assert (identity.get("ID"), identity.get("targetID")) == ("7", "t")
    assert identity.find("{*}containerID").get("ID") == "ou=people"


@pytest.mark.parametrize("under_pso", [True, False])
def test_attributes_are_read_from_data_and_from_under_the_object(under_pso):
    target = SpmlTarget(attributes_under_pso=under_pso, schema=spml_schema())
    target.put("alice", CN=["Alice Liddell"], sn=["Old"])
    deliver(target, task(attributes={"cn": "Alice Liddell", "sn": "New"}, mapped=True))
    (replaced,) = [attr.get("name") for attr in target.messages[-1].iter("{*}attr")]
    assert replaced == "sn"
    assert stored(target)["sn"] == ["New"]


def test_listing_targets_may_fail_in_any_way_but_rejection_of_the_credentials():
    for reply in (fault("Server"), Reply(500, {}, b"NullPointerException"), Reply(400, {}, b""), "customError"):
        target = SpmlTarget()
        target.misbehave("listTargetsRequest", reply)
        driven = deliver(target, task())
        assert driven.result.outcome == "created"
        assert driven.remembered == []  # it may know tomorrow
    target.misbehave("listTargetsRequest", Reply(503, {}, b""))
    with pytest.raises(TargetUnavailable):
        deliver(target, task())


def test_a_fault_of_the_server_while_looking_is_not_taken_for_absence():
    target = SpmlTarget()
    target.put("alice")
    target.misbehave("lookupRequest", fault("Server"))
    with pytest.raises(TargetUnavailable):
        deliver(target, task())


def test_several_accounts_of_one_name_are_a_conflict():
    target = SpmlTarget()
    target.objects["1"] = target.objects.pop(target.put("alice"))
    target.objects["2"] = target.objects.pop(target.put("alice"))
    target.misbehave("addRequest", "alreadyExists")
    with pytest.raises(TargetConflict, match="more than once"):
        deliver(target, task())


# --- connection test --------------------------------------------------------------------------------------------------


def probe(target, configured=None):
    return run(Spml().probe(configured or settings(), {}, NOW), target.answer).result


def test_a_connection_test_says_what_it_found():
    target = SpmlTarget()
    findings = probe(target)
    assert all(finding.good for finding in findings)
    assert "`directory`" in findings[0].message
    assert "password, suspend, search" in findings[-1].message
    assert target.received == ["listTargetsRequest"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"password": "wrong"}, "401"),
        ({"oc": "robot"}, "object class `robot`"),
        ({"group_oc": "gang"}, "object class `gang`"),
        ({"target_id": "elsewhere"}, "does not list the target `elsewhere`"),
        ({"ep": "ftp://x"}, "spml-ep"),
    ],
)
def test_a_connection_test_names_what_is_wrong(change, reason):
    (bad,) = [finding.message for finding in probe(SpmlTarget(), settings(**change)) if not finding.good]
    assert reason in bad


def test_a_connection_test_is_content_with_a_server_that_lists_nothing():
    (finding,) = probe(SpmlTarget(lists_targets=False))
    assert finding.good
    assert [finding.good for finding in probe(SpmlTarget(capabilities=()))] == [True] * 3


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"ep": ""}, "spml-ep"),
        ({"ep": "nonsense"}, "spml-ep"),
        ({"ep": "http://user:pw@host/"}, "spml-ep"),
        ({"ep": "http://host:99999/"}, "spml-ep"),
        ({"ep": "http://ho st/"}, "spml-ep"),
        ({"oc": " "}, "spml-oc"),
        ({"oc": "per\x00son"}, "spml-oc"),
        ({"username": "a:b"}, "spml-username"),
        ({"username": ""}, "spml-username"),
        ({"binding": "carrier-pigeon"}, "spml-binding"),
        ({"modification_style": "x"}, "spml-modification-style"),
        ({"enable_suspend": "perhaps"}, "spml-enable-suspend"),
        ({"lookup_pattern": "uid=x"}, "spml-lookup-pattern"),
        ({"delete_action": "suspend", "enable_suspend": "0"}, "spml-delete-action"),
    ],
)
def test_settings_that_cannot_work_are_named_and_never_used(change, key):
    configured = settings(**change)
    assert key in dict(Spml().problems(configured))
    driven = Driven()
    with pytest.raises(Misconfigured) as caught:
        deliver(SpmlTarget(), task(), configured, driven)
    assert caught.value.setting == key
    assert driven.requests == []


def test_good_settings_have_no_problems():
    assert Spml().problems(settings()) == []


def test_wso2s_keys_are_there_with_their_labels():
    labels = {known.key: (known.display_name, known.required, known.confidential) for known in Spml().properties}
    assert labels["spml-username"] == ("Username", False, False)
    assert labels["spml-password"] == ("Password", False, True)
    assert labels["spml-ep"] == ("SPML Endpoint", True, False)
    assert labels["spml-oc"] == ("SPML ObjectClass", True, False)
    orders = [known.display_order for known in Spml().properties]
    assert orders == sorted(set(orders))


def test_a_set_target_is_named_even_when_the_server_lists_others():
    target = SpmlTarget(target_id="second", capabilities=(SUSPEND, SEARCH))
    link = created(target, configured=settings(target_id="second"))
    assert target.messages[-1].get("targetID") == "second"
    assert link.delivered["psoID"] == {"targetID": "second"}


def test_remembered_targets_of_another_url_are_not_believed():
    target = SpmlTarget()
    remembered = {"spml-targets": {"url": f"{URL}/old", "targets": [{"id": "x", "entities": [], "capabilities": []}]}}
    deliver(target, task(remembered=remembered))
    assert target.received[0] == "listTargetsRequest"
