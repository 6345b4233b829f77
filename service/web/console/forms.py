"""Forms: fields are named by the paths of the HTTP contract, so that what is wrong with one is shown beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel
from werkzeug.datastructures import MultiDict

from service.web.fields import checked
from service.web.operations import Answer
from service.web.problems import Problem

Json = dict[str, Any]
Form = MultiDict[str, str]
Model = TypeVar("Model", bound=BaseModel)

MOST_ROWS = 2000


@dataclass(slots=True)
class Wrong:
    """What is wrong with a form: `fields` by their names, `summary` in a sentence. Empty: nothing is."""

    status: int = 200
    summary: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.summary)

    def under(self, prefix: str) -> bool:
        """Whether any field whose name begins so is wrong."""
        return any(name.startswith(prefix) for name in self.fields)


def saved(write: Callable[[Any], Answer], model: type[BaseModel], value: Json) -> tuple[Answer | None, Wrong]:
    """Check a value as the HTTP API checks a body, and write it; what cannot be written says why, and wrote nothing.

    Raises `Problem` for what no other input would mend: 403 and 404.
    """
    try:
        return write(checked(model, value)), Wrong()
    except Problem as problem:
        if problem.status not in {409, 412, 422}:
            raise
        return None, wrong(problem)


def wrong(problem: Problem) -> Wrong:
    """A problem of the HTTP contract as it is shown in a form."""
    fields: dict[str, str] = {}
    for error in problem.errors:
        fields.setdefault(str(error.get("field", "")), str(error["message"]))
    return Wrong(status=problem.status, summary=problem.detail, fields=fields)


def rows(form: Form, prefix: str) -> int:
    """How many rows a form has, by the hidden field that counts them."""
    count = form.get(f"{prefix}.count", "0")
    return min(int(count), MOST_ROWS) if count.isdecimal() and len(count) < 6 else 0


def ticked(form: Form, name: str) -> bool:
    """Whether a box is ticked."""
    return form.get(name) == "on"


def text(form: Form, name: str) -> str:
    """A field of one line, without blanks around it."""
    return form.get(name, "").strip()


def long_text(form: Form, name: str) -> str:
    """A field of several lines; browsers send CR LF (HTML, section 4.10.22.4)."""
    return form.get(name, "").replace("\r\n", "\n")


def action(form: Form) -> tuple[str, str]:
    """The button that sent the form: `remove:3` is (`remove`, `3`); none means `update`."""
    name, _, argument = form.get("action", "update").partition(":")
    return name, argument


def without(items: list[Any], place: str) -> list[Any]:
    """The items without the one at that place, if there is one."""
    return [one for number, one in enumerate(items) if str(number) != place]
