"""Score a space group by group in worker processes, so that a killed job continues.

Which worker scores which group, and what was finished before, does not show in the result: a
group's scores depend on nothing but the task.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hanas.core.checkpoints import Log
from hanas.core.compute import threads as torch_threads
from hanas.core.workers import Workers
from hanas.proxies import _kept, _worker
from hanas.training.epochs import duration


def score_space(
    task: Mapping[str, Any],
    *,
    workers: int,
    log: Log,
    check: Callable[[np.ndarray, Mapping[str, np.ndarray]], None] = lambda cells, scores: None,
) -> tuple[_worker.Scorer, dict[str, np.ndarray]]:
    """Score all distinct cells of a space.

    Parameters
    ----------
    task
        What every worker makes its :class:`~hanas.proxies._worker.Scorer` from, plain values
        only. ``scorer``: the module that has it; ``device``: type of the device; ``workspace``:
        folder for what is finished; ``key``: a digest of everything that the scores depend on.
    workers
        Processes of one thread each, on a CPU.
    log
        Is told the progress.
    check
        Is given the cells (N, 6) of each group, once it is scored, and its scores as below; what
        it raises ends the job at once.

    Returns
    -------
    scorer
        The scorer.
    scores
        Columns of scores, float64 (D,) each, of ``scorer.cells``; NaN where one is not finite.
    """
    scores: dict[str, np.ndarray] = {}

    def take(name: str) -> bool:
        """Take what is kept of a group; return whether anything is."""
        kept = _kept.read(Path(task["workspace"]), name, task["key"])
        if kept is None:
            return False
        rows = scorer.groups[name]
        check(scorer.cells[rows], kept)
        for column, values in kept.items():
            scores.setdefault(column, np.empty(len(scorer.cells)))[rows] = values
        return True

    with torch_threads(1):
        scorer = _worker.make_scorer(task)
        log(f"{len(scorer.cells)} of {len(scorer.which)} cells are different functions")
        _score_groups(scorer, task, workers, log, take)
    return scorer, scores


def clean_up(task: Mapping[str, Any]) -> None:
    """Remove what was kept for a job that is done."""
    shutil.rmtree(task["workspace"], ignore_errors=True)


def _score_groups(
    scorer: _worker.Scorer,
    task: Mapping[str, Any],
    count: int,
    log: Log,
    take: Callable[[str], bool],
) -> None:
    """Score the groups that are not finished, on a GPU or in ``count`` processes of one thread.

    ``take`` is given the name of each group, and again when it is scored, if it was not before.
    """
    pending = [name for name in scorer.groups if not take(name)]
    progress = _Progress(len(scorer.groups) - len(pending), len(scorer.groups), log)
    if progress.done:
        log(f"{progress.done} of {progress.total} groups of cells were scored before")

    def finish(name: str) -> None:
        if not take(name):
            raise RuntimeError(f"the scores of group {name} have gone from {task['workspace']}")
        progress.advance()

    if task["device"] != "cpu":
        for name in pending:
            _worker.score_and_keep(scorer, name, task)
            finish(name)
        return
    with Workers({**task, "server": _worker.__name__}, count) as workers:
        for _, name in workers.answers(pending):
            finish(name)


class _Progress:
    """Counts finished groups and says how far the job is, about once for each 5 %."""

    def __init__(self, done: int, total: int, log: Log) -> None:
        self.done, self.total, self.log = done, total, log
        self._started, self._first = time.monotonic(), done

    def advance(self) -> None:
        self.done += 1
        elapsed = time.monotonic() - self._started
        left = elapsed / (self.done - self._first) * (self.total - self.done)
        if self.done % max(1, self.total // 20) == 0 or self.done == self.total:
            self.log(
                f"{self.done} of {self.total} groups of cells are scored; "
                f"{duration(elapsed)}, {duration(left)} left"
            )
