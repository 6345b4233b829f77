"""`sluice policy …`: works on a folder of policies, without a database and without the service."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from service import config, image, pap, pdp, pep, pip, vocabulary
from service.app import utc_now
from service.config import Settings
from service.crosscheck import comparison, opinion, report
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

A_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
A_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
FOLDER = click.argument("folder", required=False, type=A_FOLDER)
REQUEST = click.argument("request", type=A_FILE)
NOW = click.option("--now", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="Decide as if it were then.")
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
        click.echo(f"{path}: refused, {len(errors)} {'error' if len(errors) == 1 else 'errors'}")


@policy.command()
@REQUEST
@FOLDER
@NOW
@AS_JSON
def decide(request: Path, folder: Path | None, now: datetime | None, *, as_json: bool) -> None:
    """Decide a REQUEST by the policies in a folder.

    REQUEST is a provisioning request as the API takes it, with `identityProvider` (and `connector`) beside it, or a
    XACML request in XML or JSON. Exit status 0 when the gate would open, 1 when not, 2 when it cannot be read.
    """
    settings = config.load()
    snapshot = _compiled(_folder(folder, settings), settings)
    moment = (now or utc_now()).astimezone(settings.zone)
    data = request.read_bytes()
    media_type = _xacml_media_type(data)
    if media_type is not None:
        response = snapshot.decide(_xacml(data, media_type), now=moment)
        click.echo(pdp.encode_response(response, pdp.JSON if as_json else media_type).decode())
        sys.exit(0 if response.decision is pdp.Decision.PERMIT else 1)
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


class UnreadableError(click.ClickException):
    """A file that is no request: wrong usage, not a decision."""

    exit_code = 2


def _xacml_media_type(data: bytes) -> str | None:
    """Which form of XACML request this is; None for a provisioning request."""
    if data.lstrip()[:1] == b"<":
        return pdp.XML
    try:
        return pdp.JSON if "Request" in json.loads(data) else None
    except (ValueError, TypeError, RecursionError):
        return None


def _xacml(data: bytes, media_type: str) -> pdp.Request:
    try:
        return pdp.parse_request(data, media_type)
    except pdp.RequestError as error:
        raise UnreadableError(f"the request cannot be read: {error}") from error


def _asked(data: bytes, settings: Settings) -> pdp.Request:
    """The XACML request that a file holds, or that its provisioning request becomes."""
    media_type = _xacml_media_type(data)
    if media_type is not None:
        return _xacml(data, media_type)
    try:
        return pip.describe(_facts(data, settings)).request
    except (pip.Indescribable, pdp.RequestError) as error:
        raise UnreadableError(f"the request cannot be described: {error}") from error


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
        raise UnreadableError(f"the request cannot be read: {_told(error)}") from error
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
@REQUEST
@FOLDER
@NOW
@AS_JSON
def explain(request: Path, folder: Path | None, now: datetime | None, *, as_json: bool) -> None:
    """Say why a REQUEST is decided as it is: everything that is evaluated, and what it comes to.

    REQUEST is the same as for `decide`. Exit status 0 whatever the decision.
    """
    settings = config.load()
    snapshot = _compiled(_folder(folder, settings), settings)
    asked = _asked(request.read_bytes(), settings)
    response = snapshot.decide(asked, now=(now or utc_now()).astimezone(settings.zone), explain=True)
    if as_json:
        click.echo(json.dumps([_explained(result).as_data() for result in response.results], indent=2))
    else:
        click.echo("\n".join(_explained(result).as_text() for result in response.results), nl=False)


def _explained(result: pdp.Result) -> pdp.Explanation:
    """The explanation of a result. An invalid request has none, because no policy was asked: its status says why."""
    if isinstance(result.explanation, pdp.Explanation):
        return result.explanation
    reason = pdp.ExplanationNode("request", outcome=result.decision.value, error=result.status.message or "")
    return pdp.Explanation(result.decision.value, (), (), (reason,))


@policy.command()
@click.argument("folder", metavar="DIR", type=A_FOLDER)
@click.argument("requests", metavar="REQUEST...", type=A_FILE, nargs=-1, required=True)
@click.option(
    "--time-limit",
    type=click.FloatRange(0.1, 3600),
    default=opinion.TIME_LIMIT,
    show_default=True,
    help="Seconds that the other engine may take for one decision.",
)
@AS_JSON
def crosscheck(folder: Path, requests: tuple[Path, ...], time_limit: float, *, as_json: bool) -> None:
    """Ask a second engine, ndg-xacml, about the policies in DIR, and show where it differs.

    REQUESTs are XACML requests in XML. Every root policy is compared alone. The second engine knows a part of XACML
    2.0: what it cannot judge is listed with the reason. Exit status 0 when there is no difference, 1 when there is
    one, 2 when a file cannot be used or the second engine is not installed.
    """
    try:
        with opinion.SecondOpinion(time_limit) as other:
            found = _compared(folder, requests, other)
    except comparison.NoRequestError as error:
        raise click.UsageError(str(error)) from error
    except opinion.NoSecondOpinionError as error:
        hint = "install it with `pip install 'sluice[ndg]'`"
        raise click.UsageError(f"the second engine cannot be started: {error}: {hint}") from error
    click.echo(json.dumps(report.data(found), indent=2) if as_json else "\n".join(report.lines(found)))
    sys.exit(1 if any(each.outcome == "differ" for each in found) else 0)


def _compared(
    folder: Path, requests: tuple[Path, ...], other: opinion.SecondOpinion
) -> tuple[comparison.Comparison, ...]:
    settings = config.load()
    snapshot, errors, sources = _compile(folder, settings)
    if snapshot is None:
        raise click.UsageError(_refused(errors))
    asked = [comparison.Asked(str(path), path.read_bytes()) for path in requests]
    roots = [(one.name, one.content) for one in sources if one.kind == "root"]
    library = [(one.name, one.content) for one in sources if one.kind == "library"]
    now = utc_now().astimezone(settings.zone)
    return tuple(comparison.compare(roots, library, asked, other, now=now))


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


def _compiled(path: Path, settings: Settings) -> pdp.Snapshot:
    snapshot, errors, _ = _compile(path, settings)
    if snapshot is None:
        raise click.ClickException(_refused(errors))
    return snapshot


def _refused(errors: Iterable[pdp.PolicyError]) -> str:
    return "the policies are refused: run `sluice policy check`\n" + "\n".join(map(str, errors))


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
