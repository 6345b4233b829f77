"""One process at a time has an embedded database: a second one would take the first one's lanes and send twice."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


class Occupied(Exception):
    """Another process has the folder or database; the message says which."""


class Occupancy:
    """The right to a path, held by a lock on a file beside it that ends with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.with_name(f"{path.name}.lock")
        self._handle: int | None = None

    def take(self, patience: float = 0.0) -> None:
        """Take it, waiting up to `patience` seconds for a predecessor that is just ending. Raises `Occupied`."""
        deadline = time.monotonic() + patience
        handle = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(handle)
                    raise Occupied(f"`{self._path}` is in use by another process of Sluice") from None
                time.sleep(0.05)
            else:
                self._handle = handle
                return

    def leave(self) -> None:
        """Give it back; does nothing when it is not held. The file stays: removing it would let two have it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
