"""Published networks to compare with, built from the blocks of the layer-wise spaces.

References: N. Ma et al., "ShuffleNet V2", ECCV 2018 (table 5); M. Sandler et al., "MobileNetV2",
CVPR 2018 (table 2); M. Tan and Q. Le, "EfficientNet", ICML 2019 (table 1). At width 1, resolution
224 and 1,000 classes they are the published networks, but for what only regularises the training
(dropout, stochastic depth). For smaller images fewer places halve, see
:mod:`hanas.spaces.networks.skeletons`.

Widths: those of ShuffleNetV2 that were published (0.5, 1, 1.5, 2) have the published channels; its
stem always has 24, and its last convolution 1024, from width 2 on 2048. The last convolution of
MobileNetV2 has no fewer channels than at width 1. All else is multiplied by the width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hanas.core.errors import InputError
from hanas.spaces.networks.chain import ChainNetwork, new_network
from hanas.spaces.networks.settings import Network, chain_settings
from hanas.spaces.networks.skeletons import (
    Operation,
    Skeleton,
    Stage,
    chain_costs,
    for_images,
    scaled,
)

__all__ = ["NAMES", "build", "flops", "for_images", "params"]


@dataclass(frozen=True)
class Published:
    """A skeleton at width 1 and the operation of each of its stages."""

    skeleton: Skeleton
    operations: tuple[Operation, ...]


UNIT = Operation("shuffle_3x3", "shuffle", kernel=3)
MB6_3X3 = Operation("mb6_3x3", "bottleneck", kernel=3, expansion=6)
MB6_5X5 = Operation("mb6_5x5", "bottleneck", kernel=5, expansion=6)

PUBLISHED = {
    "shufflenet_v2": Published(
        Skeleton(
            stem=24, stages=(Stage(116, 4), Stage(232, 8), Stage(464, 4)), last=1024, max_pool=True
        ),
        (UNIT,) * 3,
    ),
    "mobilenet_v2": Published(
        Skeleton(
            stem=32,
            stages=(
                Stage(24, 2),
                Stage(32, 3),
                Stage(64, 4),
                Stage(96, 3, can_halve=False),
                Stage(160, 3),
                Stage(320, 1, can_halve=False),
            ),
            last=1280,
            activation="relu6",
            first_bottleneck=16,
        ),
        (MB6_3X3,) * 6,
    ),
    "efficientnet_b0": Published(
        Skeleton(
            stem=32,
            stages=(
                Stage(24, 2),
                Stage(40, 2),
                Stage(80, 3),
                Stage(112, 3, can_halve=False),
                Stage(192, 4),
                Stage(320, 1, can_halve=False),
            ),
            last=1280,
            activation="silu",
            first_bottleneck=16,
            squeeze_excitation=True,
        ),
        (MB6_3X3, MB6_5X5, MB6_3X3, MB6_5X5, MB6_5X5, MB6_3X3),
    ),
}
NAMES = tuple(PUBLISHED)

#: Channels of the stages of ShuffleNetV2 by width.
SHUFFLENET_CHANNELS = {
    0.5: (48, 96, 192),
    1.0: (116, 232, 464),
    1.5: (176, 352, 704),
    2.0: (244, 488, 976),
}


def build(name: str, classes: int, network: Network, *, seed: int = 0) -> ChainNetwork:
    """Return a published network with initial weights.

    Parameters
    ----------
    name
        One of :data:`NAMES`.
    classes
        Number of classes.
    network
        Settings; a network of its own usually has ``batch_norm: running``.
    seed
        Of the initial weights; PyTorch's global random state stays as it is.

    Raises
    ------
    InputError
        For another name, or a setting that does not exist or cannot be.
    """
    operations, genes = _layers(name)
    settings = chain_settings(network)
    held = [(gene,) for gene in genes]
    return new_network(_widened(name, settings.width), operations, held, classes, settings, seed)


def params(name: str, classes: int = 10, *, network: Network | None = None) -> int:
    """Return the number of parameters, with the affine part of batch normalisation."""
    return _costs(name, classes, network)[0]


def flops(name: str, classes: int = 10, *, network: Network | None = None) -> int:
    """Return the multiply-accumulates for one image: convolutions and the classifier."""
    return _costs(name, classes, network)[1]


def _costs(name: str, classes: int, network: Network | None) -> list[int]:
    operations, genes = _layers(name)
    settings = chain_settings(network)
    tables = chain_costs(_widened(name, settings.width), operations, settings.side)
    return [int(costs.of(np.array([genes]), classes)[0]) for costs in tables]


def _layers(name: str) -> tuple[tuple[Operation, ...], list[int]]:
    """Return the different operations of a network, and the number of the one of each layer."""
    if name not in PUBLISHED:
        raise InputError(f"no published network {name!r}; expected one of: {', '.join(NAMES)}")
    found = PUBLISHED[name]
    operations = tuple(dict.fromkeys(found.operations))
    stages = zip(found.operations, found.skeleton.stages, strict=True)
    return operations, [operations.index(one) for one, stage in stages for _ in range(stage.layers)]


def _widened(name: str, width: float) -> Skeleton:
    skeleton = PUBLISHED[name].skeleton
    widened = skeleton.widened(width)
    if name == "mobilenet_v2":
        return replace(widened, last=scaled(skeleton.last, max(1.0, width)))
    if name == "shufflenet_v2":
        channels = SHUFFLENET_CHANNELS.get(width, [stage.channels for stage in widened.stages])
        stages = (
            replace(stage, channels=of_stage)
            for stage, of_stage in zip(widened.stages, channels, strict=True)
        )
        last = skeleton.last if width < 2 else 2 * skeleton.last
        return replace(widened, stem=skeleton.stem, stages=tuple(stages), last=last)
    return widened
