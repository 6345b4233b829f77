"""Log lines: one JSON object each, or readable text on a terminal. Times are UTC ISO 8601."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(*, json: bool | None = None, quiet: bool = False) -> None:
    """Set up logging for this process; `json` None: text when standard error is a terminal; `quiet`: warnings only."""
    as_json = not sys.stderr.isatty() if json is None else json
    # Plain tracebacks: prettier ones print the local variables, secrets among them.
    text = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    renderer = structlog.processors.JSONRenderer() if as_json else text
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, *([structlog.processors.format_exc_info] if as_json else []), renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if quiet else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
