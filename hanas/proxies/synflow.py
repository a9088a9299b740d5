"""Rank architectures by how much flows through an untrained network of positive weights.

H. Tanaka et al., "Pruning Neural Networks without Any Data by Iteratively Conserving Synaptic
Flow", NeurIPS 2020; summed over all weights as a score of architectures by M. Abdelfattah et al.,
"Zero-Cost Proxies for Lightweight NAS", ICLR 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.proxies._untrained import UntrainedProxy

if TYPE_CHECKING:
    from hanas.data.batches import Batch, Split
    from hanas.spaces._cell import CellSpace
    from hanas.spaces.networks.cell import CellNetwork


class Synflow(UntrainedProxy):
    """The score is minus the logarithm of the flow.

    An architecture through which nothing flows is one worse than the worst of the others.
    """

    kind: Literal["synflow"] = Field(
        description="How much flows through an untrained network of positive weights."
    )
    measures: ClassVar[tuple[str, ...]] = ("flow",)
    source: ClassVar[str] = (
        "synflow of untrained {network.skeleton} networks ({network.channels} channels, "
        "{network.cells} cells a stage, {side}x{side} pixels), computed"
    )

    def prepared(self, network: CellNetwork) -> CellNetwork:
        """Take the absolute values of all weights in double precision; leave batch norm out."""
        import torch

        # What is left has no sign that could cancel, and each layer is linear where its input is
        # not negative: nothing of what a weight passes on is lost.
        for module in list(network.modules()):
            for name, child in module.named_children():
                if isinstance(child, torch.nn.BatchNorm2d):
                    setattr(module, name, torch.nn.Identity())
        network = network.double()
        with torch.no_grad():
            for weight in network.parameters():
                weight.abs_()
        return network

    def drawn(self, seed: int, side: int, split: Split | None) -> list[Batch]:
        """Return an image of ones."""
        import torch

        from hanas.data.batches import Batch

        ones = torch.ones(1, 3, side, side, dtype=torch.float64)
        return [Batch(ones, torch.zeros(1, dtype=torch.long))]

    def measure(self, network: CellNetwork, genes: list[int], batches: list[Batch]) -> list[float]:
        """Return the sum over all weights but biases, w * dR/dw, R being the sum of the logits."""
        import torch

        used = [weight for weight in network.parameters() if weight.ndim > 1]
        logits = network(batches[0].images, genes)
        gradients = torch.autograd.grad(logits.sum(), used, allow_unused=True)
        pairs = zip(used, gradients, strict=True)
        return [sum(float((w.detach() * dw).sum()) for w, dw in pairs if dw is not None)]

    def ranked(self, space: CellSpace, numbers: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return -log(flow)."""
        logarithms = np.full(len(cells), np.nan)
        np.log(numbers[0], out=logarithms, where=numbers[0] > 0)
        return -logarithms
