"""Signs JSON Web Tokens (RFC 7515, RFC 7519) with the key of an administrator. Only signs: nothing here verifies."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----(.*)-----END \1-----(?:\\n|\s)*", re.DOTALL)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_CURVES: Mapping[str, tuple[str, hashes.HashAlgorithm, int]] = {
    "secp256r1": ("ES256", hashes.SHA256(), 32),
    "secp384r1": ("ES384", hashes.SHA384(), 48),
    "secp521r1": ("ES512", hashes.SHA512(), 66),
}


class BadKey(ValueError):
    """The text is no private key that can sign; the message says why without showing any of it."""


@lru_cache(maxsize=64)  # reading a key checks it, which takes longer than a delivery's other work together
def load_key(pem: str) -> PrivateKey:
    """The private key in a PEM text: RSA of at least 2048 bits, or elliptic on a NIST curve. Raises BadKey."""
    try:
        key = load_pem_private_key(_in_lines(pem.strip()).encode(), password=None)
    except TypeError as error:
        raise BadKey("the private key is protected by a passphrase: store it without one") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKey("the text is no private key in PEM form") from error
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < 2048:  # RFC 7518 section 3.3
            raise BadKey(f"an RSA key of {key.key_size} bits is too short: use at least 2048")
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key
    raise BadKey("the private key is neither RSA nor elliptic on P-256, P-384 or P-521")


def _in_lines(pem: str) -> str:
    """The PEM text with its lines (RFC 7468 section 2), which a form's single-line field or a JSON string has lost."""
    found = _PEM.fullmatch(pem)
    if found is None or ":" in found[2]:  # headers of an encrypted key stay as they are
        return pem
    content = "".join(found[2].replace("\\n", "\n").split())
    lines = [content[start : start + 64] for start in range(0, len(content), 64)]
    return "\n".join((f"-----BEGIN {found[1]}-----", *lines, f"-----END {found[1]}-----", ""))


def signed(claims: Mapping[str, Any], key: PrivateKey, key_id: str = "") -> str:
    """The claims as a signed token in compact form: RS256, or the ES algorithm of the key's curve (RFC 7518)."""
    header = {"alg": _algorithm(key), "typ": "JWT"} | ({"kid": key_id} if key_id else {})
    content = f"{_encoded(header)}.{_encoded(claims)}"
    return f"{content}.{_base64url(_signature(content.encode(), key))}"


def _algorithm(key: PrivateKey) -> str:
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else _CURVES[key.curve.name][0]


def _signature(content: bytes, key: PrivateKey) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(content, padding.PKCS1v15(), hashes.SHA256())
    _, digest, size = _CURVES[key.curve.name]
    r, s = decode_dss_signature(key.sign(content, ec.ECDSA(digest)))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")  # RFC 7518 section 3.4


def _encoded(data: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(data, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
