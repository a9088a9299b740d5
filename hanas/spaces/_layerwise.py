"""What the layer-wise spaces have in common: a chain of layers, one operation each.

Genes are integer arrays of length ``layers``: gene ``l`` is the index of the operation of layer
``l``. The canonical text names the operations in order, stage by stage, such as
``|shuffle_3x3|identity|+|xception_3x3|shuffle_7x7|``.

``identity``, where a space has it, comes last, and the first layer of a stage cannot be it, since
that layer changes the channels: it has one choice fewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from hanas.core.errors import InputError
from hanas.spaces._space import Space
from hanas.spaces.networks.settings import (
    ChainNetworkSettings,
    ChainSettings,
    DeployedChainNetworkSettings,
    Network,
    chain_settings,
)
from hanas.spaces.networks.skeletons import Costs, Operation, Skeleton, chain_costs, for_images

if TYPE_CHECKING:  # PyTorch is imported only where a network is made
    from hanas.spaces.networks.chain import ChainNetwork

IDENTITY = Operation("identity", "identity")


class LayerwiseSpace(Space):
    """A layer-wise space.

    Parameters
    ----------
    name
        Of the space.
    skeleton
        Channels and stages at width 1.
    layers
        The choices of a layer; ``identity``, if any, last.
    """

    network, deployed = ChainNetworkSettings, DeployedChainNetworkSettings

    def __init__(self, name: str, skeleton: Skeleton, layers: tuple[Operation, ...]) -> None:
        self.name, self.skeleton, self.layers = name, skeleton, layers
        self.operations = tuple(operation.name for operation in layers)
        fewer = skeleton.first_layers if IDENTITY in layers else ()
        self.choices = tuple(len(layers) - (layer in fewer) for layer in range(skeleton.layers))
        # At width 1.
        costs = zip(self._costs(None, None)[0].layers, self.choices, strict=True)
        possible = [of_layer[:count] for of_layer, count in costs]
        self.largest = tuple(int(of_layer.argmax()) for of_layer in possible)
        self.smallest = tuple(int(of_layer.argmin()) for of_layer in possible)

    def to_text(self, genes: Sequence[int] | np.ndarray) -> str:
        """Return the canonical text of one architecture."""
        checked = self._checked(np.asarray(genes)[None])[0]
        names = [self.operations[gene] for gene in checked]
        starts = [*self.skeleton.first_layers, len(names)]
        stages = [names[start:end] for start, end in pairwise(starts)]
        return "+".join(f"|{'|'.join(stage)}|" for stage in stages)

    def from_text(self, text: str) -> np.ndarray:
        """Return the genes, int64 (layers,), of a canonical text.

        Raises
        ------
        InputError
            If the text is not of the canonical form, names an unknown operation, or has identity
            where it cannot be.
        """
        counts = [stage.layers for stage in self.skeleton.stages]
        parts = text.split("+")
        stages = [part[1:-1].split("|") for part in parts]
        if (
            any(len(part) < 2 or part[0] != "|" or part[-1] != "|" for part in parts)
            or [len(stage) for stage in stages] != counts
        ):
            raise InputError(
                f"not an architecture of {self.name}: {text!r}; expected {len(counts)} stages, "
                f"joined by +, of {', '.join(map(str, counts))} layers, such as "
                f"|{'|'.join([self.operations[0]] * counts[0])}|+..."
            )
        names = [name for stage in stages for name in stage]
        known = self.operations
        for layer, name in enumerate(names):
            if name not in known:
                raise InputError(
                    f"{self._layer(layer)} of {text!r}: unknown operation {name!r}; expected one "
                    f"of: {', '.join(known)}"
                )
        genes = np.array([known.index(name) for name in names], dtype=np.int64)
        return self._checked(genes[None])[0]

    def settings(self, network: Network) -> ChainSettings:
        """Return the settings with the side of the images, 32 where it is not said."""
        return chain_settings(network)

    def for_images(self, network: Network, side: int, place: str) -> ChainSettings:
        """See :func:`hanas.spaces.networks.skeletons.for_images`."""
        return for_images(network, side, place)

    def params(self, genes, classes=10, *, network=None):
        """See :class:`~hanas.spaces._space.Space`."""
        return self._costs(network, None)[0].of(self._checked(genes), classes)

    def flops(self, genes, classes=10, resolution=None, *, network=None):
        """See :class:`~hanas.spaces._space.Space`."""
        return self._costs(network, resolution)[1].of(self._checked(genes), classes)

    def _costs(self, network: Network | None, resolution: int | None) -> tuple[Costs, Costs]:
        settings = chain_settings(network, resolution)
        return chain_costs(self.skeleton.widened(settings.width), self.layers, settings.side)

    def _network(
        self, held: Sequence[Sequence[int]], classes: int, network: Network, seed: int
    ) -> ChainNetwork:
        from hanas.spaces.networks.chain import new_network

        settings = chain_settings(network)
        skeleton = self.skeleton.widened(settings.width)
        return new_network(skeleton, self.layers, held, classes, settings, seed)

    def _checked(self, genes: np.ndarray) -> np.ndarray:
        genes = np.asarray(genes, dtype=np.int64)
        choices = np.array(self.choices)
        if genes.ndim != 2 or genes.shape[1] != len(choices):
            raise InputError(f"genes of shape {genes.shape}; expected (N, {len(choices)})")
        wrong = np.argwhere((genes < 0) | (genes >= choices))
        if len(wrong):
            row, layer = wrong[0]
            gene = genes[row, layer]
            if gene == choices[layer] < len(self.operations):
                raise InputError(
                    f"{self._layer(layer)}: identity cannot be there, since the first layer of a "
                    "stage changes the channels"
                )
            raise InputError(f"{self._layer(layer)}: gene {gene}; expected 0..{choices[layer] - 1}")
        return genes

    def _layer(self, layer: int) -> str:
        first = self.skeleton.first_layers
        stage = max(number for number, start in enumerate(first) if start <= layer)
        return f"layer {layer + 1} (number {layer - first[stage] + 1} of stage {stage + 1})"
