"""The policy administration point: from a folder of files, or the database, to the snapshot that decides.

A process with a policies folder watches it: when the listing was equal twice, 250 ms apart, all files are compiled into
one new snapshot. Good ones are published to the database; a bad one changes nothing but the health. Every process, this
one included, decides with the newest publication; one without a folder only follows. The last good snapshot stays
whatever happens, over restarts too. Before there ever was a good one, there is none, and nothing is permitted.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import structlog

from service import pdp
from service.pdp import PolicyError, PolicyErrors
from service.policy_folder import (
    Contents,
    NoPolicyFolder,
    PolicyFile,
    PolicyFileChanged,
    PolicyFileNotFound,
    PolicyFolder,
    Survey,
    check_path,
    etag_of,
    is_loaded,
)
from service.policy_lint import warnings
from service.policy_templates import Template, read_template
from service.store import publications
from service.store.database import Database
from service.store.publications import Source

SETTLE: Final = 0.25
"""Seconds for which a folder's listing must have stayed the same, and between two looks at it."""
_LOOKS_AT_DATABASE: Final = 2
_MOST_LOOKS: Final = 8

_log = structlog.get_logger("sluice.policies")


@dataclass(frozen=True, slots=True)
class CurrentSnapshot:
    """What a process decides with now, and how the policies are.

    `state`: `ok`; `degraded`, when `errors` keep newer policies from being used and the last good snapshot decides;
    `none`, when there is no snapshot and nothing is permitted. `loaded_at` is when this process began to use it.
    """

    snapshot: pdp.Snapshot | None = None
    hash: str | None = None
    sequence: int | None = None
    state: Literal["ok", "degraded", "none"] = "none"
    errors: tuple[PolicyError, ...] = ()
    loaded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of drafts found: with `errors` they would be refused, `warnings` are for their author to judge."""

    errors: tuple[PolicyError, ...]
    warnings: tuple[PolicyError, ...]


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A policy file's bytes and their entity tag."""

    path: str
    content: bytes
    etag: str


def error_json(error: PolicyError) -> dict[str, Any]:
    """An error or warning in the words of the HTTP contract."""
    return {
        "file": error.file,
        "line": error.line,
        "path": error.path,
        "message": error.message,
        "help": error.help,
    }


class PolicyAdministration:
    """Keeps the policies of one process. Thread-safe; `current` never waits.

    `folder` None: follow the database. `root_algorithm` is a URN or a short name; another text raises `ValueError`.
    `shipped_templates` are shown while the folder has none of its own.
    """

    def __init__(
        self,
        *,
        folder: Path | None,
        root_algorithm: str,
        database: Database,
        clock: Callable[[], datetime],
        shipped_templates: Path | None = None,
    ) -> None:
        self._folder = None if folder is None else PolicyFolder(folder)
        self._shipped = shipped_templates
        self._algorithm = pdp.ROOT_ALGORITHMS.get(root_algorithm, root_algorithm)
        pdp.compile_policies((), root_algorithm=self._algorithm)
        self._database = database
        self._clock = clock
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._working = threading.RLock()
        self._current = CurrentSnapshot()
        self._seen: Survey | None = None
        self._seen_since = 0.0
        self._loaded: Survey | None = None
        self._compiled: pdp.Snapshot | None = None
        self._refused: tuple[int, tuple[PolicyError, ...]] | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def current(self) -> CurrentSnapshot:
        """What decides now. Hash, sequence and snapshot belong together: read it once per decision."""
        return self._current

    def start(self) -> None:
        """Load the policies, then go on watching in a thread. Raises what the database raises."""
        self.refresh()
        self._thread = threading.Thread(target=self._watch, name="policies", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def refresh(self) -> None:
        """Read the folder as soon as it is quiet (it waits at least `SETTLE`), then follow the database."""
        for _ in range(_MOST_LOOKS if self._folder else 0):
            if self._look():
                break
            time.sleep(SETTLE)
        self.follow()

    def follow(self) -> None:
        """Use the newest publication, if this process does not already. Looks at the database only."""
        with self._working:
            with self._database.read() as tx:
                newest = publications.newest(tx)
                health = publications.health(tx)
            if newest is not None and newest.sequence != self._current.sequence:
                self._use(newest)
            errors = tuple(PolicyError(**one) for one in health.errors) if health else ()
            self._tell(errors or (self._refused[1] if self._refused else ()))

    def _watch(self) -> None:
        """Look at the folder at every turn, at the database after a change and at every second turn."""
        turn, complaint = 0, ""
        while not self._stopping.wait(SETTLE):
            turn += 1
            try:
                before = self._loaded
                if self._folder is not None:
                    self._look()
                if self._loaded is not before or turn % _LOOKS_AT_DATABASE == 0:
                    self.follow()
                complaint = ""
            except Exception as error:  # noqa: BLE001 - the next turn tries again, the last good snapshot decides
                if complaint != repr(error):
                    _log.exception("cannot look after the policies, trying again")
                complaint = repr(error)

    def _look(self) -> bool:
        """Load the folder if it has changed and is quiet. Returns whether what was loaded last is what is there."""
        assert self._folder is not None
        with self._working:
            survey = self._folder.survey()
            if survey != self._seen:
                self._seen, self._seen_since = survey, time.monotonic()
            if time.monotonic() - self._seen_since < SETTLE:
                return False
            if survey == self._loaded:
                return True
            contents = self._folder.load(survey)
            if self._folder.survey() != survey:
                return False
            self._publish(contents)
            self._loaded = survey
            return True

    def _publish(self, contents: Contents) -> None:
        """Compile the folder; publish it when it is good, and its errors when it is not, in one transaction."""
        snapshot: pdp.Snapshot | None = None
        errors: tuple[PolicyError, ...] = ()
        try:
            snapshot = self._compile(contents)
        except PolicyErrors as refused:
            errors = refused.errors
        now = self._clock()
        with self._database.transaction() as tx:
            if snapshot is not None:
                publications.publish(tx, snapshot.hash, self._algorithm, contents.sources, now=now, by=self._name)
            publications.record_health(tx, map(error_json, errors), now=now)
        self._compiled = snapshot or self._compiled
        for error in errors:
            _log.error("policies refused", file=error.file, line=error.line, error=error.message, help=error.help)

    def _compile(self, contents: Contents, algorithm: str | None = None) -> pdp.Snapshot:
        """One snapshot of everything. Raises `PolicyErrors` with all that is wrong in any file."""
        try:
            snapshot = _compiled(contents.sources, algorithm or self._algorithm)
        except PolicyErrors as refused:
            raise PolicyErrors((*contents.problems, *refused.errors)) from None
        if contents.problems:
            raise PolicyErrors(contents.problems)
        return snapshot

    def _use(self, newest: publications.Publication) -> None:
        """Decide with a publication from now on, unless this process cannot compile it."""
        if self._refused and self._refused[0] == newest.sequence:
            return
        try:
            snapshot = self._stored(newest.snapshot_hash)
        except PolicyErrors as refused:
            self._refused = newest.sequence, refused.errors
            _log.error("cannot compile the published policies", sequence=newest.sequence, error=str(refused))
            return
        self._refused = None
        self._current = replace(
            self._current,
            snapshot=snapshot,
            hash=newest.snapshot_hash,
            sequence=newest.sequence,
            loaded_at=self._clock(),
        )
        _log.info("policies in force", sequence=newest.sequence, snapshot=newest.snapshot_hash)

    def _stored(self, snapshot_hash: str) -> pdp.Snapshot:
        """A snapshot of the database, compiled; the one of this folder only once."""
        if self._compiled is not None and self._compiled.hash == snapshot_hash:
            return self._compiled
        with self._database.read() as tx:
            stored = publications.sources(tx, snapshot_hash)
        if stored is None:
            raise PolicyErrors([_no_file(f"snapshot `{snapshot_hash}` is not stored")])
        return _compiled(stored[1], stored[0])

    def _tell(self, errors: tuple[PolicyError, ...]) -> None:
        """Keep state and errors beside the snapshot that they are about."""
        state: Literal["ok", "degraded", "none"] = "degraded" if errors else "ok"
        if self._current.snapshot is None:
            state = "none"
        if (state, errors) != (self._current.state, self._current.errors):
            if state != self._current.state:
                _log.warning("state of the policies", state=state, was=self._current.state, errors=len(errors))
            self._current = replace(self._current, state=state, errors=errors)

    def snapshot_of(self, snapshot_hash: str) -> pdp.Snapshot:
        """An earlier snapshot, compiled again. Raises `PolicyErrors` when it is not stored."""
        return self._stored(snapshot_hash)

    @property
    def has_folder(self) -> bool:
        """Whether policy files can be written here; without a folder this process follows the database."""
        return self._folder is not None

    def files(self) -> tuple[PolicyFile, ...]:
        """All policy files; without a folder those of the newest publication."""
        if self._folder is not None:
            return tuple(self._folder.files())
        return tuple(
            PolicyFile(one.name, one.kind, len(one.content), etag_of(one.content)) for one in self._contents().sources
        )

    def read(self, path: str) -> PolicyText:
        """One file. Raises `PolicyPathRefused` or `PolicyFileNotFound`."""
        if self._folder is not None:
            content = self._folder.read(path)
            return PolicyText(path, content, etag_of(content))
        check_path(path)
        for one in self._contents().sources:
            if one.name == path:
                return PolicyText(path, one.content, etag_of(one.content))
        raise PolicyFileNotFound(f"`{path}`: there is no such policy file")

    def write(self, path: str, content: bytes, *, if_match: str | None = None, must_be_new: bool = False) -> PolicyText:
        """Write a file and use it; nothing is written when the snapshot that it makes would be refused.

        `if_match` is the entity tag that the caller has read; `must_be_new` overwrites no file. Raises `PolicyErrors`,
        `PolicyPathRefused`, `PolicyFileChanged` or `NoPolicyFolder`.
        """
        with self._working:
            folder = self._own_folder()
            check_path(path)
            self._unchanged(path, if_match)
            if must_be_new and any(one.path == path for one in folder.files()):
                raise PolicyFileChanged(f"`{path}` exists already: choose another name, or edit that file")
            self._compile_draft({path: content})
            folder.write(path, content)
        self.refresh()
        return PolicyText(path, content, etag_of(content))

    def delete(self, path: str, *, if_match: str | None = None) -> None:
        """Remove a file; refused when the others would not make a snapshot without it.

        Raises as `write` does, and `PolicyFileNotFound`.
        """
        with self._working:
            folder = self._own_folder()
            folder.read(path)
            self._unchanged(path, if_match)
            self._compile_draft({path: None})
            folder.delete(path)
        self.refresh()

    def check(self, drafts: Mapping[str, bytes | None]) -> Checked:
        """What would be wrong if `drafts` (path to content, None for a removed file) were written.

        Warnings are about the drafts; without drafts about all files. Raises `PolicyPathRefused`.
        """
        for path in drafts:
            check_path(path)
        contents = self._contents().drafted(drafts)
        try:
            self._compile(contents)
            errors: tuple[PolicyError, ...] = ()
        except PolicyErrors as refused:
            errors = refused.errors
        looked_at = [one for one in contents.sources if not drafts or one.name in drafts]
        return Checked(errors, tuple(found for one in looked_at for found in warnings(one.name, one.content)))

    def compile_draft(self, drafts: Mapping[str, bytes | None]) -> pdp.Snapshot:
        """The snapshot that `drafts` over the current files make, for trial decisions. Raises `PolicyErrors`."""
        for path in drafts:
            check_path(path)
        return self._compile(self._contents().drafted(drafts))

    def templates(self) -> tuple[Template, ...]:
        """The folder's templates, or, where it has none, the shipped ones."""
        own = self._folder.path / "templates" if self._folder is not None else None
        for place in (own, self._shipped):
            found = [] if place is None else [read_template(one.name, one.read_bytes()) for one in _xml_files(place)]
            if any(found):
                return tuple(one for one in found if one is not None)
        return ()

    def _contents(self) -> Contents:
        """All files that are loaded: of the folder as it is, or else of the newest publication."""
        if self._folder is not None:
            return self._folder.load(self._folder.survey())
        with self._database.read() as tx:
            newest = publications.newest(tx)
            stored = publications.sources(tx, newest.snapshot_hash) if newest is not None else None
        return Contents(stored[1]) if stored is not None else Contents()

    def _compile_draft(self, drafts: Mapping[str, bytes | None]) -> None:
        """Raise `PolicyErrors` when drafts that are loaded would make a bad snapshot."""
        if any(is_loaded(path) for path in drafts):
            self._compile(self._contents().drafted(drafts))

    def _own_folder(self) -> PolicyFolder:
        """The folder, for writing."""
        if self._folder is None:
            raise NoPolicyFolder("this process has no policies folder: write where SLUICE_POLICIES names one")
        return self._folder

    def _unchanged(self, path: str, if_match: str | None) -> None:
        """Raise `PolicyFileChanged` unless the file is the one that the caller has read."""
        if if_match is None:
            return
        try:
            current = self.read(path).etag
        except PolicyFileNotFound:
            raise PolicyFileChanged(f"`{path}` was removed meanwhile: create it without If-Match") from None
        if if_match not in {current, "*"}:
            raise PolicyFileChanged(f"`{path}` was changed meanwhile: read it again and repeat your change")


def _compiled(sources: Sequence[Source], algorithm: str) -> pdp.Snapshot:
    """All sources as one snapshot."""
    roots = [(one.name, one.content) for one in sources if one.kind == "root"]
    library = [(one.name, one.content) for one in sources if one.kind == "library"]
    try:
        return pdp.compile_policies(roots, references=library, root_algorithm=algorithm)
    except PolicyErrors:
        raise
    except Exception as error:
        # What the engine did not foresee must refuse the policies too, not stop the watching.
        _log.exception("cannot compile the policies")
        raise PolicyErrors([_no_file(f"the policies cannot be compiled: {type(error).__name__}: {error}")]) from error


def _xml_files(folder: Path) -> Sequence[Path]:
    """The XML files directly in a folder, in order."""
    return sorted(path for path in folder.glob("*.xml") if path.is_file() and not path.name.startswith("."))


def _no_file(message: str) -> PolicyError:
    """An error that is about no file."""
    return PolicyError(file="", line=0, path="", message=message)
