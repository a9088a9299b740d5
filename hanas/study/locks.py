"""Let the same command run again after a kill, without ``snakemake --unlock``.

Snakemake marks the folder that it works in, and a killed run leaves the mark behind. Whether the
run that left it is still alive is known to the operating system: every run holds a shared lock on
a file for as long as its process lives, and a run that can for a moment hold it alone knows that
all marks are stale. Where another run is alive, its marks stay and Snakemake refuses to start.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO


def hold(folder: Path) -> IO[str] | None:
    """Hold the lock of the folder ``.snakemake`` and remove the marks of runs that are dead.

    Returns the open file; the lock is held until it is closed or the process ends. None where the
    file system has no such locks or cannot be written: then nothing was removed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / "hanas.lock").open("a", encoding="utf-8")
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # another run is alive
        pass
    except OSError:
        handle.close()
        return None
    else:
        for mark in (folder / "locks").glob("*.lock"):
            mark.unlink(missing_ok=True)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle
