"""`/api/v1/policies`, policy files, checks and templates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from werkzeug.http import parse_etags

from service.pap import CurrentSnapshot, error_json
from service.pdp import PolicyErrors, PolicyInfo
from service.policy_folder import NoPolicyFolder, PolicyFileChanged, PolicyFileNotFound, PolicyPathRefused
from service.store.ledger import stamp
from service.web.operations import Answer, Call, Content, operation
from service.web.policy_schemas import (
    CheckView,
    DraftBody,
    PolicyFilePage,
    PolicyPage,
    TemplatePage,
    WrittenPolicyFileView,
)
from service.web.problems import Problem, invalid
from service.web.services import Services

FILES = "/api/v1/policy-files"
TAG = "policies"
XML = "application/xml"
XML_TYPES = (XML, "application/xacml+xml", "text/xml")


@contextmanager
def policy_problems() -> Iterator[None]:
    """What the policies refuse, as problems; `errors` name file, line, message and help."""
    try:
        yield
    except PolicyErrors as refused:
        errors = [error_json(error) for error in refused.errors]
        detail = f"the policies would be refused, nothing was written: {refused.errors[0]}"
        raise Problem(422, detail, errors=errors) from refused
    except PolicyPathRefused as error:
        raise invalid([("path", str(error))]) from error
    except PolicyFileNotFound as error:
        raise Problem(404, str(error)) from error
    except PolicyFileChanged as error:
        raise Problem(412, str(error)) from error
    except NoPolicyFolder as error:
        raise Problem(409, str(error)) from error


class PolicyApi:
    """The policies that decide, and the files that they are written in."""

    def __init__(self, services: Services) -> None:
        self._policies = services.policies

    @operation("GET", "/api/v1/policies", tag=TAG, scopes=("read",), answers={200: PolicyPage})
    def list(self, _call: Call) -> Answer:
        """The policies of the snapshot that decides, with file and line."""
        current = self._policies.current()
        found = current.snapshot.policies if current.snapshot is not None else ()
        return Answer({"items": [_policy(one) for one in found], "next": None, "snapshot": snapshot_view(current)})

    @operation("GET", FILES, tag=TAG, scopes=("read",), answers={200: PolicyFilePage})
    def files(self, _call: Call) -> Answer:
        """All policy files, also those that are not loaded."""
        items = [{"path": f.path, "kind": f.kind, "size": f.size, "etag": f.etag} for f in self._policies.files()]
        return Answer({"items": items, "next": None})

    @operation(
        "GET",
        f"{FILES}/{{path:path}}",
        tag=TAG,
        scopes=("read",),
        answers={200: Content((XML,))},
        response_headers=("ETag",),
    )
    def read(self, _call: Call, path: str) -> Answer:
        """A policy file as it is."""
        with policy_problems():
            file = self._policies.read(path)
        return Answer(file.content, headers={"ETag": file.etag}, media_type=XML)

    @operation(
        "PUT",
        f"{FILES}/{{path:path}}",
        tag=TAG,
        scopes=("policies",),
        answers={200: WrittenPolicyFileView},
        problems=(409,),
        media_types=XML_TYPES,
        request_headers=("If-Match",),
        response_headers=("ETag",),
    )
    def write(self, call: Call, path: str, body: bytes) -> Answer:
        """Write a policy file and decide with it from now on.

        When the snapshot that it makes would be refused, nothing is written and `errors` say file, line and message.
        """
        with policy_problems():
            file = self._policies.write(path, body, if_match=_if_match(call))
        view = {"path": file.path, "etag": file.etag, "snapshot": snapshot_view(self._policies.current())}
        return Answer(view, headers={"ETag": file.etag})

    @operation(
        "DELETE",
        f"{FILES}/{{path:path}}",
        tag=TAG,
        scopes=("policies",),
        answers={204: None},
        problems=(409,),
        request_headers=("If-Match",),
    )
    def delete(self, call: Call, path: str) -> Answer:
        """Remove a policy file; refused when the others would not make a snapshot without it."""
        with policy_problems():
            self._policies.delete(path, if_match=_if_match(call))
        return Answer(None, 204)

    @operation("POST", "/api/v1/policy-checks", tag=TAG, scopes=("policies",), answers={200: CheckView})
    def check(self, _call: Call, body: DraftBody) -> Answer:
        """What would be wrong if drafts over the current files were written; writes nothing."""
        with policy_problems():
            found = self._policies.check(body.drafts())
        return Answer(
            {
                "valid": not found.errors,
                "errors": [error_json(error) for error in found.errors],
                "warnings": [error_json(warning) for warning in found.warnings],
            }
        )

    @operation("GET", "/api/v1/policy-templates", tag=TAG, scopes=("read",), answers={200: TemplatePage})
    def templates(self, _call: Call) -> Answer:
        """Policy templates with their places to fill in."""
        return Answer({"items": [asdict(one) for one in self._policies.templates()], "next": None})


def snapshot_view(current: CurrentSnapshot) -> dict[str, Any]:
    """The snapshot that decides, and what keeps newer policies from it."""
    return {
        "hash": current.hash,
        "sequence": current.sequence,
        "state": current.state,
        "loadedAt": stamp(current.loaded_at),
        "errors": [error_json(error) for error in current.errors],
    }


def _policy(info: PolicyInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "version": info.version,
        "kind": info.kind,
        "file": info.file,
        "line": info.line,
        "root": info.root,
        "parent": info.parent,
        "description": info.description,
        "algorithm": info.algorithm,
        "rules": [
            {"id": rule.id, "effect": rule.effect.value, "description": rule.description, "line": rule.line}
            for rule in info.rules
        ],
    }


def _if_match(call: Call) -> str | None:
    """The entity tag that the caller has read, `*` for any; a header that cannot be read matches nothing."""
    given = call.headers.get("If-Match")
    if given is None:
        return None
    tags = parse_etags(given)
    if tags.star_tag:
        return "*"
    strong = tags.as_set()
    return f'"{next(iter(strong))}"' if len(strong) == 1 else given
