"""Rank architectures by how much flows through an untrained network of positive weights.

H. Tanaka et al., "Pruning Neural Networks without Any Data by Iteratively Conserving Synaptic
Flow", NeurIPS 2020; summed over all weights as a score of architectures by M. Abdelfattah et al.,
"Zero-Cost Proxies for Lightweight NAS", ICLR 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from hanas.data.batches import Batch
from hanas.proxies import _untrained
from hanas.spaces.networks.cell import CellNetwork


def score(*, images: Any = None, **given: Any) -> pd.DataFrame:
    """Return ``arch``, ``score``, ``source``; see :func:`hanas.proxies._untrained.score_with`.

    The score is minus the logarithm of the flow; an architecture through which nothing flows is
    one worse than the worst of the others.
    """
    del images  # it looks at none
    return _untrained.score_with(__name__, images=None, **given)


def positive_and_linear(network: CellNetwork) -> CellNetwork:
    """Take the absolute values of all weights in double precision; leave batch norm out.

    What is left has no sign that could cancel, and each layer is linear where its input is not
    negative: nothing of what a weight passes on is lost.
    """
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    network = network.double()
    with torch.no_grad():
        for weight in network.parameters():
            weight.abs_()
    return network


def flow(network: CellNetwork, genes: Sequence[int], batches: Sequence[Batch]) -> tuple[float]:
    """Return the sum over all weights w of w * dR/dw.

    R is the sum of the logits of an image of ones. Biases do not count.
    """
    side = batches[0].images.shape[2:]
    ones = torch.ones(1, 3, *side, dtype=torch.float64)
    used = [weight for weight in network.parameters() if weight.ndim > 1]
    gradients = torch.autograd.grad(network(ones, genes).sum(), used, allow_unused=True)
    return (
        sum(
            float((weight.detach() * gradient).sum())
            for weight, gradient in zip(used, gradients, strict=True)
            if gradient is not None
        ),
    )


def minus_logarithm(numbers: Mapping[str, np.ndarray], cells: np.ndarray) -> np.ndarray:
    """Return -log(flow)."""
    del cells
    (flows,) = numbers.values()
    logarithms = np.full(len(flows), np.nan)
    np.log(flows, out=logarithms, where=flows > 0)
    return _untrained.worst_where_missing(-logarithms)


MEASURE = _untrained.Measure(
    columns=("flow",),
    of=flow,
    score=minus_logarithm,
    source="synflow of untrained {skeleton} networks ({channels} channels, {depth} cells a stage, "
    "{side}x{side} pixels), computed",
    prepared=positive_and_linear,
    real_images=False,
)
