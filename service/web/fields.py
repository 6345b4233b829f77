"""What the models of bodies, queries and answers share: strictness, names, and how a wrong field is told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from service.store.ledger import stamp
from service.web.problems import Problem, invalid

Model = TypeVar("Model", bound=BaseModel)


class Body(BaseModel):
    """A JSON object whose fields are all known and of exactly their types; camelCase outside, snake_case inside."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
    )


class View(Body):
    """An answer. Fields may be added to it later: readers ignore what they do not know."""

    model_config = ConfigDict(extra="allow")


# Invisible and direction-changing characters make two names look alike; `/` would end a name in an address.
_FORBIDDEN = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
NAME_PATTERN = rf"^(?!\.{{1,2}}$)[^\s/{_FORBIDDEN}]([^/{_FORBIDDEN}]{{0,126}}[^\s/{_FORBIDDEN}])?$"
LINE_PATTERN = rf"^[^{_FORBIDDEN}]*$"
TEXT_PATTERN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"


def _matching(pattern: str, message: str) -> AfterValidator:
    compiled = re.compile(pattern.removesuffix("$") + r"\Z")

    def check(text: str) -> str:
        if compiled.match(text) is None:
            raise ValueError(message)
        return text

    return AfterValidator(check)


def _text(pattern: str, message: str, *, shortest: int = 0, longest: int) -> Any:
    described = Field(min_length=shortest, max_length=longest, json_schema_extra={"pattern": pattern})
    return described, _matching(pattern, message)


Name = Annotated[
    str,
    *_text(
        NAME_PATTERN,
        "must not contain `/`, control or invisible characters, nor begin or end with a space",
        shortest=1,
        longest=128,
    ),
]
"""The name of a provider or a token: part of an address, so without `/`, and neither `.` nor `..`."""

Line = Annotated[str, *_text(LINE_PATTERN, "must not contain control or invisible characters", longest=1024)]
"""One line of text."""

Text = Annotated[str, *_text(TEXT_PATTERN, "must not contain control characters", longest=20_000)]
"""Text that may have several lines."""


def _parse_moment(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("must be a date and time such as `2026-11-30T12:00:00Z`") from error
    if moment.tzinfo is None:
        raise ValueError("must have an offset or `Z`: `2026-11-30T12:00:00Z`")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is out of range") from error


Moment = Annotated[
    datetime,
    BeforeValidator(_parse_moment),
    PlainSerializer(stamp, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time with an offset (RFC 3339), kept and shown in UTC."""


class Page(Body):
    """Where a list goes on, and how much of it is answered."""

    cursor: Annotated[Line | None, Field(max_length=200, description="`next` of the page before")] = None
    limit: Annotated[int, Field(strict=False, ge=1, le=200)] = 50


def checked(model: type[Model], value: Any) -> Model:
    """The model of a value. Raises `Problem` 422 with every field that is wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise problem_of(error) from error


def problem_of(error: ValidationError) -> Problem:
    """The fields that a model found wrong."""
    return invalid((field_path(one["loc"]), _message(one)) for one in error.errors(include_url=False)[:100])


def field_path(parts: Iterable[str | int]) -> str:
    """A path such as `outboundProvisioning[0].identityProvider`."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path


_MESSAGES = {
    "extra_forbidden": "unknown field",
    "missing": "is required",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "datetime_type": "must be a date and time such as `2026-11-30T12:00:00Z`",
    "string_too_short": "has fewer than {min_length} characters",
    "string_too_long": "has more than {max_length} characters",
    "too_short": "has fewer than {min_length} entries",
    "too_long": "has more than {max_length} entries",
    "literal_error": "must be one of {expected}",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "value_error": "{error}",
}


def _message(error: Mapping[str, Any]) -> str:
    template = _MESSAGES.get(error["type"])
    if template is None:
        return str(error["msg"])
    context = dict(error.get("ctx") or {})
    if error["type"] == "literal_error":
        context["expected"] = context["expected"].replace("'", "`").replace(" or ", ", ")
    return template.format(**context)
