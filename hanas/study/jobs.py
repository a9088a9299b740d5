"""The frame of every job of the workflow: its log, and the facts of how its results came about."""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hanas
from hanas.core import contents, escape, plugins
from hanas.core.compute import commit, processor
from hanas.core.errors import InputError
from hanas.core.files import checksum, name_of, results_lie_under, user_path, write_json
from hanas.core.settings import UserFile, marked
from hanas.spaces.kinds.lens import resolved
from hanas.study import planned, running
from hanas.study._entries import contents_of
from hanas.study.facts import by_name
from hanas.study.graph import STAGES
from hanas.study.results import is_result
from hanas.training import curves


@contextmanager
def job(snakemake: Any) -> Iterator[dict[str, Any]]:
    """Run the block as a job: all output goes to its log, and its facts are written at the end.

    ``snakemake`` is what Snakemake gives to a script: ``params.cfg``, the settings that the result
    depends on, and an output named ``facts``, a JSON file. Of an output that is a folder, the
    checksums of its files are written; of a result that is one and is read, none: the facts of the
    job that wrote it have them. Yields a dict for what else is worth knowing about the result, such
    as ``sources``.

    An :class:`~hanas.core.errors.InputError` is the user's to mend: the log ends with its message
    and the job fails. Any other error is ours and leaves its traceback.
    """
    with Path(snakemake.log[0]).open("w", buffering=1) as log:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(log.fileno(), 1)  # of child processes too
        os.dup2(log.fileno(), 2)
    # Snakemake shows a cluster's own log after this one, but not after an empty one.
    print(f"Started {time.strftime('%Y-%m-%d %H:%M:%S')} on {platform.node()}", flush=True)
    started, facts = time.monotonic(), {}
    try:
        settings = snakemake.params.cfg
        plan = snakemake.input.get(planned.ROLE)
        results_lie_under(planned.prefix_in(plan))
        if plan:
            planned.require(plan, settings)
        inputs = dict(snakemake.input.items())
        inputs = by_name({role: inputs[role] for role in inputs if role != planned.ROLE})
        before = _held(inputs.values())
        with (
            running.told(snakemake, plan),
            curves.drawn_in(_curves(snakemake)),
            _stages(snakemake.input.get(STAGES)),
        ):
            yield facts
        _require_same(before, _held(before))
        write_facts(
            snakemake.output.facts,
            settings=settings,
            inputs=inputs,
            outputs=[file for output in snakemake.output for file in _files_in(Path(output))],
            started=started,
            **facts,
        )
    except InputError as error:
        print(f"Error: {escape.terminal(str(error))}", file=sys.stderr, flush=True)
        sys.exit(1)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        sys.exit(1)


@contextmanager
def _stages(files: Iterable[str] | None) -> Iterator[None]:
    """Let spaces of later stages be what the lens on those before them has made of them."""
    before = plugins.of_study()
    if files:
        plugins.declare(resolved(list(files)))
    try:
        yield
    finally:
        plugins.declare(before)


def _curves(snakemake: Any) -> Path | None:
    """Return where a job draws the curves of its trainings, if the study wants that."""
    if getattr(snakemake.resources, "curves", "none") == "none":
        return None
    above, _, own = snakemake.output.facts.rpartition("results/")
    return Path(above, "results/curves", own.removesuffix("/meta.json").removesuffix(".json"))


@contextmanager
def unchanged(entry: Any, data: Path, planned_with: Mapping[str, str | None] | None) -> Iterator:
    """Read the user's files that an entry of the study names, in the folder ``data``.

    ``planned_with`` is what they held when the job was planned (:func:`graph.contents_of`). Raises
    InputError if they hold something else before or after, or in between.
    """
    before = dict(planned_with or {})
    files = [user_path(data, name) for _, name, _ in marked(entry, UserFile)]
    _require_same(before, contents_of(entry, data))
    at_first = {str(file): contents.signature(file) for file in files}
    yield
    _require_same(before, contents_of(entry, data))
    _require_same(at_first, {str(file): contents.signature(file) for file in files})


def _held(files: Iterable[str]) -> dict[str, object]:
    """Return what files hold; of the user's also whether that was ever something else."""
    return {
        file: (
            contents.content(file),
            None if is_result(name_of(file)) else contents.signature(file),
        )
        for file in files
    }


def _require_same(before: Mapping[str, object], after: Mapping[str, object]) -> None:
    for name, content in before.items():
        if after[name] != content:
            raise InputError(
                f"{name} was changed while this job was waiting or running, so that nobody knows "
                "what was read; run the same command again"
            )


def _files_in(path: Path) -> list[str]:
    """Return a file, or all files in a folder."""
    if not path.is_dir():
        return [str(path)]
    return [str(file) for file in sorted(path.rglob("*")) if file.is_file()]


def write_facts(
    path: str,
    *,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    outputs: Iterable[str],
    started: float,
    **facts: Any,
) -> None:
    """Write the JSON that says how a result came about, with checksums of all files.

    ``settings`` are what the result depends on; ``inputs`` the files that were read, by role;
    ``outputs`` those that were written, and are there already; ``started`` is
    ``time.monotonic()`` when the job began; other facts are what else is worth knowing.
    """
    write_json(
        path,
        {
            **facts,
            "settings": dict(settings),
            "inputs": {
                name_of(role): {"file": name_of(file), "sha256": contents.content(file)}
                for role, file in inputs.items()
                if not (Path(file).is_dir() and is_result(name_of(file)))
            },
            "outputs": {name_of(file): checksum(file) for file in outputs if file != path},
            "hanas": {"version": hanas.__version__, "commit": commit()},
            "hardware": {
                "machine": platform.machine(),
                "processor": processor(),
                "cores": os.cpu_count(),
            },
            "python": platform.python_version(),
            "seconds": round(time.monotonic() - started, 3),
        },
    )


def located(settings: Any, inputs: Iterable[object]) -> Any:
    """Return settings in which the name of each input is replaced by where it lies here."""
    places = {name_of(file): str(file) for file in inputs}

    def replace(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: replace(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [replace(each) for each in value]
        return places.get(value, value) if isinstance(value, str) else value

    return replace(settings)
