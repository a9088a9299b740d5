"""What the layer-wise spaces have in common: a chain of layers, one operation each.

Genes come stage by stage: one for its channels and one for its number of layers, if there are
several, then the operation of each layer up to the most, an index of the operations of the stage.
What the canonical text looks like stands in :mod:`hanas.spaces._chain_texts`. Where ``identity``
has no projection it comes last, and the first layer of a stage, which changes the channels, has
that one choice fewer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import override

from hanas.core.errors import InputError
from hanas.core.settings import Positive, Settings
from hanas.spaces import _chain_costs as costs
from hanas.spaces import _chain_texts as texts
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
from hanas.spaces._stage_genes import StageChoices
from hanas.spaces.networks.operations import IDENTITY, Operation
from hanas.spaces.networks.skeletons import SMALLEST_MAP, Skeleton

if TYPE_CHECKING:  # PyTorch is imported only where a network is made
    from hanas.spaces.networks.chain import ChainNetwork


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


@dataclass(frozen=True)
class Chains:
    """What genes stand for, a chain a row.

    ``which`` channels each stage has, int64 (N, stages), and how many layers, ``depths``, int64
    (N, stages). Of all layers that there can be: whether it is ``there``, bool (N, layers), its
    operation among those of its stage, ``numbers``, and among those of the space, ``operations``,
    int64 (N, layers), 0 where it is not there.
    """

    which: np.ndarray
    depths: np.ndarray
    there: np.ndarray
    numbers: np.ndarray
    operations: np.ndarray


class LayerwiseSpace(Space):
    """A layer-wise space, of its channels and stages at width 1 and the choices of a layer.

    ``skeleton`` is the largest one; its stages have operations of their own, or ``layers``, those
    of all. ``sizes`` are the sorted channels and numbers of layers that each stage can have, where
    these are searched.
    """

    layerwise = True
    network, deployed = ChainNetworkSettings, DeployedChainNetworkSettings
    fitted = ChainSettings
    revision = 2

    def __init__(
        self,
        name: str,
        skeleton: Skeleton,
        layers: Sequence[Operation] = (),
        *,
        sizes: Sequence[tuple[tuple[int, ...], tuple[int, ...]]] | None = None,
        text: Literal["names", "digits"] = "names",
    ) -> None:
        self.name, self.skeleton, self.text = name, skeleton.of(tuple(layers)), text
        of_stages = [stage.operations for stage in self.skeleton.stages]
        #: All operations of the space, each once.
        self.layers = tuple(dict.fromkeys(one for some in of_stages for one in some))
        self.operations = tuple(operation.name for operation in self.layers)
        self.stages = tuple(stage.layers for stage in skeleton.stages)
        sizes = sizes or [((stage.channels,), (stage.layers,)) for stage in skeleton.stages]
        self.by_stage = tuple(
            StageChoices(*size, self._possible(some, layers=size[1][-1]))
            for size, some in zip(sizes, of_stages, strict=True)
        )
        self.choices = tuple(count for stage in self.by_stage for count in stage.choices)
        ends = (0, *accumulate(len(stage.choices) for stage in self.by_stage))
        self.genes_of_stages = tuple(slice(*each) for each in pairwise(ends))
        #: Whether all chains have the same channels and the same number of layers.
        self.one_size = not any(stage.before for stage in self.by_stage)
        self.enumerable = self.count <= MOST_LISTED
        costs.require_possible(self, 1.0)
        side = ChainSettings().resolution
        self.largest = costs.end(self, "largest", side)
        self.smallest = costs.end(self, "smallest", side)

    def _possible(
        self, operations: Sequence[Operation], layers: int
    ) -> tuple[tuple[Operation, ...], ...]:
        projects = self.skeleton.identity_projects
        first = [one for one in operations if projects or one != IDENTITY]
        return (tuple(first), *[tuple(operations)] * (layers - 1))

    # ---- genes and texts ---------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many architectures there are."""
        return math.prod(stage.count for stage in self.by_stage)

    def options(self, gene: int) -> tuple[str, ...]:
        """Return the names of what a gene can stand for, by its value."""
        stage, number = self._place(gene)
        choices = self.by_stage[stage]
        if number >= 0:
            return tuple(operation.name for operation in choices.possible[number])
        sizes = choices.channels if gene == self._channels_gene(stage) else choices.layers
        return tuple(map(str, sizes))

    @override
    def place(self, gene: int) -> str:
        stage, number = self._place(gene)
        if number < 0:
            what = "channels" if gene == self._channels_gene(stage) else "layers"
            return f"{what} of stage {stage + 1}"
        layer = sum(self.stages[:stage]) + number
        return f"layer {layer + 1} (number {number + 1} of stage {stage + 1})"

    def _place(self, gene: int) -> tuple[int, int]:
        """Return the stage of a gene, and its layer there; below 0 if it is of the whole stage."""
        stage = next(n for n, where in enumerate(self.genes_of_stages) if gene < where.stop)
        return stage, gene - self.genes_of_stages[stage].start - self.by_stage[stage].before

    def _channels_gene(self, stage: int) -> int | None:
        several = len(self.by_stage[stage].channels) > 1
        return self.genes_of_stages[stage].start if several else None

    @override
    def used(self, genes: np.ndarray) -> np.ndarray:
        stages = zip(self.by_stage, self.genes_of_stages, strict=True)
        return np.hstack([stage.used(genes[:, where]) for stage, where in stages])

    @override
    def all_genes(self) -> np.ndarray:
        number = np.arange(self.count)
        each = np.unravel_index(number, [stage.count for stage in self.by_stage])
        rows = (stage.rows()[of] for stage, of in zip(self.by_stage, each, strict=True))
        return np.hstack(list(rows))

    @override
    def index_of(self, genes: np.ndarray) -> np.ndarray:
        genes = self.tidy(self._checked(genes))
        index = np.zeros(len(genes), dtype=np.int64)
        for stage, where in zip(self.by_stage, self.genes_of_stages, strict=True):
            index = index * stage.count + stage.index_of(genes[:, where])
        return index

    @override
    def to_text(self, genes: Genes) -> str:
        tidy = self.tidy(self._checked(np.asarray(genes)[None]))[0]
        return texts.digits(tidy) if self.text == "digits" else texts.names(self, tidy)

    @override
    def from_text(self, text: str) -> np.ndarray:
        read = texts.genes_of_digits if self.text == "digits" else texts.genes_of_names
        return self._checked(read(self, text)[None])[0]

    @override
    def _refusal(self, number: int, gene: int) -> str:
        stage, layer = self._place(number)
        operations = self.skeleton.stages[stage].operations
        if layer == 0 and gene == self.choices[number] < len(operations):
            return f"{self.place(number)}: {texts.cannot_be(IDENTITY.name)}"
        return f"{self.place(number)}: gene {gene}; expected 0..{self.choices[number] - 1}"

    # ---- what genes stand for ----------------------------------------------------------------

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """What each gene is: the ``channels`` of a stage, its ``layers``, or an ``operation``."""
        each = []
        for stage in self.by_stage:
            each += ["channels"] if len(stage.channels) > 1 else []
            each += ["layers"] if len(stage.layers) > 1 else []
            each += ["operation"] * stage.most
        return tuple(each)

    @cached_property
    def operations_by_layer(self) -> np.ndarray:
        """What each layer can be, by value of its gene, among the operations of the space.

        int64 (layers, most choices), -1 beyond the last of a layer.
        """
        each = [possible for stage in self.by_stage for possible in stage.possible]
        found = np.full((len(each), max(map(len, each))), -1)
        for layer, possible in enumerate(each):
            found[layer, : len(possible)] = [self.layers.index(one) for one in possible]
        return found

    def chains(self, genes: np.ndarray) -> Chains:
        """Return what genes (N, G) stand for, layer by layer."""
        genes, of_stages = self._checked(genes), []
        for stage, where in zip(self.by_stage, self.genes_of_stages, strict=True):
            which, depth = stage.sizes(genes[:, where])
            there = np.arange(stage.most) < depth[:, None]
            of_stages.append((which, depth, there, genes[:, where][:, stage.before :]))
        which, depths, are_there, numbers = zip(*of_stages, strict=True)
        there = np.hstack(are_there)
        chosen = np.where(there, np.hstack(numbers), 0)
        operations = self.operations_by_layer[np.arange(there.shape[1]), chosen]
        return Chains(
            which=np.stack(which, axis=1),
            depths=np.stack(depths, axis=1),
            there=there,
            numbers=chosen,
            operations=np.where(there, operations, 0),
        )

    @override
    def numbers(self, genes: np.ndarray) -> np.ndarray:
        chains = self.chains(genes)
        return np.where(chains.there, chains.operations, len(self.operations))

    def skeleton_of(self, genes: Genes) -> Skeleton:
        """Return the skeleton of one architecture, its channels at width 1."""
        chain = self.chains(np.asarray(genes)[None])
        return self.of_sizes(chain.which[0].tolist(), chain.depths[0].tolist())

    def operations_of(self, genes: Genes) -> list[Operation]:
        """Return the operation of each layer of one architecture that is there."""
        chain = self.chains(np.asarray(genes)[None])
        return [self.layers[number] for number in chain.operations[chain.there]]

    def held_of(self, genes: Genes) -> list[tuple[int, ...]]:
        """Return the operation of each layer that is there, as numbers among its stage's."""
        chain = self.chains(np.asarray(genes)[None])
        return [(int(number),) for number in chain.numbers[chain.there]]

    def of_sizes(self, which: Sequence[int], depths: Sequence[int]) -> Skeleton:
        """Return the skeleton with these channels (their positions) and layers of each stage."""
        stages = (
            replace(stage, channels=choices.channels[number], layers=layers)
            for stage, choices, number, layers in zip(
                self.skeleton.stages, self.by_stage, which, depths, strict=True
            )
        )
        return replace(self.skeleton, stages=tuple(stages))

    def widened(self, width: float) -> Skeleton:
        """Return the skeleton of a width; the largest one, where there are several."""
        return self.skeleton.widened(width)

    # ---- costs -------------------------------------------------------------------------------

    @override
    def _for_side(self, network: Network | None, side: int, place: str) -> ChainSettings:
        if side < SMALLEST_MAP:
            raise InputError(
                f"{place}: images of {side}x{side} pixels; expected sides of at least "
                f"{SMALLEST_MAP}, since the last map of the network has no fewer pixels"
            )
        strides = {"the stem": self.skeleton.stem_stride}
        strides |= {f"stage {n + 1}": one.stride for n, one in enumerate(self.skeleton.stages)}
        left = side
        for name, stride in strides.items():
            if left % (stride or 1):
                raise InputError(
                    f"{place}: images of {side}x{side} pixels; they are {left}x{left} before "
                    f"{name} of {self.name}, whose stride of {stride} does not divide {left}"
                )
            left //= stride or 1
        return self.settings(network).model_copy(update={"resolution": side})

    @override
    def settings(self, network: Network | None) -> Any:
        found = super().settings(network)
        try:
            costs.require_possible(self, found.width)
        except InputError as error:
            raise InputError(f"network.width is {found.width:g}: {error}") from None
        return found

    @override
    def params(self, genes, classes=10, *, network=None):
        return self._costs(genes, classes, self.settings(network))[:, 0]

    @override
    def flops(self, genes, classes=10, resolution=None, *, network=None):
        settings = self.settings(network)
        if resolution is not None:
            settings = self._for_side(settings, resolution, "resolution")
        return self._costs(genes, classes, settings)[:, 1]

    def _costs(self, genes: np.ndarray, classes: int, settings: ChainSettings) -> np.ndarray:
        chains, how = self.chains(genes), (settings.width, settings.resolution)
        last, (fixed, _) = self.widened(settings.width).last, costs.tables(self, *how)
        of_layers = costs.of_layers(self, chains, chains.numbers, *how)
        of_classifier = classes * np.array([last + 1, last])
        return of_layers.sum(axis=1) + fixed[chains.which[:, -1]] + of_classifier

    # ---- networks ----------------------------------------------------------------------------

    @override
    def _network(self, held: Held, classes: int, network: Network) -> ChainNetwork:
        from hanas.spaces.networks.chain import ChainNetwork
        from hanas.spaces.networks.elastic import ElasticChainNetwork

        settings = self.settings(network)
        if self.one_size:
            return ChainNetwork(self.widened(settings.width), held, classes, settings)
        if any(len(some) > 1 for some in held):
            return ElasticChainNetwork(self, classes, settings)
        genes = [gene for (gene,) in held]
        skeleton = self.skeleton_of(genes).widened(settings.width)
        return ChainNetwork(skeleton, self.held_of(genes), classes, settings)

    @override
    def shared_problem(self, network: Network | None) -> str | None:
        searched = [n + 1 for n, stage in enumerate(self.by_stage) if len(stage.channels) > 1]
        if not searched or self.settings(network).batch_norm != "running":
            return None
        return (
            f"batch_norm is 'running', but in {self.name} channels are searched (of stage "
            f"{', '.join(map(str, searched))}), and running statistics of a supernet would be "
            "those of a mixture of all widths; expected batch or batch_affine"
        )
