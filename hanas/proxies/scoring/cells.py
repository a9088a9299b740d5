"""Score all cells of NAS-Bench-201 in groups, such as by the shared weights of a supernet.

Cells that are the same function are scored once. A *group* is the cells that agree in the genes of
the first three edges, so in nodes 1 and 2: what a worker computes and what is kept at once. Which
worker scores which group, and what was finished before, does not show in the result.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hanas.core.compute import threads
from hanas.core.errors import InputError
from hanas.core.files import digest
from hanas.core.kept import KeptScores
from hanas.core.progress import Progress
from hanas.core.workers import Here, Workers
from hanas.data.batches import Batch, Split, load_split, ordered_batches
from hanas.data.images import load_images
from hanas.proxies._proxy import SUPERNET_SCORES, Work
from hanas.spaces import nb201
from hanas.spaces.networks.cell import Cell, CellNetwork
from hanas.training.supernets import Supernet, load_supernet

#: Genes of the edges into nodes 1 and 2.
PREFIX = 3

#: Columns of scores, float64 (N,) each.
Scores = dict[str, np.ndarray]


class Scorer(Protocol):
    """Scores the cells (N, 6) of a group; ``batch_norm`` is the mode of its networks."""

    batch_norm: str
    source: str  # in the table

    def __call__(self, cells: np.ndarray) -> Scores: ...  # noqa: D102


def distinct_cells(batch_norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells that are different functions, and which of them each cell is.

    They are int64 (D, 6), in lexicographic order, and int64 (N,) in 0 .. D - 1 for all N cells in
    index order; ``batch_norm`` is the mode of the network.
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
    make: Callable[[], Scorer],
    key: Any,
    columns: tuple[str, ...],
    work: Work,
    *,
    device: str = "cpu",
    check: Callable[[np.ndarray, Scores], None] = lambda cells, scores: None,
    ranked: Callable[[np.ndarray, Scores], Scores] = lambda cells, scores: scores,
) -> dict[str, Any]:
    """Return columns of scores, float64 (N,), of all cells in index order, and their source.

    ``make`` makes the scorer, in each worker process and here. ``key``, JSON-like, is all that the
    scores of a cell depend on. ``check`` is given the cells of each group and their scores (NaN
    where one is not finite); what it raises ends the job at once. ``ranked`` makes the final scores
    of all different cells (D, 6) from them.
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
    return {name: values[which] for name, values in scores.items()} | {"source": scorer.source}


def load_both(
    weights: Path, images: Path, space: str, device: str
) -> tuple[Supernet, Callable[[str, int | None], Split]]:
    """Read a supernet, and what loads at most so many images of a split, of the size it knows.

    Raises InputError if it is of another space or other classes.
    """
    supernet, data = load_supernet(weights), load_images(images)
    if supernet.space != space:
        raise InputError(f"{weights} is a supernet of {supernet.space}, not of {space}")
    classes = len(data.classes)
    if supernet.classes != classes:
        raise InputError(f"{weights} knows {supernet.classes} classes, but {images} has {classes}")
    size: dict[str, Any] = {"resolution": supernet.resolution, "device": device}
    return supernet, lambda split, count: load_split(data, split, **size).take(count)


class SupernetScorer:
    """A supernet and images, ready to score groups of cells; see :class:`Scorer`."""

    def __init__(
        self, weights: Path, images: Path, count: int | None, batch_size: int, device: str
    ) -> None:
        supernet, load = load_both(weights, images, "nb201", device)
        self.networks = cast(list[CellNetwork], supernet.snapshots(device))
        self.batch_norm = self.networks[0].settings.batch_norm
        validation = load("validation", count)
        seen = f"{len(validation)} validation images"
        if len(self.networks) > 1:
            seen += f", means over {len(self.networks)} snapshots of its training"
        self.source = f"measured: shared weights of a supernet on {seen}"
        self._batches = list(ordered_batches(validation, batch_size))

    def __call__(self, cells: np.ndarray) -> Scores:
        """Return the scores of the cells (N, 6) of a group, means over snapshots."""
        scores = [score_group(network, cells, self._batches) for network in self.networks]
        return {name: np.mean([of[name] for of in scores], axis=0) for name in SUPERNET_SCORES}


@torch.inference_mode()
def score_group(supernet: CellNetwork, genes: np.ndarray, batches: Sequence[Batch]) -> Scores:
    """Return the scores of cells (N, 6) of one group, float64 (N,) each.

    Bit for bit what ``supernet(images, genes)`` gives for one cell at a time, in evaluation mode.
    The batch is what logits are centred over. All that happens before the second cell of the
    network is shared: on the first cell's input there are only 5 different outputs for each edge
    from node 0, 25 for each edge from node 1 and 625 for the edge from node 2.
    """
    sums = torch.zeros(len(SUPERNET_SCORES), len(genes), dtype=torch.float64)
    for images, labels in batches:
        x = supernet.stem(images)
        first_cell = _first_cell(cast(Any, supernet.stages)[0][0], x, genes[0])
        for row, cell_genes in enumerate(genes.tolist()):
            logits = _after_first_cell(supernet, first_cell(cell_genes), cell_genes).double()
            wrong = (logits.argmax(dim=1) != labels).sum()
            both = (logits, logits - logits.mean(dim=0))
            losses = [F.cross_entropy(each, labels, reduction="sum") for each in both]
            sums[:, row] += torch.stack([wrong.double(), *losses]).cpu()
    sums /= sum(len(batch.labels) for batch in batches)
    return dict(zip(SUPERNET_SCORES, sums.numpy(), strict=True))


def _first_cell(cell: Cell, x: Tensor, prefix: np.ndarray) -> Callable[[Sequence[int]], Tensor]:
    """Return what computes the cell of ``x`` for all genes with this prefix; quickest in order."""
    zeros = torch.zeros_like(x)

    def of_edge(edge: int, operation: int, node: Tensor) -> Tensor | None:
        return None if operation == nb201.NONE else cell.operation(edge, operation)(node)

    to_node_1, from_0_to_2, from_1_to_2 = (int(gene) for gene in prefix[:PREFIX])
    node_1 = _or(zeros, of_edge(0, to_node_1, x))
    node_2 = _or(zeros, _add(of_edge(1, from_0_to_2, x), of_edge(2, from_1_to_2, node_1)))
    from_0, from_1, from_2 = (
        [of_edge(edge, operation, node) for operation in range(len(nb201.OPERATIONS))]
        for edge, node in ((3, x), (4, node_1), (5, node_2))
    )

    @lru_cache(maxsize=1)
    def of_two_edges(first: int, second: int) -> Tensor | None:
        return _add(from_0[first], from_1[second])

    def output(genes: Sequence[int]) -> Tensor:
        first, second, third = genes[PREFIX:]
        return _or(zeros, _add(of_two_edges(first, second), from_2[third]))

    return output


def _or(zeros: Tensor, node: Tensor | None) -> Tensor:
    return zeros if node is None else node


def _add(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Return the sum of two terms, of which None adds nothing."""
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _after_first_cell(supernet: CellNetwork, x: Tensor, genes: Sequence[int]) -> Tensor:
    for number, stage in enumerate(supernet.stages):
        for cell in list(cast(Any, stage))[number == 0 :]:
            x = cell(x, genes)
        if number < len(supernet.transitions):
            x = supernet.transitions[number](x)
    return supernet.classify(x)
