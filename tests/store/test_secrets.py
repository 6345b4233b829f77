import base64
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.store.secrets import SecretKeyError, Vault, decode_key, load_or_make_key

KEY = bytes(range(32))
PLACE = "connector_secrets:1:scim2-password"


@given(st.text())
def test_what_was_sealed_opens_in_its_place(value):
    vault = Vault(KEY)
    assert vault.open(vault.seal(value, PLACE), PLACE) == value


def test_a_ciphertext_moved_to_another_place_does_not_open():
    vault = Vault(KEY)
    sealed = vault.seal("hunter2", PLACE)
    with pytest.raises(SecretKeyError, match="changed or moved"):
        vault.open(sealed, "connector_secrets:2:scim2-password")


@given(st.data())
def test_a_changed_ciphertext_does_not_open(data):
    vault = Vault(KEY)
    sealed = bytearray(vault.seal("hunter2", PLACE))
    index = data.draw(st.integers(0, len(sealed) - 1))
    sealed[index] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SecretKeyError):
        vault.open(bytes(sealed), PLACE)


def test_the_same_value_never_seals_alike():
    vault = Vault(KEY)
    assert vault.seal("hunter2", PLACE) != vault.seal("hunter2", PLACE)


def test_a_digest_depends_on_the_value_its_purpose_and_the_key():
    vault = Vault(KEY)
    digests = {vault.digest("hunter2", "a"), vault.digest("hunter3", "a"), vault.digest("hunter2", "b")}
    assert len({*digests, Vault(os.urandom(32)).digest("hunter2", "a")}) == 4
    assert vault.digest("hunter2", "a") == Vault(KEY).digest("hunter2", "a")


def test_an_old_key_still_opens_what_it_sealed():
    old, new = Vault(KEY), os.urandom(32)
    sealed = old.seal("hunter2", PLACE)
    assert Vault(new, [KEY]).open(sealed, PLACE) == "hunter2"
    with pytest.raises(SecretKeyError, match="SLUICE_OLD_SECRET_KEYS"):
        Vault(new).open(sealed, PLACE)


def test_a_new_key_file_is_readable_by_its_owner_alone_and_stays_the_same(tmp_path):
    path = tmp_path / "secret.key"
    key = load_or_make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_make_key(path) == key


@pytest.mark.parametrize("text", ["not base64!", base64.b64encode(b"short").decode(), ""])
def test_a_malformed_key_is_refused(text):
    with pytest.raises(SecretKeyError):
        decode_key(text)
