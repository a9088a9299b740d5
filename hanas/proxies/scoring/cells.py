"""Score all cells of a space in groups, such as by the shared weights of a supernet.

Cells that are the same function are scored once. A *group* is the cells that agree in the genes of
all edges but those into the last node, so in all nodes before it: what a worker computes and what
is kept at once. Which worker scores which group, and what was finished before, does not show in the
result.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
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
from hanas.proxies.scoring.chain_evaluation import Pictures
from hanas.spaces._cell import CellSpace
from hanas.spaces.networks.cell import Cell, CellNetwork
from hanas.training.supernets import Supernet, load_supernet

#: Columns of scores, float64 (N,) each.
Scores = dict[str, np.ndarray]


class Scorer(Protocol):
    """Scores the cells (N, edges) of a group; ``batch_norm`` is the mode of its networks."""

    batch_norm: str
    source: str  # in the table

    def __call__(self, cells: np.ndarray) -> Scores: ...  # noqa: D102


def distinct_cells(space: CellSpace, batch_norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells that are different functions, and which of them each cell is.

    They are int64 (D, edges), in lexicographic order, and int64 (N,) in 0 .. D - 1 for all N cells
    in index order; ``batch_norm`` is the mode of the network.
    """
    return _functions(space, space.all_genes(), batch_norm)


def _functions(
    space: CellSpace, genes: np.ndarray, batch_norm: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`distinct_cells` does, of some genes (N, edges)."""
    # Without an affine part and with batch statistics, a convolution of zeros stays zero.
    live = space.without_dead_edges(genes, zeros_stay_zero=batch_norm == "batch")
    return np.unique(live, axis=0, return_inverse=True)


def groups_of(space: CellSpace, cells: np.ndarray) -> list[np.ndarray]:
    """Split cells (N, edges), in lexicographic order, into those equal up to the last node.

    >>> from hanas.core import plugins
    >>> cells = np.array([[1, 2, 3, 0, 0, 0], [1, 2, 3, 4, 4, 4]])
    >>> [len(group) for group in groups_of(plugins.space("nb201"), cells)]
    [2]
    """
    before = cells[:, : -(space.nodes - 1)]
    starts = np.flatnonzero((before[1:] != before[:-1]).any(axis=1)) + 1
    return np.split(cells, starts)


def score_space(
    space: CellSpace,
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
    of all different cells (D, edges) from them.
    """
    with threads(1):
        scorer = make()
        cells, which = distinct_cells(space, scorer.batch_norm)
        work.log(f"{len(cells)} of {len(which)} cells are different functions")
        kept = KeptScores(work.folder, digest(key), columns, work.log)
        groups = groups_of(space, cells)
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
    """A supernet of cells and images, ready to score any cells; see :class:`Scorer`."""

    columns = SUPERNET_SCORES

    def __init__(
        self,
        space: CellSpace,
        weights: Path,
        images: Path,
        count: int | None,
        batch_size: int,
        device: str,
    ) -> None:
        supernet, load = load_both(weights, images, space.name, device)
        self.space = space
        self.networks = cast(list[CellNetwork], supernet.snapshots(device))
        self.snapshots = len(self.networks)
        self.batch_norm = self.networks[0].settings.batch_norm
        validation = load("validation", count)
        self.pictures = Pictures(validation, None, batch_size)
        seen = f"{len(validation)} validation images"
        if self.snapshots > 1:
            seen += f", means over {self.snapshots} snapshots of its training"
        self.source = f"measured: shared weights of a supernet on {seen}"
        self._batches = list(ordered_batches(validation, batch_size))

    def __call__(self, cells: np.ndarray) -> Scores:
        """Return the scores of cells (N, edges), means over snapshots."""
        cells, which = _functions(self.space, cells, self.batch_norm)
        found: list[Scores] = []
        for group in groups_of(self.space, cells):
            scores = [score_group(network, group, self._batches) for network in self.networks]
            found.append({name: np.mean([of[name] for of in scores], axis=0) for name in scores[0]})
        return {name: np.concatenate([of[name] for of in found])[which] for name in self.columns}


@torch.inference_mode()
def score_group(supernet: CellNetwork, genes: np.ndarray, batches: Sequence[Batch]) -> Scores:
    """Return the scores of cells (N, edges) of one group, float64 (N,) each.

    Bit for bit what ``supernet(images, genes)`` gives for one cell at a time, in evaluation mode.
    The batch is what logits are centred over. All that happens before the second cell of the
    network is shared: on the first cell's input each operation on an edge into the last node has
    one output in a group, and sums of such outputs are shared by cells that follow on each other.
    """
    sums = torch.zeros(len(SUPERNET_SCORES), len(genes), dtype=torch.float64)
    for images, labels in batches:
        x = supernet.stem(images)
        first_cell = _FirstCell(cast(Any, supernet.stages)[0][0], x, genes[0].tolist())
        for row, cell_genes in enumerate(genes.tolist()):
            logits = _after_first_cell(supernet, first_cell(cell_genes), cell_genes).double()
            wrong = (logits.argmax(dim=1) != labels).sum()
            both = (logits, logits - logits.mean(dim=0))
            losses = [F.cross_entropy(each, labels, reduction="sum") for each in both]
            sums[:, row] += torch.stack([wrong.double(), *losses]).cpu()
    sums /= sum(len(batch.labels) for batch in batches)
    return dict(zip(SUPERNET_SCORES, sums.numpy(), strict=True))


class _FirstCell:
    """Computes the cell of ``x`` for all genes that agree with the first up to the last node."""

    def __init__(self, cell: Cell, x: Tensor, first: list[int]) -> None:
        self._cell, self._zeros = cell, torch.zeros_like(x)
        self._nodes = [x]
        for into in cell.into[:-1]:
            terms = [cell.through(edge, first[edge], self._nodes[start]) for edge, start in into]
            total = None
            for term in terms:
                total = _add(total, term)
            self._nodes.append(self._zeros if total is None else total)
        self._outputs: dict[tuple[int, int], Tensor | None] = {}
        # The last genes, edge by edge, and the sums up to each of them.
        self._sums: list[tuple[int, Tensor | None]] = []

    def __call__(self, genes: Sequence[int]) -> Tensor:
        """Return the output; quickest in lexicographic order."""
        for number, (edge, start) in enumerate(self._cell.into[-1]):
            gene = genes[edge]
            if number < len(self._sums) and self._sums[number][0] == gene:
                continue
            before = self._sums[number - 1][1] if number else None
            del self._sums[number:]
            self._sums.append((gene, _add(before, self._output(edge, gene, start))))
        total = self._sums[-1][1]
        return self._zeros if total is None else total

    def _output(self, edge: int, gene: int, start: int) -> Tensor | None:
        if (edge, gene) not in self._outputs:
            output = self._cell.through(edge, gene, self._nodes[start])
            self._outputs[edge, gene] = output
        return self._outputs[edge, gene]


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
