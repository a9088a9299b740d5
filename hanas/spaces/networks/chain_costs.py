"""Parameters and multiply-accumulates of chains, added up from tables. Without PyTorch.

A layer's input has the same channels and side whatever the layers before it are, so the counts of
a chain are sums over its layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from hanas.spaces.networks.skeletons import FIRST_BOTTLENECK, Operation, Place, Plan, Skeleton, plan


@dataclass(frozen=True)
class Costs:
    """Parameters, or multiply-accumulates, of a family of chains.

    Parameters
    ----------
    fixed
        Of what all share, except for the classifier.
    layers
        int64 (layers, operations).
    per_class
        Of one output of the classifier.
    """

    fixed: int
    layers: np.ndarray
    per_class: int

    def of(self, genes: np.ndarray, classes: int) -> np.ndarray:
        """Return the counts, int64 (N,), of valid genes (N, layers)."""
        chosen = self.layers[np.arange(genes.shape[1]), genes]  # (N, layers)
        return chosen.sum(axis=1) + self.fixed + self.per_class * classes


@cache
def chain_costs(
    skeleton: Skeleton, operations: tuple[Operation, ...], side: int
) -> tuple[Costs, Costs]:
    """Return the tables of parameters and of multiply-accumulates for one image.

    Batch normalisation is counted with its affine part. Multiply-accumulates are those of
    convolutions and of the classifier without its bias.

    Parameters
    ----------
    skeleton
        With the width already applied.
    operations
        What genes stand for.
    side
        Of the images.
    """
    places = plan(skeleton, side)
    tables = np.array(
        [
            [_block(operation, place, skeleton) for operation in operations]
            for place in places.layers
        ]
    )  # (layers, operations, 2)
    fixed = _fixed(places, skeleton)
    last = skeleton.last
    tables.setflags(write=False)
    return (
        Costs(fixed[0], tables[:, :, 0], last + 1),
        Costs(fixed[1], tables[:, :, 1], last),
    )


def _counts(
    inputs: int, outputs: int, kernel: int, side: int, *, groups: int = 1, biased: bool = False
) -> np.ndarray:
    """Return the counts, (2,), of a convolution with affine BN, or with a bias instead."""
    weights = inputs // groups * outputs * kernel**2
    return np.array([weights + outputs * (1 if biased else 2), weights * side**2], dtype=np.int64)


def _block(operation: Operation, place: Place, skeleton: Skeleton) -> np.ndarray:
    if operation.kind == "identity":
        return np.zeros(2, dtype=np.int64)
    if operation.kind == "bottleneck":
        return _bottleneck(operation, place, skeleton)
    return _shuffle_unit(operation, place)


def _shuffle_unit(operation: Operation, place: Place) -> np.ndarray:
    before, after, kernel = place.side, place.side_after, operation.kernel
    inputs, half = (place.inputs if place.first else place.inputs // 2), place.outputs // 2
    inner = _counts(half, half, kernel, after, groups=half)
    pointwise = _counts(half, half, 1, after)
    entry = _counts(inputs, inputs, kernel, after, groups=inputs) + _counts(inputs, half, 1, after)
    if operation.kind == "xception":
        branch = entry + 2 * inner + 2 * pointwise
    else:
        branch = _counts(inputs, half, 1, before) + inner + pointwise
    return branch + entry if place.first else branch


def _bottleneck(operation: Operation, place: Place, skeleton: Skeleton) -> np.ndarray:
    inner, after = place.inputs * operation.expansion, place.side_after
    total = _counts(inner, inner, operation.kernel, after, groups=inner)
    total += _counts(inner, place.outputs, 1, after)
    if operation.expansion > 1:
        total += _counts(place.inputs, inner, 1, place.side)
    if skeleton.squeeze_excitation:
        squeezed = max(1, place.inputs // 4)
        total += _counts(inner, squeezed, 1, 1, biased=True)
        total += _counts(squeezed, inner, 1, 1, biased=True)
    return total


def _fixed(places: Plan, skeleton: Skeleton) -> tuple[int, int]:
    total = _counts(3, skeleton.stem, 3, places.stem.side_after)
    total += _counts(places.last.inputs, skeleton.last, 1, places.last.side)
    if places.first_bottleneck:
        total += _bottleneck(FIRST_BOTTLENECK, places.first_bottleneck, skeleton)
    return int(total[0]), int(total[1])
