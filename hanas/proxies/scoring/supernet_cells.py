"""Score cells with a supernet's shared weights, with as much shared work as the cells allow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hanas.core.compute import choose_device
from hanas.core.errors import InputError
from hanas.core.files import checksum
from hanas.data.batches import Batch, load_split, ordered_batches
from hanas.data.images import ImageData, load_images
from hanas.proxies._proxy import SUPERNET_SCORES, Columns, Work
from hanas.proxies.scoring import cells as scoring
from hanas.proxies.scoring.cells import PREFIX, Scores
from hanas.proxies.supernet import Supernet as SupernetProxy
from hanas.spaces import nb201
from hanas.spaces.networks.cell import Cell, CellNetwork
from hanas.training.supernets import Supernet, load_supernet


def score_space(proxy: SupernetProxy, weights: Path, images: Path, work: Work) -> Columns:
    """Return the scores of all cells, and ``source``."""
    device = choose_device(proxy.device).type
    key = {
        "revision": proxy.revision,
        "settings": [proxy.images, proxy.batch_size],
        "files": [checksum(weights), checksum(images)],
        "computed by": [torch.__version__, device],
    }

    def check(cells: np.ndarray, scores: Scores) -> None:
        finite = np.isfinite([scores[name] for name in SUPERNET_SCORES]).all(axis=0)
        if not finite.all():
            raise InputError(
                f"{weights}: the cross-entropy of the cell with genes "
                f"{cells[finite.argmin()].tolist()} is not a finite number; train the supernet "
                "with a lower training.learning_rate"
            )

    make = partial(Scorer, proxy, weights, images, device)
    scorer, scores = scoring.score_space(
        make, key, SUPERNET_SCORES, work, device=device, check=check
    )
    return {**scores, "source": f"measured: shared weights of a supernet on {scorer.seen}"}


def load_both(weights: Path, images: Path, space: str) -> tuple[Supernet, ImageData]:
    """Read a supernet of a space and the images that it knows the classes of.

    Raises
    ------
    InputError
        If it is of another space or another number of classes.
    """
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

    def __init__(self, proxy: SupernetProxy, weights: Path, images: Path, device: str) -> None:
        supernet, data = load_both(weights, images, "nb201")
        on = torch.device(device)
        self.networks = [cast(CellNetwork, network) for network in supernet.snapshots(on)]
        validation = load_split(data, "validation", resolution=supernet.resolution, device=on)
        validation = validation.take(proxy.images)
        self.batch_norm = self.networks[0].settings.batch_norm
        self.seen = f"{len(validation)} validation images"
        if len(self.networks) > 1:
            self.seen += f", means over {len(self.networks)} snapshots of its training"
        self._batches = list(ordered_batches(validation, proxy.batch_size))

    def __call__(self, cells: np.ndarray) -> Scores:
        """Return the scores of the cells (N, 6) of a group, means over snapshots."""
        scores = [score_group(network, cells, self._batches) for network in self.networks]
        return {
            column: np.mean([of[column] for of in scores], axis=0) for column in SUPERNET_SCORES
        }


@torch.inference_mode()
def score_group(supernet: CellNetwork, genes: np.ndarray, batches: Sequence[Batch]) -> Scores:
    """Return the scores of cells (N, 6) of one group, float64 (N,) each.

    Bit for bit what ``supernet(images, genes)`` gives for one cell at a time, in evaluation mode.
    The batch matters where batch normalisation uses its statistics, and it is what logits are
    centred over. Every cell sees the same images, so all that happens before the second cell of the
    network is shared: on the first cell's input there are only 5 different outputs for each edge
    from node 0, 25 for each edge from node 1 and 625 for the edge from node 2.
    """
    sums = {name: torch.zeros(len(genes), dtype=torch.float64) for name in SUPERNET_SCORES}
    n_images = 0
    for images, labels in batches:
        x = supernet.stem(images)
        first_cell = _FirstCell(cast(Cell, cast(nn.ModuleList, supernet.stages[0])[0]), x, genes[0])
        for row, cell_genes in enumerate(genes.tolist()):
            logits = _after_first_cell(supernet, first_cell(cell_genes), cell_genes).double()
            centred = logits - logits.mean(dim=0)
            found = {
                "error": (logits.argmax(dim=1) != labels).sum(),
                "cross_entropy": F.cross_entropy(logits, labels, reduction="sum"),
                "centred_cross_entropy": F.cross_entropy(centred, labels, reduction="sum"),
            }
            for name, total in found.items():
                sums[name][row] += total.cpu()
        n_images += len(labels)
    return {name: (total / n_images).numpy() for name, total in sums.items()}


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
