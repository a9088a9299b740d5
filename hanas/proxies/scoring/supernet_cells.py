"""Score cells with a supernet's shared weights, with as much shared work as the cells allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hanas.core.errors import InputError
from hanas.data.batches import Batch, load_split, ordered_batches
from hanas.data.images import ImageData, load_images
from hanas.proxies._proxy import SUPERNET_SCORES
from hanas.proxies.scoring.cells import PREFIX, Scores
from hanas.spaces import nb201
from hanas.spaces.networks.cell import Cell, CellNetwork
from hanas.training.supernets import Supernet, load_supernet


def load_both(weights: Path, images: Path, space: str) -> tuple[Supernet, ImageData]:
    """Read a supernet and its images; InputError if it is of another space or other classes."""
    supernet, data = load_supernet(weights), load_images(images)
    if supernet.space != space:
        raise InputError(f"{weights} is a supernet of {supernet.space}, not of {space}")
    if supernet.classes != len(data.classes):
        raise InputError(
            f"{weights} knows {supernet.classes} classes, but {images} has {len(data.classes)}"
        )
    return supernet, data


class Scorer:
    """The supernet and the images, ready to score groups of cells.

    ``seen`` says on what cells are scored; ``batch_norm`` is the mode of the supernet.
    """

    def __init__(
        self, weights: Path, images: Path, count: int | None, batch_size: int, device: str
    ) -> None:
        supernet, data = load_both(weights, images, "nb201")
        self.networks = cast(list[CellNetwork], supernet.snapshots(device))
        validation = load_split(
            data, "validation", resolution=supernet.resolution, device=device
        ).take(count)
        self.batch_norm = self.networks[0].settings.batch_norm
        self.seen = f"{len(validation)} validation images"
        if len(self.networks) > 1:
            self.seen += f", means over {len(self.networks)} snapshots of its training"
        self._batches = list(ordered_batches(validation, batch_size))

    def __call__(self, cells: np.ndarray) -> Scores:
        """Return the scores of the cells (N, 6) of a group, means over snapshots."""
        scores = [score_group(network, cells, self._batches) for network in self.networks]
        return {name: np.mean([of[name] for of in scores], axis=0) for name in SUPERNET_SCORES}


@torch.inference_mode()
def score_group(supernet: CellNetwork, genes: np.ndarray, batches: Sequence[Batch]) -> Scores:
    """Return the scores of cells (N, 6) of one group, float64 (N,) each.

    Bit for bit what ``supernet(images, genes)`` gives for one cell at a time, in evaluation mode.
    The batch matters where batch normalisation uses its statistics, and it is what logits are
    centred over. Every cell sees the same images, so all that happens before the second cell of the
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
