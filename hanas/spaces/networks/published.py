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
from hanas.spaces.networks.skeletons import Operation, Skeleton, scaled, stages


class Published(LayerwiseSpace):
    """A space of one network, which has these operations by stage, and its name for a text.

    With a ``width`` it has that one, whatever the settings of its network say.
    """

    def __init__(
        self,
        name: str,
        skeleton: Skeleton,
        by_stage: tuple[Operation, ...],
        width: float | None = None,
    ) -> None:
        self.by_stage, self.width = by_stage, width
        super().__init__(name, skeleton, tuple(dict.fromkeys(by_stage)))
        of_stages = [self.layers.index(operation) for operation in by_stage]
        self.genes = np.repeat(of_stages, [stage.layers for stage in skeleton.stages])

    def at(self, width: float) -> Published:
        """Return the network at a width."""
        return Published(self.name, self.skeleton, self.by_stage, width)

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


#: Published stages of ShuffleNetV2 by width.
SHUFFLENET_STAGES = {
    0.5: stages((48, 4), (96, 8), (192, 4)),
    1.0: stages((116, 4), (232, 8), (464, 4)),
    1.5: stages((176, 4), (352, 8), (704, 4)),
    2.0: stages((244, 4), (488, 8), (976, 4)),
}
UNIT = Operation("shuffle_3x3", "shuffle", kernel=3)
MB6_3X3 = Operation("mb6_3x3", "bottleneck", kernel=3, expansion=6)
MB6_5X5 = Operation("mb6_5x5", "bottleneck", kernel=5, expansion=6)

_SHUFFLENET_V2 = Skeleton(stem=24, stages=SHUFFLENET_STAGES[1.0], last=1024, max_pool=True)
_MOBILENET_V2 = Skeleton(
    stem=32,
    stages=stages((24, 2), (32, 3), (64, 4), (96, 3, False), (160, 3), (320, 1, False)),
    last=1280,
    activation="relu6",
    first_bottleneck=16,
)
_EFFICIENTNET_B0 = replace(
    _MOBILENET_V2,
    stages=stages((24, 2), (40, 2), (80, 3), (112, 3, False), (192, 4), (320, 1, False)),
    activation="silu",
    squeeze_excitation=True,
)
_OF_EFFICIENTNET = (MB6_3X3, MB6_5X5, MB6_3X3, MB6_5X5, MB6_5X5, MB6_3X3)
PUBLISHED = {
    "shufflenet_v2": Published("shufflenet_v2", _SHUFFLENET_V2, (UNIT,) * 3),
    "mobilenet_v2": Published("mobilenet_v2", _MOBILENET_V2, (MB6_3X3,) * 6),
    "efficientnet_b0": Published("efficientnet_b0", _EFFICIENTNET_B0, _OF_EFFICIENTNET),
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
