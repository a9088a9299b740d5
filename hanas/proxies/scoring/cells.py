"""Score all cells of NAS-Bench-201 in groups, with as much shared work as the cells allow.

Cells that are the same function are scored once. A *group* is the cells that agree in the genes of
the first three edges, so in nodes 1 and 2. It is what a worker computes and what is kept at once,
so that a killed job continues; which worker scores which group, and what was finished before, does
not show in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hanas.core.kept import KeptScores
from hanas.core.progress import Log, Progress
from hanas.core.workers import Here, Workers
from hanas.data.batches import Batch
from hanas.proxies._proxy import SUPERNET_SCORES
from hanas.spaces import nb201
from hanas.spaces.networks.cell import Cell, CellNetwork

#: Genes of the edges into nodes 1 and 2.
PREFIX = 3

#: Columns of scores, float64 (N,) each.
Scores = dict[str, np.ndarray]


def distinct_cells(batch_norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells that are different functions, and which of them each cell is.

    Parameters
    ----------
    batch_norm
        BN mode of the network, see
        :class:`hanas.spaces.networks.settings.CellNetworkSettings`.

    Returns
    -------
    tuple
        int64 (D, 6), and int64 (N,) in 0 .. D - 1 for all N cells in index order.
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


def score_cells(
    cells: np.ndarray,
    workers: Workers[np.ndarray, Scores] | Here[np.ndarray, Scores],
    kept: KeptScores,
    *,
    log: Log,
    check: Callable[[np.ndarray, Scores], None] = lambda cells, scores: None,
) -> dict[str, np.ndarray]:
    """Return columns of scores, float64 (D,) each, of cells (D, 6); NaN where one is not finite.

    Parameters
    ----------
    cells
        Different functions.
    workers
        Score a group each.
    kept
        What is finished.
    log
        Is told the progress.
    check
        Is given the cells of each group that is scored and their scores; what it raises ends the
        job at once.
    """
    groups = list(groups_of(cells))
    pending = [group for group in groups if not kept.known(group).all()]
    done = len(groups) - len(pending)
    if done:
        log(f"{done} of {len(groups)} groups of cells were scored before")
        known = cells[kept.known(cells)]
        check(known, kept.scores(known))
    progress = Progress(done, len(groups), log, lines=20)
    with workers:
        for number, scores in workers.answers(pending):
            kept.add(pending[number], scores)
            check(pending[number], kept.scores(pending[number]))
            progress.advance(" groups of cells are scored")
    return kept.scores(cells)


@torch.inference_mode()
def score_group(
    supernet: CellNetwork, genes: np.ndarray, batches: Sequence[Batch]
) -> dict[str, np.ndarray]:
    """Return the scores of the cells of one group by shared weights.

    Bit for bit what ``supernet(images, genes)`` gives for one cell at a time. Every cell sees the
    same images, so all that happens before the second cell of the network is shared: on the first
    cell's input there are only 5 different outputs for each edge from node 0, 25 for each edge from
    node 1 and 625 for the edge from node 2.

    Parameters
    ----------
    supernet
        In evaluation mode.
    genes
        int (N, 6), equal in the first three columns.
    batches
        Images and labels. The batch matters where batch normalisation uses its statistics, and
        it is what logits are centred over.

    Returns
    -------
    dict
        Those of :data:`~hanas.proxies._proxy.SUPERNET_SCORES`, float64 (N,) each.
    """
    sums = {name: torch.zeros(len(genes), dtype=torch.float64) for name in SUPERNET_SCORES}
    n_images = 0
    for images, labels in batches:
        x = supernet.stem(images)
        first_cell = _FirstCell(cast(Cell, cast(nn.ModuleList, supernet.stages[0])[0]), x, genes[0])
        for row, cell_genes in enumerate(genes.tolist()):
            logits = _after_first_cell(supernet, first_cell(cell_genes), cell_genes)
            for name, total in _scores(logits.double(), labels).items():
                sums[name][row] += total.cpu()
        n_images += len(labels)
    return {name: (total / n_images).numpy() for name, total in sums.items()}


def _scores(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return the sum of each score over a batch with these logits (B, classes)."""
    centred = logits - logits.mean(dim=0)
    return {
        "error": (logits.argmax(dim=1) != labels).sum(),
        "cross_entropy": F.cross_entropy(logits, labels, reduction="sum"),
        "centred_cross_entropy": F.cross_entropy(centred, labels, reduction="sum"),
    }


class _FirstCell:
    """The first cell of the network for all architectures with the same nodes 1 and 2."""

    def __init__(self, cell: Cell, x: Tensor, prefix: np.ndarray) -> None:
        self._zeros = torch.zeros_like(x)

        def of_edge(edge: int, operation: int, node: Tensor) -> Tensor | None:
            return None if operation == nb201.NONE else cell.operation(edge, operation)(node)

        def or_zeros(node: Tensor | None) -> Tensor:
            return self._zeros if node is None else node

        to_node_1, from_0_to_2, from_1_to_2 = (int(gene) for gene in prefix[:PREFIX])
        node_1 = or_zeros(of_edge(0, to_node_1, x))
        node_2 = or_zeros(_add(of_edge(1, from_0_to_2, x), of_edge(2, from_1_to_2, node_1)))
        #: What each operation makes of nodes 0, 1 and 2 on the edges to the output.
        self._to_output = [
            [of_edge(edge, operation, node) for operation in range(len(nb201.OPERATIONS))]
            for edge, node in ((3, x), (4, node_1), (5, node_2))
        ]
        self._sum_of: tuple[int, int] | None = None  # the genes whose sum is kept
        self._sum: Tensor | None = None

    def __call__(self, genes: Sequence[int]) -> Tensor:
        """Return the output of the cell with these genes; fastest in the order of the genes."""
        from_0, from_1, from_2 = self._to_output
        first, second, third = genes[PREFIX:]
        if (first, second) != self._sum_of:
            self._sum_of, self._sum = (first, second), _add(from_0[first], from_1[second])
        total = _add(self._sum, from_2[third])
        return self._zeros if total is None else total


def _add(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Return the sum of two terms, of which None adds nothing."""
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _after_first_cell(supernet: CellNetwork, x: Tensor, genes: Sequence[int]) -> Tensor:
    for number, stage in enumerate(supernet.stages):
        for position, cell in enumerate(cast(nn.ModuleList, stage)):
            if (number, position) != (0, 0):
                x = cell(x, genes)
        if number < len(supernet.transitions):
            x = supernet.transitions[number](x)
    return supernet.classify(x)
