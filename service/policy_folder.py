"""The policies folder on disk: which files are loaded, reading them, and writing them whole or not at all.

`*.xml` are root policies, `library/*.xml` serve references; `templates/`, `tests/` and `disabled/` are not loaded. What
editors leave behind (hidden, swap and backup files) is ignored. Anything else that looks like a policy but would not be
loaded is a problem: a Deny policy that is silently left out permits.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final

from service.pdp import DEFAULT_LIMITS, PolicyError
from service.store.publications import Kind, Source

LIBRARY: Final = "library"
NOT_LOADED: Final = ("templates", "tests", "disabled")
WRITABLE: Final = (LIBRARY, "templates", "disabled")
_NAME = re.compile(r"[^\W_][\w.+ -]{0,200}(?<! )\.xml")
_LONGEST_READ: Final = DEFAULT_LIMITS.policy_bytes + 1


class PolicyFileError(Exception):
    """A policy file cannot be read or written as asked; the message says what to do.

    ```
    PolicyFileError
    ├── PolicyPathRefused    no path of a policy file
    ├── PolicyFileNotFound   no such file
    ├── PolicyFileChanged    somebody else changed it since it was read: read it again
    └── NoPolicyFolder       this process has no folder, or may not write it
    ```
    """


class PolicyPathRefused(PolicyFileError):
    """The path is not one that a policy file can have."""


class PolicyFileNotFound(PolicyFileError):
    """There is no such policy file."""


class PolicyFileChanged(PolicyFileError):
    """The file is not the one that the caller has read: read it again and repeat the change on that."""


class NoPolicyFolder(PolicyFileError):
    """Policy files cannot be written here: do it where the folder is."""


Stamp = tuple[int, int, int, int]
"""Size, time of change, time of the inode's change, inode: any edit changes one of them."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The folder at one moment: the files that count, and what is wrong already without reading them."""

    files: dict[str, Stamp] = field(default_factory=dict)
    problems: tuple[PolicyError, ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """The files that were read, in order of their names, and everything that could not be."""

    sources: tuple[Source, ...] = ()
    problems: tuple[PolicyError, ...] = ()

    def drafted(self, drafts: Mapping[str, bytes | None]) -> Contents:
        """These files with drafts over them; a draft also replaces what was wrong with its file."""
        kept = {one.name: one for one in self.sources if one.name not in drafts}
        for name, content in drafts.items():
            if content is not None and is_loaded(name):
                kept[name] = Source(name, kind_of(name), content)
        problems = tuple(one for one in self.problems if one.file not in drafts)
        return Contents(tuple(kept[name] for name in sorted(kept)), problems)


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One file as the console and the command line list it. `kind`: root, library, templates or disabled.

    `changed_at` is None where there is no folder that could tell.
    """

    path: str
    kind: str
    size: int
    etag: str
    changed_at: datetime | None = None


def etag_of(content: bytes) -> str:
    """A strong entity tag (RFC 9110, section 8.8.3), the same for the same bytes."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


class PolicyFolder:
    """A folder of policy files; it need not exist until the first file is written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def survey(self) -> Survey:
        """Look at the folder without reading files. A missing folder is an empty one, an unreadable one a problem."""
        files: dict[str, Stamp] = {}
        problems: list[PolicyError] = []
        for name, found in self._entries():
            if isinstance(found, PolicyError):
                problems.append(found)
            else:
                files[name] = found
        return Survey(dict(sorted(files.items())), tuple(problems))

    def load(self, survey: Survey) -> Contents:
        """Read the files of a survey."""
        sources: list[Source] = []
        problems = list(survey.problems)
        for name in survey.files:
            try:
                sources.append(Source(name, kind_of(name), self._read(name)))
            except OSError as error:
                problems.append(_problem(name, f"cannot be read: {error.strerror or error}", "check its permissions"))
        return Contents(tuple(sources), tuple(problems))

    def files(self) -> Iterator[PolicyFile]:
        """All files that can be edited, those that are not loaded included."""
        for folder in ("", *WRITABLE):
            for path in sorted((self.path / folder).glob("*.xml")):
                if path.is_file() and not _is_left_behind(path.name) and self._is_inside(path):
                    content = path.read_bytes()
                    name = path.relative_to(self.path).as_posix()
                    changed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                    yield PolicyFile(name, folder or "root", len(content), etag_of(content), changed_at)

    def read(self, name: str) -> bytes:
        """The bytes of one file. Raises `PolicyPathRefused` or `PolicyFileNotFound`."""
        check_path(name)
        path = self.path / name
        if not path.is_file() or not self._is_inside(path):
            raise PolicyFileNotFound(f"`{name}`: there is no such policy file")
        return path.read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Write one file so that every reader sees the old or the new one, also after a crash.

        Raises `PolicyPathRefused` or `NoPolicyFolder`.
        """
        check_path(name)
        try:
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            path = self._target(name)
            _replace(path, content)
        except OSError as error:
            raise _not_writable(error) from error

    def delete(self, name: str) -> None:
        """Remove one file. Raises `PolicyPathRefused`, `PolicyFileNotFound` or `NoPolicyFolder`."""
        self.read(name)
        path = self.path / name
        try:
            path.unlink()
            _sync(path.parent)
        except OSError as error:
            raise _not_writable(error) from error

    def _target(self, name: str) -> Path:
        """Where `name` is really kept; a symbolic link stays and what it points to is written."""
        path = self.path / name
        if not self._is_inside(path):
            raise PolicyPathRefused(f"`{name}` leads out of the policies folder through a symbolic link")
        return path.resolve()

    def _is_inside(self, path: Path) -> bool:
        """Whether a path is in the folder when all symbolic links are followed."""
        return path.resolve().is_relative_to(self.path.resolve())

    def _read(self, name: str) -> bytes:
        """A file's bytes; of one that is too big only as much as shows it."""
        with (self.path / name).open("rb") as file:
            return file.read(_LONGEST_READ)

    def _entries(self) -> Iterator[tuple[str, Stamp | PolicyError]]:
        """Everything in the folder that is loaded, or would be dropped if it were not told."""
        yield from self._scan("")
        for folder in self._subfolders():
            if folder == LIBRARY:
                yield from self._scan(f"{LIBRARY}/")
            yield from self._strays(folder)

    def _subfolders(self) -> list[str]:
        """Names of the subfolders whose policies are, or might be expected to be, loaded."""
        try:
            with os.scandir(self.path) as entries:
                names = [one.name for one in entries if one.is_dir() and not _is_left_behind(one.name)]
        except OSError:
            return []
        return sorted(name for name in names if name not in NOT_LOADED)

    def _scan(self, prefix: str) -> Iterator[tuple[str, Stamp | PolicyError]]:
        """The policy files directly in one folder."""
        if prefix and not self._is_inside(self.path / prefix):
            yield prefix, _problem(prefix, "a symbolic link that leaves the policies folder", "make it a folder here")
            return
        try:
            with os.scandir(self.path / prefix) as entries:
                names = [one.name for one in entries if not (one.is_dir() and not one.is_symlink())]
        except FileNotFoundError:
            return
        except OSError as error:
            name = prefix or "."
            yield name, _problem(name, f"the folder cannot be read: {error.strerror or error}", "check its permissions")
            return
        for name in names:
            if _is_policy(name):
                yield from self._stamp(prefix + name)

    def _stamp(self, name: str) -> Iterator[tuple[str, Stamp | PolicyError]]:
        """One file's stamp, or what is wrong with it; nothing when it has just gone."""
        path = self.path / name
        try:
            linked = path.is_symlink()
            if linked and not self._is_inside(path):
                yield name, _problem(name, "a symbolic link that leaves the policies folder", "copy the file here")
                return
            status = path.stat()
        except OSError as error:
            if linked or not isinstance(error, FileNotFoundError):
                yield name, _problem(name, f"cannot be read: {error.strerror or error}", "remove or mend it")
            return
        if stat.S_ISREG(status.st_mode):
            yield name, (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        elif not stat.S_ISDIR(status.st_mode):
            yield name, _problem(name, "is no regular file", "remove it")

    def _strays(self, folder: str) -> Iterator[tuple[str, PolicyError]]:
        """Policy files below a folder that nothing loads."""
        for found, below, names in os.walk(self.path / folder):
            below[:] = [name for name in below if not _is_left_behind(name)]
            where = Path(found).relative_to(self.path).as_posix()
            if where == LIBRARY:
                continue
            for name in filter(_is_policy, names):
                help_ = "move it into the policies folder itself, `library/` or, when it must not count, `disabled/`"
                yield f"{where}/{name}", _problem(f"{where}/{name}", f"policies in `{where}/` are not loaded", help_)


def kind_of(name: str) -> Kind:
    """Whether a loaded file is a root policy or only serves references."""
    return "library" if name.startswith(f"{LIBRARY}/") else "root"


def is_loaded(name: str) -> bool:
    """Whether the file of this path takes part in decisions."""
    return PurePosixPath(name).parts[0] not in NOT_LOADED


def check_path(name: str) -> None:
    """Raise `PolicyPathRefused` unless `name` is a path that a policy file may be written to."""
    folder, _, file = name.rpartition("/")
    if folder not in ("", *WRITABLE):
        folders = ", ".join(f"`{one}/`" for one in WRITABLE)
        raise PolicyPathRefused(f"`{name}` is no path of a policy file: it is in the folder itself or in {folders}")
    if _NAME.fullmatch(file) is None:
        raise PolicyPathRefused(
            f"`{name}` is no name of a policy file: "
            "use letters, digits, `.`, `_`, `+`, `-` and spaces, and end in `.xml`"
        )


def _is_policy(name: str) -> bool:
    """Whether a file of this name counts. `.XML` does too: leaving out a Deny policy would permit."""
    return name.lower().endswith(".xml") and not _is_left_behind(name)


def _is_left_behind(name: str) -> bool:
    """Whether an editor or a file manager made it for itself."""
    return name.startswith((".", "#", "~")) or name.endswith("~")


def _problem(name: str, message: str, help_: str) -> PolicyError:
    """Something wrong with a file as a whole."""
    return PolicyError(file=name, line=0, path="", message=message, help=help_)


def _replace(path: Path, content: bytes) -> None:
    """Write beside, sync, rename, sync the folder: the rename is what makes it the file."""
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make a rename or removal in a folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _not_writable(error: OSError) -> NoPolicyFolder:
    """The folder does not let itself be written."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    advice = "make room" if full else "edit the policies where the folder comes from, or make it writable"
    return NoPolicyFolder(f"the policies folder cannot be written: {error.strerror or error}: {advice}")
