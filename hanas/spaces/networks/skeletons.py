"""What chains of blocks look like, in numbers: channels, strides, sides. Without PyTorch.

A chain is a stem, then stages of layers one after the other, then a 1x1 convolution, global
average pooling and a linear classifier. A layer is one operation. The modules of
:mod:`hanas.spaces.networks.chain` and the counts of
:mod:`hanas.spaces.networks.chain_costs` both follow the :class:`Plan` that is made here.

Five places of a skeleton can halve the image: its stem, and the first layer of four stages (or a
max pool and three stages). As many of them do as leave a last map of at least 4x4 pixels, the last
places first: images of 32x32 pixels are halved three times, to 4x4, in the last three places;
images of 224x224 pixels five times, to 7x7, as published. Odd sides are rounded up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

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
        return tuple(
            sum(stage.layers for stage in self.stages[:number])
            for number in range(len(self.stages))
        )

    def widened(self, width: float) -> Skeleton:
        """Return the skeleton with all channels multiplied by ``width``."""
        first = self.first_bottleneck
        return replace(
            self,
            stem=scaled(self.stem, width),
            stages=tuple(
                replace(stage, channels=scaled(stage.channels, width)) for stage in self.stages
            ),
            last=scaled(self.last, width),
            first_bottleneck=None if first is None else scaled(first, width),
        )


@dataclass(frozen=True)
class Place:
    """Where a block stands.

    Parameters
    ----------
    inputs, outputs
        Channels before and after it.
    stride
        1 or 2.
    side
        Of the map before it.
    first
        Whether it is the first of its stage: no identity can stand there, and ShuffleNetV2's unit
        has its form of two branches.
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
    """The places of a skeleton for images of one side.

    Parameters
    ----------
    stem
        Of the 3x3 convolution.
    max_pool, first_bottleneck
        None where the skeleton has none.
    layers
        Of the layers that are chosen.
    last
        Of the 1x1 convolution.
    """

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


def scaled(channels: int, width: float) -> int:
    """Return ``channels * width``, rounded as MobileNetV2 does it.

    To the nearest multiple of 8, at least 8, and to the next higher one where rounding would take
    away more than a tenth.

    >>> scaled(24, 1.0), scaled(24, 0.5), scaled(160, 0.25), scaled(16, 0.1)
    (24, 16, 40, 8)
    """
    rounded = max(8, int(channels * width + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels * width else rounded + 8


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


def _strides(skeleton: Skeleton, side: int) -> Iterator[int]:
    places = 1 + skeleton.max_pool + sum(stage.can_halve for stage in skeleton.stages)
    halvings = 0
    while halvings < places and -(-side // 2) >= SMALLEST_MAP:
        side = -(-side // 2)
        halvings += 1
    return iter([1] * (places - halvings) + [2] * halvings)


def _after(before: Place, channels: int, stride: int, first: bool = False) -> Place:
    return Place(before.outputs, channels, stride, before.side_after, first)
