"""Rank architectures by how differently an untrained network's ReLUs answer to different images.

J. Mellor et al., "Neural Architecture Search without Training", ICML 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.core.compute import generator
from hanas.core.errors import InputError
from hanas.core.settings import Entry
from hanas.proxies._untrained import ProxyOfBatches

if TYPE_CHECKING:
    from torch import Tensor, nn

    from hanas.data.batches import Batch, Split
    from hanas.spaces._cell import CellSpace
    from hanas.spaces.networks.cell import CellNetwork


class Naswot(ProxyOfBatches):
    """The score is minus the logarithm of the kernel's determinant, the mean over the batches.

    An architecture for which it is zero is one worse than the worst of the others.
    """

    kind: Literal["naswot"] = Field(
        description="How differently an untrained network's ReLUs answer to different images."
    )
    dataset: Annotated[str, Entry("datasets")] | None = Field(
        None,
        description="Data set whose training images are looked at, an entry of datasets; null for "
        "the task's.",
    )
    measures: ClassVar[tuple[str, ...]] = ("log_determinant",)
    source: ClassVar[str] = (
        "naswot of untrained {network.skeleton} networks ({network.channels} channels, "
        "{network.cells} cells a stage) on {seen} training images of {side}x{side} pixels, measured"
    )

    def drawn(self, seed: int, side: int, split: Split | None) -> list[Batch]:
        """Return batches of training images."""
        import torch

        if split is None:
            raise InputError("naswot looks at images; none are given")
        order = torch.randperm(len(split), generator=generator(seed, "images"))
        parts = torch.tensor_split(order[: self.images], self.batches)
        return [split.batch(part) for part in parts]

    def measure(self, network: CellNetwork, genes: list[int], batches: list[Batch]) -> list[float]:
        """Return log|K| where K_ij counts ReLUs that are both on or both off for images i and j.

        NaN where it is infinite: two images are the same to the network.
        """
        import torch

        kernels: list[Tensor] = []

        def add_agreements(relu: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            signs = torch.where(inputs[0].flatten(1) > 0, 1.0, -1.0)  # (B, C * H * W)
            # The product counts agreements minus disagreements: small whole numbers, so exact.
            kernels[-1] += ((signs @ signs.T).double() + signs.shape[1]) / 2

        relus = [module for module in network.modules() if isinstance(module, torch.nn.ReLU)]
        hooks = [relu.register_forward_hook(add_agreements) for relu in relus]
        try:
            with torch.inference_mode():
                for images, _ in batches:
                    kernels.append(torch.zeros(len(images), len(images), dtype=torch.float64))
                    network(images, genes)
                logarithms = [float(torch.linalg.slogdet(kernel).logabsdet) for kernel in kernels]
        finally:
            for hook in hooks:
                hook.remove()
        mean = float(np.mean(logarithms))
        return [mean if np.isfinite(mean) else np.nan]

    def ranked(self, space: CellSpace, numbers: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return minus the logarithms."""
        return -numbers[0]
