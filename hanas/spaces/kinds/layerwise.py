"""Layer-wise spaces as data: chains of stages of layers, one operation each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import override

from hanas.core.settings import Count, Settings
from hanas.spaces._layerwise import IDENTITY, LayerwiseSpace
from hanas.spaces.kinds._declaration import Declaration
from hanas.spaces.networks.skeletons import Operation, Skeleton, Stage


class StageDeclaration(Settings):
    """Layers of equal channels, the first of which may halve the image."""

    channels: Count = Field(description="Channels of its layers.")
    layers: Count = Field(description="How many layers it has.")


class Layerwise(Declaration):
    """Chains of stages of layers."""

    kind: Literal["layerwise"] = Field(description="Chains of layers, one operation each.")
    stem: Count = Field(description="Channels of the 3x3 convolution that images go through first.")
    stages: list[StageDeclaration] = Field(description="The stages, one after the other.")
    operations: list[str] = Field(description="What a layer can be.")
    last: Count = Field(description="Channels of the 1x1 convolution before the classifier.")

    @override
    def space(self, name: str) -> LayerwiseSpace:
        stages = tuple(Stage(stage.channels, stage.layers) for stage in self.stages)
        known = {"identity": IDENTITY, "mb3_3x3": Operation("mb3_3x3", "bottleneck", 3, 3)}
        skeleton = Skeleton(stem=self.stem, stages=stages, last=self.last)
        return LayerwiseSpace(name, skeleton, tuple(known[one] for one in self.operations))
