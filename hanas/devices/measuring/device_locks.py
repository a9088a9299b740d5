"""One measurement at a time on a device, whatever process or user measures.

A device is locked on the machine that drives it, by a file that is open for as long as the
process lives: a killed process leaves no lock behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hanas.core.errors import InputError, one_line
from hanas.core.files import digest
from hanas.core.progress import Log

#: The folder that all processes of a machine see, whatever their ``TMPDIR``.
FOLDER = Path("/tmp")
_ASK_AGAIN_SECONDS = 0.2


@contextlib.contextmanager
def alone_on(device: str, *, log: Log, stopped: Callable[[], bool]) -> Iterator[None]:
    """Wait until no other process measures on a device, and keep others waiting meanwhile.

    Equal names of devices exclude one another. ``log`` is told when there is something to wait for;
    ``stopped`` is asked while waiting: when it says True, the block runs without the lock and is
    expected to do nothing. InputError if the file that is locked cannot be made.
    """
    path = lock_file(device)
    handle = _locked(path)
    if handle is None:
        log(f"another process measures on {device}; waiting until it has finished ({path})")
    while handle is None and not stopped():
        time.sleep(_ASK_AGAIN_SECONDS)
        handle = _locked(path)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def lock_file(device: str) -> Path:
    """Return the file that is locked while somebody measures on a device."""
    return FOLDER / f"hanas-device-{digest(device)[:16]}.lock"


def _locked(path: Path) -> int | None:
    """Return the open and locked file, or None where another process has locked it."""
    try:
        handle = _open(path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be made, so that nothing keeps two processes from measuring on one "
            f"device: {one_line(error)}"
        ) from error
    with contextlib.suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Somebody who cleans up may have removed the file: a lock on it would exclude nobody.
        if os.stat(path).st_ino == os.fstat(handle).st_ino:
            return handle
    os.close(handle)
    return None


def _open(path: Path) -> int:
    """Open a file that may belong to another user, who must be able to lock it too."""
    while True:
        # Linux lets nobody create what another user has in a shared folder: open it first.
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with contextlib.suppress(FileExistsError):
            return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
