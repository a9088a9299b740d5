"""Rank architectures by the size of an untrained network's gradients.

M. Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hanas.data.batches import Batch
from hanas.proxies import _gradients, _untrained
from hanas.spaces.networks.cell import CellNetwork


def score(**given: Any) -> pd.DataFrame:
    """Return ``arch``, ``score``, ``source``; see :func:`hanas.proxies._untrained.score_with`.

    The score is minus the norm.
    """
    return _untrained.score_with(__name__, **given)


def sum_of_norms(
    network: CellNetwork, genes: Sequence[int], batches: Sequence[Batch]
) -> tuple[float]:
    """Return the sum over the layers of the Euclidean norm of the gradient of their weights.

    Of the cross-entropy, averaged over the batches.
    """
    norms = [
        sum(float(gradient.norm()) for gradient in _gradients.of_weights(network, genes, batch))
        for batch in batches
    ]
    return (float(np.mean(norms)),)


def minus(numbers: Mapping[str, np.ndarray], cells: np.ndarray) -> np.ndarray:
    """Return minus the norms."""
    del cells
    (norms,) = numbers.values()
    return -norms


MEASURE = _untrained.Measure(
    columns=("norm",),
    of=sum_of_norms,
    score=minus,
    source="gradient norm of untrained {skeleton} networks ({channels} channels, {depth} cells a "
    "stage) on {seen} training images of {side}x{side} pixels, measured",
)
