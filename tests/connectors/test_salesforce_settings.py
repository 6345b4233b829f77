"""The settings of the Salesforce connector."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.catalog import connector
from connectors.errors import Misconfigured
from connectors.salesforce import Salesforce
from tests.support.salesforce_target import SalesforceTarget
from tests.support.salesforce_tasks import provision, salesforce_settings
from tests.support.tasks import user_task


def elliptic_key():
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


JWT = {"authentication": "jwtBearer", "username": "a@b.test"}


@pytest.mark.parametrize(
    ("changed", "key", "reason"),
    [
        ({"api_version": ""}, "sf-api-version", "is required"),
        ({"api_version": "latest"}, "sf-api-version", "is no version"),
        ({"api_version": "v32.0"}, "sf-api-version", "from v42.0 on"),
        ({"domain_name": "acme"}, "sf-domain-name", "is no http or https URL"),
        ({"clientid": ""}, "sf-clientid", "is required"),
        ({"client_secret": ""}, "sf-client-secret", "is needed for `clientCredentials`"),
        ({"token_endpoint": ""}, "sf-token-endpoint", "is required"),
        ({"authentication": "saml"}, "sf-authentication", "is none of"),
        ({"usePasswordGrant": "true", "username": "x"}, "sf-password", "is needed for `password`"),
        ({"usePasswordGrant": "perhaps"}, "sf-usePasswordGrant", "is neither"),
        (JWT, "sf-private-key", "is needed for `jwtBearer`"),
        ({**JWT, "private_key": "hello"}, "sf-private-key", "no private key in PEM form"),
        ({**JWT, "private_key": elliptic_key()}, "sf-private-key", "signed with RSA only"),
        ({"prov_pattern": "UN"}, "sf-prov-pattern", "is no provisioning pattern"),
        ({"prov_domainName": "a@b"}, "sf-prov-domainName", "is no domain"),
        ({"external_id_field": "Id; DROP"}, "sf-external-id-field", "is no name of a field"),
        ({"deprovisioning": "delete"}, "sf-deprovisioning", "is none of"),
        ({"groups": "roles"}, "sf-groups", "is none of"),
        ({"api_usage_limit": "0"}, "sf-api-usage-limit", "is no percentage"),
        ({"api_usage_limit": "most"}, "sf-api-usage-limit", "is no percentage"),
    ],
)
def test_a_setting_that_cannot_work_is_named(changed, key, reason):
    ours = salesforce_settings(**changed)
    found = Salesforce().problems(ours)
    assert [name for name, _ in found] == [key]
    assert reason in found[0][1]
    with pytest.raises(Misconfigured) as caught:
        provision(SalesforceTarget(), user_task(), ours)
    assert caught.value.setting == key


@pytest.mark.parametrize("version", ["v59.0", "59.0", "v59", "59"])
def test_the_version_is_taken_in_every_spelling(version):
    done = provision(SalesforceTarget(), user_task(), salesforce_settings(api_version=version))
    assert "/services/data/v59.0/" in done.requests[0].url


def test_the_keys_of_wso2_identity_server_are_kept():
    known = {one.key: one for one in Salesforce.properties}
    old = (
        *("sf-api-version", "sf-domain-name", "sf-clientid", "sf-client-secret", "sf-usePasswordGrant", "sf-username"),
        *("sf-password", "sf-token-endpoint", "sf-prov-pattern", "sf-prov-separator", "sf-prov-domainName"),
    )
    assert set(old) <= known.keys()
    secret = {key for key, one in known.items() if one.confidential}
    assert secret == {"sf-client-secret", "sf-password", "sf-private-key", "sf-default-pwd"}
    assert [one.display_order for one in Salesforce.properties] == list(range(1, len(known) + 1))


def test_the_connector_is_in_the_catalog():
    assert connector("Salesforce").display_name == "Salesforce"
