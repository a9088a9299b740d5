"""Rank architectures by how differently an untrained network's ReLUs answer to different images.

J. Mellor et al., "Neural Architecture Search without Training", ICML 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hanas.data.batches import Batch
from hanas.proxies import _untrained
from hanas.spaces.networks.cell import CellNetwork


def score(**given: Any) -> pd.DataFrame:
    """Return ``arch``, ``score``, ``source``; see :func:`hanas.proxies._untrained.score_with`.

    The score is minus the logarithm of the kernel's determinant, the mean over the batches; an
    architecture for which it is zero is one worse than the worst of the others.
    """
    return _untrained.score_with(__name__, **given)


@torch.inference_mode()
def log_determinant(
    network: CellNetwork, genes: Sequence[int], batches: Sequence[Batch]
) -> tuple[float]:
    """Return log|K| where K_ij counts the ReLUs that are both on or both off for images i and j.

    NaN where the determinant is zero: two images are the same to the network.
    """
    kernels = []

    def add_agreements(relu: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        signs = torch.where(inputs[0].flatten(1) > 0, 1.0, -1.0)  # (B, C * H * W)
        # The product counts agreements minus disagreements: small whole numbers, so exact.
        kernels[-1] += ((signs @ signs.T).double() + signs.shape[1]) / 2

    relus = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    hooks = [relu.register_forward_hook(add_agreements) for relu in relus]
    try:
        for images, labels in batches:
            kernels.append(torch.zeros(len(labels), len(labels), dtype=torch.float64))  # (B, B)
            network(images, genes)
    finally:
        for hook in hooks:
            hook.remove()
    logarithms = [float(torch.linalg.slogdet(kernel).logabsdet) for kernel in kernels]
    mean = float(np.mean(logarithms))
    return (mean if np.isfinite(mean) else float("nan"),)


def minus_mean(numbers: Mapping[str, np.ndarray], cells: np.ndarray) -> np.ndarray:
    """Return minus the logarithms."""
    del cells
    (logarithms,) = numbers.values()
    return _untrained.worst_where_missing(-logarithms)


MEASURE = _untrained.Measure(
    columns=("log_determinant",),
    of=log_determinant,
    score=minus_mean,
    source="naswot of untrained {skeleton} networks ({channels} channels, {depth} cells a stage) "
    "on {seen} training images of {side}x{side} pixels, measured",
)
