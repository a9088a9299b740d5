"""Follow a result back to the files and settings it came from, and see what has changed since.

Every job of the workflow writes a JSON of facts (:func:`hanas.study.jobs.write_facts`) with the
checksums of the files it read and wrote. Together they are a graph, in which a result is looked up
by its path.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanas.core.errors import InputError
from hanas.core.files import checksum


@dataclass(frozen=True)
class Record:
    """What a JSON of facts says.

    Attributes
    ----------
    file
        The JSON, relative to the study's folder.
    inputs, outputs
        Path -> SHA-256 at the time, of what the job read and wrote.
    facts
        Everything else: ``settings``, ``hanas``, ``hardware``, ``seconds``, sources ...
    """

    file: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One file of a chain.

    Attributes
    ----------
    file
        Its path as the job that read or wrote it names it.
    depth
        Number of jobs between it and the file that is explained.
    record
        Of the job that wrote it; None for a file that no job of the study wrote.
    state
        ``unchanged``, ``changed`` since it was read or written, or ``missing``.
    shown
        Whether an earlier step shows the same file.
    """

    file: str
    depth: int
    record: Record | None
    state: str
    shown: bool = False


def explain(file: str, study: Path) -> list[Step]:
    """Return the chain that a result came from, the result first, each file after what it made.

    Parameters
    ----------
    file
        A result, relative to the study's folder (or absolute, in it).
    study
        The folder that holds ``results``.

    Raises
    ------
    InputError
        If no job of the study says that it wrote the file.
    """
    records = read_records(study)
    path = Path(file)
    wanted = str(path.relative_to(study.resolve()) if path.is_absolute() else path)
    if wanted not in records:
        raise InputError(
            f"{file}: no facts beside the results in {study / 'results'} say how it was made; "
            "name a file that the workflow has written, such as results/tables/edgegpu.csv"
        )
    return list(_steps(wanted, records[wanted].outputs[wanted], 0, records, study, {}))


def read_records(study: Path) -> dict[str, Record]:
    """Return for each file that a job of the study wrote the facts of that job.

    Raises
    ------
    InputError
        If a JSON of facts is damaged.
    """
    records = {}
    for path in sorted((study / "results").rglob("*.json")):
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(
                f"{path}: no readable JSON ({error}); delete it and run the workflow again"
            ) from error
        if not isinstance(facts, dict) or not {"inputs", "outputs", "settings"} <= set(facts):
            continue  # a result that happens to be JSON
        record = Record(
            file=str(path.relative_to(study)),
            inputs={of_role["file"]: of_role["sha256"] for of_role in facts.pop("inputs").values()},
            outputs=facts.pop("outputs"),
            facts=facts,
        )
        records.update(dict.fromkeys(record.outputs, record))
    return records


def _steps(
    file: str,
    sha256: str,
    depth: int,
    records: Mapping[str, Record],
    study: Path,
    states: dict[tuple[str, str], str],
) -> Iterator[Step]:
    """Yield the step of a file and those of what it came from."""
    record, key = records.get(file), (file, sha256)
    if key in states:
        yield Step(file, depth, record, states[key], shown=True)
        return
    states[key] = _state(study / file, sha256)
    yield Step(file, depth, record, states[key])
    for read, then in record.inputs.items() if record else ():
        yield from _steps(read, then, depth + 1, records, study, states)


def _state(path: Path, sha256: str) -> str:
    if not path.is_file():
        return "missing"
    return "unchanged" if checksum(path) == sha256 else "changed"
