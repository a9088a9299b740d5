"""Scores of architectures, kept so that none is ever computed twice.

A store is a folder with a folder for each *key*: a digest of everything that scores depend on, such
as the weights of a supernet and the images. In it are small files of scores, each named by what it
holds, so that any number of searches can write at the same time and none can overwrite another's.
Many small files are now and then put together into one.

What is in a store decides only how long a search takes. A file that is damaged, or of another key
or form, is left alone and told of in the log.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hanas.core.checkpoints import Log
from hanas.core.errors import InputError
from hanas.core.files import digest, read_json, write_json

#: So many files are put together into one.
MANY_FILES = 50
#: A temporary file as old as that was left by a killed process.
_SECONDS_OF_LEFTOVERS = 3600.0


class ScoreStore:
    """The scores of one key.

    Parameters
    ----------
    folder
        Of the store; made when there is something to keep.
    key
        Digest of all that the scores depend on but the architecture.
    columns
        Names of the scores of an architecture.
    log
        Is told of files that cannot be used.
    """

    def __init__(self, folder: str | Path, key: str, columns: tuple[str, ...], log: Log) -> None:
        self._folder, self._key, self._columns, self._log = Path(folder) / key, key, columns, log
        self._scores: dict[tuple[int, ...], tuple[float, ...]] = {}
        self._seen: set[str] = set()
        self._usable: set[str] = set()
        self.refresh()

    def __len__(self) -> int:
        """Return of how many architectures the scores are known."""
        return len(self._scores)

    def known(self, genes: np.ndarray) -> np.ndarray:
        """Return whether the scores of each architecture are known, bool (N,), of genes (N, G)."""
        return np.array([tuple(row) in self._scores for row in genes.tolist()], dtype=bool)

    def scores(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return columns of scores, float64 (N,) each, of genes (N, G) that are all known.

        A score that was not finite is NaN.
        """
        rows = [self._scores[tuple(row)] for row in genes.tolist()]
        values = np.array(rows, dtype=np.float64).reshape(len(rows), len(self._columns))
        return {column: values[:, number] for number, column in enumerate(self._columns)}

    def add(self, genes: np.ndarray, scores: Mapping[str, np.ndarray]) -> None:
        """Keep the scores, float64 (N,) a column, of genes (N, G), at once, in a file."""
        values = np.stack([scores[column] for column in self._columns], axis=1)
        values[~np.isfinite(values)] = np.nan
        rows = zip(map(tuple, genes.tolist()), map(tuple, values.tolist()), strict=True)
        new = dict(rows)
        if new:
            self._scores.update(new)
            self._write(new)

    def refresh(self) -> None:
        """Read what other searches have kept since the last time."""
        for path in sorted(self._folder.glob("*.json")):
            if path.name not in self._seen:
                self._read(path)

    def tidy(self) -> None:
        """Put many small files together into one, and remove what killed processes left."""
        for leftover in self._folder.glob(".*.tmp"):
            if _age(leftover) > _SECONDS_OF_LEFTOVERS:
                leftover.unlink(missing_ok=True)
        self.refresh()
        if len(self._usable) < MANY_FILES:
            return
        # Another search may do the same at the same time: what is removed here is in a file that
        # was written before, and equal files have equal names.
        before = set(self._usable)
        whole = self._write(self._scores)
        for name in before - {whole}:
            (self._folder / name).unlink(missing_ok=True)
        self._usable = {whole}

    def _write(self, scores: Mapping[tuple[int, ...], tuple[float, ...]]) -> str:
        """Write a file, and return its name."""
        content = {
            "key": self._key,
            "columns": list(self._columns),
            "scores": {
                " ".join(map(str, genes)): [None if np.isnan(v) else v for v in scores[genes]]
                for genes in sorted(scores)
            },
        }
        name = f"{digest(content)[:24]}.json"
        write_json(self._folder / name, {**content, "digest": digest(content)})
        self._seen.add(name)
        self._usable.add(name)
        return name

    def _read(self, path: Path) -> None:
        try:
            content = read_json(path)
        except InputError:
            if path.exists():  # else it was put together with others
                self._ignore(path, "damaged")
            return
        expected = content.pop("digest", None)
        if expected != digest(content):
            self._ignore(path, "damaged")
        elif content.get("key") != self._key or content.get("columns") != list(self._columns):
            self._ignore(path, "of something else")
        else:
            self._seen.add(path.name)
            self._usable.add(path.name)
            for genes, values in content["scores"].items():
                of_genes = tuple(np.nan if value is None else value for value in values)
                self._scores[tuple(map(int, genes.split()))] = of_genes

    def _ignore(self, path: Path, why: str) -> None:
        self._seen.add(path.name)
        self._log(f"{path} is {why}: its scores are not used")


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
