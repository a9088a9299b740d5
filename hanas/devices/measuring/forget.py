"""Forget measurements of a device, so that its models are measured again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hanas.core.errors import InputError
from hanas.core.files import read_json

#: What follows from measurements, by the folder of results: without these files, Snakemake makes
#: them again.
_FOLLOW = (
    "measurements/{device}/*/*",
    "exports/*/latency/{device}.*",
    "measured_fronts/*/{device}/*/*",
)


def forget(results: Path, device: str, archs: Sequence[str] = ()) -> tuple[int, int]:
    """Remove kept measurements of a device, of all models or of some architectures.

    Also what follows from them, so that the next run of the workflow measures again. Returns how
    many measurements were removed, and how many files of results. InputError if there are none of
    the device, or of an architecture.
    """
    if not re.fullmatch(r"\w+", device):  # never outside the folder of results
        raise InputError(f"{device!r} is no name of a device; expected letters, digits and _")
    folder = results / "measurements" / device / "kept"
    files = sorted(folder.glob("*.json"))
    if not files:
        measured = sorted(path.parent.name for path in results.glob("measurements/*/kept"))
        known = ", ".join(measured) or "(none)"
        raise InputError(f"{folder} holds no measurements; those are kept of: {known}")
    if archs:
        known = {file: _arch(file) for file in files}
        files = [file for file, arch in known.items() if arch in archs]
        if missing := [arch for arch in archs if arch not in known.values()]:
            raise InputError(
                f"{folder} has no measurement of {missing[0]}; write an architecture as in the "
                f"column arch of {folder.parent}/SPACE/DATASET.parquet, or leave --arch out to "
                "forget all"
            )
    for file in files:
        file.unlink(missing_ok=True)
    followed = [
        file
        for pattern in _FOLLOW
        for file in sorted(results.glob(pattern.format(device=device)))
        if file.is_file() and file.parent != folder
    ]
    for file in followed:
        file.unlink(missing_ok=True)
    return len(files), len(followed)


def _arch(file: Path) -> str | None:
    """Return the architecture that a kept measurement is of; None where it cannot be read."""
    try:
        record = read_json(file).get("record")
    except (InputError, RecursionError):
        return None
    return record.get("arch") if isinstance(record, dict) else None
