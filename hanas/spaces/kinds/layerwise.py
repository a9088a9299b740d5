"""Layer-wise spaces as data: chains of stages of layers, one operation each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import override

from hanas.core.errors import InputError
from hanas.core.settings import Count, Settings
from hanas.spaces._layerwise import LayerwiseSpace
from hanas.spaces.kinds._declaration import Declaration
from hanas.spaces.networks.operations import IDENTITY, Operation, operation, refusal
from hanas.spaces.networks.skeletons import Skeleton, Stage, plan

Channels = Annotated[int, Field(ge=1, le=65536)]
Layers = Annotated[int, Field(ge=1, le=1000)]
Stride = Annotated[int, Field(ge=1, le=16)]
OneOrMore = Annotated[list[str], Field(min_length=1)]


class StageDeclaration(Settings):
    """Layers of equal channels, the first of which may halve the image."""

    channels: Channels | Annotated[list[Channels], Field(min_length=2)] = Field(
        description="Channels of its layers; a list, smallest first, to choose from."
    )
    layers: Layers | Annotated[list[Layers], Field(min_length=2)] = Field(
        description="How many layers it has; a list, smallest first, to choose from: the last ones "
        "are left out."
    )
    stride: Stride | None = Field(
        None,
        description="Stride of its first layer; where absent 1 if any other stride is given that is "
        "more than 1, else what leaves enough of the image.",
    )
    operations: OneOrMore | None = Field(
        None, description="What a layer of it can be; where absent what those of the space can be."
    )

    @property
    def sizes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Its channels and numbers of layers, all that there are."""
        return _several(self.channels), _several(self.layers)


class Stem(Settings):
    """The 3x3 convolution that images go through first."""

    channels: Channels = Field(description="Its channels.")
    stride: Stride | None = Field(None, description="Its stride; where absent as of stages.")


class First(Settings):
    """A layer that all chains have after the stem, before the stages."""

    operation: str = Field("mb1_3x3", description="What it is.")
    channels: Channels = Field(description="Its channels.")


class Layerwise(Declaration):
    """Chains of stages of layers, one operation each."""

    kind: Literal["layerwise"] = Field(description="Chains of layers, one operation each.")
    stem: Channels | Stem = Field(
        description="Channels of the 3x3 convolution that images go through first."
    )
    max_pool: bool = Field(False, description="Whether a 3x3 max pooling follows the stem.")
    first: First | None = Field(
        None, description="A layer that all chains have before those of the stages."
    )
    stages: Annotated[list[StageDeclaration], Field(min_length=1)] = Field(
        description="The stages, one after the other."
    )
    operations: OneOrMore | None = Field(
        None,
        description="What a layer can be, by names such as mb6_5x5_se: see docs/spaces.md for the "
        "rule of names.",
    )
    identity: Literal["keeps", "projects"] = Field(
        "keeps",
        description="keeps: identity is no choice of the first layer of a stage, where the shape "
        "changes; projects: it is a 1x1 convolution there.",
    )
    last: Channels = Field(description="Channels of the 1x1 convolution before the classifier.")
    activation: Literal["relu", "relu6", "silu"] = Field(
        "relu", description="Activation of all but units of ShuffleNetV2, which have ReLU."
    )
    text: Literal["names", "digits"] = Field(
        "names",
        description="Form of texts: names of operations, or a digit a layer, which needs one size "
        "and at most ten operations.",
    )

    @override
    def space(self, name: str) -> LayerwiseSpace:
        of_stages = [self._operations_of(number) for number in range(len(self.stages))]
        stem = Stem(channels=self.stem) if isinstance(self.stem, int) else self.stem
        given = [stem.stride, *(stage.stride for stage in self.stages)]
        # Who places one halving places all.
        absent = 1 if any(stride is not None and stride > 1 for stride in given) else None
        skeleton = Skeleton(
            stem=stem.channels,
            stages=tuple(
                Stage(*(size[-1] for size in stage.sizes), stage.stride or absent, some)
                for stage, some in zip(self.stages, of_stages, strict=True)
            ),
            last=self.last,
            activation=self.activation,
            max_pool=self.max_pool,
            first_bottleneck=self.first.channels if self.first else 0,
            identity_projects=self.identity == "projects",
            stem_stride=stem.stride or absent,
            **({"first_operation": operation(self.first.operation)} if self.first else {}),
        )
        sizes = [stage.sizes for stage in self.stages]
        return LayerwiseSpace(name, skeleton, sizes=sizes, text=self.text)

    def _operations_of(self, number: int) -> tuple[Operation, ...]:
        own = self.stages[number].operations
        names = own or self.operations
        found = [operation(name) for name in names]
        if self.identity == "keeps":  # the first layer of a stage has all choices but the last
            found.sort(key=lambda one: one == IDENTITY)
        return tuple(found)


def _several(value: int | list[int]) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)
