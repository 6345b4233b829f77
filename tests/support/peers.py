"""SCIM servers that others wrote, each in an environment of its own outside the checkout, on a free loopback port."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

TOKEN = "a-bearer-token-of-the-peer"
SERVERS = Path(__file__).parent / "peer_servers"
SCIMMY = ("scimmy@1.3.5", "scimmy-routers@1.3.2", "express@4.22.3")


@dataclass(frozen=True)
class Peer:
    """A running server; `base` is the URL that its endpoints are below."""

    base: str

    @property
    def properties(self) -> dict[str, str]:
        """The settings of a `scim2` connector that points here."""
        return {
            "scim2-authentication-mode": "bearer",
            "scim2-access-token": TOKEN,
            "scim2-user-ep": f"{self.base}/Users",
            "scim2-group-ep": f"{self.base}/Groups",
        }


@contextmanager
def scimmy() -> Iterator[Peer]:
    """SCIMMY on Node; skips the test with the reason where it cannot be installed, and fails it under CI."""
    try:
        folder = _npm_environment(SCIMMY)
    except (OSError, subprocess.SubprocessError) as error:
        reason = f"SCIMMY cannot be installed: {error}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with _running(["node", str(SERVERS / "scimmy_peer.mjs")], folder) as base:
        yield Peer(base)


def _npm_environment(packages: tuple[str, ...]) -> Path:
    """A folder with these packages installed, made once per set of versions; other processes wait for it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice-peers"
    folder = cache / f"npm-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    complete = folder / "complete"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            command = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", *packages]
            subprocess.run(command, check=True, capture_output=True, timeout=300, cwd=folder)
            complete.touch()
    return folder


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[str]:
    """A server that prints its base URL as soon as it listens; stopped by its own process at the end."""
    environment = {**os.environ, "PEER_TOKEN": TOKEN}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base = process.stdout.readline().strip()
            if not base:
                pytest.fail(f"`{' '.join(command)}` ended before it listened")
            yield base
        finally:
            process.kill()
