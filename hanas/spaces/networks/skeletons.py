"""Chains of blocks in numbers: channels, strides, sides, costs. Without PyTorch.

A chain is a stem, stages of layers of one operation each, a 1x1 convolution, global average pooling
and a linear classifier. Modules and costs are both made of the parts that
:mod:`hanas.spaces.networks.operations` lists.

Stem, max pool and first layers of stages can halve the image. As many of these places do as leave a
last map of at least 4x4 pixels, the last places first: images of 32x32 pixels are halved three
times, to 4x4; images of 224x224 five times, to 7x7, as published. Odd sides are rounded up. Strides
that are given stay as they are, and count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate

import numpy as np

from hanas.spaces.networks.operations import Convolution, Operation, Place, block, operation

SMALLEST_MAP = 4
#: What MobileNetV2 has before its first layer.
FIRST_BOTTLENECK = operation("mb1_3x3")


@dataclass(frozen=True)
class Stage:
    """Layers of equal channels, each one of some operations; the first has the stride.

    Of ``stride`` None, it halves the image where that leaves enough of it.
    """

    channels: int
    layers: int
    stride: int | None = None
    operations: tuple[Operation, ...] = ()


def stages(*each: tuple[int, int] | tuple[int, int, int]) -> tuple[Stage, ...]:
    """Return stages of these (channels, layers) or (channels, layers, stride)."""
    return tuple(
        Stage(channels, layers, stride[0] if stride else None) for channels, layers, *stride in each
    )


@dataclass(frozen=True)
class Skeleton:
    """What all chains of a family share: channels of the stem, stages, channels of the last layer.

    ``activation`` (``relu``, ``relu6`` or ``silu``) is that of all but ShuffleNetV2's units, which
    use ReLU; ``max_pool`` is 3x3, after the stem; ``first_bottleneck`` the channels, if any, of
    ``first_operation`` before the first layer. With ``identity_projects``, an identity that has to
    change the shape is a 1x1 convolution; else it cannot be there.
    """

    stem: int
    stages: tuple[Stage, ...]
    last: int
    activation: str = "relu"
    max_pool: bool = False
    first_bottleneck: int = 0
    identity_projects: bool = False
    stem_stride: int | None = None
    first_operation: Operation = FIRST_BOTTLENECK

    @property
    def first_layers(self) -> tuple[int, ...]:
        """Numbers, from 0, of the layers that are the first of their stage."""
        return (0, *accumulate(stage.layers for stage in self.stages[:-1]))

    @property
    def operations(self) -> tuple[tuple[Operation, ...], ...]:
        """The operations of each layer."""
        return tuple(s.operations for s in self.stages for _ in range(s.layers))

    def of(self, operations: tuple[Operation, ...]) -> Skeleton:
        """Return the skeleton with these operations in all stages that have none of their own."""
        held = (replace(s, operations=s.operations or operations) for s in self.stages)
        return replace(self, stages=tuple(held))

    def widened(self, width: float) -> Skeleton:
        """Return the skeleton with all channels multiplied by ``width``."""
        if width == 1:  # also channels that are no multiple of 8
            return self
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
    for stage, stride in zip(skeleton.stages, strides, strict=True):
        for number in range(stage.layers):
            of_layer = stride if number == 0 else 1
            before = before.next(stage.channels, of_layer, first=number == 0)
            layers.append(before)
    last = Convolution(before.outputs, skeleton.last, 1, before.side_after, activation=activation)
    return Plan(stem, max_pool, first_bottleneck, layers, last)


def _strides(skeleton: Skeleton, side: int) -> Iterator[int]:
    """Return the strides of stem, max pool and stages."""
    given = [skeleton.stem_stride, *[None] * skeleton.max_pool]
    given += [stage.stride for stage in skeleton.stages]
    strides = [stride or 1 for stride in given]
    for stride in strides:
        side = -(-side // stride)
    for place in reversed([place for place, stride in enumerate(given) if stride is None]):
        side = -(-side // 2)
        strides[place] = 2 if side >= SMALLEST_MAP else 1
    return iter(strides)


@cache
def cost_tables(skeleton: Skeleton, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return parameters (affine BN) and multiply-accumulates of all but the classifier.

    Of what all chains share, int64 (2,), and of each operation of each layer, int64 (layers, most
    operations, 2), zeros where a layer has fewer: a layer's input is the same whatever the layers
    before it are, so costs add up.
    """
    places, activation = plan(skeleton, side), skeleton.activation
    of_layers = skeleton.operations
    layers = np.zeros((len(of_layers), max(map(len, of_layers)), 2), dtype=np.int64)
    for number, (operations, place) in enumerate(zip(of_layers, places.layers, strict=True)):
        for column, one in enumerate(operations):
            layers[number, column] = block(one, place, activation).costs()
    fixed = places.stem.costs() + places.last.costs()
    if places.first_bottleneck:
        fixed += block(skeleton.first_operation, places.first_bottleneck, activation).costs()
    for table in (fixed, layers):
        table.setflags(write=False)
    return fixed, layers
