"""Chains of blocks in numbers: channels, strides, sides, convolutions, costs. Without PyTorch.

A chain is a stem, then stages of layers one after the other, then a 1x1 convolution, global
average pooling and a linear classifier. A layer is one operation. The modules of
:mod:`hanas.spaces.networks.chain` and the costs are both made of the convolutions listed here.

Five places of a skeleton can halve the image: its stem, and the first layer of four stages (or a
max pool and three stages). As many of them do as leave a last map of at least 4x4 pixels, the last
places first: images of 32x32 pixels are halved three times, to 4x4, in the last three places;
images of 224x224 pixels five times, to 7x7, as published. Odd sides are rounded up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from hanas.core.errors import InputError
from hanas.core.settings import Settings
from hanas.spaces.networks.settings import SMALLEST_MAP, ChainSettings, chain_settings


@dataclass(frozen=True)
class Operation:
    """One of the choices of a layer.

    Parameters
    ----------
    name
        As in canonical texts.
    kind
        ``shuffle`` (ShuffleNetV2's unit), ``xception`` (its form with three depthwise
        convolutions), ``bottleneck`` (MobileNetV2's inverted bottleneck) or ``identity``.
    kernel
        Of the depthwise convolutions.
    expansion
        Of a bottleneck: channels inside over channels before.
    """

    name: str
    kind: str
    kernel: int = 0
    expansion: int = 0


#: What MobileNetV2 and EfficientNet have before their first layer.
FIRST_BOTTLENECK = Operation("first", "bottleneck", kernel=3, expansion=1)


@dataclass(frozen=True)
class Stage:
    """Layers of equal channels; the first may halve the image."""

    channels: int
    layers: int
    can_halve: bool = True


@dataclass(frozen=True)
class Skeleton:
    """What all chains of a family share.

    Parameters
    ----------
    stem
        Channels of the first 3x3 convolution, which can halve the image.
    stages
        The layers.
    last
        Channels of the 1x1 convolution before the classifier.
    activation
        ``relu``, ``relu6`` or ``silu``; of everything but ShuffleNetV2's units, which use ReLU.
    max_pool
        Whether a 3x3 max pool follows the stem, which can halve the image.
    first_bottleneck
        Channels of a fixed bottleneck of expansion 1 before the first layer; None: there is none.
    squeeze_excitation
        Whether bottlenecks weigh their channels.
    """

    stem: int
    stages: tuple[Stage, ...]
    last: int
    activation: str = "relu"
    max_pool: bool = False
    first_bottleneck: int | None = None
    squeeze_excitation: bool = False

    @property
    def layers(self) -> int:
        """Number of layers that are chosen."""
        return sum(stage.layers for stage in self.stages)

    @property
    def first_layers(self) -> tuple[int, ...]:
        """Numbers, from 0, of the layers that are the first of their stage."""
        return tuple(sum(s.layers for s in self.stages[:n]) for n in range(len(self.stages)))

    def widened(self, width: float) -> Skeleton:
        """Return the skeleton with all channels multiplied by ``width``."""
        first = self.first_bottleneck
        stages = (replace(s, channels=scaled(s.channels, width)) for s in self.stages)
        return replace(
            self,
            stem=scaled(self.stem, width),
            stages=tuple(stages),
            last=scaled(self.last, width),
            first_bottleneck=None if first is None else scaled(first, width),
        )


def scaled(channels: int, width: float) -> int:
    """Return ``channels * width``, rounded as MobileNetV2 does it.

    To the nearest multiple of 8, at least 8, and to the next higher one where rounding would take
    away more than a tenth.

    >>> scaled(24, 1.0), scaled(24, 0.5), scaled(160, 0.25), scaled(16, 0.1)
    (24, 16, 40, 8)
    """
    rounded = max(8, int(channels * width + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels * width else rounded + 8


@dataclass(frozen=True)
class Place:
    """Where a block stands: channels before and after it, stride, side of the map before it.

    ``first``: whether it is the first of its stage; no identity can stand there, and
    ShuffleNetV2's unit has its form of two branches.
    """

    inputs: int
    outputs: int
    stride: int
    side: int
    first: bool = False

    @property
    def side_after(self) -> int:
        """Side of the map after the block."""
        return -(-self.side // self.stride)


@dataclass(frozen=True)
class Plan:
    """The places of a skeleton for images of one side; None where it has no such place."""

    stem: Place
    max_pool: Place | None
    first_bottleneck: Place | None
    layers: tuple[Place, ...]
    last: Place


def plan(skeleton: Skeleton, side: int) -> Plan:
    """Return the places of a skeleton, its channels as they are, for images of ``side``."""
    strides = _strides(skeleton, side)
    stem = Place(3, skeleton.stem, next(strides), side)
    before, max_pool, first_bottleneck = stem, None, None
    if skeleton.max_pool:
        before = max_pool = _after(before, skeleton.stem, next(strides))
    if skeleton.first_bottleneck:
        before = first_bottleneck = _after(before, skeleton.first_bottleneck, 1)
    layers = []
    for stage in skeleton.stages:
        for number in range(stage.layers):
            halves = number == 0 and stage.can_halve
            before = _after(before, stage.channels, next(strides) if halves else 1, number == 0)
            layers.append(before)
    return Plan(stem, max_pool, first_bottleneck, tuple(layers), _after(before, skeleton.last, 1))


def _strides(skeleton: Skeleton, side: int) -> Iterator[int]:
    places = 1 + skeleton.max_pool + sum(stage.can_halve for stage in skeleton.stages)
    halvings = 0
    while halvings < places and -(-side // 2) >= SMALLEST_MAP:
        side = -(-side // 2)
        halvings += 1
    return iter([1] * (places - halvings) + [2] * halvings)


def _after(before: Place, channels: int, stride: int, first: bool = False) -> Place:
    return Place(before.outputs, channels, stride, before.side_after, first)


@dataclass(frozen=True)
class Convolution:
    """A convolution that keeps the size (over ``stride``), batch normalisation, activation."""

    inputs: int
    outputs: int
    kernel: int
    side: int
    stride: int = 1
    groups: int = 1
    activation: str | None = None

    def costs(self, *, biased: bool = False) -> np.ndarray:
        """Return parameters with affine BN (or a bias) and multiply-accumulates, int64 (2,)."""
        weights = self.inputs // self.groups * self.outputs * self.kernel**2
        pixels = (-(-self.side // self.stride)) ** 2
        return np.array([weights + self.outputs * (1 if biased else 2), weights * pixels])


def ends(skeleton: Skeleton, places: Plan) -> tuple[Convolution, Convolution]:
    """Return the convolutions of the stem and before the classifier."""
    stem, last, activation = places.stem, places.last, skeleton.activation
    return (
        Convolution(3, skeleton.stem, 3, stem.side, stem.stride, activation=activation),
        Convolution(last.inputs, skeleton.last, 1, last.side, activation=activation),
    )


def depthwise(channels: int, kernel: int, side: int, stride: int = 1) -> Convolution:
    """Return a convolution of each channel by itself."""
    return Convolution(channels, channels, kernel, side, stride, groups=channels)


def shuffle_branch(operation: Operation, place: Place) -> list[Convolution]:
    """Return what makes the new half of the channels of ShuffleNetV2's unit."""
    half, kernel, after = place.outputs // 2, operation.kernel, place.side_after
    inputs = place.inputs if place.first else place.inputs // 2
    pointwise = Convolution(half, half, 1, after, activation="relu")
    if operation.kind == "shuffle":
        entry = Convolution(inputs, half, 1, place.side, activation="relu")
        return [entry, depthwise(half, kernel, place.side, place.stride), pointwise]
    inner = depthwise(half, kernel, after)
    return [*shuffle_entry(operation, place), inner, pointwise, inner, pointwise]


def shuffle_entry(operation: Operation, place: Place) -> list[Convolution]:
    """Return the depthwise separable convolution, also of the other half in a first layer."""
    inputs = place.inputs if place.first else place.inputs // 2
    return [
        depthwise(inputs, operation.kernel, place.side, place.stride),
        Convolution(inputs, place.outputs // 2, 1, place.side_after, activation="relu"),
    ]


def bottleneck(operation: Operation, place: Place, activation: str) -> list[Convolution]:
    """Return the convolutions of an inverted bottleneck."""
    inner = place.inputs * operation.expansion
    expand = Convolution(place.inputs, inner, 1, place.side, activation=activation)
    spatial = depthwise(inner, operation.kernel, place.side, place.stride)
    return [
        *([expand] if operation.expansion > 1 else []),
        replace(spatial, activation=activation),
        Convolution(inner, place.outputs, 1, place.side_after),
    ]


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
        """Return the costs, int64 (N,), of valid genes (N, layers)."""
        # A layer's input is the same whatever the layers before it are: costs add up.
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
    layers = np.array(
        [
            [_block(operation, place, skeleton) for operation in operations]
            for place in places.layers
        ]
    )  # (layers, operations, 2)
    layers.setflags(write=False)
    fixed = sum((one.costs() for one in ends(skeleton, places)), np.zeros(2, dtype=np.int64))
    if places.first_bottleneck:
        fixed += _block(FIRST_BOTTLENECK, places.first_bottleneck, skeleton)
    last = skeleton.last
    return (
        Costs(int(fixed[0]), layers[:, :, 0], last + 1),
        Costs(int(fixed[1]), layers[:, :, 1], last),
    )


def _block(operation: Operation, place: Place, skeleton: Skeleton) -> np.ndarray:
    """Return the costs of an operation at a place, int64 (2,)."""
    total = np.zeros(2, dtype=np.int64)
    if operation.kind == "identity":
        return total
    if operation.kind != "bottleneck":
        entry = shuffle_entry(operation, place) if place.first else []
        return sum((one.costs() for one in shuffle_branch(operation, place) + entry), total)
    if skeleton.squeeze_excitation:
        inner, squeezed = place.inputs * operation.expansion, max(1, place.inputs // 4)
        total += Convolution(inner, squeezed, 1, 1).costs(biased=True)
        total += Convolution(squeezed, inner, 1, 1).costs(biased=True)
    return sum((one.costs() for one in bottleneck(operation, place, skeleton.activation)), total)


def for_images(network: Settings | Mapping[str, Any], side: int, place: str) -> ChainSettings:
    """Return the settings of a chain for images of ``side`` x ``side`` pixels.

    ``resolution`` is filled in: strides follow from it.

    Raises
    ------
    InputError
        If images of that side are too small, or the settings are for another side.
    """
    if side < SMALLEST_MAP:
        raise InputError(
            f"{place}: images of {side}x{side} pixels; the last map of the network has at least "
            f"{SMALLEST_MAP}x{SMALLEST_MAP} pixels, so their side must be at least {SMALLEST_MAP}"
        )
    settings = chain_settings(network)
    if settings.resolution not in (None, side):
        raise InputError(
            f"network.resolution is {settings.resolution}, but {place} has images of "
            f"{side}x{side} pixels; leave network.resolution out"
        )
    return settings.model_copy(update={"resolution": side})
