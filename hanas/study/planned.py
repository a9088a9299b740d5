"""The settings that jobs are planned with, a small file for each, which is an input of the job.

It makes Snakemake run a job again whose result has other settings than today's, or was made of
other bytes (:mod:`hanas.study.facts`), whether or not Snakemake remembers: then the file is newer
than the result and holds what no file before it held. Else it is as old as can be. And a job that
a cluster starts later, which reads the study itself, sees by it that the study was edited since.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hanas.core.errors import InputError
from hanas.core.files import read_json, write_json
from hanas.study.graph import Job
from hanas.study.results import facts_file

#: The role that the file has among a job's inputs.
ROLE = "settings"
_FOLDER = ".snakemake/hanas/settings"


def file_of(rule: str, names: Mapping[str, str]) -> str:
    """Return the path of a job's file."""
    return f"{_FOLDER}/{facts_file(rule, **names).removeprefix('results/')}"


def write(path: str, job: Job, outdated: Sequence[str]) -> None:
    """Write the file of a job whose result is ``outdated`` by so many reasons, if any.

    Raises InputError if that cannot be done.
    """
    try:
        if outdated or not _holds(path, job):
            now = [time.time_ns()] if outdated else []  # else Snakemake could know its checksum
            write_json(path, {"settings": job.params, "outdated": [*outdated, *now]})
        if not outdated:
            os.utime(path, (1, 1))
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def require(path: str, settings: Mapping[str, Any]) -> None:
    """Raise InputError if a job has other settings than it was planned with."""
    if Path(path).exists() and read_json(path).get("settings") != _plain(settings):
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
