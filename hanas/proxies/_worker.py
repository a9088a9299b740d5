"""A process that scores one group of cells after the other.

It reads lines of JSON: first what the job is, then the name of a group at a time. When the group's
scores are kept, it answers with the name. It ends with its input, so also when its parent dies.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import torch

from hanas.proxies import _kept


class Scorer(Protocol):
    """What a job scores cells with; made in each worker from the same ``task``.

    Attributes
    ----------
    cells
        The cells that are different functions, int64 (D, 6).
    which
        For each cell of the space, in index order, its row in ``cells``, int64 (N,).
    groups
        Rows of ``cells`` by the name of their group: what is computed and kept together.
    """

    cells: np.ndarray
    which: np.ndarray
    groups: Mapping[str, np.ndarray]

    def score(self, name: str) -> dict[str, np.ndarray]:
        """Return columns of scores, float64 each, of the cells of a group."""
        ...


def make_scorer(task: Mapping[str, Any]) -> Scorer:
    """Return the ``Scorer`` of the module that the task names."""
    return import_module(task["scorer"]).Scorer(task)


def score_and_keep(scorer: Scorer, name: str, task: Mapping[str, Any]) -> None:
    """Score a group and keep its scores in the task's workspace."""
    _kept.write(Path(task["workspace"]), name, task["key"], scorer.score(name))


def send(stream: IO[str], message: Any) -> None:
    """Write a message as one line."""
    stream.write(json.dumps(message) + "\n")
    stream.flush()


def main() -> None:
    """Serve the parent process on standard input and output."""
    torch.set_num_threads(1)
    task = json.loads(sys.stdin.readline())
    scorer = make_scorer(task)
    for line in sys.stdin:
        name = json.loads(line)
        score_and_keep(scorer, name, task)
        print(name, flush=True)


if __name__ == "__main__":
    main()
