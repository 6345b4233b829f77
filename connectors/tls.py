"""TLS contexts: whom to trust, and the certificate to show."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.connector import Tls


class BadCertificate(ValueError):
    """A certificate or key cannot be used; the message says why without showing any of it."""


def make_context(
    *,
    verify: bool = True,
    ca: str | None = None,
    public: str | None = None,
    client_certificate: str | tuple[str, str] | None = None,
    tls: Tls | None = None,
) -> ssl.SSLContext:
    """A context that trusts the authorities of `tls`, or those in the file `ca`, else the system's and `public` ones.

    Raises BadCertificate.
    """
    try:
        context = _trusting(ca, public, tls)
        if client_certificate is not None:
            certificate, key = (client_certificate, None) if isinstance(client_certificate, str) else client_certificate
            context.load_cert_chain(certificate, key, password=_no_passphrase)
        if tls is not None and tls.certificate.strip():
            load_certificate(context, tls.certificate)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise BadCertificate(f"a certificate or key cannot be used: {_reason(error)}") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def problem(tls: Tls) -> str | None:
    """Why the texts cannot be used, None when they can."""
    try:
        make_context(tls=tls)
    except BadCertificate as error:
        return str(error)
    return None


def load_certificate(context: ssl.SSLContext, pem: str) -> None:
    """Show a certificate with its key, both in one PEM text. Raises ssl.SSLError, ValueError."""
    # OpenSSL reads them from a file only; the file is ours alone and gone before the context is used.
    with _file_of(pem) as path:
        context.load_cert_chain(path, password=_no_passphrase)


def _trusting(ca: str | None, public: str | None, tls: Tls | None) -> ssl.SSLContext:
    if tls is not None and tls.authorities.strip():
        if not tls.authorities.isascii():  # which `ssl` answers with a TypeError
            raise ValueError("a certificate in PEM form holds ASCII characters only")
        return ssl.create_default_context(cadata=tls.authorities)
    context = ssl.create_default_context(cafile=ca)
    if ca is None and public is not None:
        context.load_verify_locations(public)
    return context


@contextmanager
def _file_of(text: str) -> Iterator[str]:
    handle, path = tempfile.mkstemp(prefix="sluice-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        yield path
    finally:
        Path(path).unlink()


def _no_passphrase() -> str:
    """OpenSSL would ask the terminal."""
    raise ValueError("the key is protected by a passphrase: store it without one")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return (getattr(error, "strerror", None) or str(error)).lower()
