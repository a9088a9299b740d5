"""The facts beside every result: how it came about, and whether it still belongs to the study.

Snakemake remembers settings in a folder of its own, which a copy of results may lack and which two
studies may share. The facts are with the results, so they decide: a job whose facts have other
settings than its study, or read or wrote other bytes than lie there now, runs again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanas.core import contents
from hanas.core.errors import InputError
from hanas.core.files import name_of, read_json
from hanas.study._entries import Job
from hanas.study.results import RESULTS, SIDE_FILES, facts_file, is_result

#: Lines that are told of one result.
_MOST_LINES = 5
_ABSENT = object()


def read(path: Path) -> dict[str, Any] | None:
    """Return the facts in a JSON file; None where it is JSON of something else.

    ``settings`` is a mapping, ``inputs`` has for each role a ``file`` and its ``sha256``,
    ``outputs`` the SHA-256 of each file. Raises InputError if the file is no readable JSON.
    """
    facts = read_json(path)
    inputs: Any = facts.get("inputs")
    outputs: Any = facts.get("outputs")
    settings = facts.get("settings")
    if not all(isinstance(each, dict) for each in (settings, inputs, outputs)):
        return None
    whole = all(isinstance(each, str) for each in outputs.values()) and all(
        isinstance(each, dict) and all(isinstance(each.get(key), str) for key in ("file", "sha256"))
        for each in inputs.values()
    )
    return facts if whole else None


@dataclass(frozen=True)
class Outdated:
    """Why a result that is there is not what its job would make now; a line each."""

    settings: list[str]
    contents: list[str]


def outdated(rule: str, names: Mapping[str, str], job: Job, study: Path) -> Outdated:
    """Compare the facts of a job's result with the job as the study of today has it.

    A result without facts is: Snakemake would take it for today's, whatever it was made of. Of what
    the job wrote, only what other jobs read is compared.
    """
    beside = facts_file(rule, **names)
    written = tuple(path.format(**names) for path in (RESULTS[rule], *SIDE_FILES.get(rule, ())))
    if not os.path.lexists(study / beside):
        there = next((file for file in written if (study / file).exists()), None)
        return Outdated([], [f"nothing says how {there} was made"] if there else [])
    try:
        facts = read(study / beside)
    except InputError as error:
        return Outdated([], [str(error)])
    if facts is None:
        return Outdated([], [f"{beside} does not say how its result was made"])
    return Outdated(
        compared(facts["settings"], job.params),
        [*_read_otherwise(facts, job, study), *_written_otherwise(facts, written, study)],
    )


def _read_otherwise(facts: Mapping[str, Any], job: Job, study: Path) -> Iterator[str]:
    for name, file in by_name(job.inputs).items():
        path = study / file if is_result(file) else Path(file)
        if is_result(file) and path.is_dir():  # the job that wrote it has its files
            continue
        now, before = contents.content(path), facts["inputs"].get(name, {}).get("sha256")
        if before is None:
            yield f"{file} was not read"
        elif now not in (None, before):
            yield f"{file} holds something else than what was read"


def _written_otherwise(
    facts: Mapping[str, Any], written: tuple[str, ...], study: Path
) -> Iterator[str]:
    folders = tuple(f"{path}/" for path in written)
    for file, sha256 in facts["outputs"].items():
        of_others = file in written or file.startswith(folders)
        if of_others and contents.content(study / file) not in (None, sha256):
            yield f"{file} holds something else than what was written"


def by_name(inputs: Mapping[str, str | Sequence[str]]) -> dict[str, str]:
    """Return the files that a job reads by their names in its facts; those of a list by themselves.

    >>> by_name({"front": "results/a.parquet", "files": ["results/b.csv"]})
    {'front': 'results/a.parquet', 'results/b.csv': 'results/b.csv'}
    """
    named: dict[str, str] = {}
    for role, files in inputs.items():
        one = isinstance(files, str)
        named |= {role: files} if one else {name_of(file): file for file in files}
    return named


def compared(before: Any, now: Any) -> list[str]:
    """Return a line for each setting that differs: its path, what it was and what it is.

    >>> compared({"training": {"epochs": 2}, "seed": 0}, {"training": {"epochs": 3}, "seed": 0})
    ['training.epochs was 2, is 3']
    """
    lines = list(_differing(before, json.loads(json.dumps(now)), ""))
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = [f"... and {len(lines) - _MOST_LINES} more"]
    return lines


def _differing(before: Any, now: Any, place: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            path = f"{place}.{key}".lstrip(".")
            yield from _differing(before.get(key, _ABSENT), now.get(key, _ABSENT), path)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for number, each in enumerate(zip(before, now, strict=True)):
            yield from _differing(*each, f"{place}.{number}")
    elif before != now or isinstance(before, bool) != isinstance(now, bool):
        yield f"{place} was {_shown(before)}, is {_shown(now)}"


def _shown(value: Any) -> str:
    text = "not there" if value is _ABSENT else json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 60 else f"{text[:56]} ..."
