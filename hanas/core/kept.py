"""What was computed or measured once, kept in small files so that it is never done twice.

A file holds a *record*, the *key* of what it is of (all that the record depends on) and a digest by
which damage shows. One that is damaged, or of something else, is not used.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from hanas.core.errors import InputError
from hanas.core.files import digest, read_json, write_json
from hanas.core.progress import Log

#: So many files of scores are put together into one.
MANY_FILES = 50
#: A temporary file as old as that was left by a killed process.
_SECONDS_OF_LEFTOVERS = 3600.0


def file_of(folder: str | Path, key: Any) -> Path:
    """Return the file of the record with a key; a key is JSON-like."""
    return Path(folder) / f"{digest(key)[:24]}.json"


def read(path: Path, key: Any) -> Any | None:
    """Return a record; None where the file is missing, damaged or has another key."""
    content = _content(path)
    return content["record"] if content is not None and content["key"] == key else None


def write(path: Path, key: Any, record: Any) -> None:
    """Keep a JSON-like record, atomically, in the place of what was there."""
    write_json(path, {"key": key, "record": record, "digest": digest(record)})


def _content(path: Path) -> dict[str, Any] | None:
    try:
        content = read_json(path)
    except InputError:
        return None
    whole = {"key", "record", "digest"} <= set(content)
    return content if whole and content["digest"] == digest(content["record"]) else None


class KeptScores:
    """Scores of architectures that depend on the same, of any number of jobs.

    They lie in a folder of their own inside ``folder``, in files that are named by what they hold,
    so that jobs can write at the same time and none can overwrite another's. ``key`` is a digest
    of all that the scores depend on but the architecture. Genes are int (N, G).
    """

    def __init__(self, folder: str | Path, key: str, columns: tuple[str, ...], log: Log) -> None:
        self._folder, self._columns, self._log = Path(folder) / key, columns, log
        self._key = {"scores": key, "columns": list(columns)}
        self._scores: dict[tuple[int, ...], tuple[float, ...]] = {}
        self._usable: dict[str, bool] = {}  # of each file that was looked at
        self.refresh()

    def __len__(self) -> int:
        """Return of how many architectures the scores are known."""
        return len(self._scores)

    def known(self, genes: np.ndarray) -> np.ndarray:
        """Return whether the scores of each architecture are known, bool (N,)."""
        return np.array([tuple(row) in self._scores for row in genes.tolist()], dtype=bool)

    def scores(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return columns of known scores, float64 (N,) each; NaN where one was not finite."""
        rows = [self._scores[tuple(row)] for row in genes.tolist()]
        values = np.array(rows, dtype=np.float64).reshape(len(rows), len(self._columns))
        return {column: values[:, number] for number, column in enumerate(self._columns)}

    def add(self, genes: np.ndarray, scores: Mapping[str, np.ndarray]) -> None:
        """Keep the scores, float64 (N,) a column, at once, in a file."""
        values = np.stack([scores[column] for column in self._columns], axis=1)
        values[~np.isfinite(values)] = np.nan
        rows = zip(map(tuple, genes.tolist()), map(tuple, values.tolist()), strict=True)
        if new := dict(rows):
            self._scores.update(new)
            self._write(new)

    def refresh(self) -> None:
        """Read what other jobs have kept since the last time."""
        for path in sorted(self._folder.glob("*.json")):
            if path.name not in self._usable:
                self._read(path)

    def tidy(self) -> None:
        """Put many small files together into one, and remove what killed processes left."""
        for leftover in self._folder.glob(".*.tmp"):
            with suppress(FileNotFoundError):
                if time.time() - leftover.stat().st_mtime > _SECONDS_OF_LEFTOVERS:
                    leftover.unlink()
        self.refresh()
        before = {name for name, usable in self._usable.items() if usable}
        if len(before) < MANY_FILES:
            return
        # Another job may do the same at the same time: what is removed here is in a file that
        # was written before, and equal files have equal names.
        for name in before - {self._write(self._scores)}:
            (self._folder / name).unlink(missing_ok=True)
            del self._usable[name]

    def _write(self, scores: Mapping[tuple[int, ...], tuple[float, ...]]) -> str:
        """Write a file, and return its name."""
        record = {
            " ".join(map(str, genes)): [None if np.isnan(value) else value for value in values]
            for genes, values in sorted(scores.items())
        }
        path = file_of(self._folder, [self._key, record])
        write(path, self._key, record)
        self._usable[path.name] = True
        return path.name

    def _read(self, path: Path) -> None:
        content = _content(path)
        if content is None and not path.exists():  # it was put together with others
            return
        why = "damaged" if content is None else "of something else"
        scores = None
        if content is not None and content["key"] == self._key:
            scores, why = self._parsed(content["record"]), "damaged"
        self._usable[path.name] = scores is not None
        if scores is None:
            self._log(f"{path} is {why}: its scores are not used")
            return
        self._scores.update(scores)

    def _parsed(self, record: Any) -> dict[tuple[int, ...], tuple[float, ...]] | None:
        """Return the scores in a record; None if it has another shape."""
        try:
            scores = {
                tuple(map(int, genes.split())): tuple(
                    np.nan if value is None else float(value) for value in values
                )
                for genes, values in record.items()
            }
        except (AttributeError, TypeError, ValueError, OverflowError):
            return None
        whole = all(len(values) == len(self._columns) for values in scores.values())
        return scores if whole else None
