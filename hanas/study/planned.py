"""The settings that jobs are planned with, a small file for each, which is an input of the job.

It makes Snakemake run a job again whose result has other settings than today's, or was made of
other bytes (:mod:`hanas.study.facts`), whether or not Snakemake remembers: then the file is newer
than the result and holds what no file before it held. Else it is as old as can be.

A job that a cluster starts later reads the study itself: whether that was edited since shows in the
plan of its run.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hanas.core.errors import InputError
from hanas.core.files import digest, read_json, write_json
from hanas.study._entries import Job
from hanas.study.results import facts_file

#: The role that the file has among a job's inputs.
ROLE = "settings"
_FOLDER = ".snakemake/hanas/settings"
#: Where each job that runs has a file beside, see :mod:`hanas.study.running`.
LIVE = Path(".snakemake/hanas/live")
_VARIABLE = "HANAS_PLAN"
_SECONDS_KEPT = 90 * 86_400.0


def file_of(rule: str, names: Mapping[str, str], prefix: str = "") -> str:
    """Return the path of a job's file; ``prefix`` is that of a module, such as ``nas/``.

    Each lies in a folder of its own: Snakemake lists the folder of the first that it looks for, and
    does not see what is written there later.
    """
    facts = facts_file(rule, **names).removeprefix("results/").removesuffix(".json")
    return f"{_FOLDER}/{f'{prefix}{facts}'.replace('/', '.')}/settings.json"


def live_file(path: str) -> Path:
    """Return where a job tells what it is at, from the path of the file of its settings."""
    return LIVE / f"{Path(path).parent.name}.json"


def run() -> str | None:
    """Return the name of the run that this process is of; None where none has begun."""
    plan = os.environ.get(_VARIABLE)
    return Path(plan).name if plan else None


def write(path: str, job: Job, outdated: Sequence[str], prefix: str = "") -> None:
    """Write the file of a job whose result is ``outdated`` by so many reasons, if any.

    Raises InputError if that cannot be done.
    """
    where = {"prefix": prefix} if prefix else {}
    try:
        if outdated or not _holds(path, job):
            now = [time.time_ns()] if outdated else []  # else Snakemake could know its checksum
            write_json(path, {"settings": job.params, "outdated": [*outdated, *now], **where})
        if not outdated:
            os.utime(path, (1, 1))
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def prefix_in(path: str | None) -> str:
    """Return the prefix of the module that a job is of, from its file; empty where none is."""
    return read_json(path).get("prefix", "") if path else ""


def remember(settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep what the jobs of a run are planned with, by the paths of their files, for these jobs.

    Apart from these files, since a dry run of an edited study, or ``hanas explain``, may write them
    while this run goes on. The variable that names it is inherited, by the jobs of a cluster too.
    """
    plan = Path(_FOLDER).parent / f"plan-{os.getpid()}.json"
    with suppress(OSError):  # without it, jobs still tell what they were made with
        for old in plan.parent.glob("plan-*.json"):
            if old.stat().st_mtime < time.time() - _SECONDS_KEPT:
                old.unlink(missing_ok=True)
        write_json(plan, {path: digest(of_job) for path, of_job in settings.items()})
        os.environ[_VARIABLE] = str(plan.absolute())


def require(path: str, settings: Mapping[str, Any]) -> None:
    """Raise InputError if a job has other settings than the run that started it planned."""
    plan = os.environ.get(_VARIABLE)
    if not plan or not Path(plan).exists():
        return
    if read_json(plan).get(path, digest(settings)) != digest(settings):
        raise InputError(
            "the study was edited after this job was planned, and before it began; run the same "
            "command again"
        )


def _holds(path: str, job: Job) -> bool:
    try:
        return read_json(path).get("settings") == _plain(job.params)
    except InputError:  # it is damaged, or not there
        return False


def _plain(settings: Any) -> Any:
    return json.loads(json.dumps(settings))
