"""Score all cells of NAS-Bench-201 in groups, and measure untrained networks of them.

Cells that are the same function are scored once. A *group* is the cells that agree in the genes of
the first three edges, so in nodes 1 and 2. It is what a worker computes and what is kept at once,
so that a killed job continues; which worker scores which group, and what was finished before, does
not show in the result.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from hanas.core.compute import threads
from hanas.core.errors import InputError
from hanas.core.files import checksum, digest
from hanas.core.kept import KeptScores
from hanas.core.progress import Progress
from hanas.core.workers import Here, Workers
from hanas.data.batches import load_split
from hanas.data.images import load_images
from hanas.proxies._proxy import Columns, Work
from hanas.proxies._untrained import UntrainedProxy
from hanas.spaces import nb201

#: Genes of the edges into nodes 1 and 2.
PREFIX = 3

#: Classes and side of the images, where those are made up.
CLASSES, SIDE = 10, 32

#: Columns of scores, float64 (N,) each.
Scores = dict[str, np.ndarray]


class Scorer(Protocol):
    """Scores groups of cells with networks of a mode of batch normalisation."""

    batch_norm: str

    def __call__(self, cells: np.ndarray) -> Scores:
        """Return the scores of the cells (N, 6) of a group."""
        ...


AnyScorer = TypeVar("AnyScorer", bound=Scorer)


def distinct_cells(batch_norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells that are different functions, and which of them each cell is.

    They are int64 (D, 6), and int64 (N,) in 0 .. D - 1 for all N cells in index order;
    ``batch_norm`` is the mode of :class:`hanas.spaces.nb201.CellNetworkSettings`.
    """
    # Without an affine part and with batch statistics, a convolution of zeros stays zero.
    live = nb201.without_dead_edges(nb201.all_genes(), zeros_stay_zero=batch_norm == "batch")
    return np.unique(live, axis=0, return_inverse=True)


def groups_of(cells: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the cells (N, 6) that agree in the first three genes.

    >>> [len(group) for group in groups_of(np.array([[1, 2, 3, 0, 0, 0], [1, 2, 3, 4, 4, 4]]))]
    [2]
    """
    _, which = np.unique(cells[:, :PREFIX], axis=0, return_inverse=True)
    for number in range(which.max() + 1):
        yield cells[which == number]


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
        groups = list(groups_of(cells))
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


def score_untrained(proxy: UntrainedProxy, images: Path | None, work: Work) -> Columns:
    """Return ``score`` and ``source`` of all cells.

    On one computer, equal settings give equal bits, whatever the number of workers.
    """
    key = {
        "settings": proxy.params(),
        "revision": proxy.revision,
        "images": None if images is None else checksum(images),
        "computed by": torch.__version__,
    }
    seeds = range(proxy.seeds)
    columns = tuple(f"{name} {seed}" for seed in seeds for name in proxy.measures)

    def ranked(cells: np.ndarray, found: Scores) -> Scores:
        of_seeds = [{name: found[f"{name} {seed}"] for name in proxy.measures} for seed in seeds]
        scores = np.mean([proxy.ranked(numbers, cells) for numbers in of_seeds], axis=0)
        if not np.isfinite(scores).all():
            genes = cells[np.isfinite(scores).argmin()].tolist()
            raise InputError(
                f"{proxy.kind}: the score of the cell with genes {genes} is not finite"
            )
        return {"score": scores}

    make = partial(UntrainedScorer, proxy, images)
    scorer, scores = score_space(make, key, columns, work, ranked=ranked)
    drawn = f", mean of {proxy.seeds} draws" if proxy.seeds > 1 else ""
    return {**scores, "source": proxy.source.format(**scorer.size) + drawn}


class UntrainedScorer:
    """The untrained networks and their images, ready to measure groups of cells.

    ``draws`` are for each seed the network and the batches that it is measured on; ``size`` is that
    of the networks and the images, for the source of the table.
    """

    #: Statistics of the batch, as in the first step of a training, and nothing learnt.
    batch_norm = "batch"

    def __init__(self, proxy: UntrainedProxy, images: Path | None) -> None:
        self._proxy = proxy
        split, side, classes = None, proxy.resolution or SIDE, CLASSES
        if proxy.looks_at_images:
            if images is None:
                raise InputError(f"{proxy.kind} looks at images; none are given")
            data = load_images(images)
            split = load_split(data, "train", resolution=proxy.resolution)
            side, classes = split.pixels.shape[1], len(data.classes)
            nb201.for_images(proxy.network, (side, side), None, images)
        network = {**proxy.network.params(), "batch_norm": self.batch_norm}
        self.draws = []
        for seed in range(proxy.seeds):
            made = nb201.supernet(classes, network, seed=seed)
            made = proxy.prepared(made.to(memory_format=torch.channels_last)).train()
            self.draws.append((made, proxy.drawn(seed, side, split)))
        self.size = {
            "side": side,
            "channels": proxy.network.channels,
            "depth": proxy.network.cells,
            "skeleton": proxy.network.skeleton,
            "seen": sum(len(batch.labels) for batch in self.draws[0][1]),
        }

    def __call__(self, cells: np.ndarray) -> Scores:
        """Return what is measured of the cells (N, 6) of a group, a column a number and seed."""
        columns: Scores = {}
        for seed, (network, batches) in enumerate(self.draws):
            rows = [self._proxy.measure(network, genes, batches) for genes in cells.tolist()]
            for column, values in zip(self._proxy.measures, zip(*rows, strict=True), strict=True):
                columns[f"{column} {seed}"] = np.array(values, dtype=np.float64)
        return columns
