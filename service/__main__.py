"""The command line. Exit status: 0 good, 1 the check failed, 2 wrong usage."""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import click
from granian.constants import Interfaces
from granian.server import Server

from service import app, config, logs
from service.config import SettingsError
from service.connector_commands import connectors
from service.delivery_commands import deliveries
from service.housekeeping import prune
from service.policy_commands import policy
from service.provisioning.submission import RequestRefused
from service.quickstart import QuickstartError
from service.quickstart import quickstart as run_quickstart
from service.sandbox import SandboxError
from service.store import configuration, tokens
from service.store.configuration import ConfigurationError
from service.store.database import Database, SchemaError
from service.store.occupancy import Occupied
from service.store.retention import Pruned
from service.store.secrets import SecretKeyError
from service.web.side_server import AddressTaken


class PortTaken(Exception):
    """Something else listens where the service was to; the message says where."""


FAILURES = (
    SchemaError,
    SecretKeyError,
    QuickstartError,
    SandboxError,
    ConfigurationError,
    RequestRefused,
    Occupied,
    PortTaken,
    AddressTaken,
)


def main() -> None:
    """Run the command line; what an administrator can mend is told in a sentence, not in a traceback."""
    try:
        cli(prog_name="sluice")
    except SettingsError as error:
        _stop(str(error), 2)
    except FAILURES as error:
        _stop(str(error), 1)


def _stop(message: str, status: int) -> NoReturn:
    click.echo(f"sluice: {message}", err=True)
    sys.exit(status)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sluice")
def cli() -> None:
    """Provisions users and groups outward, and lets nothing out that its policy does not permit."""
    logs.configure()


@cli.command()
def serve() -> None:
    """Serve the API and deliver, in this process."""
    settings = config.load()
    # Fail here, with a sentence, rather than in the worker that would be started again and again.
    app.check_free(settings)
    _check_port(settings.host, settings.port)
    server = Server(
        "service.app:wsgi",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=settings.threads,
        log_access=False,
        workers_kill_timeout=30,
    )
    server.serve()


@cli.command()
@click.option("--threads", type=click.IntRange(1, 1000), help="Deliveries at a time; SLUICE_RUNNERS by default.")
def worker(*, threads: int | None) -> None:
    """Deliver beside `sluice serve`, on this machine or another: any number of workers share one PostgreSQL.

    Follows the policies that the service publishes, unless SLUICE_POLICIES names a folder.
    """
    settings = config.load(policies=None)
    if not settings.database_url or settings.database_url.startswith("sqlite"):
        raise SettingsError(
            ["SLUICE_DATABASE_URL: a worker needs PostgreSQL: with SQLite, `sluice serve` delivers in its own process"]
        )
    count = threads or settings.runners
    if not count:
        raise SettingsError(["SLUICE_RUNNERS: 0 leaves a worker nothing to do: give it --threads"])
    app.work(replace(settings, runners=count))


def _check_port(host: str, port: int) -> None:
    """The server shares its port with whoever else does: two services would answer in turn. Raises `PortTaken`."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise PortTaken(f"cannot listen at {host}:{port}: {error.strerror}: set SLUICE_PORT, or end it") from error


@cli.command()
@click.option("--once", is_flag=True, help="End after the table; the exit status says whether it is right.")
def quickstart(*, once: bool) -> None:
    """Show the service at work beside a sandbox SCIM target, with fresh data in var/quickstart."""
    settings = config.load()
    folder = settings.policies if settings.policies and settings.policies.is_dir() else app.shipped_policies()
    sys.exit(run_quickstart(host=settings.host, port=settings.port, policies=folder, once=once))


@cli.group()
def db() -> None:
    """The database."""


@db.command()
def upgrade() -> None:
    """Bring the schema to the newest revision."""
    settings = config.load()
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    Database(settings.url).migrate()
    click.echo("the schema is up to date")


@db.command("prune")
@click.option("--older-than", type=click.IntRange(1, 36500), help="Days; SLUICE_RETENTION_DAYS by default.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.option("--json", "as_json", is_flag=True)
def prune_history(older_than: int | None, *, dry_run: bool, as_json: bool) -> None:
    """Remove the history of requests that have been final for so long; nothing that is not final.

    Accounts, links and the policies that kept decisions refer to stay. Runs beside the service.
    """
    settings = config.load()
    days = older_than or settings.retention_days
    if days is None:
        raise click.UsageError("say --older-than DAYS, or set SLUICE_RETENTION_DAYS")
    database, _ = app.open_store(settings)

    def progress(so_far: Pruned) -> None:
        click.echo(f"{so_far.requests} requests …", err=True)

    removed = prune(database, older_than=timedelta(days=days), now=app.utc_now(), dry_run=dry_run, progress=progress)
    counts = asdict(removed) | {"dryRun": dry_run, "olderThanDays": days}
    words = ", ".join(f"{count} {name}" for name, count in asdict(removed).items())
    click.echo(json.dumps(counts) if as_json else f"{'would remove' if dry_run else 'removed'}: {words}")


@cli.group()
def admin() -> None:
    """Tokens and passwords, on the machine of the database."""


@admin.command("create-token")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(["admin", "provision", "pdp", "read"])
)
@click.option("--service-provider", help="Required with the scope `provision`.")
@click.option("--expires-at", type=click.DateTime(), help="UTC; never, when left out.")
@click.option("--json", "as_json", is_flag=True)
def create_token(
    name: str, scopes: tuple[str, ...], service_provider: str | None, expires_at: datetime | None, *, as_json: bool
) -> None:
    """Make a bearer token; it is shown this once."""
    if ("provision" in scopes) != (service_provider is not None):
        raise click.UsageError("--service-provider goes with the scope `provision`, and only with it")
    database, _ = app.open_store(config.load())
    with database.transaction() as tx:
        configuration.ensure_resident(tx, app.utc_now())
        bound = configuration.service_provider_id(tx, service_provider) if service_provider else None
        made, text = tokens.create(
            tx,
            name=name,
            scopes=scopes,
            service_provider_id=bound,
            expires_at=expires_at.replace(tzinfo=UTC) if expires_at else None,
            now=app.utc_now(),
        )
    shown = {"id": made.id, "name": made.name, "scopes": made.scopes, "token": text}
    click.echo(json.dumps(shown) if as_json else text)


cli.add_command(policy)
cli.add_command(connectors)
cli.add_command(deliveries)


if __name__ == "__main__":
    main()
