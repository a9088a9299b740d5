"""Layer-wise spaces as data: chains of stages of layers, one operation each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from typing_extensions import override

from hanas.core.errors import InputError
from hanas.core.settings import Settings, Unique
from hanas.spaces._layerwise import LayerwiseSpace
from hanas.spaces.kinds._declaration import Declaration
from hanas.spaces.networks.operations import IDENTITY, Operation, operation
from hanas.spaces.networks.skeletons import FIRST_BOTTLENECK, Skeleton, Stage


def _named(name: str) -> str:
    try:
        operation(name)
    except InputError as error:
        raise InputError(f": {error}") from None
    return name


def _rising(sizes: list[int]) -> list[int]:
    if sizes != sorted(set(sizes)):
        expected = ", ".join(map(str, sorted(set(sizes))))
        raise InputError(f"is {sizes}; expected each once, the smallest first: [{expected}]")
    return sizes


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, int | float | str) else value


def _one_or_more(each: dict[str, Any]) -> list[Any]:
    """Return what lets one value stand for a list of it."""
    several = {"type": "array", "items": each, "minItems": 1}
    return [BeforeValidator(_listed), WithJsonSchema({"anyOf": [each, several]})]


Channels = Annotated[int, Field(ge=1, le=65536)]
Layers = Annotated[int, Field(ge=1, le=1000)]
Stride = Annotated[int, Field(ge=1, le=16)]
_SIZE = _one_or_more({"type": "integer", "minimum": 1})
_NAME = Annotated[str, AfterValidator(_named)]
Operations = Annotated[list[_NAME], Field(min_length=1), Unique, *_one_or_more({"type": "string"})]


class StageDeclaration(Settings):
    """Layers of equal channels, the first of which may halve the image."""

    channels: Annotated[list[Channels], Field(min_length=1), AfterValidator(_rising), *_SIZE] = (
        Field(description="Channels of its layers; or a list to choose from, smallest first.")
    )
    layers: Annotated[list[Layers], Field(min_length=1), AfterValidator(_rising), *_SIZE] = Field(
        description="How many layers it has; or a list to choose from, smallest first."
    )
    stride: Stride | None = Field(
        None,
        description="Stride of its first layer. Where absent: 1 if another one is given that is "
        "more than 1, else 2 where that leaves enough of the image.",
    )
    operations: Operations | None = Field(
        None, description="What its layers can be, where not what those of all stages can be."
    )


class Stem(Settings):
    """The 3x3 convolution that images go through first."""

    channels: Channels = Field(description="Its channels.")
    stride: Stride | None = Field(None, description="Its stride; where absent as of stages.")


def _stem(given: Any) -> Any:
    if isinstance(given, Mapping | Settings):
        return given
    if not isinstance(given, int):
        raise InputError(
            f"is {given!r}; expected its channels, a whole number, or channels and a stride, such "
            "as {channels: 16, stride: 2}"
        )
    return {"channels": given}


class First(Settings):
    """A layer that all chains have after the stem, before those of the stages."""

    operation: _NAME = Field("mb1_3x3", description="What it is.")
    channels: Channels = Field(description="Its channels.")


class Layerwise(Declaration):
    """Chains of stages of layers, one operation each."""

    kind: Literal["layerwise"] = Field(description="Chains of layers, one operation each.")
    stem: Annotated[
        Stem,
        BeforeValidator(_stem),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, Stem.model_json_schema()]}),
    ] = Field(description="The 3x3 convolution that images go through first: its channels.")
    max_pool: bool = Field(False, description="Whether a 3x3 max pooling follows the stem.")
    first: First | None = Field(
        None, description="A layer that all chains have before those of the stages."
    )
    stages: Annotated[list[StageDeclaration], Field(min_length=1)] = Field(
        description="The stages, one after the other."
    )
    operations: Operations | None = Field(
        None,
        description="What a layer can be, by names such as mb6_5x5_se: docs/spaces.md has the rule "
        "of names.",
    )
    identity: Literal["keeps", "projects"] = Field(
        "keeps",
        description="keeps: identity is no choice of the first layer of a stage, which changes the "
        "shape; projects: it is a 1x1 convolution there.",
    )
    last: Channels = Field(description="Channels of the 1x1 convolution before the classifier.")
    activation: Literal["relu", "relu6", "silu"] = Field(
        "relu", description="Activation of all but units of ShuffleNetV2, which have ReLU."
    )
    text: Literal["names", "digits"] = Field(
        "names",
        description="Form of texts: names of operations; or a digit a layer, where only operations "
        "are chosen, the same at most ten in all stages.",
    )

    @override
    def space(self, name: str) -> LayerwiseSpace:
        if self.operations is not None and all(stage.operations for stage in self.stages):
            raise InputError(
                "operations is of no use, since every stage has operations of its own; leave it "
                "out, or take those of a stage out"
            )
        operations = [self._operations_of(number) for number in range(len(self.stages))]
        strides = [self.stem.stride, *(stage.stride for stage in self.stages)]
        # Who places one halving places all.
        absent = 1 if any(stride is not None and stride > 1 for stride in strides) else None
        stages = (
            Stage(stage.channels[-1], stage.layers[-1], stage.stride or absent, some)
            for stage, some in zip(self.stages, operations, strict=True)
        )
        first = operation(self.first.operation) if self.first else FIRST_BOTTLENECK
        skeleton = Skeleton(
            stem=self.stem.channels,
            stages=tuple(stages),
            last=self.last,
            activation=self.activation,
            max_pool=self.max_pool,
            first_bottleneck=self.first.channels if self.first else 0,
            identity_projects=self.identity == "projects",
            stem_stride=self.stem.stride or absent,
            first_operation=first,
        )
        sizes = [(tuple(stage.channels), tuple(stage.layers)) for stage in self.stages]
        space = LayerwiseSpace(name, skeleton, sizes=sizes, text=self.text)
        if space.count == 1:
            keeps = self.identity == "keeps" and any(IDENTITY in some for some in operations)
            raise InputError(
                ": one network only, since each stage has one number of channels, one number of "
                "layers, and one operation a layer; give a list somewhere"
                + " (identity is no choice of a stage's first layer, unless it projects)"
                * keeps
            )
        if self.text == "digits" and not (space.one_size and _same(operations)):
            raise InputError(
                "text is digits, but channels, layers, or different operations by stage, are "
                "chosen, or more than ten; set text: names"
            )
        return space

    def _operations_of(self, number: int) -> tuple[Operation, ...]:
        names = self.stages[number].operations or self.operations
        if names is None:
            raise InputError(
                f"stages.{number}: no operations; give this stage some, or all stages under "
                "operations"
            )
        found = [operation(name) for name in names]
        if self.identity == "keeps":  # the first layer of a stage has all choices but the last
            found.sort(key=lambda one: one == IDENTITY)
        if found == [IDENTITY] and self.identity == "keeps":
            raise InputError(
                f"stages.{number}: its only operation is identity, which cannot be in the first "
                "layer of a stage, since that changes the shape; add an operation, or set "
                "identity: projects"
            )
        return tuple(found)


def _same(operations: list[tuple[Operation, ...]]) -> bool:
    """Return whether a digit can stand for the operation of a layer."""
    return len(set(operations)) == 1 and len(operations[0]) <= 10
