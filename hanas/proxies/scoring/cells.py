"""Score all cells of NAS-Bench-201 in groups.

Cells that are the same function are scored once. A *group* is the cells that agree in the genes of
the first three edges, so in nodes 1 and 2. It is what a worker computes and what is kept at once,
so that a killed job continues; which worker scores which group, and what was finished before, does
not show in the result.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np

from hanas.core.compute import threads
from hanas.core.files import digest
from hanas.core.kept import KeptScores
from hanas.core.progress import Progress
from hanas.core.workers import Here, Workers
from hanas.proxies._proxy import Work
from hanas.spaces import nb201

#: Genes of the edges into nodes 1 and 2.
PREFIX = 3

#: Columns of scores, float64 (N,) each.
Scores = dict[str, np.ndarray]


class Scorer(Protocol):
    """Scores the cells (N, 6) of a group; ``batch_norm`` is the mode of its networks."""

    batch_norm: str

    def __call__(self, cells: np.ndarray) -> Scores:  # noqa: D102
        ...


AnyScorer = TypeVar("AnyScorer", bound=Scorer)


def distinct_cells(batch_norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells that are different functions, and which of them each cell is.

    They are int64 (D, 6), in lexicographic order, and int64 (N,) in 0 .. D - 1 for all N cells in
    index order; ``batch_norm`` is the mode of
    :class:`hanas.spaces.networks.settings.CellNetworkSettings`.
    """
    # Without an affine part and with batch statistics, a convolution of zeros stays zero.
    live = nb201.without_dead_edges(nb201.all_genes(), zeros_stay_zero=batch_norm == "batch")
    return np.unique(live, axis=0, return_inverse=True)


def groups_of(cells: np.ndarray) -> list[np.ndarray]:
    """Split cells (N, 6) in lexicographic order into those that agree in the first three genes.

    >>> [len(group) for group in groups_of(np.array([[1, 2, 3, 0, 0, 0], [1, 2, 3, 4, 4, 4]]))]
    [2]
    """
    _, starts = np.unique(cells[:, :PREFIX], axis=0, return_index=True)
    return np.split(cells, starts[1:])


def score_space(
    make: Callable[[], AnyScorer],
    key: Any,
    columns: tuple[str, ...],
    work: Work,
    *,
    device: str = "cpu",
    check: Callable[[np.ndarray, Scores], None] = lambda cells, scores: None,
    ranked: Callable[[np.ndarray, Scores], Scores] = lambda cells, scores: scores,
) -> tuple[AnyScorer, Scores]:
    """Return what scores, and the columns of scores, float64 (N,), of all cells in index order.

    ``make`` makes the scorer, in each worker process and in this one. ``key``, JSON-like, is all
    that the scores of a cell depend on. ``check`` is given the cells of each group and their
    scores (NaN where one is not finite), and what it raises ends the job at once; ``ranked`` makes
    the final scores of all different cells (D, 6) from them.
    """
    with threads(1):
        scorer = make()
        cells, which = distinct_cells(scorer.batch_norm)
        work.log(f"{len(cells)} of {len(which)} cells are different functions")
        kept = KeptScores(work.folder, digest(key), columns, work.log)
        groups = groups_of(cells)
        pending = [group for group in groups if not kept.known(group).all()]
        done = len(groups) - len(pending)
        if done:
            work.log(f"{done} of {len(groups)} groups of cells were scored before")
            known = cells[kept.known(cells)]
            check(known, kept.scores(known))
        progress = Progress(done, len(groups), work.log, lines=20)
        with Workers(make, work.threads) if device == "cpu" else Here(scorer) as workers:
            for number, found in workers.answers(pending):
                kept.add(pending[number], found)
                check(pending[number], kept.scores(pending[number]))
                progress.advance(" groups of cells are scored")
    scores = ranked(cells, kept.scores(cells))
    shutil.rmtree(work.folder, ignore_errors=True)
    return scorer, {name: values[which] for name, values in scores.items()}
