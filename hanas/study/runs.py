"""What disturbs a run of the workflow: a kill, a wrong clock, a cluster that ends its jobs.

Snakemake marks the folder that it works in, and a killed run leaves the mark behind. Whether the
run that left it is still alive is known to the operating system: every run holds a shared lock on
a file for as long as its process lives, and a run that can for a moment hold it alone knows that
all marks are stale. Where another run is alive, its marks stay and Snakemake refuses to start.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import hanas
from hanas.core.errors import InputError
from hanas.core.files import read_json

#: What clocks of file servers may differ by.
_TOLERANCE_SECONDS = 2.0
#: What SLURM writes when it ends a job, the surest sign first, and what that means. Some versions
#: and settings only leave the shell's word for a process that was killed.
_SIGNS = (
    (r"exceeded \w*\s?memory limit|oom.?kill|out.of.memory", "ran out of memory; raise its mem_mb"),
    (r"DUE TO TIME LIMIT", "ran out of time; raise its runtime"),
    (r"DUE TO NODE FAILURE", "was on a node that failed"),
    (r"DUE TO PREEMPTION", "had to make room for another job"),
    (r"CANCELLED AT", "was cancelled"),
    (r"task \d+: (Killed|Terminated)", "was killed"),
)
_RULE = re.compile(r"^\s*rule (\w+):$", re.MULTILINE)
_WILDCARDS = re.compile(r"^\s*wildcards: (.+)$", re.MULTILINE)


def leave_the_current_folder() -> None:
    """Run nothing of the folder that the workflow is called in, in this process and its children.

    Snakemake starts itself by ``python -m``, for jobs of a cluster too, which would put that folder
    first where modules are found: a ``numpy.py`` there would run. The commands of devices, which
    may be Python's, do not inherit it (:mod:`hanas.core.processes`).
    """
    hanas.leave_the_current_folder()
    os.environ.setdefault("PYTHONSAFEPATH", hanas.SAFE_PATH)


def end_with_the_terminal() -> None:
    """Let the end of the terminal end the workflow, and with it its jobs, as Ctrl-C does.

    Python would be gone at once, and leave its jobs running. Under nohup nothing changes.
    """

    def end(*_: object) -> None:
        # Ctrl-C reaches them by itself.
        for listed in Path("/proc/self/task").glob("*/children"):
            for child in listed.read_text().split():
                with suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGTERM)
        # Not by SIGINT, which a shell lets programs ignore that it starts in the background.
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        with suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGHUP, end)


def hold_lock(folder: Path) -> IO[str] | None:
    """Hold the lock of the folder ``.snakemake`` and remove the marks of runs that are dead.

    Returns the open file; the lock is held until it is closed or the process ends. None where the
    file system has no such locks or cannot be written: then nothing was removed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Without waiting, as one would for a pipe of that name, and only where it lies.
        how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.fdopen(os.open(folder / "hanas.lock", how, 0o666), "a", encoding="utf-8")
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


def bring_to_the_present(folder: Path) -> None:
    """Give what was changed in the future, by a clock that was wrong, the time of now.

    Snakemake refuses to read files from the future.
    """
    now = time.time()
    for path in folder.rglob("*"):
        try:
            if path.lstat().st_mtime > now + _TOLERANCE_SECONDS:
                os.utime(path, (now, now), follow_symlinks=False)
        except OSError:  # gone, or not ours to change: Snakemake will say so
            continue


def from_the_future(path: str | Path) -> str:
    """Return the date of a file of the user's that is later than now, else nothing.

    Snakemake would end every job that reads it once its work is done, and remove the result.
    """
    changed = Path(path).stat().st_mtime
    if changed <= time.time() + _TOLERANCE_SECONDS:
        return ""
    return _date(path)


def _date(path: str | Path) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(Path(path).stat().st_mtime))


def doubts(folder: Path, devices: Iterable[str]) -> Iterator[str]:
    """Yield why the decisions of devices should not be trusted, from the facts in their folder.

    With the date of each page, which may be of an earlier run.
    """
    for device in devices:
        try:
            facts = read_json(folder / f"{device}.json")
        except InputError:  # not decided yet
            continue
        found = facts.get("doubts") if isinstance(facts, dict) else None
        page = f"{folder / device}.md (of {_date(folder / f'{device}.json')})"
        for said in found if isinstance(found, list) else []:
            yield f"Do not trust {page}: {said}"


def ended_by_slurm(folder: Path, *, since: float) -> Iterator[str]:
    """Yield why for each job that SLURM ended: its own log tells, but Snakemake may not show it.

    ``folder`` holds the logs, a file for each job that did not succeed, named by its number; only
    those that were written ``since`` a time, in seconds as of ``time.time()``, are read.
    """
    for path in sorted(folder.rglob("*.log")):
        if path.stat().st_mtime >= since:
            text = path.read_text(encoding="utf-8", errors="replace")
            if reason := _reason(text):
                yield f"SLURM job {path.stem}{reason}"


def _reason(text: str) -> str | None:
    for sign, meaning in _SIGNS:
        if found := re.search(sign, text, re.IGNORECASE):
            # The jobs of a group run one after another: the last that was announced is meant.
            announced = list(_RULE.finditer(before := text[: found.start()]))
            if not announced:
                return f" {meaning}"
            wildcards = _WILDCARDS.search(before, announced[-1].end())
            of_what = f" of {wildcards[1]}" if wildcards else ""
            return f" ({announced[-1][1]}{of_what}) {meaning}"
    return None
