"""`sluice policy …`: works on a folder of policies, without a database and without the service."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from service import config, image, pap, pdp, pep, pip, vocabulary
from service.app import utc_now
from service.config import Settings
from service.pap import CurrentSnapshot
from service.pdp import PolicyErrors
from service.policy_folder import PolicyFolder
from service.policy_lint import warnings
from service.providers import RESIDENT
from service.provisioning import operations, roles
from service.web import json_body
from service.web.fields import checked
from service.web.problems import Problem
from service.web.request_schemas import DecisionBody

FOLDER = click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False, exists=True))
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def policy() -> None:
    """Check and try policies, without a running service."""


@policy.command()
@FOLDER
@AS_JSON
def check(folder: Path | None, *, as_json: bool) -> None:
    """Say everything that is wrong with a folder of policies (SLUICE_POLICIES by default)."""
    settings = config.load()
    path = _folder(folder, settings)
    snapshot, errors, sources = _compile(path, settings)
    found = [w for source in sources for w in warnings(source.name, source.content)]
    if as_json:
        report = {
            "folder": str(path),
            "timeZone": settings.time_zone,
            "errors": [pap.error_json(e) for e in errors],
            "warnings": [pap.error_json(w) for w in found],
            "policies": len(snapshot.policies) if snapshot else 0,
            "snapshot": snapshot.hash if snapshot else None,
        }
        click.echo(json.dumps(report, indent=2))
    else:
        _print_check(path, settings, snapshot, errors, found)
    sys.exit(1 if errors else 0)


def _print_check(
    path: Path, settings: Settings, snapshot: pdp.Snapshot | None, errors: Any, found: list[pdp.PolicyError]
) -> None:
    for error in errors:
        click.echo(f"{path}/{error}")
    for warning in found:
        click.echo(f"warning: {path}/{warning}")
    if snapshot is not None:
        click.echo(
            f"{path}: {len(snapshot.policies)} policies, combined by {settings.root_algorithm}, "
            f"times in {settings.time_zone}, snapshot {snapshot.hash}"
        )
    else:
        click.echo(f"{path}: refused, {len(errors)} errors")


@policy.command()
@click.argument("request", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@FOLDER
@click.option("--now", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="Decide as if it were then.")
@AS_JSON
def decide(request: Path, folder: Path | None, now: datetime | None, *, as_json: bool) -> None:
    """Decide a REQUEST by the policies in a folder.

    REQUEST is a provisioning request as the API takes it, with `identityProvider` (and `connector`) beside it, or a
    XACML request in XML. Exit status 0 when the gate would open, 1 when not.
    """
    settings = config.load()
    snapshot, errors, _ = _compile(_folder(folder, settings), settings)
    if snapshot is None:
        raise click.ClickException(
            "the policies are refused: run `sluice policy check`\n" + "\n".join(map(str, errors))
        )
    moment = (now or utc_now()).astimezone(settings.zone)
    data = request.read_bytes()
    if data.lstrip()[:1] == b"<":
        _decide_xacml(snapshot, data, moment)
        return
    facts = _facts(data, settings)
    current = CurrentSnapshot(snapshot=snapshot, hash=snapshot.hash, sequence=0, state="ok")
    verdict = pep.enforce(facts, snapshot=current, not_applicable="refuse", approved_policies=frozenset(), now=moment)
    if as_json:
        shown = {
            "decision": verdict.decision,
            "gate": verdict.gate,
            "reason": verdict.reason,
            "policies": list(verdict.policies),
            "rules": list(verdict.rules),
            "status": verdict.status,
            "obligations": [dict(o) for o in verdict.obligations],
            "snapshot": verdict.snapshot,
            "request": verdict.request_xml,
        }
        click.echo(json.dumps(shown, indent=2))
    else:
        click.echo(f"{verdict.decision}: gate {verdict.gate}: {verdict.reason}")
    sys.exit(0 if verdict.gate == "open" else 1)


def _decide_xacml(snapshot: pdp.Snapshot, data: bytes, now: datetime) -> None:
    try:
        request = pdp.parse_request(data, pdp.XML)
    except pdp.RequestError as error:
        raise click.ClickException(f"the request cannot be read: {error}") from error
    response = snapshot.decide(request, now=now)
    click.echo(pdp.encode_response(response, pdp.XML).decode())
    sys.exit(0 if response.decision is pdp.Decision.PERMIT else 1)


class TrialBody(DecisionBody):
    """A request to be decided without a service: it says itself what the store would know."""

    connector: str = "scim2"
    linked: bool | None = None


def _facts(data: bytes, settings: Settings) -> pip.DeliveryFacts:
    """The facts that a provisioning request states about itself: no role mapping, no other connector's account."""
    try:
        body = checked(TrialBody, json_body.read(data))
        entity = body.entity
        image_ = image.check_image(entity.type, entity.attributes or {}, name=entity.name)
    except (Problem, ValueError, image.ImageErrors) as error:
        raise click.ClickException(f"the request cannot be read: {_told(error)}") from error
    linked = body.operation != "create" if body.linked is None else body.linked
    return pip.DeliveryFacts(
        tenant=settings.tenant,
        service_provider=body.service_provider or RESIDENT,
        identity_provider=body.identity_provider,
        connector_type=body.connector.lower(),
        entity_type=entity.type,
        entity_name=image_.attributes[image.naming_attribute(entity.type)],
        domain=entity.domain or "PRIMARY",
        operation=body.operation,
        effective_operation=operations.effective(body.operation, linked=linked),
        channel="api",
        jit=body.jit,
        attempt=0,
        attributes=image_.attributes,
        roles=roles.mapped_roles(image_.attributes, ()),
    )


def _told(error: Exception) -> str:
    if isinstance(error, Problem) and error.errors:
        return "; ".join(f"{one['field']}: {one['message']}" for one in error.errors)
    return str(error)


@policy.command()
@click.option("--markdown", is_flag=True, help="As the table of policies/README.md.")
@AS_JSON
def attributes(*, markdown: bool, as_json: bool) -> None:
    """List every attribute that a policy can use."""
    if markdown:
        click.echo(vocabulary.attributes_markdown())
    elif as_json:
        click.echo(json.dumps([asdict(row) for row in vocabulary.attribute_table()], indent=2))
    else:
        for row in vocabulary.attribute_table():
            click.echo(f"{row.id}  ({row.category}, {row.type})")


def _folder(given: Path | None, settings: Settings) -> Path:
    if given is None and settings.policies is None:
        raise click.UsageError("name a folder: SLUICE_POLICIES is empty")
    path = given or settings.policies
    assert path is not None
    return path


def _compile(path: Path, settings: Settings) -> tuple[pdp.Snapshot | None, Any, Any]:
    """The folder as one snapshot, or everything that is wrong with it; and its sources."""
    folder = PolicyFolder(path)
    contents = folder.load(folder.survey())
    algorithm = pdp.ROOT_ALGORITHMS.get(settings.root_algorithm, settings.root_algorithm)
    roots = [(s.name, s.content) for s in contents.sources if s.kind == "root"]
    library = [(s.name, s.content) for s in contents.sources if s.kind == "library"]
    try:
        snapshot = pdp.compile_policies(roots, references=library, root_algorithm=algorithm)
    except PolicyErrors as refused:
        return None, (*contents.problems, *refused.errors), contents.sources
    return (None if contents.problems else snapshot), contents.problems, contents.sources
