"""Scores of finished groups of cells, kept so that a killed job continues."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hanas.errors import InputError
from hanas.files import digest, read_json, write_json


def read(workspace: Path, name: str, key: str) -> dict[str, Any] | None:
    """Return the scores of a group; None where they are missing, damaged or of another job."""
    try:
        scores = read_json(workspace / f"{name}.json")
    except InputError:
        return None
    whole = scores.get("key") == key and scores.get("digest") == digest(
        [scores.get("error"), scores.get("cross_entropy")]
    )
    return scores if whole else None


def write(workspace: Path, name: str, key: str, error: np.ndarray, entropy: np.ndarray) -> None:
    """Write the scores of a group where the next run finds them."""
    scores = {"error": error.tolist(), "cross_entropy": _plain(entropy)}
    write_json(
        workspace / f"{name}.json",
        {**scores, "key": key, "digest": digest([scores["error"], scores["cross_entropy"]])},
    )


def _plain(values: np.ndarray) -> list[float | None]:
    # JSON has no infinities: None becomes NaN when the scores are put together.
    return [float(value) if np.isfinite(value) else None for value in values]
