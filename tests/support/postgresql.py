"""A PostgreSQL server of the tests' own: made in a temporary folder, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_DEADLINE = 30


@contextmanager
def server(*, durable: bool = False) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database, which survives a power cut only if `durable`.

    Skips where PostgreSQL is not installed, but fails under CI=true.
    """
    missing = [name for name in ("initdb", "postgres") if shutil.which(name) is None]
    if missing:
        reason = f"PostgreSQL is not installed: no {' and no '.join(missing)}"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    folder = tempfile.mkdtemp(prefix="sluice-pg-")
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    try:
        yield from _running(Path(folder), user, fsync="on" if durable else "off")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _running(folder: Path, user: str, *, fsync: str) -> Iterator[str]:
    """Make the cluster, run it on a free port, stop it."""
    as_user = {"user": user} if os.geteuid() == 0 else {}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **as_user}
    data = folder / "data"
    subprocess.run(["initdb", "-D", data, "-U", "sluice", "-A", "trust", "-N"], check=True, **quiet)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", f"fsync={fsync}", "-k", str(folder)]
    process = subprocess.Popen(["postgres", "-D", data, *options], **quiet)
    try:
        _wait(port)
        yield f"postgresql+psycopg://sluice@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait(_DEADLINE)


def _wait(port: int) -> None:
    """Until the server takes connections and answers."""
    import psycopg  # noqa: PLC0415 - only where PostgreSQL is used

    until = time.monotonic() + _DEADLINE
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="sluice", dbname="postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
