import base64
import json
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from connectors.connector import Link
from connectors.errors import CredentialsRejected, Misconfigured, TargetRefused, TargetThrottled, TargetUnavailable
from connectors.jwt import BadKey, load_key, signed
from connectors.oauth import MEMORY
from connectors.scim2 import Scim2
from tests.support.certificates import make_authority
from tests.support.driving import Driven, reply, run
from tests.support.tasks import settings, user_task
from tests.support.token_server import TokenServer, verified

USERS = "https://target.test/scim/Users"
LOGIN = "https://login.test/token"
SECRET = TokenServer().client_secret
OAUTH = {
    "scim2-authentication-mode": "clientCredentials",
    "scim2-user-ep": USERS,
    "scim2-token-endpoint": LOGIN,
    "scim2-client-id": "me",
    "scim2-client-secret": SECRET,
}


def pem(key, password=None):
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection).decode()


@pytest.fixture(scope="module")
def rsa_key():
    return rsa.generate_private_key(65537, 2048)


class World:
    """A token endpoint and a target that takes one token."""

    def __init__(self, server=None, accepted="token-one"):
        self.server = server or TokenServer()
        self.accepted = accepted

    def __call__(self, request):
        if request.url == LOGIN:
            return self.server.answer(request)
        if request.headers.get("Authorization") != f"Bearer {self.accepted}":
            return reply(401)
        return reply(201, {"id": "u1"})


def create(world, properties=OAUTH, **changes):
    return run(Scim2().provision(user_task(**changes), settings(properties)), world)


def failing(kind, world, properties=OAUTH, **changes):
    driven = Driven()
    with pytest.raises(kind) as caught:
        run(Scim2().provision(user_task(**changes), settings(properties)), world, driven)
    return caught.value, driven


def memory(driven):
    return {step.key: step.value for step in driven.remembered}


# -- client credentials -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["basic", "body", ""])
def test_a_token_is_asked_for_before_the_first_request(where):
    world = World()
    driven = create(world, OAUTH | {"scim2-client-authentication": where, "scim2-scope": "a b"})
    assert driven.calls == [f"POST {LOGIN}", f"POST {USERS}"]
    assert driven.requests[0].safe
    assert driven.requests[0].purpose == "ask for an access token"
    assert world.server.forms[0]["scope"] == "a b"
    assert ("client_secret" in world.server.forms[0]) == (where == "body")
    assert driven.result.outcome == "created"


def test_secret_and_token_are_named_as_secrets():
    driven = create(World())
    assert SECRET in driven.requests[0].secrets
    assert {SECRET, "token-one"} <= set(driven.requests[1].secrets)


def test_a_token_is_remembered_for_less_than_it_lives():
    driven = create(World())
    assert [step.key for step in driven.remembered] == [MEMORY]
    assert driven.remembered[0].ttl == timedelta(seconds=3240)


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [(None, 300), ("600", 540), (40, 10), (5, 1), (0, 1), (-3, 1), ("soon", 300), (10**9, 77760)],
)
def test_a_tokens_life_is_read_liberally(expires_in, seconds):
    driven = create(World(TokenServer(expires_in=expires_in)))
    assert driven.remembered[0].ttl == timedelta(seconds=seconds)


def test_a_remembered_token_is_used():
    kept = memory(create(World()))
    driven = create(World(), remembered=kept)
    assert driven.calls == [f"POST {USERS}"]
    assert driven.requests[0].headers["Authorization"] == "Bearer token-one"


@pytest.mark.parametrize("key", ["scim2-client-secret", "scim2-client-id", "scim2-scope", "scim2-token-endpoint"])
def test_a_token_of_other_settings_is_not_used(key):
    kept = memory(create(World()))
    driven = run(
        Scim2().provision(user_task(remembered=kept), settings(OAUTH | {key: "https://other.test/x"})),
        [reply(200, {"access_token": "another"}), reply(201, {"id": "u1"})],
    )
    assert len(driven.requests) == 2
    assert driven.requests[1].headers["Authorization"] == "Bearer another"


def test_a_remembered_token_that_is_rejected_is_renewed_once():
    kept = memory(create(World()))
    world = World(TokenServer(tokens=["token-two"]), accepted="token-two")
    driven = create(world, remembered=kept)
    assert driven.calls == [f"POST {USERS}", f"POST {LOGIN}", f"POST {USERS}"]
    assert driven.result.outcome == "created"
    assert memory(driven)[MEMORY]["token"] == "token-two"


def test_a_token_that_expires_in_the_middle_of_a_task_is_renewed():
    kept = memory(create(World()))
    answers = [reply(404), reply(401), reply(200, {"access_token": "token-two"}), reply(201, {"id": "u2"})]
    task = user_task("replace", link=Link("u1"), remembered=kept)
    driven = run(Scim2().provision(task, settings(OAUTH)), answers)
    assert [call.split(" ")[0] for call in driven.calls] == ["PUT", "POST", "POST", "POST"]
    assert driven.result.outcome == "recreated"


def test_a_new_token_that_is_rejected_is_no_reason_to_ask_for_another():
    error, driven = failing(CredentialsRejected, World(accepted="something else"))
    assert driven.calls == [f"POST {LOGIN}", f"POST {USERS}"]
    assert error.status == 401


def test_a_renewed_token_that_is_rejected_ends_it():
    kept = memory(create(World()))
    _, driven = failing(CredentialsRejected, World(accepted="something else"), remembered=kept)
    assert driven.calls == [f"POST {USERS}", f"POST {LOGIN}", f"POST {USERS}"]


def test_a_client_that_the_server_does_not_know_is_told():
    error, driven = failing(CredentialsRejected, World(TokenServer(client_secret="another")))
    assert error.message == "the authorization server gave no access token: invalid_client: who are you?"
    assert driven.calls == [f"POST {LOGIN}"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(400, {"error": "invalid_scope"}), Misconfigured),
        (reply(400, {"error": "invalid_client"}), CredentialsRejected),
        (reply(401), CredentialsRejected),
        (reply(403), CredentialsRejected),
        (reply(400), TargetRefused),
        (reply(200, "<html>", content_type="text/html"), TargetRefused),
        (reply(200, {"access_token": 7}), TargetRefused),
        (reply(404), TargetRefused),
        (reply(302, location="/login"), Misconfigured),
        (reply(500), TargetUnavailable),
        (reply(429, retry_after="9"), TargetThrottled),
    ],
)
def test_a_refusal_of_the_authorization_server_says_what_to_do_next(answer, kind):
    failing(kind, lambda request: answer)


def test_what_the_authorization_server_echoes_of_the_secret_is_masked():
    said = {"error": "invalid_client", "error_description": f"no such secret: {SECRET}"}
    error, _ = failing(CredentialsRejected, lambda request: reply(401, said))
    assert SECRET not in error.message
    assert SECRET not in error.detail


# -- private key JWT --------------------------------------------------------------------------------------------------

BY_KEY = {key: value for key, value in OAUTH.items() if key != "scim2-client-secret"} | {
    "scim2-authentication-mode": "privateKeyJwt",
    "scim2-key-id": "k1",
}


@pytest.mark.parametrize("curve", [None, ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_a_client_signs_who_it_is(curve, rsa_key):
    key = rsa_key if curve is None else ec.generate_private_key(curve)
    world = World(TokenServer(public_key=key.public_key()))
    driven = create(world, BY_KEY | {"scim2-private-key": pem(key)})
    assert driven.result.outcome == "created"
    assertion = world.server.forms[0]["client_assertion"]
    assert assertion in driven.requests[0].secrets
    assert pem(key) in driven.requests[0].secrets


def test_each_signed_request_is_unique(rsa_key):
    server = TokenServer(public_key=rsa_key.public_key())
    properties = settings(BY_KEY | {"scim2-private-key": pem(rsa_key)})
    for task in (user_task(), replace(user_task(), random=random.Random(2))):
        run(Scim2().provision(task, properties), World(server))
    assert len({claims["jti"] for claims in server.claims}) == 2


def test_a_signature_of_another_key_is_not_accepted(rsa_key):
    other = ec.generate_private_key(ec.SECP256R1())
    server = TokenServer(public_key=ec.generate_private_key(ec.SECP256R1()).public_key())
    failing(CredentialsRejected, World(server), BY_KEY | {"scim2-private-key": pem(other)})


def test_the_key_id_is_in_the_header(rsa_key):
    header = signed({}, rsa_key, "k1").partition(".")[0]
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert verified(signed({"a": 1}, rsa_key), rsa_key.public_key()) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no private key"),
        ("secret-nonsense", "no private key"),
        (pem(rsa.generate_private_key(65537, 1024)), "too short"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "neither RSA nor elliptic"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "neither RSA nor elliptic"),
        (pem(ec.generate_private_key(ec.SECP256R1()), b"passphrase"), "passphrase"),
    ],
    # The keys are new in every process, and would be the tests' names.
    ids=["nothing", "no key", "short", "of another kind", "of another curve", "locked"],
)
def test_a_key_that_cannot_sign_is_named_without_showing_it(text, message):
    with pytest.raises(BadKey, match=message) as caught:
        load_key(text)
    assert "nonsense" not in str(caught.value)
    at = settings(BY_KEY | {"scim2-private-key": text})
    assert [key for key, _ in Scim2().problems(at)] == ["scim2-private-key"]


# -- mutual TLS -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("authority"))


def read(path):
    return Path(path).read_text("utf-8")


def test_the_certificate_goes_with_every_request(authority):
    certificate, trusted = read(authority.issue("client.test")), read(authority.pem)
    properties = {"scim2-client-certificate": certificate, "scim2-ca-certificate": trusted}
    alone = create(lambda request: reply(201, {"id": "u1"}), properties | {"scim2-user-ep": USERS})
    assert "Authorization" not in alone.requests[0].headers
    beside = create(World(), OAUTH | properties)
    for request in [*alone.requests, *beside.requests]:
        assert request.tls.certificate == certificate
        assert request.tls.authorities == trusted
        assert "PRIVATE KEY" not in repr(request)


@pytest.mark.parametrize(
    ("properties", "key"),
    [
        ({"scim2-client-certificate": "nonsense"}, "scim2-client-certificate"),
        ({"scim2-authentication-mode": "mutualTls"}, "scim2-client-certificate"),
        ({"scim2-access-token": "t", "scim2-ca-certificate": "nonsense"}, "scim2-ca-certificate"),
        (OAUTH | {"scim2-token-endpoint": "ftp://x"}, "scim2-token-endpoint"),
        (OAUTH | {"scim2-client-authentication": "somehow"}, "scim2-client-authentication"),
    ],
)
def test_settings_that_cannot_work_are_named(properties, key):
    problems = Scim2().problems(settings({"scim2-user-ep": USERS} | properties))
    assert key in [name for name, _ in problems]


@pytest.mark.parametrize("mode", ["clientCredentials", "client_credentials", "OAuth2", "oauth"])
def test_the_mode_is_read_liberally(mode):
    assert Scim2().problems(settings(OAUTH | {"scim2-authentication-mode": mode})) == []
