"""Sealed values: connector secrets, tokens of targets, passwords in flight.

Envelope encryption with AES-256-GCM (NIST SP 800-38D): each value has a data key of its own, wrapped by the master key
that is named in the seal. The value's place (`table:row:column`) is associated data, so that a ciphertext moved to
another row does not open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"
KEY_BYTES = 32
NONCE_BYTES = 12
KEY_ID_BYTES = 8
WRAPPED_BYTES = KEY_BYTES + 16


class SecretKeyError(Exception):
    """The secret key is missing, malformed, or not the one that sealed what is stored."""


def key_id(key: bytes) -> bytes:
    """Eight bytes that name a master key without telling it."""
    return hashlib.sha256(b"sluice key id" + key).digest()[:KEY_ID_BYTES]


def decode_key(text: str) -> bytes:
    """The 32 bytes of a key written in base64. Raises `SecretKeyError`."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError as error:
        raise SecretKeyError("the secret key is not valid base64") from error
    if len(key) != KEY_BYTES:
        raise SecretKeyError(f"the secret key has {len(key)} bytes: it must be base64 of {KEY_BYTES} bytes")
    return key


def load_or_make_key(path: Path) -> bytes:
    """The key in a file; made there, readable by its owner alone, when there is none."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return decode_key(path.read_text(encoding="ascii"))
    key = os.urandom(KEY_BYTES)
    with os.fdopen(handle, "wb") as file:
        file.write(base64.b64encode(key) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return key


class Vault:
    """Seals with the current key, opens with the current and the old ones. Thread-safe."""

    def __init__(self, key: bytes, old_keys: Sequence[bytes] = ()) -> None:
        self._key = key
        self._keys = {key_id(k): AESGCM(k) for k in (*old_keys, key)}

    @property
    def check_value(self) -> str:
        """Names the current key; stored in the database, so that a wrong key is noticed at start."""
        return key_id(self._key).hex()

    def knows(self, check_value: str) -> bool:
        """Whether the key of that check value is among ours."""
        return bytes.fromhex(check_value) in self._keys

    def digest(self, value: str, purpose: str) -> str:
        """A hash to compare `value` by later; without the key nobody can try guesses of what is in it against it."""
        return hmac.digest(self._key, f"sluice {purpose}\0{value}".encode(), "sha256").hex()

    def seal(self, value: str, place: str) -> bytes:
        """`value` sealed for its `place` (`table:row:column`)."""
        data_key = os.urandom(KEY_BYTES)
        wrap_nonce, nonce = os.urandom(NONCE_BYTES), os.urandom(NONCE_BYTES)
        name = key_id(self._key)
        wrapped = self._keys[name].encrypt(wrap_nonce, data_key, VERSION + name)
        return (
            VERSION
            + name
            + wrap_nonce
            + wrapped
            + nonce
            + AESGCM(data_key).encrypt(nonce, value.encode(), place.encode())
        )

    def open(self, sealed: bytes, place: str) -> str:
        """The value that was sealed for this `place`. Raises `SecretKeyError`."""
        start = 1 + KEY_ID_BYTES
        name, wrap_nonce = sealed[1:start], sealed[start : start + NONCE_BYTES]
        wrapped = sealed[start + NONCE_BYTES : start + NONCE_BYTES + WRAPPED_BYTES]
        rest = sealed[start + NONCE_BYTES + WRAPPED_BYTES :]
        if sealed[:1] != VERSION or name not in self._keys:
            raise SecretKeyError(
                f"`{place}` was sealed with a key that is not configured: add it to SLUICE_OLD_SECRET_KEYS"
            )
        try:
            data_key = self._keys[name].decrypt(wrap_nonce, wrapped, VERSION + name)
            return AESGCM(data_key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], place.encode()).decode()
        except InvalidTag as error:
            raise SecretKeyError(f"`{place}` does not open: the stored value was changed or moved") from error
