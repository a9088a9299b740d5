"""Score a space group by group in worker processes, so that a killed job continues.

Which worker scores which group, and what was finished before, does not show in the result: a
group's scores depend on nothing but the task.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hanas.checkpoints import Log
from hanas.compute import threads as torch_threads
from hanas.proxies import _kept, _worker
from hanas.scoring.workers import Workers
from hanas.training.epochs import duration


def score_space(
    task: Mapping[str, Any], *, workers: int, log: Log
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

    Returns
    -------
    scorer
        The scorer.
    scores
        Columns of scores, float64 (D,) each, of ``scorer.cells``; NaN where one is not finite.
    """
    with torch_threads(1):
        scorer = _worker.make_scorer(task)
        log(f"{len(scorer.cells)} of {len(scorer.which)} cells are different functions")
        _score_groups(scorer, task, workers, log)
    scores: dict[str, np.ndarray] = {}
    for name, rows in scorer.groups.items():
        finished = _finished(task, name)
        if finished is None:
            raise RuntimeError(f"the scores of group {name} have gone from {task['workspace']}")
        for column, values in finished.items():
            scores.setdefault(column, np.empty(len(scorer.cells)))[rows] = values
    return scorer, scores


def clean_up(task: Mapping[str, Any]) -> None:
    """Remove what was kept for a job that is done."""
    shutil.rmtree(task["workspace"], ignore_errors=True)


def _finished(task: Mapping[str, Any], name: str) -> dict[str, np.ndarray] | None:
    return _kept.read(Path(task["workspace"]), name, task["key"])


def _score_groups(scorer: _worker.Scorer, task: Mapping[str, Any], count: int, log: Log) -> None:
    """Score the groups that are not finished, on a GPU or in ``count`` processes of one thread."""
    pending = [name for name in scorer.groups if _finished(task, name) is None]
    progress = _Progress(len(scorer.groups) - len(pending), len(scorer.groups), log)
    if progress.done:
        log(f"{progress.done} of {progress.total} groups of cells were scored before")
    if task["device"] != "cpu":
        for name in pending:
            _worker.score_and_keep(scorer, name, task)
            progress.advance()
        return
    with Workers({**task, "server": _worker.__name__}, count) as workers:
        for _ in workers.answers(pending):
            progress.advance()


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
