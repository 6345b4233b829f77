"""Endpoints: a method marked with `operation` says once who may call it, what it takes and what it answers.

From that mark come the check of scopes, the reading and checking of body and query, and the OpenAPI document. The
models of `body` and `query` are the annotations of the method's parameters of these names; a parameter `body` of type
`bytes` takes the body as it is, one of type `dict` any JSON object.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import structlog
from flask import Flask, Response, g, request
from pydantic import BaseModel
from werkzeug.datastructures import Headers

from service.web.fields import Body, checked
from service.web.json_body import JsonError, read
from service.web.principals import NOBODY, Principal, Right
from service.web.problems import Problem, invalid

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

log = structlog.get_logger(__name__)

F = TypeVar("F", bound=Callable[..., "Answer"])
_MARK = "__operation__"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class NoQuery(Body):
    """The query of an endpoint that takes none."""


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, and the headers of the call."""

    principal: Principal
    headers: Headers


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answers; a model or a mapping is written as JSON."""

    body: BaseModel | Mapping[str, Any] | bytes | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON

    def response(self) -> Response:
        """The Flask response."""
        body = self.body
        if isinstance(body, BaseModel):
            body = body.model_dump(mode="json", by_alias=True)
        if isinstance(body, Mapping):
            body = (json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
        response = Response(body, self.status, content_type=self.media_type)
        if body is None:
            del response.headers["Content-Type"]
        response.headers.update(self.headers)
        return response


@dataclass(frozen=True, slots=True)
class Content:
    """An answer that is no JSON, by its media types."""

    media_types: tuple[str, ...]


Documented = type[BaseModel] | Content | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The mark of an endpoint. `body` is its model, `bytes`, `dict` or None; `schema` documents a body of `dict`."""

    method: str
    path: str
    tag: str
    scopes: frozenset[Right]
    open_to_all: bool
    answers: Mapping[int, Documented]
    problems: tuple[int, ...]
    request_headers: tuple[str, ...]
    response_headers: tuple[str, ...]
    media_types: tuple[str, ...]
    name: str
    summary: str
    description: str
    body: Any
    body_required: bool
    schema: type[BaseModel] | None
    query: type[BaseModel]

    @property
    def path_parameters(self) -> list[str]:
        """The names in braces, in their order."""
        return re.findall(r"{(\w+)(?::\w+)?}", self.path)

    @property
    def rule(self) -> str:
        """The path as Flask writes it: `{name}` is one segment, `{name:path}` the rest."""
        return re.sub(r"{(\w+):path}", r"<path:\1>", self.path).replace("{", "<").replace("}", ">")


def operation(
    method: str,
    path: str,
    *,
    tag: str,
    scopes: Iterable[Right] = (),
    open_to_all: bool = False,
    answers: Mapping[int, Documented],
    problems: Iterable[int] = (),
    request_headers: Iterable[str] = (),
    response_headers: Iterable[str] = (),
    media_types: Iterable[str] = (JSON,),
    schema: type[BaseModel] | None = None,
) -> Callable[[F], F]:
    """Mark a method as an endpoint.

    `scopes` are those that suffice, next to `admin`, which always does. `open_to_all` needs no credentials.
    """

    def mark(function: F) -> F:
        hints = get_type_hints(function)
        summary, _, description = (inspect.getdoc(function) or "").partition("\n")
        body, required = _body(function, hints)
        made = Operation(
            method=method,
            path=path,
            tag=tag,
            scopes=frozenset(scopes),
            open_to_all=open_to_all,
            answers=answers,
            problems=tuple(problems),
            request_headers=tuple(request_headers),
            response_headers=tuple(response_headers),
            media_types=tuple(media_types),
            name=function.__qualname__,
            summary=summary.rstrip("."),
            description=description.strip(),
            body=body,
            body_required=required,
            schema=schema,
            query=hints.get("query", NoQuery),
        )
        setattr(function, _MARK, made)
        return function

    return mark


def _body(function: Callable[..., Answer], hints: Mapping[str, Any]) -> tuple[Any, bool]:
    """What the parameter `body` is, and whether it must be sent."""
    if "body" not in hints:
        return None, False
    hint = hints["body"]
    if get_origin(hint) is UnionType:
        hint = next(one for one in get_args(hint) if one is not NoneType)
    required = inspect.signature(function).parameters["body"].default is inspect.Parameter.empty
    return get_origin(hint) or hint, required


def marked(endpoints: object) -> list[tuple[Operation, Callable[..., Answer]]]:
    """The endpoints among an object's methods."""
    methods = (member for _, member in inspect.getmembers(endpoints, inspect.ismethod))
    return [(getattr(method, _MARK), method) for method in methods if hasattr(method, _MARK)]


def register(app: Flask, groups: Iterable[object]) -> list[Operation]:
    """Give the application all endpoints of these objects."""
    operations = []
    for endpoints in groups:
        for mark, method in marked(endpoints):
            app.add_url_rule(mark.rule, mark.name, _view(mark, method), methods=[mark.method])
            operations.append(mark)
    return operations


def _view(mark: Operation, method: Callable[..., Answer]) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        principal: Principal = NOBODY if mark.open_to_all else g.principal
        if not mark.open_to_all:
            principal.require(mark.scopes)
        if any(_CONTROL.search(value) for value in path.values()):
            raise Problem(404, "there is nothing at this address")
        arguments: dict[str, Any] = dict(path)
        query = _query(mark.query)
        if mark.query is not NoQuery:
            arguments["query"] = query
        if mark.body is not None and (mark.body_required or _has_body()):
            arguments["body"] = _read_body(mark)
        answer = method(Call(principal, request.headers), **arguments)
        if mark.method != "GET":
            log.info("done", operation=mark.name, principal=principal.name, path=request.path, status=answer.status)
        return answer.response()

    return view


def _query(model: type[BaseModel]) -> BaseModel:
    """The query as its model; a parameter given twice is refused."""
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    if twice:
        raise invalid((name, "is given twice") for name in twice)
    return checked(model, request.args.to_dict())


def _has_body() -> bool:
    return bool(request.content_length) or request.environ.get("HTTP_TRANSFER_ENCODING") is not None


def _read_body(mark: Operation) -> Any:
    """The body as the endpoint takes it. Raises `Problem` 400, 413, 415 or 422."""
    if request.mimetype not in mark.media_types:
        wanted = " or ".join(f"`{media_type}`" for media_type in mark.media_types)
        raise Problem(415, f"the body must be sent with the Content-Type {wanted}")
    data = request.get_data(cache=False)
    if mark.body is bytes:
        return data
    value = read_json(data)
    if mark.body is dict:
        if not isinstance(value, dict):
            raise invalid([("", "the body must be an object")])
        return value
    return checked(mark.body, value)


def read_json(data: bytes) -> Any:
    """The value of a JSON body. Raises `Problem` 400."""
    try:
        return read(data)
    except JsonError as error:
        raise Problem(400, f"the body cannot be read: {error}") from error
