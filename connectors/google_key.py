"""The key of a Google service account, in the forms in which Google hands it out.

The JSON key file holds the account's address and the key's id beside the key; the PKCS12 file (in base64) and a bare
PEM text hold the key alone.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from connectors.jwt import BadKey, load_key

#: What Google protects every PKCS12 key file with.
USUAL_PASSPHRASE = "notasecret"  # noqa: S105 - published by Google, the same for all


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """A service account's private key as PEM, and what else its key file says; blank where it says nothing."""

    pem: str = field(repr=False)
    key_id: str = ""
    email: str = ""


@lru_cache(maxsize=32)  # reading a key checks it, which takes longer than a delivery's other work together
def service_key(text: str, passphrase: str = "") -> ServiceKey:
    """The key in a setting: the JSON key file, a PEM text, or a PKCS12 file in base64.

    `passphrase` is that of the PKCS12 file, when it is not the usual one. Raises BadKey.
    """
    found = _found(text.strip(), passphrase)
    if not isinstance(load_key(found.pem), rsa.RSAPrivateKey):
        raise BadKey("Google takes tokens that are signed with RSA only")
    return found


def _found(text: str, passphrase: str) -> ServiceKey:
    if text.startswith("{"):
        return _from_json(text)
    if "-----BEGIN" in text:
        return ServiceKey(text)
    return ServiceKey(_from_pkcs12(text, passphrase or USUAL_PASSPHRASE))


def _from_json(text: str) -> ServiceKey:
    try:
        data: Mapping[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadKey("the text begins like a JSON key file, but is no JSON") from error
    if not isinstance(data.get("private_key"), str):
        raise BadKey("the JSON holds no `private_key`: is it the key file of a service account?")
    return ServiceKey(data["private_key"], str(data.get("private_key_id") or ""), str(data.get("client_email") or ""))


def _from_pkcs12(text: str, passphrase: str) -> str:
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadKey("the text is neither a JSON key file, nor PEM, nor a PKCS12 file in base64") from error
    try:
        key, _, _ = pkcs12.load_key_and_certificates(content, passphrase.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKey("the text is no PKCS12 file in base64, or its passphrase is another one") from error
    if key is None:
        raise BadKey("the PKCS12 file holds no private key")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
