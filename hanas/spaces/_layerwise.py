"""What the layer-wise spaces have in common: a chain of layers, one operation each.

Gene ``l`` is the index of the operation of layer ``l``. The canonical text names the operations in
order, stage by stage, such as ``|shuffle_3x3|identity|+|xception_3x3|shuffle_7x7|``. Where
``identity`` has no projection it comes last, and the first layer of a stage, which changes the
channels, has that one choice fewer.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import override

from hanas.core.errors import InputError
from hanas.core.settings import Positive, Settings
from hanas.spaces._space import (
    MOST_LISTED,
    OF_ITS_OWN,
    SHARED,
    BatchNorm,
    Genes,
    Held,
    Network,
    Space,
)
from hanas.spaces.networks.skeletons import SMALLEST_MAP, Operation, Skeleton, cost_tables

if TYPE_CHECKING:  # PyTorch is imported only where a network is made
    from hanas.spaces.networks.chain import ChainNetwork

IDENTITY = Operation("identity", "identity")


class ChainNetworkSettings(Settings):
    """Size and form of a chain of layers.

    Gradients grow with each batch normalisation on their way back (G. Yang et al., "A Mean Field
    Theory of Batch Normalization", ICLR 2019), so that a supernet whose units change from step to
    step does not begin to learn; units near the identity, by ``first_scale``, keep them small (P.
    Goyal et al., "Accurate, Large Minibatch SGD", 2017). At zero, a ReLU would pass no gradient.
    """

    width: Annotated[float, Field(gt=0, le=8)] = Field(
        default=1.0, description="What all numbers of channels are multiplied by."
    )
    batch_norm: BatchNorm = Field(default="batch", description=SHARED)
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

    batch_norm: BatchNorm = Field(default="running", description=OF_ITS_OWN)


class ChainSettings(ChainNetworkSettings):
    """A chain for images of one side, from which its strides follow."""

    resolution: Annotated[int, Field(ge=SMALLEST_MAP)] = Field(
        default=32, description="Side of the images."
    )


class LayerwiseSpace(Space):
    """A layer-wise space, of its channels and stages at width 1 and the choices of a layer."""

    layerwise = True
    network, deployed = ChainNetworkSettings, DeployedChainNetworkSettings
    fitted = ChainSettings
    revision = 2

    def __init__(self, name: str, skeleton: Skeleton, layers: tuple[Operation, ...]) -> None:
        self.name, self.skeleton, self.layers = name, skeleton, layers
        self.operations = tuple(operation.name for operation in layers)
        self.stages = tuple(stage.layers for stage in skeleton.stages)
        _, costs = cost_tables(self.widened(1), layers, ChainSettings().resolution)
        parameters = costs[:, :, 0]  # (layers, operations)
        anywhere = skeleton.identity_projects or IDENTITY not in layers
        fewer = () if anywhere else skeleton.first_layers
        self.choices = tuple(len(layers) - (layer in fewer) for layer in range(len(costs)))
        possible = [row[:count] for row, count in zip(parameters, self.choices, strict=True)]
        self.largest = tuple(int(of_layer.argmax()) for of_layer in possible)
        self.smallest = tuple(int(of_layer.argmin()) for of_layer in possible)
        self.enumerable = math.prod(self.choices) <= MOST_LISTED

    @override
    def all_genes(self) -> np.ndarray:
        number = np.arange(math.prod(self.choices))
        return np.stack(np.unravel_index(number, self.choices), axis=1)

    @override
    def index_of(self, genes: np.ndarray) -> np.ndarray:
        return np.asarray(np.ravel_multi_index(tuple(self._checked(genes).T), self.choices))

    @override
    def to_text(self, genes: Genes) -> str:
        names = [self.operations[gene] for gene in self._checked(np.asarray(genes)[None])[0]]
        starts = [*self.skeleton.first_layers, len(names)]
        return "+".join(f"|{'|'.join(names[start:end])}|" for start, end in pairwise(starts))

    @override
    def from_text(self, text: str) -> np.ndarray:
        counts = [stage.layers for stage in self.skeleton.stages]
        parts = text.split("+")
        stages = [part[1:-1].split("|") for part in parts]
        framed = all(len(part) > 1 and part[0] == part[-1] == "|" for part in parts)
        if not framed or [len(stage) for stage in stages] != counts:
            raise InputError(
                f"not an architecture of {self.name}: {text!r}; expected {len(counts)} stages, "
                f"joined by +, of {', '.join(map(str, counts))} layers, such as "
                f"|{'|'.join([self.operations[0]] * counts[0])}|+..."
            )
        names = [name for stage in stages for name in stage]
        for layer, name in enumerate(names):
            if name not in self.operations:
                raise InputError(
                    f"{self.place(layer)} of {text!r}: unknown operation {name!r}; expected one "
                    f"of: {', '.join(self.operations)}"
                )
        return self._checked(np.array([[self.operations.index(name) for name in names]]))[0]

    @override
    def _for_side(self, network: Network | None, side: int, place: str) -> ChainSettings:
        if side < SMALLEST_MAP:
            raise InputError(
                f"{place}: images of {side}x{side} pixels; expected sides of at least "
                f"{SMALLEST_MAP}, since the last map of the network has no fewer pixels"
            )
        return self.settings(network).model_copy(update={"resolution": side})

    @override
    def params(self, genes, classes=10, *, network=None):
        return self._costs(genes, classes, self.settings(network))[:, 0]

    @override
    def flops(self, genes, classes=10, resolution=None, *, network=None):
        settings = self.settings(network)
        if resolution is not None:
            settings = self._for_side(settings, resolution, "resolution")
        return self._costs(genes, classes, settings)[:, 1]

    def widened(self, width: float) -> Skeleton:
        """Return the skeleton of a width."""
        return self.skeleton.widened(width)

    def _costs(self, genes: np.ndarray, classes: int, settings: ChainSettings) -> np.ndarray:
        genes, skeleton = self._checked(genes), self.widened(settings.width)
        fixed, layers = cost_tables(skeleton, self.layers, settings.resolution)
        chosen = layers[np.arange(len(layers)), genes]  # (N, layers, 2)
        of_classifier = classes * np.array([skeleton.last + 1, skeleton.last])
        return chosen.sum(axis=1) + fixed + of_classifier

    @override
    def _network(self, held: Held, classes: int, network: Network) -> ChainNetwork:
        from hanas.spaces.networks.chain import ChainNetwork

        settings = self.settings(network)
        return ChainNetwork(self.widened(settings.width), self.layers, held, classes, settings)

    @override
    def _refusal(self, number: int, gene: int) -> str:
        why = f"gene {gene}; expected 0..{self.choices[number] - 1}"
        if gene == self.choices[number] < len(self.operations):
            why = "identity cannot be there, since the first layer of a stage changes the channels"
        return f"{self.place(number)}: {why}"

    @override
    def place(self, gene: int) -> str:
        first = self.skeleton.first_layers
        stage = max(number for number, start in enumerate(first) if start <= gene)
        return f"layer {gene + 1} (number {gene - first[stage] + 1} of stage {stage + 1})"
