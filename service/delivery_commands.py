"""`sluice deliveries …`: what is under way and what came of it, on the machine of the database.

Works beside the service: what is tried again is found by whoever delivers, within a second.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from service import app, config, logs
from service.delivery_report import report, table
from service.metrics import Metrics
from service.provisioning.bulk import Action, Bulk, Outcome
from service.provisioning.steering import Steering
from service.provisioning.submission import RequestRefused
from service.store import ledger
from service.store.database import Database
from service.store.models import FINAL_STATES, OPEN_STATES

PRINCIPAL = "the command line"
STATES = (*OPEN_STATES, *FINAL_STATES)
PAGE = 200
"""Deliveries that are read at once."""

_AGO = re.compile(r"(\d{1,5})([smhd])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

Filters = dict[str, Any]


class Moment(click.ParamType[datetime]):
    """A date and time with an offset, or how long ago: `90m`, `6h`, `2d`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """An aware time."""
        if isinstance(value, datetime):
            return value
        if ago := _AGO.match(value):
            return app.utc_now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"`{value}` is no time: say `2026-11-30T12:00:00Z`, or how long ago, such as `6h`", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which deliveries, as the HTTP API's listing has them."""
    options = (
        click.option("--state", type=click.Choice(STATES)),
        click.option("--target", help="Name of the identity provider."),
        click.option("--service-provider", help="On whose behalf."),
        click.option("--entity", help="Name or id of the user or group."),
        click.option("--request", help="Id of the provisioning request."),
        click.option("--since", type=Moment(), help="Accepted since then: a time, or how long ago, such as 6h or 2d."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _filters(options: Mapping[str, Any]) -> Filters:
    """The filters of `ledger.deliveries_page` from the options."""
    names = {"target": "identityProvider", "service_provider": "serviceProvider"}
    return {names.get(name, name): value for name, value in options.items() if value}


AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
IDS = click.argument("ids", nargs=-1, metavar="[ID]...")
YES = click.option("--yes", is_flag=True, help="Do it; without, those that the filter means are only counted.")


@click.group()
def deliveries() -> None:
    """List, show, retry and cancel deliveries."""
    logs.configure(quiet=True)  # what was done is the answer here


@deliveries.command("list")
@filtered
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most so many.")
@AS_JSON
def list_deliveries(*, limit: int, as_json: bool, **options: Any) -> None:
    """The newest deliveries first."""
    items, following = _listed(_open(), _filters(options), limit)
    if as_json:
        click.echo(json.dumps({"items": items, "next": following}, indent=2))
        return
    for line in table(items):
        click.echo(line)
    if following is not None:
        click.echo(f"there are more than {limit}: say --limit, or filter", err=True)


def _listed(database: Database, filters: Filters, limit: int) -> tuple[list[ledger.Json], str | None]:
    items: list[ledger.Json] = []
    following: str | None = None
    with database.read() as tx:
        while len(items) < limit:
            page, following = ledger.deliveries_page(tx, filters, following, min(PAGE, limit - len(items)))
            items += page
            if following is None:
                break
    return items, following


@deliveries.command()
@click.argument("id_", metavar="ID")
@AS_JSON
def show(id_: str, *, as_json: bool) -> None:
    """A delivery with its decisions, attempts and exchanges, as they were recorded."""
    with _open().read() as tx:
        view = ledger.delivery_view(tx, id_)
    if view is None:
        raise RequestRefused(404, [("id", f"there is no delivery `{id_}`")])
    click.echo(json.dumps(view, indent=2) if as_json else "\n".join(report(view)))


@deliveries.command()
@IDS
@filtered
@YES
@AS_JSON
def retry(ids: tuple[str, ...], *, yes: bool, as_json: bool, **options: Any) -> None:
    """Try dead letters again, with the state of now; and at once what waits for its next attempt.

    By their ids, or all that the filter means. The policies are asked again.
    """
    _act(_Order("retry", ids, _filters(options), yes), as_json=as_json)


@deliveries.command()
@IDS
@filtered
@YES
@AS_JSON
def cancel(ids: tuple[str, ...], *, yes: bool, as_json: bool, **options: Any) -> None:
    """Take back what was not sent: by ids, or all that the filter means."""
    _act(_Order("cancel", ids, _filters(options), yes), as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be done to which deliveries; `really`: do it, where a filter says which."""

    action: Action
    ids: Sequence[str]
    filters: Filters
    really: bool

    @property
    def counts_only(self) -> bool:
        """Whether the answer is how many it would be."""
        return not self.ids and not self.really


def _act(order: _Order, *, as_json: bool) -> None:
    """Do it and say what came of it; the exit status is 1 when some refused."""
    if bool(order.ids) == bool(order.filters):
        raise click.UsageError("say which deliveries: either their ids, or a filter such as --state or --target")
    database = _open()
    steering = Steering(database=database, clock=app.utc_now, metrics=Metrics(), ring=_nobody_here)
    bulk = Bulk(database, steering)
    if order.counts_only:
        outcome = bulk.count(order.action, order.filters)
    elif order.ids:
        outcome = bulk.each(order.action, order.ids, principal=PRINCIPAL)
    else:
        outcome = _all(bulk, order)
    _tell(order, outcome, as_json=as_json)
    sys.exit(1 if outcome.refused else 0)


def _all(bulk: Bulk, order: _Order) -> Outcome:
    """Part by part, until all that the filter means had their turn."""
    total, after = Outcome(), ""
    while True:
        part = bulk.run(order.action, order.filters, after=after, principal=PRINCIPAL, comment="")
        total.matched = total.matched or part.matched
        total.done += part.done
        total.refused += part.refused
        if part.next is None:
            return total
        after = part.next
        click.echo(f"{total.done} of {total.matched} …", err=True)


def _tell(order: _Order, outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        refused = [{"id": one, "reason": reason} for one, reason in outcome.refused]
        shown = {"matched": outcome.matched, "done": outcome.done, "refused": refused, "dryRun": order.counts_only}
        click.echo(json.dumps(shown))
        return
    for one, reason in outcome.refused:
        click.echo(f"{one}: {reason}", err=True)
    if order.counts_only:
        click.echo(f"would {order.action} {_deliveries(outcome.matched)}: say --yes to do it")
    else:
        done = {"retry": "retried", "cancel": "cancelled"}[order.action]
        click.echo(f"{done} {outcome.done} of {_deliveries(outcome.matched)}")


def _deliveries(count: int) -> str:
    return f"{count} {'delivery' if count == 1 else 'deliveries'}"


def _nobody_here(lane_id: str | None = None) -> None:
    """Nobody delivers in this process; who does looks at least once a second, and hears it at once on PostgreSQL."""


def _open() -> Database:
    return app.open_store(config.load())[0]
