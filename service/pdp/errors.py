"""What can go wrong with a policy, with a request, and while a policy is evaluated.

```
Exception
├── EvaluationError    an expression has no value: its rule becomes Indeterminate with this status code
└── ValueError
    ├── RequestError   the client must send a better request
    └── PolicyErrors   the policies' author must mend them: a `PolicyError` for each thing that is wrong
```
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

OK: Final = "urn:oasis:names:tc:xacml:1.0:status:ok"
MISSING_ATTRIBUTE: Final = "urn:oasis:names:tc:xacml:1.0:status:missing-attribute"
SYNTAX_ERROR: Final = "urn:oasis:names:tc:xacml:1.0:status:syntax-error"
PROCESSING_ERROR: Final = "urn:oasis:names:tc:xacml:1.0:status:processing-error"

_LONGEST_QUOTE: Final = 120


def quoted(text: str) -> str:
    """User input for a message: in backticks, without line breaks, shortened when it is long."""
    shown = " ".join(text[: 2 * _LONGEST_QUOTE].split())
    if len(shown) > _LONGEST_QUOTE:
        shown = f"{shown[:_LONGEST_QUOTE]}…"
    return f"`{shown}`"


class EvaluationError(Exception):
    """An expression could not be evaluated (XACML 3.0, section 7.3.5: it results in Indeterminate)."""

    def __init__(self, message: str, status_code: str = PROCESSING_ERROR) -> None:
        """Keep the message and one of the four status codes of XACML 3.0, appendix B.8."""
        super().__init__(message)
        self.message = message
        self.status_code = status_code


class RequestError(ValueError):
    """A request that is not well-formed or exceeds a limit: the client must send a better one."""

    def __init__(self, message: str, line: int | None = None) -> None:
        """Keep the message, and the line of the request that it is about, if one is known."""
        super().__init__(message if line is None else f"{line}: {message}")
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class PolicyError:
    """One thing that is wrong with one policy file."""

    file: str
    line: int
    path: str
    """Where in the file, as an XPath without prefixes: `/Policy/Rule[2]/Condition`."""
    message: str
    help: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}: {self.message}"
        return f"{text}: {self.help}" if self.help else text


class PolicyErrors(ValueError):
    """Policies that are not loaded: all that is wrong with them, for their author to mend."""

    def __init__(self, errors: Iterable[PolicyError]) -> None:
        """Keep the errors, in order of file and line."""
        self.errors = tuple(sorted(errors, key=lambda error: (error.file, error.line)))
        super().__init__("\n".join(map(str, self.errors)))
