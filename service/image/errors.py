"""What is wrong with a resource or a patch, field by field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, Literal

ScimType = Literal["invalidFilter", "invalidPath", "invalidSyntax", "invalidValue", "mutability", "noTarget", "tooMany"]
"""The detail error keywords of RFC 7644, section 3.12, that an image can give rise to."""

MOST_ERRORS: Final = 100
"""How many errors are told of one body; nobody reads more, and a hostile body could hold a million."""

_LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong: the path of the field in the caller's body, a message, the SCIM keyword that fits.

    The message never repeats a value, which may be a password or personal data; only names of attributes.
    """

    field: str
    message: str
    scim_type: ScimType = "invalidValue"


class ImageErrors(Exception):
    """The resource or patch cannot be taken; `errors` has at least one entry."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in self.errors))

    @property
    def problems(self) -> list[tuple[str, str]]:
        """The errors as (field, message)."""
        return [(error.field, error.message) for error in self.errors]


@dataclass(slots=True)
class Findings:
    """Collects errors while a body is read. `ignored` are fields that were dropped because they are read-only."""

    errors: list[FieldError] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def error(self, at: str, message: str, scim_type: ScimType = "invalidValue") -> None:
        """Note an error at a field, up to the limit."""
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(FieldError(at, message, scim_type))

    def raise_any(self) -> None:
        """Raise `ImageErrors` when there were errors."""
        if self.errors:
            raise ImageErrors(self.errors)


def fail(at: str, message: str, scim_type: ScimType = "invalidValue") -> ImageErrors:
    """A single error, to be raised."""
    return ImageErrors([FieldError(at, message, scim_type)])


def show(name: str) -> str:
    """A caller's name for something, fit for a message: printable and not longer than a line."""
    printable = "".join(char if char.isprintable() else repr(char)[1:-1] for char in name[: _LONGEST_NAME + 1])
    return printable if len(printable) <= _LONGEST_NAME else printable[:_LONGEST_NAME] + "…"


def below(at: str, name: str) -> str:
    """The path of a field inside the field `at`, which may be the body itself (empty)."""
    return f"{at}.{show(name)}" if at else show(name)


# What people write who never read RFC 7643; no spelling mistake leads from one to the other.
_OTHER_WORDS: Final = {"firstname": "givenname", "lastname": "familyname", "surname": "familyname"}


def suggestion(name: str, known: Iterable[str]) -> str:
    """The help sentence for a misspelt name; empty when nothing is close. Known names may be dotted paths."""
    spellings = {one.rpartition(".")[2].casefold(): one for one in known}
    wanted = name[:_LONGEST_NAME].casefold()
    wanted = _OTHER_WORDS.get(wanted, wanted)
    close = get_close_matches(wanted, spellings, n=1, cutoff=0.7)
    return f": did you mean `{spellings[close[0]]}`?" if close else ""
