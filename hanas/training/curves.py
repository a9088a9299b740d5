"""Curves of a training that can be watched while it goes on, in TensorBoard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_folder: Path | None = None
_NO_CURVES = {"epoch", "seconds"}


@contextmanager
def drawn_in(folder: Path | None) -> Iterator[None]:
    """Draw the curves of all trainings in the block, each in a folder of its own; None: draw none.

    What is drawn is no result: nothing reads it, and it may be removed at any time.
    """
    global _folder
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)  # a run that goes on draws all of it again
    _folder = folder
    try:
        yield
    finally:
        _folder = None


class Curves:
    """The curves of one training, named by its side file; a row of its history is a point of each.

    ``rows`` are those of the epochs before, of a training that goes on.
    """

    def __init__(self, name: str, rows: Sequence[Mapping[str, float]]) -> None:
        self._writer = None
        if _folder is not None:
            from torch.utils.tensorboard.writer import SummaryWriter

            self._writer = SummaryWriter(str(_folder / name))
        for row in rows:
            self.add(row)

    def add(self, row: Mapping[str, float]) -> None:
        """Draw the numbers of one more epoch, so that they can be seen at once."""
        if self._writer is None:
            return
        for name, value in row.items():
            if name not in _NO_CURVES:
                tag = name.replace("alpha_", "alphas/", 1)
                self._writer.add_scalar(tag, value, int(row["epoch"]), row["seconds"])
        self._writer.flush()
