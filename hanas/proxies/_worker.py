"""What a worker process does for :mod:`hanas.proxies._jobs`: score one group after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

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


def serve(task: Mapping[str, Any]) -> Callable[[str], str]:
    """Return what scores and keeps the group of a name, and answers with the name."""
    scorer = make_scorer(task)

    def answer(name: str) -> str:
        score_and_keep(scorer, name, task)
        return name

    return answer
