"""Scores of finished groups of cells, kept so that a killed job continues."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hanas.core.errors import InputError
from hanas.core.files import digest, read_json, write_json


def read(workspace: Path, name: str, key: str) -> dict[str, np.ndarray] | None:
    """Return the scores of a group, float64 (N,) each; NaN where one was not finite.

    None where the file is missing, damaged or of another job.
    """
    try:
        kept = read_json(workspace / f"{name}.json")
    except InputError:
        return None
    scores = kept.get("scores")
    if kept.get("key") != key or kept.get("digest") != digest(scores) or scores is None:
        return None
    return {column: np.array(values, dtype=np.float64) for column, values in scores.items()}


def write(workspace: Path, name: str, key: str, scores: Mapping[str, np.ndarray]) -> None:
    """Write the scores of a group where the next run finds them."""
    plain = {column: _plain(values) for column, values in scores.items()}
    write_json(workspace / f"{name}.json", {"scores": plain, "key": key, "digest": digest(plain)})


def _plain(values: np.ndarray) -> list[float | None]:
    # JSON has no infinities.
    return [float(value) if np.isfinite(value) else None for value in values]
