"""The settings of the Google connector and the forms of a service account's key."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import PBES, serialize_key_and_certificates

from connectors.catalog import connector
from connectors.errors import Misconfigured
from connectors.google import Google
from connectors.google_key import service_key
from connectors.jwt import BadKey
from tests.support.google_target import ACCOUNT, GoogleTarget, private_key
from tests.support.google_tasks import google_settings, pem, provision
from tests.support.tasks import user_task


def json_key(**changed):
    known = {"type": "service_account", "client_email": ACCOUNT, "private_key_id": "key-1", "private_key": pem()}
    return json.dumps(known | changed)


def pkcs12(passphrase=b"notasecret"):
    packed = serialize_key_and_certificates(
        b"privatekey", private_key(), None, None, BestAvailableEncryption(passphrase)
    )
    return base64.encodebytes(packed).decode()


def old_pkcs12():
    """As Google has made them for years."""
    cipher = PrivateFormat.PKCS12.encryption_builder().key_cert_algorithm(PBES.PBESv1SHA1And3KeyTripleDESCBC)
    how = cipher.hmac_hash(hashes.SHA1()).build(b"notasecret")
    return base64.b64encode(serialize_key_and_certificates(b"privatekey", private_key(), None, None, how)).decode()


@pytest.mark.parametrize(
    "properties",
    [
        {"private_key": old_pkcs12()},
        {"private_key": json_key()},
        {"private_key": f"\n  {json_key()}\n"},
        {"private_key": pem()},
        {"private_key": pem().replace("\n", "")},
        {"private_key": pem().replace("\n", "\\n")},
        {"private_key": pem().replace("\n", "\r\n")},
        {"private_key": json_key(private_key=pem().replace("\n", " "))},
        {"private_key": pkcs12()},
        {"private_key": pkcs12(b"another"), "private_key_password": "another"},
    ],
)
def test_a_key_is_taken_in_every_form_that_google_gives_it_out(properties):
    ours = google_settings(**properties)
    assert Google().problems(ours) == []
    assert provision(GoogleTarget(), user_task(), ours).result.outcome == "created"


def test_the_json_key_file_names_the_key():
    assert service_key(json_key()).key_id == "key-1"
    assert service_key(pem()).key_id == ""
    assert "PRIVATE" not in repr(service_key(pem()))


def small_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def elliptic_key():
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("text", "passphrase", "reason"),
    [
        ("{not json", "", "is no JSON"),
        ('{"installed": {}}', "", "is it the key file of a service account"),
        ("-----BEGIN PRIVATE KEY-----\nxx\n-----END PRIVATE KEY-----", "", "no private key in PEM form"),
        ("hello world!", "", "neither a JSON key file, nor PEM, nor a PKCS12 file"),
        (base64.b64encode(b"hello").decode(), "", "no PKCS12 file"),
        (pkcs12(b"another"), "", "its passphrase is another one"),
        (small_key(), "", "too short"),
        (elliptic_key(), "", "signed with RSA only"),
    ],
    # The keys are new in every process, and would be the tests' names.
    ids=["cut JSON", "of another kind", "broken PEM", "words", "base64", "locked", "short", "elliptic"],
)
def test_what_is_no_key_is_told_without_showing_any_of_it(text, passphrase, reason):
    with pytest.raises(BadKey, match=reason) as caught:
        service_key(text, passphrase)
    assert text[5:25] not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "key", "reason"),
    [
        ({"domain_name": ""}, "domain_name", "is required"),
        ({"domain_name": "admin@example.com"}, "domain_name", "is no domain"),
        ({"service_acc_email": "someone"}, "service_acc_email", "is no email address"),
        ({"admin_email": ""}, "admin_email", "is required"),
        ({"private_key": ""}, "private_key", "is required"),
        ({"private_key": "nonsense!"}, "private_key", "neither a JSON key file"),
        ({"private_key": json_key(client_email="other@x.test")}, "private_key", "is the key of `other@x.test`"),
        ({"pattern": "UN"}, "pattern", "is no provisioning pattern"),
        ({"separator": "/"}, "separator", "an address takes letters"),
        ({"deprovisioning": "archive"}, "deprovisioning", "is none of `delete`, `suspend`"),
        ({"token_endpoint": "ftp://x"}, "token_endpoint", "is no http or https URL"),
        ({"application_name": "a\r\nb"}, "application_name", "holds a control character"),
    ],
)
def test_a_setting_that_cannot_work_is_named(changed, key, reason):
    ours = google_settings(**changed)
    found = Google().problems(ours)
    assert [name for name, _ in found] == [f"google_prov_{key}"]
    assert reason in found[0][1]
    with pytest.raises(Misconfigured) as caught:
        provision(GoogleTarget(), user_task(), ours)
    assert caught.value.setting == f"google_prov_{key}"


def test_the_keys_of_wso2_identity_server_are_kept():
    known = {one.key: one for one in Google.properties}
    old = (
        *("google_prov_domain_name", "google_prov_email_claim_dropdown", "google_prov_givenname_claim_dropdown"),
        *("google_prov_givenname", "google_prov_familyname_claim_dropdown", "google_prov_familyname"),
        *("google_prov_service_acc_email", "google_prov_private_key", "google_prov_admin_email"),
        *("google_prov_application_name", "google_prov_pattern", "google_prov_separator"),
    )
    assert set(old) <= known.keys()
    assert known["google_prov_private_key"].confidential
    assert [one.display_order for one in Google.properties] == list(range(1, len(known) + 1))


def test_the_connector_is_in_the_catalog():
    assert connector("googleapps").display_name == "Google"
    assert connector("GoogleApps") is connector("google")
