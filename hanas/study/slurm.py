"""Whether a SLURM cluster can be used, asked before anything is submitted.

Without some of its commands, or while its controller does not answer, Snakemake would wait for
ever. And jobs of a run that was killed stay in the queue and would do their work a second time.
"""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from hanas.core.errors import InputError, one_line

_COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "sacctmgr")
_SECONDS = 30.0
_RUN = re.compile(r"SLURM run ID: (\S+)")
_MOST_SHOWN = 5


def require(folder: Path) -> None:
    """Raise InputError, saying what to do, if no job can be submitted from a study's folder.

    ``folder`` is the study's ``.snakemake``, whose logs name the earlier runs.
    """
    if missing := [command for command in _COMMANDS if shutil.which(command) is None]:
        raise InputError(
            f"SLURM's command {missing[0]} is not here, without which no job can be submitted; "
            "run this where SLURM's clients are installed, or without profiles/slurm"
        )
    _answer("scontrol", "ping")  # succeeds only where a controller is up
    accounts = ("sacctmgr", "-n", "-s", "list", "user", getpass.getuser(), "format=account%256")
    try:
        _answer(*accounts)
    except InputError:
        if shutil.which("sshare") is None:  # which is asked next
            raise
        _answer("sshare", "-U", "--format", "Account%256", "--noheader")
    if left := list(_left(folder)):
        shown = ", ".join(f"{number} ({what})" for number, what in left[:_MOST_SHOWN])
        shown += f" and {len(left) - _MOST_SHOWN} more" * (len(left) > _MOST_SHOWN)
        raise InputError(
            f"jobs of an earlier run of this study are still in SLURM's queue, and would do their "
            f"work twice: {shown}; cancel them with: scancel {' '.join(each for each, _ in left)}"
        )


def _left(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield number and comment of the user's jobs that runs in this folder have submitted."""
    queued = _answer("squeue", "--me", "--noheader", "--format", "%A|%j|%k").splitlines()
    jobs = [line.strip().split("|", 2) for line in queued if line.count("|") >= 2]
    if jobs:
        runs = set()
        for log in (folder / "log").glob("*.log"):
            runs |= set(_RUN.findall(log.read_text(encoding="utf-8", errors="replace")))
        yield from ((number, comment) for number, run, comment in jobs if run in runs)


def _answer(*command: str) -> str:
    """Return what a command of SLURM prints; InputError if it fails or does not end."""
    said = f"SLURM does not answer: `{' '.join(command[:4])}`"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{said} did not end within {_SECONDS:g} s") from None
    except OSError as error:
        raise InputError(f"{said}: {one_line(error)}") from error
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).split())[:300] or "it says nothing"
        raise InputError(f"{said} failed: {words}; is its controller running, and its accounting?")
    return done.stdout
