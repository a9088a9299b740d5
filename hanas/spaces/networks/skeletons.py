"""Chains of blocks in numbers: channels, strides, sides, convolutions, costs. Without PyTorch.

A chain is a stem, stages of layers of one operation each, a 1x1 convolution, global average pooling
and a linear classifier. Modules and costs are both made of the convolutions listed here.

Stem, max pool and first layers of stages can halve the image. As many of these places do as leave a
last map of at least 4x4 pixels, the last places first: images of 32x32 pixels are halved three
times, to 4x4; images of 224x224 five times, to 7x7, as published. Odd sides are rounded up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate

import numpy as np

SMALLEST_MAP = 4


@dataclass(frozen=True)
class Operation:
    """One of the choices of a layer, named as in canonical texts.

    ``kind``: ``shuffle`` (ShuffleNetV2's unit), ``xception`` (its form with three depthwise
    convolutions, of side ``kernel``), ``bottleneck`` (MobileNetV2's, with ``expansion`` times the
    channels inside) or ``identity``.
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


def stages(*each: tuple[int, int] | tuple[int, int, bool]) -> tuple[Stage, ...]:
    """Return stages of these (channels, layers) or (channels, layers, whether it can halve)."""
    return tuple(Stage(channels, layers, all(halve)) for channels, layers, *halve in each)


@dataclass(frozen=True)
class Skeleton:
    """What all chains of a family share: channels of the stem, stages, channels of the last layer.

    ``activation`` (``relu``, ``relu6`` or ``silu``) is that of all but ShuffleNetV2's units, which
    use ReLU; ``max_pool`` is 3x3, after the stem; ``first_bottleneck`` the channels, if any, of a
    bottleneck of expansion 1 before the first layer. With ``identity_projects``, an identity that
    has to change the shape is a 1x1 convolution; else it cannot be there.
    """

    stem: int
    stages: tuple[Stage, ...]
    last: int
    activation: str = "relu"
    max_pool: bool = False
    first_bottleneck: int = 0
    squeeze_excitation: bool = False
    identity_projects: bool = False

    @property
    def first_layers(self) -> tuple[int, ...]:
        """Numbers, from 0, of the layers that are the first of their stage."""
        return (0, *accumulate(stage.layers for stage in self.stages[:-1]))

    def widened(self, width: float) -> Skeleton:
        """Return the skeleton with all channels multiplied by ``width``."""
        return replace(
            self,
            stem=scaled(self.stem, width),
            stages=tuple(replace(s, channels=scaled(s.channels, width)) for s in self.stages),
            last=scaled(self.last, width),
            first_bottleneck=self.first_bottleneck and scaled(self.first_bottleneck, width),
        )


def scaled(channels: int, width: float) -> int:
    """Return ``channels * width``, rounded as MobileNetV2 does it.

    To a multiple of 8, the nearest that is at least 8 and takes away no more than a tenth.

    >>> scaled(24, 1.0), scaled(24, 0.5), scaled(160, 0.25), scaled(16, 0.1)
    (24, 16, 40, 8)
    """
    rounded = max(8, int(channels * width + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels * width else rounded + 8


@dataclass(frozen=True)
class Place:
    """Where a block stands: channels before and after it, stride, side of the map before it.

    The ``first`` layer of a stage is no identity, and has ShuffleNetV2's unit with two branches.
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

    def next(self, channels: int, stride: int = 1, *, first: bool = False) -> Place:
        """Return the place after this one."""
        return Place(self.outputs, channels, stride, self.side_after, first)


@dataclass(frozen=True)
class Convolution:
    """A convolution that keeps the size (over ``stride``), BN or a bias, activation."""

    inputs: int
    outputs: int
    kernel: int
    side: int
    stride: int = 1
    groups: int = 1
    activation: str | None = None
    biased: bool = False

    def costs(self) -> np.ndarray:
        """Return parameters, with affine BN or a bias, and multiply-accumulates, int64 (2,)."""
        weights = self.inputs // self.groups * self.outputs * self.kernel**2
        pixels = (-(-self.side // self.stride)) ** 2
        return np.array([weights + self.outputs * (1 if self.biased else 2), weights * pixels])


@dataclass(frozen=True)
class Plan:
    """What a skeleton is for images of one side; None where it has no such place."""

    stem: Convolution
    max_pool: Place | None
    first_bottleneck: Place | None
    layers: list[Place]
    last: Convolution


def plan(skeleton: Skeleton, side: int) -> Plan:
    """Return the parts of a skeleton, its channels as they are, for images of ``side``."""
    strides, activation = _strides(skeleton, side), skeleton.activation
    before = Place(3, skeleton.stem, next(strides), side)
    stem = Convolution(3, skeleton.stem, 3, side, before.stride, activation=activation)
    max_pool = first_bottleneck = None
    if skeleton.max_pool:
        before = max_pool = before.next(skeleton.stem, next(strides))
    if skeleton.first_bottleneck:
        before = first_bottleneck = before.next(skeleton.first_bottleneck)
    layers = []
    for stage in skeleton.stages:
        for number in range(stage.layers):
            stride = next(strides) if number == 0 and stage.can_halve else 1
            before = before.next(stage.channels, stride, first=number == 0)
            layers.append(before)
    last = Convolution(before.outputs, skeleton.last, 1, before.side_after, activation=activation)
    return Plan(stem, max_pool, first_bottleneck, layers, last)


def _strides(skeleton: Skeleton, side: int) -> Iterator[int]:
    strides = [1] * (1 + skeleton.max_pool + sum(stage.can_halve for stage in skeleton.stages))
    for place in reversed(range(len(strides))):
        side = -(-side // 2)
        strides[place] = 2 if side >= SMALLEST_MAP else 1
    return iter(strides)


def depthwise(
    channels: int, kernel: int, side: int, stride: int = 1, activation: str | None = None
) -> Convolution:
    """Return a convolution of each channel by itself."""
    return Convolution(channels, channels, kernel, side, stride, channels, activation)


def shuffle_branch(operation: Operation, place: Place) -> list[Convolution]:
    """Return what makes the new half of the channels of ShuffleNetV2's unit."""
    half, kernel, after = place.outputs // 2, operation.kernel, place.side_after
    pointwise = Convolution(half, half, 1, after, activation="relu")
    if operation.kind == "shuffle":
        inputs = place.inputs if place.first else place.inputs // 2
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
    convolutions = [
        Convolution(place.inputs, inner, 1, place.side, activation=activation),
        depthwise(inner, operation.kernel, place.side, place.stride, activation),
        Convolution(inner, place.outputs, 1, place.side_after),
    ]
    return convolutions if operation.expansion > 1 else convolutions[1:]


def projection(place: Place) -> list[Convolution]:
    """Return what identity is made of: a 1x1 convolution where it has to change the shape."""
    if place.stride == 1 and place.inputs == place.outputs:
        return []
    return [Convolution(place.inputs, place.outputs, 1, place.side, place.stride)]


@cache
def cost_tables(
    skeleton: Skeleton, operations: tuple[Operation, ...], side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return parameters (affine BN) and multiply-accumulates of all but the classifier.

    Of what all chains share, int64 (2,), and of each operation of each layer, int64 (layers,
    operations, 2): a layer's input is the same whatever the layers before it are, so costs add up.
    """
    places = plan(skeleton, side)
    layers = np.array([[_block(one, at, skeleton) for one in operations] for at in places.layers])
    fixed = places.stem.costs() + places.last.costs()
    if places.first_bottleneck:
        fixed += _block(FIRST_BOTTLENECK, places.first_bottleneck, skeleton)
    for table in (fixed, layers):
        table.setflags(write=False)
    return fixed, layers


def _block(operation: Operation, place: Place, skeleton: Skeleton) -> np.ndarray:
    if operation.kind == "identity":
        convolutions = projection(place)
    elif operation.kind == "bottleneck":
        convolutions = bottleneck(operation, place, skeleton.activation)
        if skeleton.squeeze_excitation:
            inner, squeezed = place.inputs * operation.expansion, max(1, place.inputs // 4)
            convolutions.append(Convolution(inner, squeezed, 1, 1, biased=True))
            convolutions.append(Convolution(squeezed, inner, 1, 1, biased=True))
    else:
        convolutions = shuffle_branch(operation, place)
        convolutions += shuffle_entry(operation, place) if place.first else []
    return sum((one.costs() for one in convolutions), np.zeros(2, dtype=np.int64))
