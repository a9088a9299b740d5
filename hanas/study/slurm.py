"""Whether a SLURM cluster can be used, asked before anything is submitted or run here instead.

Without some of its commands, or while its controller does not answer, Snakemake would wait for
ever. And jobs of a run that was killed stay in the queue and would do their work a second time.
"""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from hanas.core.errors import InputError, one_line

_COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "sacctmgr")
_SECONDS = 30.0
_RUN = re.compile(r"SLURM run ID: (\S+)")
_MOST_SHOWN = 5


def require(folder: Path, *, submits: bool = True) -> None:
    """Raise InputError, saying what to do, if a run cannot begin in a study's folder.

    If it ``submits`` jobs, the cluster has to answer. If it runs them here, none of an earlier run
    may still wait there, which would do the same again. ``folder`` is the study's ``.snakemake``,
    whose logs name the earlier runs.
    """
    if submits:
        _require_answers()
    runs = set()
    for log in (folder / "log").glob("*.log"):
        runs |= set(_RUN.findall(log.read_text(encoding="utf-8", errors="replace")))
    if not runs or (not submits and shutil.which("squeue") is None):
        return
    try:
        left = list(_left(runs))
    except InputError as error:
        if submits:
            raise
        print(f"Whether jobs of an earlier run still wait is unknown: {error}", file=sys.stderr)
        return
    if left:
        shown = ", ".join(f"{number} ({what})" for number, what in left[:_MOST_SHOWN])
        shown += f" and {len(left) - _MOST_SHOWN} more" * (len(left) > _MOST_SHOWN)
        raise InputError(
            f"jobs of an earlier run of this study are still in SLURM's queue, and would do their "
            f"work twice: {shown}; cancel them with: scancel {' '.join(each for each, _ in left)}"
        )


def _require_answers() -> None:
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


def _left(runs: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    """Yield number and comment of the user's jobs that these runs have submitted."""
    for line in _answer("squeue", "--me", "--noheader", "--format", "%A|%j|%k").splitlines():
        number, run, comment = (*line.strip().split("|", 2), "", "")[:3]
        if run in runs:
            yield number, comment


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
