"""The OpenAPI 3.1 document of the API, written from the marks of its endpoints and the models that check its bodies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Any

from pydantic import BaseModel, Field
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from service.web.fields import View
from service.web.operations import JSON, MERGE_PATCH, Content, NoQuery, Operation
from service.web.problems import MEDIA_TYPE

REFERENCE = "#/components/schemas/{model}"

PARAMETERS: dict[str, dict[str, Any]] = {
    "If-Match": {
        "description": "the ETag that was read: when it is stale nothing is written (412)",
        "schema": {"type": "string"},
    },
    "Idempotency-Key": {
        "description": "names the request: the same key and body answer with the first request for 24 hours",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
}
HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {"description": "names this state of the resource", "schema": {"type": "string"}},
    "Location": {"description": "where the resource is", "schema": {"type": "string"}},
    "Sluice-Cancelled-Deliveries": {
        "description": "how many deliveries that were under way this write cancelled",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
}
PROBLEMS = (400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 500, 503)
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "a token of `/api/v1/tokens`"},
    "basic": {"type": "http", "scheme": "basic", "description": "a user of the console"},
}


class ProblemView(View):
    """An error as problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: Annotated[
        list[dict[str, Any]], Field(default_factory=list, description="fields, or places in files, that are wrong")
    ]


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The document of these endpoints."""
    operations = list(operations)
    schemas = _Schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for one in sorted(operations, key=lambda one: (one.path, one.method)):
        path = one.path.replace(":path}", "}")
        paths.setdefault(path, {})[one.method.lower()] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sluice",
            "version": version("sluice"),
            "description": "Provisions users and groups outward, and lets nothing out that the policies do not permit.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "responses": {f"Problem{status}": _problem(status, schemas) for status in sorted(PROBLEMS)},
            "securitySchemes": SECURITY_SCHEMES,
        },
        "security": [{name: []} for name in SECURITY_SCHEMES],
        "tags": [{"name": tag} for tag in sorted({one.tag for one in operations})],
    }


class _Schemas:
    """The schemas of all models, each once, and references to them."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ProblemView, "serialization"): None}
        for one in operations:
            if model := _body_model(one):
                wanted[model, "validation"] = None
            for answer in one.answers.values():
                if isinstance(answer, type):
                    wanted[answer, "serialization"] = None
        self._references, everything = models_json_schema(list(wanted), ref_template=REFERENCE)
        self.definitions: dict[str, Any] = everything.get("$defs", {})

    def reference(self, model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, Any]:
        return self._references[model, mode]

    def patch_of(self, model: type[BaseModel]) -> dict[str, Any]:
        """What a merge patch of a model may be: any part of it, null for what shall go (RFC 7396)."""
        name = self.reference(model, "validation")["$ref"].rpartition("/")[2]
        required = self.definitions[name].get("required", ())
        properties = {
            key: schema if key in required else {"anyOf": [schema, {"type": "null"}]}
            for key, schema in self.definitions[name]["properties"].items()
        }
        return {"type": "object", "additionalProperties": False, "properties": properties}


def _body_model(one: Operation) -> type[BaseModel] | None:
    if one.schema is not None:
        return one.schema
    return one.body if isinstance(one.body, type) and issubclass(one.body, BaseModel) else None


def _operation(one: Operation, schemas: _Schemas) -> dict[str, Any]:
    written: dict[str, Any] = {
        "operationId": one.name.replace(".", "_"),
        "summary": one.summary,
        "description": _description(one),
        "tags": [one.tag],
        "parameters": _parameters(one),
        "responses": _responses(one, schemas),
    }
    if one.body is not None:
        written["requestBody"] = _request_body(one, schemas)
    if one.open_to_all:
        written["security"] = []
    return written


def _description(one: Operation) -> str:
    if one.open_to_all:
        return one.description
    scopes = ", ".join(f"`{scope}`" for scope in ("admin", *sorted(one.scopes)))
    return f"{one.description}\n\nScopes that suffice: {scopes}.".strip()


def _parameters(one: Operation) -> list[dict[str, Any]]:
    path = [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in one.path_parameters]
    headers = [{"name": n, "in": "header", "required": False, **PARAMETERS[n]} for n in one.request_headers]
    if one.query is NoQuery:
        return path + headers
    schema = one.query.model_json_schema(by_alias=True)
    query = [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _without_null(property_),
        }
        for name, property_ in schema["properties"].items()
    ]
    return path + query + headers


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A query parameter is left out, never null."""
    plain = {key: value for key, value in schema.items() if key not in {"anyOf", "default"} or value is not None}
    choices = [choice for choice in plain.pop("anyOf", ()) if choice != {"type": "null"}]
    return {**choices[0], **plain} if len(choices) == 1 else {**plain, **({"anyOf": choices} if choices else {})}


def _request_body(one: Operation, schemas: _Schemas) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for media_type in one.media_types:
        model = _body_model(one)
        if one.method == "PATCH" and model is not None:
            content[media_type] = {"schema": schemas.patch_of(model)}
        elif model is not None and media_type in {JSON, MERGE_PATCH}:
            content[media_type] = {"schema": schemas.reference(model, "validation")}
        else:
            content[media_type] = {"schema": {"type": "object" if media_type.endswith("json") else "string"}}
    return {"required": one.body_required, "content": content}


def _responses(one: Operation, schemas: _Schemas) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, answer in one.answers.items():
        responses[str(status)] = {"description": HTTPStatus(status).phrase}
        if isinstance(answer, Content):
            content = {media: {"schema": _content_schema(media)} for media in answer.media_types}
            responses[str(status)]["content"] = content
        elif answer is not None:
            responses[str(status)]["content"] = {JSON: {"schema": schemas.reference(answer, "serialization")}}
        if one.response_headers:
            responses[str(status)]["headers"] = {name: HEADERS[name] for name in one.response_headers}
    for status in sorted(_problem_statuses(one) - one.answers.keys()):
        responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    return responses


def _problem(status: int, schemas: _Schemas) -> dict[str, Any]:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": schemas.reference(ProblemView, "serialization")}},
    }


def _content_schema(media_type: str) -> dict[str, Any]:
    return {"type": "object"} if media_type.endswith("json") else {"type": "string"}


def _problem_statuses(one: Operation) -> set[int]:
    """What any endpoint of this kind may answer, and what this one says of itself."""
    statuses = {422, 500, *one.problems}
    if not one.open_to_all:
        statuses |= {401, 403, 429}
    if one.path_parameters:
        statuses.add(404)
    if one.body is not None:
        statuses |= {400, 413, 415}
    if "If-Match" in one.request_headers:
        statuses.add(412)
    return statuses
