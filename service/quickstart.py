"""`sluice quickstart`: the service beside a sandbox target, one user who is permitted and one who is refused.

Everything goes the way a user goes: the service runs in a process of its own and is spoken to over HTTP.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.table import Table

from service.sandbox import Sandbox, new_sandbox
from service.store.occupancy import Occupancy, Occupied

DATA = Path("var/quickstart")
START_TIMEOUT = 60.0
PERMITTED = {
    "userName": "alice",
    "name": {"givenName": "Alice", "familyName": "Liddell"},
    "emails": [{"value": "alice@example.com", "primary": True}],
    "roles": [{"value": "eng"}],
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "engineering"},
}
REFUSED = {
    "userName": "mallory",
    "name": {"givenName": "Mallory", "familyName": "Grey"},
    "emails": [{"value": "mallory@example.com", "primary": True}],
    "roles": [{"value": "contractor"}],
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "facilities"},
}


class QuickstartError(Exception):
    """The quickstart could not be shown; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What happened to one user, and whether it is what the sample policies promise."""

    user: str
    delivery: dict[str, Any]
    at_target: bool
    reached_target: bool
    expected: str

    @property
    def good(self) -> bool:
        """The outcome, the target's own word, and what arrived there agree."""
        wanted = self.expected == "delivered"
        return self.delivery["state"] == self.expected and self.at_target is wanted and self.reached_target is wanted


def quickstart(*, host: str, port: int, policies: Path, once: bool) -> int:
    """Run it; answers the exit status: 0 when both outcomes are right. Serves until Ctrl-C unless `once`."""
    console = Console(highlight=False)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        # Also when it is killed, or its terminal is closed, the service must not stay behind.
        signal.signal(ending, signal.default_int_handler)
    sandbox = new_sandbox()
    sandbox.start()
    token, password = secrets.token_urlsafe(24), secrets.token_urlsafe(12)
    try:
        with _service(host, _free_port(host, port), policies, token, password) as base:
            client = Client(base, token)
            _configure(client, sandbox)
            shown = [_provision(client, sandbox, user, expected) for user, expected in _USERS]
            _print(console, shown, sandbox)
            _print_addresses(console, base, sandbox, token, password)
            good = all(one.good for one in shown)
            if not once:
                _serve(console)
    finally:
        sandbox.stop()
    return 0 if good else 1


_USERS = ((PERMITTED, "delivered"), (REFUSED, "refused"))


class Client:
    """Speaks to the service as any user would."""

    def __init__(self, base: str, token: str) -> None:
        self.base = base
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer's JSON. Raises `QuickstartError` with what the service said."""
        reply = self._session.post(f"{self.base}/api/v1{path}", json=body, timeout=60)
        if not reply.ok:
            raise QuickstartError(f"POST {path} answered {reply.status_code}: {reply.text}")
        answer: dict[str, Any] = reply.json()
        return answer


def _configure(client: Client, sandbox: Sandbox) -> None:
    """The providers that the sample policies are written for."""
    properties = {
        "scim2-user-ep": f"{sandbox.base}/Users",
        "scim2-group-ep": f"{sandbox.base}/Groups",
        "scim2-authentication-mode": "bearer",
        "scim2-access-token": sandbox.token,
    }
    connector = {"type": "scim2", "properties": properties}
    client.post("/identity-providers", {"name": "sandbox", "defaultConnector": "scim2", "connectors": [connector]})
    row = {"identityProvider": "sandbox", "connector": "scim2", "blocking": True, "enableRules": True}
    client.post("/service-providers", {"name": "hr-portal", "outboundProvisioning": [row]})


def _provision(client: Client, sandbox: Sandbox, attributes: dict[str, Any], expected: str) -> Shown:
    name = attributes["userName"]
    entity = {"type": "user", "name": name, "attributes": attributes}
    body = {"serviceProvider": "hr-portal", "operation": "create", "entity": entity}
    answer = client.post("/provisioning-requests", body)
    reached = sandbox.heard_of(name)
    return Shown(name, answer["deliveries"][0], _is_at_target(sandbox, name), reached, expected)


def _is_at_target(sandbox: Sandbox, name: str) -> bool:
    """Read back from the SCIM server, not from our own records."""
    session = requests.Session()
    session.trust_env = False
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    reply = session.get(f"{sandbox.base}/Users", params={"count": "1000"}, headers=headers, timeout=10)
    reply.raise_for_status()
    return any(user["userName"] == name for user in reply.json().get("Resources", []))


def _print(console: Console, shown: list[Shown], sandbox: Sandbox) -> None:
    table = Table(title="What left Sluice, and what did not")
    for heading in ("user", "outcome", "decided by", "at the target (read back)", "as expected"):
        # A name that is broken at the end of a line cannot be searched for.
        table.add_column(heading, overflow="fold", no_wrap=heading == "decided by")
    for one in shown:
        decision = one.delivery["decision"] or {}
        policies = [f"policy {one}" for one in decision.get("policies", [])]
        by = "\n".join([*policies, *(f"rule {one}" for one in decision.get("rules", []))])
        identifier = one.delivery["provisionedIdentifier"]
        there = f"yes, as\n{identifier}" if one.at_target else f"no; {_mentions(one)}\nabout them arrived"
        table.add_row(one.user, f"{one.delivery['state']}\n{decision.get('decision', '')}", by, there, _tick(one.good))
    console.print(table)
    console.print(f"The target is an independent SCIM 2.0 server at {sandbox.base}.\n")


def _mentions(one: Shown) -> str:
    return "a request" if one.reached_target else "no request"


def _tick(good: bool) -> str:  # noqa: FBT001 - its only meaning
    return "yes" if good else "NO"


def _print_addresses(console: Console, base: str, sandbox: Sandbox, token: str, password: str) -> None:
    console.print(f"Console  {base}/  (sign in as admin, password {password})")
    console.print(f"API      {base}/api/v1  (OpenAPI: {base}/api/v1/openapi.json)\n", soft_wrap=True)
    body = (
        '{"serviceProvider": "hr-portal", "operation": "create", "entity": {"type": "user", "name": "bob", '
        '"attributes": {"roles": [{"value": "eng"}]}}}'
    )
    console.print("Provision someone yourself, then read what the target has:\n", soft_wrap=True)
    curl = f"curl -sS -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json'"
    lines = (
        f"{curl} {base}/api/v1/provisioning-requests -d '{body}'",
        f"curl -sS -H 'Authorization: Bearer {sandbox.token}' {sandbox.base}/Users",
    )
    for line in lines:
        # Never folded: it must work when pasted.
        console.print(line, soft_wrap=True, markup=False)
    console.print()


def _serve(console: Console) -> None:
    console.print("Serving until Ctrl-C.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("Stopping.")


@contextmanager
def _service(host: str, port: int, policies: Path, token: str, password: str) -> Iterator[str]:
    """The service in a process of its own, with fresh data."""
    with _fresh_data() as data:
        settings = {
            "SLUICE_DATA": str(data),
            "SLUICE_POLICIES": str(policies),
            "SLUICE_HOST": host,
            "SLUICE_PORT": str(port),
            "SLUICE_ALLOW_PRIVATE_TARGETS": "1",
            "SLUICE_ADMIN_TOKEN": token,
            "SLUICE_ADMIN_PASSWORD": password,
        }
        with _served(f"http://{host}:{port}", settings, data / "sluice.log") as base:
            yield base


@contextmanager
def _fresh_data() -> Iterator[Path]:
    """An empty folder; another one than that of a quickstart which still serves."""
    DATA.parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, 100):
        data = DATA if number == 1 else DATA.with_name(f"{DATA.name}-{number}")
        occupancy = Occupancy(data)
        try:
            occupancy.take()
        except Occupied:
            continue
        try:
            shutil.rmtree(data, ignore_errors=True)
            data.mkdir(mode=0o700)
            yield data
        finally:
            occupancy.leave()
        return
    raise QuickstartError(f"a hundred quickstarts serve from `{DATA.parent}`: end one")


@contextmanager
def _served(base: str, settings: dict[str, str], log: Path) -> Iterator[str]:
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")}, **settings}
    with log.open("wb") as output:
        # In a session of its own Ctrl-C reaches us alone, and we end it in order.
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve"],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _wait_until_ready(base, process, log)
            yield base
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(base: str, process: subprocess.Popen[bytes], log: Path) -> None:
    session = requests.Session()
    session.trust_env = False
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise QuickstartError(f"the service ended at start:\n{_tail(log)}")
        try:
            reply = session.get(f"{base}/readyz", timeout=5)
        except requests.ConnectionError:
            reply = None
        if reply is not None and reply.ok:
            return
        if reply is not None and reply.json()["errors"]:
            raise QuickstartError(f"the policies cannot be used:\n{_policy_errors(reply.json()['errors'])}")
        time.sleep(0.1)
    raise QuickstartError(f"the service was not ready within {START_TIMEOUT:.0f} s:\n{_tail(log)}")


def _policy_errors(errors: list[dict[str, Any]]) -> str:
    """A line for each: with a broken file there is nothing to wait for."""
    return "\n".join(
        f"{e['file']}:{e['line']}: {e['message']}" + (f": {e['help']}" if e["help"] else "") for e in errors
    )


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def _free_port(host: str, wanted: int) -> int:
    """The wanted port, or a free one when it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise QuickstartError(f"no port is free on {host}")
