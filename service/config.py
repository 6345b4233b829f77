"""Settings, from the environment and `sluice.toml`, validated once at start. The environment wins."""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

PREFIX = "SLUICE_"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PRIVATE = tuple(
    ipaddress.ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1")
)
BOOLEANS = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False, "": False}


class SettingsError(Exception):
    """One or more settings cannot be used; each line names one and says what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. Sizes are in bytes; what each means is in the README's table."""

    data: Path = Path("var")
    database_url: str = ""
    policies: Path | None = Path("policies")
    root_algorithm: str = "deny-overrides"
    time_zone: str = "UTC"
    tenant: str = "carbon.super"
    secret_key: str | None = field(default=None, repr=False)
    old_secret_keys: tuple[str, ...] = field(default=(), repr=False)
    host: str = "127.0.0.1"
    port: int = 8080
    allow_targets: tuple[Network, ...] = ()
    blocking_timeout: timedelta = timedelta(seconds=30)
    broker_url: str = ""
    admin_password: str | None = field(default=None, repr=False)
    admin_token: str | None = field(default=None, repr=False)
    max_body: int = 1 << 20
    max_scim_body: int = 16 << 20
    threads: int = 32
    runners: int = 8
    retention_days: int | None = None
    worker_metrics: tuple[str, int] | None = None

    @property
    def url(self) -> str:
        """The SQLAlchemy URL: the one that is set, else SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data / 'sluice.db'}"

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which policies read the clock."""
        return ZoneInfo(self.time_zone)


def load(environment: Mapping[str, str] | None = None, file: Path | None = None, **defaults: Any) -> Settings:
    """The settings of this process, `defaults` before the product's own. Raises `SettingsError` with every problem."""
    environment = os.environ if environment is None else environment
    path = file or Path(environment.get("SLUICE_CONFIG", "sluice.toml"))
    raw = {**_from_file(path), **_from_environment(environment)}
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, text in raw.items():
        if name not in READERS:
            problems.append(f"{name}: unknown setting: see the table of settings in the README")
            continue
        key, read = READERS[name]
        try:
            values[key] = read(text)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if values.pop("allow_private_targets", False):
        values["allow_targets"] = (*values.get("allow_targets", ()), *PRIVATE)
    if not problems and _is_shared(values.get("database_url", "")) and not values.get("secret_key"):
        problems.append("SLUICE_SECRET_KEY: required with PostgreSQL: base64 of 32 bytes, the same in every process")
    if problems:
        raise SettingsError(problems)
    settings = Settings(**{**defaults, **values})
    if not settings.runners and not _is_shared(settings.url):
        problem = "SLUICE_RUNNERS: 0 leaves nobody to deliver: it takes PostgreSQL, and `sluice worker` beside it"
        raise SettingsError([problem])
    return settings


def _is_shared(url: str) -> bool:
    return bool(url) and not url.startswith("sqlite")


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if k.startswith(PREFIX) and k != "SLUICE_CONFIG"}


def _from_file(path: Path) -> dict[str, str]:
    """A file's settings under their environment names; `port` and `SLUICE_PORT` mean the same."""
    if not path.exists():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: not valid TOML: {error}"]) from error
    named = {(k if k.startswith(PREFIX) else PREFIX + k.upper()): v for k, v in table.items()}
    return {k: ",".join(map(str, v)) if isinstance(v, list) else str(v) for k, v in named.items()}


def _boolean(text: str) -> bool:
    if text.strip().lower() not in BOOLEANS:
        raise ValueError(f"`{text}` is no boolean: use 1, true, on, 0, false or off")
    return BOOLEANS[text.strip().lower()]


def _positive(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise ValueError(f"`{text}` is no positive whole number")
    return int(text)


def _port(text: str) -> int:
    if not text.strip().isdecimal() or int(text) > 65535:
        raise ValueError(f"`{text}` is no port: use 0 to 65535")
    return int(text)


def _address(text: str) -> tuple[str, int] | None:
    if not text.strip():
        return None
    host, colon, port = text.strip().rpartition(":")
    if not colon or not host or (":" in host and not (host[0] == "[" and host[-1] == "]")):
        raise ValueError(f"`{text}` is no address: use host and port, such as `127.0.0.1:9464` or `[::1]:9464`")
    return host.strip("[]"), _port(port)


def _seconds(text: str) -> timedelta:
    try:
        seconds = float(text.strip().removesuffix("s"))
    except ValueError as error:
        raise ValueError(f"`{text}` is no number of seconds") from error
    if not 0 < seconds <= 3600:
        raise ValueError(f"`{text}` must be more than 0 and at most 3600 seconds")
    return timedelta(seconds=seconds)


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"`{text}` is no IANA time zone, such as `Europe/Berlin`") from error
    return text


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


READERS: dict[str, tuple[str, Any]] = {
    "SLUICE_DATA": ("data", Path),
    "SLUICE_DATABASE_URL": ("database_url", str),
    "SLUICE_POLICIES": ("policies", lambda text: Path(text) if text else None),
    "SLUICE_ROOT_ALGORITHM": ("root_algorithm", str),
    "SLUICE_TIME_ZONE": ("time_zone", _zone),
    "SLUICE_TENANT": ("tenant", str),
    "SLUICE_SECRET_KEY": ("secret_key", lambda text: text or None),
    "SLUICE_OLD_SECRET_KEYS": ("old_secret_keys", _words),
    "SLUICE_HOST": ("host", str),
    "SLUICE_PORT": ("port", _port),
    "SLUICE_ALLOW_TARGETS": ("allow_targets", _networks),
    "SLUICE_ALLOW_PRIVATE_TARGETS": ("allow_private_targets", _boolean),
    "SLUICE_BLOCKING_TIMEOUT": ("blocking_timeout", _seconds),
    "SLUICE_BROKER_URL": ("broker_url", str),
    "SLUICE_ADMIN_PASSWORD": ("admin_password", lambda text: text or None),
    "SLUICE_ADMIN_TOKEN": ("admin_token", lambda text: text or None),
    "SLUICE_MAX_BODY": ("max_body", _positive),
    "SLUICE_MAX_SCIM_BODY": ("max_scim_body", _positive),
    "SLUICE_RETENTION_DAYS": ("retention_days", lambda text: _positive(text) if text.strip() else None),
    "SLUICE_WORKER_METRICS": ("worker_metrics", _address),
    "SLUICE_THREADS": ("threads", _positive),
    "SLUICE_RUNNERS": ("runners", lambda text: _positive(text) if text.strip() != "0" else 0),
}
