"""Rank architectures by how steady an untrained network's gradients are from batch to batch.

G. Li et al., "ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients", ICLR 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from hanas.core.errors import InputError
from hanas.data.batches import Batch
from hanas.proxies import _gradients, _untrained
from hanas.spaces.networks.cell import CellNetwork


def score(*, settings: Mapping[str, Any], **given: Any) -> pd.DataFrame:
    """Return ``arch``, ``score``, ``source``; see :func:`hanas.proxies._untrained.score_with`.

    The score is minus the steadiness.

    Raises
    ------
    InputError
        If there are fewer than two batches.
    """
    if settings.get("batches", 1) < 2:
        raise InputError("batches is 1; expected at least 2, to see how gradients differ")
    return _untrained.score_with(__name__, settings=settings, **given)


def steadiness(
    network: CellNetwork, genes: Sequence[int], batches: Sequence[Batch]
) -> tuple[float]:
    """Return sum_l log sum_w mean|g_w| / std(g_w) over layers l and their weights w.

    Mean and standard deviation are over the batches; a weight whose gradient is the same in all
    does not count, nor a layer without any other.
    """
    by_batch = [_gradients.of_weights(network, genes, batch) for batch in batches]
    total = 0.0
    for of_layer in zip(*by_batch, strict=True):
        gradients = torch.stack(of_layer).double()  # (batches, ...)
        mean, deviation = gradients.abs().mean(dim=0), gradients.std(dim=0, correction=0)
        varies = deviation > 0
        ratios = float((mean[varies] / deviation[varies]).sum())
        if ratios > 0:
            total += float(np.log(ratios))
    return (total,)


def minus(numbers: Mapping[str, np.ndarray], cells: np.ndarray) -> np.ndarray:
    """Return minus the steadiness."""
    del cells
    (found,) = numbers.values()
    return -found


MEASURE = _untrained.Measure(
    columns=("steadiness",),
    of=steadiness,
    score=minus,
    source="zico of untrained {skeleton} networks ({channels} channels, {depth} cells a stage) on "
    "{seen} training images of {side}x{side} pixels in {batches} batches, measured",
)
