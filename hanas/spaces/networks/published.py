"""Published networks to compare with, built from the blocks of the layer-wise spaces.

References: N. Ma et al., "ShuffleNet V2", ECCV 2018 (table 5); M. Sandler et al., "MobileNetV2",
CVPR 2018 (table 2); M. Tan and Q. Le, "EfficientNet", ICML 2019 (table 1). At width 1, resolution
224 and 1,000 classes they are the published networks, but for what only regularises the training
(dropout, stochastic depth). For smaller images fewer places halve.

The published widths of ShuffleNetV2 (0.5, 1, 1.5, 2) have the published channels; its stem always
has 24, its last convolution 1024, from width 2 on 2048. The last convolution of MobileNetV2 has no
fewer channels than at width 1. All else is multiplied by the width.

One rule for texts: ``mobilenet_v2`` is the network at the width that the settings of networks say,
``mobilenet_v2@0.5`` the network at half its published width, whatever they say.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from typing_extensions import override

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.settings import Settings
from hanas.spaces._layerwise import LayerwiseSpace
from hanas.spaces.networks.operations import operation
from hanas.spaces.networks.skeletons import Skeleton, Stage, scaled


class Published(LayerwiseSpace):
    """A space of one network, with one operation a stage, and its name for a text.

    With a ``width`` it has that one, whatever the settings of its network say.
    """

    def __init__(self, name: str, skeleton: Skeleton, width: float | None = None) -> None:
        self.width = width
        super().__init__(name, skeleton)
        self.genes = np.zeros(len(self.choices), dtype=np.int64)

    def at(self, width: float) -> Published:
        """Return the network at a width."""
        return Published(self.name, self.skeleton, width)

    @override
    def settings(self, network):
        found = super().settings(network)
        return found if self.width is None else found.model_copy(update={"width": self.width})

    @override
    def from_text(self, text: str) -> np.ndarray:
        return self.genes

    @override
    def widened(self, width: float) -> Skeleton:
        widened = super().widened(width)
        if self.name == "mobilenet_v2":
            return replace(widened, last=scaled(self.skeleton.last, max(1.0, width)))
        if self.name == "shufflenet_v2":
            return replace(
                widened,
                stem=self.skeleton.stem,
                stages=SHUFFLENET_STAGES.get(width, widened.stages),
                last=self.skeleton.last if width < 2 else 2 * self.skeleton.last,
            )
        return widened


def published_stages(*each: tuple[int, int, str] | tuple[int, int, str, int]) -> tuple[Stage, ...]:
    """Return stages of these (channels, layers, operation) or also their stride, if it is 1."""
    # Weights and models of earlier versions are named without _se.
    return tuple(
        Stage(
            channels,
            layers,
            *stride,
            operations=(replace(operation(name), name=name.removesuffix("_se")),),
        )
        for channels, layers, name, *stride in each
    )


#: Published stages of ShuffleNetV2 by width.
SHUFFLENET_STAGES = {
    width: published_stages(*((channels, layers, "shuffle_3x3") for channels, layers in of_width))
    for width, of_width in {
        0.5: ((48, 4), (96, 8), (192, 4)),
        1.0: ((116, 4), (232, 8), (464, 4)),
        1.5: ((176, 4), (352, 8), (704, 4)),
        2.0: ((244, 4), (488, 8), (976, 4)),
    }.items()
}
MB6_3X3 = "mb6_3x3"
MB6_3X3_SE, MB6_5X5_SE = "mb6_3x3_se", "mb6_5x5_se"

_SHUFFLENET_V2 = Skeleton(stem=24, stages=SHUFFLENET_STAGES[1.0], last=1024, max_pool=True)
_MOBILENET_V2 = Skeleton(
    stem=32,
    stages=published_stages(
        (24, 2, MB6_3X3),
        (32, 3, MB6_3X3),
        (64, 4, MB6_3X3),
        (96, 3, MB6_3X3, 1),
        (160, 3, MB6_3X3),
        (320, 1, MB6_3X3, 1),
    ),
    last=1280,
    activation="relu6",
    first_bottleneck=16,
)
_EFFICIENTNET_B0 = replace(
    _MOBILENET_V2,
    stages=published_stages(
        (24, 2, MB6_3X3_SE),
        (40, 2, MB6_5X5_SE),
        (80, 3, MB6_3X3_SE),
        (112, 3, MB6_5X5_SE, 1),
        (192, 4, MB6_5X5_SE),
        (320, 1, MB6_3X3_SE, 1),
    ),
    activation="silu",
    first_operation=operation("mb1_3x3_se"),
)
PUBLISHED = {
    "shufflenet_v2": Published("shufflenet_v2", _SHUFFLENET_V2),
    "mobilenet_v2": Published("mobilenet_v2", _MOBILENET_V2),
    "efficientnet_b0": Published("efficientnet_b0", _EFFICIENTNET_B0),
}
NAMES = tuple(PUBLISHED)
#: As settings of networks have it.
MOST_WIDTH = 8


def space_of(arch: str, space: str) -> Any:
    """Return the space of an architecture: if it is the name of a published network, its own."""
    return named(arch) or plugins.space(space)


@cache
def named(arch: str) -> Published | None:
    """Return the published network of a name such as mobilenet_v2@0.5; None of any other text.

    Raises InputError for a width that cannot be, or is not written as short as it can be: names
    are what results are joined by.
    """
    name, at, text = arch.partition("@")
    if name not in PUBLISHED:
        return None
    if not at:
        return PUBLISHED[name]
    try:
        width = float(text)
    except ValueError:
        width = np.nan
    if not 0 < width <= MOST_WIDTH:
        raise InputError(
            f"{arch!r}: {text!r} is no width; expected a number above 0, at most {MOST_WIDTH}, "
            f"such as {name}@0.5"
        )
    if text != f"{width:g}":
        raise InputError(f"{arch!r}: write {name}@{width:g}")
    return PUBLISHED[name].at(width)


def checked(arch: str) -> str:
    """Return the name of a published network; InputError for any other text."""
    if named(arch) is None:
        raise InputError(
            f"is {arch!r}; expected a published network, one of: {', '.join(NAMES)}, or one at a "
            "width, such as mobilenet_v2@0.5"
        )
    return arch


def network_of(arch: str, network: Settings) -> Settings:
    """Return the settings of an architecture's network: with the width that its name says."""
    found = named(arch)
    if found is None or found.width is None:
        return network
    return network.model_copy(update={"width": found.width})
