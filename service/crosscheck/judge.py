"""The process that the second opinion runs in: a job a line on standard input, an answer a line on standard output.

```
first line of output    {"functions": [...], "algorithms": [...], "dataTypes": [...]} or {"error": "…"}
a job                   {"policy": "<Policy …", "references": ["<Policy …"], "request": "<Request …"}
its answer              {"decision": "Permit"} or {"reason": "…"}
```
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
from typing import Any, Final, TextIO

_MEMORY: Final = 1 << 30  # bytes of address space; a policy needs a few per cent of it


def main(time_limit: float) -> None:
    """Answer jobs until the input ends; the process dies when a job takes longer than `time_limit` seconds."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = _answers()
    try:
        importlib.import_module("service.crosscheck.translation").install()
        engine = importlib.import_module("service.crosscheck.engine")
    except ImportError as error:
        _say(answers, {"error": str(error)})
        return
    _say(answers, engine.abilities())
    judge = engine.Engine()
    for line in sys.stdin:
        # Whoever asked may be gone and not end us: so the default action of this signal does, in the midst of `re`.
        signal.setitimer(signal.ITIMER_REAL, time_limit)
        try:
            answer = {"decision": judge.decide(**json.loads(line))}
        except engine.CannotJudgeError as error:
            answer = {"reason": str(error)}
        except (MemoryError, RecursionError) as error:
            answer = {"reason": f"it needs too much: {type(error).__name__}"}
        signal.setitimer(signal.ITIMER_REAL, 0)
        _say(answers, answer)


def _answers() -> TextIO:
    """Standard output for the answers alone: what the engine prints goes where its errors go."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _say(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(f"{json.dumps(answer)}\n")
    answers.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
