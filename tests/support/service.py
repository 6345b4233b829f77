"""The service as users run it: `python -m service serve` in a process of its own, spoken to over HTTP."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import requests

ADMIN_TOKEN = "admin-token-of-the-acceptance-tests"
ADMIN_PASSWORD = "admin password of the acceptance tests"
SHIPPED_POLICIES = Path(__file__).parents[2] / "policies"
START_TIMEOUT = 30.0

Json = dict[str, Any]
T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, *, timeout: float = 15.0, every: float = 0.05) -> T:
    """What `look` finds as soon as it is truthy; fails after `timeout` seconds, saying what was waited for."""
    deadline = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:.0f} s: {what}; last seen: {found!r}")
        time.sleep(every)


@dataclass
class Api:
    """HTTP as one principal. Without a token: as nobody."""

    base: str
    token: str | None = ADMIN_TOKEN
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """The answer; `path` is below `/api/v1` unless it starts with another root."""
        rooted = path.startswith(("/api/", "/readyz", "/healthz", "/metrics", "/xacml/"))
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= options.pop("headers", {})
        if body is not None:
            options["json"] = body
        options.setdefault("timeout", 60)
        url = f"{self.base}{path if rooted else f'/api/v1{path}'}"
        return self.session.request(method, url, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        """The JSON of a GET that must succeed."""
        return self._good(self.call("GET", path, **options))

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """The JSON of a POST that must succeed."""
        return self._good(self.call("POST", path, body, **options))

    def put(self, path: str, body: Any, **options: Any) -> Any:
        """The JSON of a PUT that must succeed."""
        return self._good(self.call("PUT", path, body, **options))

    def patch(self, path: str, body: Any, **options: Any) -> Any:
        """The JSON of a PATCH that must succeed."""
        return self._good(self.call("PATCH", path, body, **options))

    def delete(self, path: str) -> None:
        """A DELETE that must succeed."""
        reply = self.call("DELETE", path)
        assert reply.ok, f"DELETE {path}: {reply.status_code} {reply.text}"

    def _good(self, reply: requests.Response) -> Any:
        assert reply.ok, f"{reply.request.method} {reply.url}: {reply.status_code} {reply.text}"
        return reply.json()

    # -- provisioning -------------------------------------------------------------------------------------------------

    def identity_provider(
        self, name: str, connector: str, properties: Mapping[str, str], of_connector: Json | None = None, **more: Any
    ) -> Json:
        """Make an identity provider with one connector."""
        connectors = [{"type": connector, "properties": dict(properties), **(of_connector or {})}]
        return self.post("/identity-providers", {"name": name, "connectors": connectors, **more})  # type: ignore[no-any-return]

    def service_provider(self, name: str, *rows: Json) -> Json:
        """Make a service provider with these rows."""
        return self.post("/service-providers", {"name": name, "outboundProvisioning": list(rows)})  # type: ignore[no-any-return]

    def provision(self, provider: str, operation: str, name: str, attributes: Json | None = None, **more: Any) -> Json:
        """Send a provisioning request that must be accepted; answers it as it is then."""
        return self.post("/provisioning-requests", request_body(provider, operation, name, attributes, **more))  # type: ignore[no-any-return]

    def provisioned(
        self, provider: str, operation: str, name: str, attributes: Json | None = None, **more: Any
    ) -> Json:
        """The same, and what it has come to once it is final."""
        return self.settled(self.provision(provider, operation, name, attributes, **more)["id"])

    def settled(self, request_id: str, *, timeout: float = 15.0) -> Json:
        """The request once all its deliveries are final."""

        def look() -> Json | None:
            request: Json = self.get(f"/provisioning-requests/{request_id}")
            return request if request["state"] != "pending" else None

        return eventually(look, f"request {request_id} is final", timeout=timeout)

    def delivery(self, delivery_id: str) -> Json:
        """A delivery with its attempts, decisions and exchanges."""
        return self.get(f"/deliveries/{delivery_id}")  # type: ignore[no-any-return]

    def delivery_in(self, state: str, delivery_id: str, *, timeout: float = 15.0) -> Json:
        """The delivery once it is in that state."""

        def look() -> Json | None:
            delivery = self.delivery(delivery_id)
            return delivery if delivery["state"] == state else None

        return eventually(look, f"delivery {delivery_id} is {state}", timeout=timeout)


def request_body(
    provider: str, operation: str, name: str, attributes: Json | None = None, *, type_: str = "user", **more: Any
) -> Json:
    """The body of a provisioning request; a user gets its name, and no more, unless told otherwise."""
    entity: Json = {"type": type_, "name": name}
    if operation in {"create", "replace"}:
        naming = "userName" if type_ == "user" else "displayName"
        entity["attributes"] = {naming: name, **(attributes or {})}
    return {"serviceProvider": provider, "operation": operation, "entity": entity, **more}


def row(identity_provider: str, *, blocking: bool = True, rules: bool = False, **more: Any) -> Json:
    """A row of an outbound provisioning configuration."""
    return {"identityProvider": identity_provider, "blocking": blocking, "enableRules": rules, **more}


def assert_problem(reply: requests.Response, status: int, field_: str | None = None, says: str = "") -> Json:
    """The answer is a problem of that status (RFC 9457) that names the field; answers its JSON."""
    assert reply.status_code == status, f"{reply.status_code} {reply.text}"
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    problem: Json = reply.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    if field_ is not None:
        assert field_ in [error.get("field") for error in problem["errors"]], problem
    assert says in reply.text, problem
    return problem


@dataclass
class Service:
    """The service with a data folder and a policies folder of its own."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    command: str = "serve"
    api: Api = field(init=False)

    def __post_init__(self) -> None:
        self.port = self.port or free_port()
        self.api = Api(self.base)

    @property
    def base(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """The folder of its database and key."""
        return self.folder / "data"

    @property
    def policies(self) -> Path:
        """The folder of its policies."""
        return self.folder / "policies"

    @property
    def log(self) -> str:
        """All that it has written since its first start."""
        return (self.folder / "service.log").read_text(errors="replace")

    @property
    def environment(self) -> dict[str, str]:
        """What it is started with: nothing of ours but what is set here."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
        own = {
            "SLUICE_DATA": str(self.data),
            "SLUICE_POLICIES": str(self.policies),
            "SLUICE_PORT": str(self.port),
            "SLUICE_ADMIN_TOKEN": ADMIN_TOKEN,
            "SLUICE_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "SLUICE_ALLOW_PRIVATE_TARGETS": "1",
        }
        return inherited | own | self.settings

    def start(self, until: str = "/readyz") -> None:
        """Start it and wait until it is ready, or until another address answers well."""
        self.launch()
        eventually(lambda: self._answers(until), "the service is ready", timeout=START_TIMEOUT)

    def launch(self) -> None:
        """Start it; it may not be ready, or end at once."""
        with (self.folder / "service.log").open("ab") as log:
            # A session of its own: its whole process group can be killed, and nothing else with it.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", self.command],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _answers(self, path: str) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the service ended at start:\n{self.log}"
        try:
            return self.api.call("GET", path, timeout=5).ok
        except requests.ConnectionError:
            return False

    def kill9(self) -> None:
        """What a power cut does to it: every process of it is gone at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """What a service manager does; answers the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        self.api.session.close()
        process, self.process = self.process, None
        assert process is not None
        if how is signal.SIGKILL:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.terminate()
        try:
            return process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise AssertionError(f"the service did not end:\n{self.log}") from None

    def restart(self) -> None:
        """Stop it in order, and start it again with the same folders and the same port."""
        self.stop()
        self.start()

    def write_policy(self, name: str, text: str) -> None:
        """Put a policy file in the folder as an editor does: beside it first, then in its place."""
        path = self.policies / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.swp")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)

    def use_policies(self, **texts: str) -> str:
        """Decide with these files and no others from now on; answers the hash of the snapshot."""
        before = self.api.get("/policies")["snapshot"]
        for old in self.policies.glob("*.xml"):
            if old.stem not in texts:
                old.unlink()
        for name, text in texts.items():
            self.write_policy(f"{name}.xml", text)

        def look() -> str | None:
            listed = self.api.get("/policies")
            mine = {one["file"] for one in listed["items"]} == {f"{name}.xml" for name in texts}
            newer = listed["snapshot"]["hash"] != before["hash"] and listed["snapshot"]["state"] == "ok"
            return listed["snapshot"]["hash"] if mine and newer else None

        return eventually(look, "the policies are in force")


@dataclass
class Worker(Service):
    """`sluice worker` in a folder of its own: delivers beside the service, and serves nothing."""

    command: str = "worker"

    def start(self, until: str = '"event": "delivers"') -> None:
        """Start it and wait until it says so in its log once more."""
        before = self.log.count(until) if (self.folder / "service.log").exists() else 0
        self.launch()

        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"the worker ended at start:\n{self.log}"
            return self.log.count(until) > before

        eventually(ready, "the worker delivers", timeout=START_TIMEOUT)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_service(
    folder: Path, *, policies: Mapping[str, str] | None = None, until: str = "/readyz", **settings: str
) -> Iterator[Service]:
    """The service in a folder. `policies`: file names and texts, else the shipped ones; `settings`: environment."""
    service = Service(folder, settings)
    folder.mkdir(parents=True, exist_ok=True)
    if policies is None:
        shutil.copytree(SHIPPED_POLICIES, service.policies)
    else:
        service.policies.mkdir()
        for name, text in policies.items():
            service.write_policy(name, text)
    try:
        service.start(until)
        yield service
    finally:
        if service.process is not None:
            service.stop()
