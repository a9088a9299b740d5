"""Size and form of networks, as settings. Without PyTorch: read while rules are parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.settings import Count, Positive, Settings

#: Side of the images where the settings do not say it.
DEFAULT_RESOLUTION = 32
SMALLEST_MAP = 4

BatchNorm = Literal["batch", "batch_affine", "running"]
_SHARED = (
    "batch: batch statistics always, no affine part; batch_affine: with one; running: affine, "
    "with running statistics."
)
_OF_ITS_OWN = "As for supernets; a network of its own has an affine part and running statistics."

#: Settings of a network, or plain values that are read as those of a supernet.
Network = Settings | Mapping[str, Any]


class CellNetworkSettings(Settings):
    """Size and form of a network of cells; the defaults are those of NAS-Bench-201."""

    skeleton: Literal["standard", "pooled", "pooled_3x3"] = Field(
        default="standard",
        description="Transition between stages: the residual block of NAS-Bench-201; 2x2 average "
        "pooling -> 1x1 convolution -> BN; or the same with a 3x3 convolution.",
    )
    channels: Count = Field(
        default=16, description="Channels of the first stage; they double twice."
    )
    cells: Count = Field(default=5, description="Cells a stage.")
    batch_norm: BatchNorm = Field(default="batch", description=_SHARED)


class DeployedCellNetworkSettings(CellNetworkSettings):
    """The same of a network of its own."""

    batch_norm: BatchNorm = Field(default="running", description=_OF_ITS_OWN)


class ChainNetworkSettings(Settings):
    """Size and form of a chain of layers.

    Gradients grow with each batch normalisation on their way back (G. Yang et al., "A Mean Field
    Theory of Batch Normalization", ICLR 2019), so that a supernet whose units change from step to
    step does not begin to learn; units near the identity, by ``first_scale``, keep them small (P.
    Goyal et al., "Accurate, Large Minibatch SGD", 2017). Zero is no choice: a ReLU after it would
    pass no gradient.
    """

    width: Annotated[float, Field(gt=0, le=8)] = Field(
        default=1.0, description="What all numbers of channels are multiplied by."
    )
    batch_norm: BatchNorm = Field(default="batch", description=_SHARED)
    first_scale: Positive = Field(
        default=1.0,
        description="First weight of the last batch normalisation in units that add to what they "
        "are given. Below 1 they begin near the identity, with which a supernet of many layers "
        "learns within minutes; needs an affine part.",
    )

    @model_validator(mode="after")
    def _scales_something(self) -> ChainNetworkSettings:
        if self.first_scale != 1 and self.batch_norm == "batch":
            raise InputError(
                f"first_scale is {self.first_scale:g}, but batch_norm is 'batch', which has no "
                "weights; set it to batch_affine, or leave out first_scale"
            )
        return self


class DeployedChainNetworkSettings(ChainNetworkSettings):
    """The same of a network of its own."""

    batch_norm: BatchNorm = Field(default="running", description=_OF_ITS_OWN)


class ChainSettings(ChainNetworkSettings):
    """A chain for images of one side, from which its strides follow."""

    resolution: Annotated[int, Field(ge=SMALLEST_MAP)] | None = Field(
        default=None, description=f"Side of the images; null: {DEFAULT_RESOLUTION}."
    )

    @property
    def side(self) -> int:
        """Side of the images."""
        return self.resolution or DEFAULT_RESOLUTION


@dataclass(frozen=True)
class _OfSpace:
    """Read a network's settings as those of the space in the field ``space``, if there is one."""

    which: Literal["network", "deployed"]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def plain(value: Any) -> Any:
            return value.model_dump() if isinstance(value, Settings) else value

        return core_schema.with_info_plain_validator_function(
            self._read, serialization=core_schema.plain_serializer_function_ser_schema(plain)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        forms = {getattr(plugins.space(name), self.which): None for name in plugins.names("spaces")}
        return {"anyOf": [handler(form.__pydantic_core_schema__) for form in forms]}

    def _read(self, value: Any, info: core_schema.ValidationInfo) -> Any:
        space = info.data.get("space")
        if isinstance(value, Settings) or space is None:
            return value
        return getattr(plugins.space(space), self.which).model_validate(value)


_NETWORK = Field(
    default_factory=dict,
    validate_default=True,
    description="Size and form of the network, of cells or of layers as the space has them.",
)
# Settings of supernets, and of networks of their own, of the field ``space`` before them.
SupernetNetwork = Annotated[
    CellNetworkSettings | ChainNetworkSettings, _OfSpace("network"), _NETWORK
]
DeployedNetwork = Annotated[
    DeployedCellNetworkSettings | DeployedChainNetworkSettings, _OfSpace("deployed"), _NETWORK
]
