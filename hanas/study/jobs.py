"""What every job of the workflow does around its one library call: log, measure, account for."""

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
from hanas.core import hardware
from hanas.core.code_version import commit
from hanas.core.errors import InputError
from hanas.core.files import checksum, name_of, write_json


@contextmanager
def logged(log_path: str) -> Iterator[None]:
    """Send all output of the block, of its child processes too, to the log.

    An :class:`~hanas.core.errors.InputError` is the user's to mend: the log ends with its message and
    the job fails. Any other error is ours and leaves its traceback.
    """
    with Path(log_path).open("w", buffering=1) as log:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    # Snakemake shows a cluster's own log after this one, but not after an empty one.
    print(f"Started {time.strftime('%Y-%m-%d %H:%M:%S')} on {platform.node()}", flush=True)
    try:
        yield
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        sys.exit(1)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        sys.exit(1)


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


def write_facts(
    path: str,
    *,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    outputs: Iterable[str],
    started: float,
    **facts: Any,
) -> None:
    """Write the JSON that says how a result came about.

    Parameters
    ----------
    path
        The JSON file.
    settings
        The settings of the stage, its revision among them.
    inputs
        Files that were read, by role; their SHA-256 checksums are written. Folders are left out:
        the facts of the job that wrote one have the checksums of its files.
    outputs
        Files that were written; those that are there already, so not the JSON itself.
    started
        ``time.monotonic()`` when the job began.
    **facts
        What else is worth knowing about the result.
    """
    write_json(
        path,
        {
            **facts,
            "settings": dict(settings),
            "inputs": {
                name_of(role): {"file": name_of(file), "sha256": checksum(file)}
                for role, file in inputs.items()
                if not Path(file).is_dir()
            },
            "outputs": {
                name_of(file): checksum(file) for file in outputs if str(file) != str(path)
            },
            "hanas": {"version": hanas.__version__, "commit": commit()},
            "hardware": {
                "machine": platform.machine(),
                "processor": hardware.processor(),
                "cores": os.cpu_count(),
            },
            "python": platform.python_version(),
            "seconds": round(time.monotonic() - started, 3),
        },
    )
