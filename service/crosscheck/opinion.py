"""Asks the second opinion: starts its process, sends a job, waits for the answer no longer than allowed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

TIME_LIMIT: Final = 5.0
_START_LIMIT: Final = 60.0  # seconds; translating the engine takes one
_HOME: Final = Path(__file__).resolve().parents[2]  # where this very `service` is imported from


class NoSecondOpinionError(Exception):
    """The other engine cannot be started, usually because it is not installed."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the other engine implements, as addresses."""

    functions: frozenset[str]
    algorithms: frozenset[str]
    data_types: frozenset[str]
    """The data types that it can read values of."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the other engine says: a decision, or None and why there is none."""

    decision: str | None
    reason: str = ""


class SecondOpinion:
    """ndg-xacml in a process of its own, started when first asked and anew after each hang or crash.

    A context manager; not to be shared between threads.
    """

    def __init__(self, time_limit: float = TIME_LIMIT) -> None:
        """`time_limit`: seconds that one job may take."""
        self._time_limit = time_limit
        self._process: subprocess.Popen[str] | None = None
        self._abilities: Abilities | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def abilities(self) -> Abilities:
        """What it implements. Raises `NoSecondOpinionError` when it cannot be started."""
        if self._abilities is None:
            self._started()
        assert self._abilities is not None
        return self._abilities

    def ask(self, policy: str, references: Sequence[str], request: str) -> Opinion:
        """Its opinion on documents of XACML 2.0 (XML without declaration; `references` may be referred to).

        Raises `NoSecondOpinionError` when it cannot be started. Whatever else goes wrong is a reason in the answer.
        """
        process = self._started()
        job = json.dumps({"policy": policy, "references": list(references), "request": request})
        answer, expired = _exchange(process, job, self._time_limit)
        if answer is not None:
            return Opinion(answer.get("decision"), answer.get("reason", ""))
        status = self._ended()
        if expired:
            return Opinion(None, f"it gave no answer within {self._time_limit:g} s")
        return Opinion(None, f"its process ended with status {status}")

    def close(self) -> None:
        """End its process."""
        if self._process is not None:
            self._process.kill()
            self._ended()

    def _started(self) -> subprocess.Popen[str]:
        """The running process, started when there is none."""
        if self._process is None:
            self._process = _start(self._time_limit)
            hello, _ = _exchange(self._process, None, _START_LIMIT)
            if hello is None or "error" in hello:
                status = self._ended()
                raise NoSecondOpinionError(hello["error"] if hello else f"its process ended with status {status}")
            self._abilities = Abilities(
                frozenset(hello["functions"]), frozenset(hello["algorithms"]), frozenset(hello["dataTypes"])
            )
        return self._process

    def _ended(self) -> int:
        """Clear away the process, which is ending, and return its exit status."""
        process, self._process = self._process, None
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        status = process.wait()
        with contextlib.suppress(BrokenPipeError):  # what could not be written any more
            process.stdin.close()
        process.stdout.close()
        return status


def _start(time_limit: float) -> subprocess.Popen[str]:
    # -P: a file beside the policies must not be taken for a module. Its own alarm only serves when nobody waits.
    command = [sys.executable, "-P", "-W", "ignore", "-m", "service.crosscheck.judge", str(2 * time_limit)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}  # no secrets
    paths = [str(_HOME), *filter(None, [environment.get("PYTHONPATH")])]
    return subprocess.Popen(  # noqa: S603 - the command is ours
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**environment, "PYTHONPATH": os.pathsep.join(paths)},
        encoding="ascii",
        start_new_session=True,  # Ctrl-C is for whoever asked, who then ends this process
    )


def _exchange(process: subprocess.Popen[str], job: str | None, seconds: float) -> tuple[dict[str, Any] | None, bool]:
    """Send a job, if any, and read a line: the answer, or None when the process ended; and whether it was too slow.

    A process that is too slow is killed, which also ends a write or read that waits for it.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        process.kill()

    timer = threading.Timer(seconds, expire)
    timer.start()
    try:
        if job is not None:
            process.stdin.write(f"{job}\n")
            process.stdin.flush()
        line = process.stdout.readline()
    except BrokenPipeError:
        line = ""
    finally:
        timer.cancel()
        timer.join()
    if expired.is_set() or not line.endswith("\n"):
        return None, expired.is_set()
    answer: dict[str, Any] = json.loads(line)
    return answer, False
