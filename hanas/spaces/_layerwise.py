"""What the layer-wise spaces have in common: a chain of layers, one operation each.

Genes are integer arrays of length ``layers``: gene ``l`` is the index of the operation of layer
``l``. The canonical text names the operations in order, stage by stage, such as
``|shuffle_3x3|identity|+|xception_3x3|shuffle_7x7|``.

``identity``, where a space has it, comes last, and the first layer of a stage cannot be it, since
that layer changes the channels: it has one choice fewer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from hanas.core.errors import InputError
from hanas.core.settings import from_mapping
from hanas.spaces.networks.chain_costs import Costs, chain_costs
from hanas.spaces.networks.skeletons import ChainSettings, Operation, Skeleton, for_images

if TYPE_CHECKING:  # PyTorch is imported only where a network is made
    from torch import Tensor

    from hanas.spaces.networks.chain import ChainNetwork

IDENTITY = Operation("identity", "identity")


@dataclass(frozen=True)
class LayerwiseSpace:
    """A layer-wise space; the functions of its module are methods of this.

    Parameters
    ----------
    name
        Of the space, for messages.
    skeleton
        Channels and stages at width 1.
    operations
        The choices of a layer; ``identity``, if any, last.
    """

    name: str
    skeleton: Skeleton
    operations: tuple[Operation, ...]

    @property
    def operation_names(self) -> tuple[str, ...]:
        """Names of the operations."""
        return tuple(operation.name for operation in self.operations)

    @cached_property
    def choices(self) -> tuple[int, ...]:
        """The count of choices of each layer."""
        count = len(self.operations)
        fewer = self.skeleton.first_layers if IDENTITY in self.operations else ()
        return tuple(count - (layer in fewer) for layer in range(self.skeleton.layers))

    @cached_property
    def largest(self) -> tuple[int, ...]:
        """Genes of the architecture with the most parameters at width 1."""
        table = self._costs(None, None)[0].layers
        return tuple(
            int(costs[:count].argmax()) for costs, count in zip(table, self.choices, strict=True)
        )

    @cached_property
    def smallest(self) -> tuple[int, ...]:
        """Genes of the architecture with the fewest parameters at width 1."""
        table = self._costs(None, None)[0].layers
        return tuple(
            int(costs[:count].argmin()) for costs, count in zip(table, self.choices, strict=True)
        )

    def to_text(self, genes: Sequence[int] | np.ndarray) -> str:
        """Return the canonical text of one architecture."""
        checked = self._checked(np.asarray(genes)[None])[0]
        names = [self.operations[gene].name for gene in checked]
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
                f"|{'|'.join([self.operations[0].name] * counts[0])}|+..."
            )
        names = [name for stage in stages for name in stage]
        known = self.operation_names
        for layer, name in enumerate(names):
            if name not in known:
                raise InputError(
                    f"{self._layer(layer)} of {text!r}: unknown operation {name!r}; expected one "
                    f"of: {', '.join(known)}"
                )
        genes = np.array([known.index(name) for name in names], dtype=np.int64)
        return self._checked(genes[None])[0]

    def for_images(self, network: Mapping[str, Any], side: int, place: str) -> dict[str, Any]:
        """See :func:`hanas.spaces.networks.skeletons.for_images`."""
        return for_images(network, side, place)

    def supernet(self, classes: int, network: Mapping[str, Any], *, seed: int = 0) -> ChainNetwork:
        """Return the weight-sharing network, which holds all operations of every layer.

        Parameters
        ----------
        classes
            Number of classes.
        network
            Settings, see :class:`hanas.spaces.networks.skeletons.ChainSettings`.
        seed
            Of the initial weights; PyTorch's global random state stays as it is.

        Raises
        ------
        InputError
            For a setting that does not exist or cannot be.
        """
        return self._network([range(count) for count in self.choices], classes, network, seed)

    def build(
        self,
        genes: Sequence[int] | np.ndarray,
        classes: int,
        network: Mapping[str, Any],
        *,
        seed: int = 0,
    ) -> ChainNetwork:
        """Return the stand-alone network of one architecture, with weights of its own.

        Its ``forward`` needs the images only. ``network`` and ``seed`` are as for
        :meth:`supernet`, but a network of its own usually has ``batch_norm: running``.
        """
        held = [(int(gene),) for gene in self._checked(np.asarray(genes)[None])[0]]
        return self._network(held, classes, network, seed)

    def inherit(
        self,
        weights: Mapping[str, Tensor],
        genes: Sequence[int] | np.ndarray,
        classes: int,
        network: Mapping[str, Any],
    ) -> ChainNetwork:
        """Return the stand-alone network of one architecture with a copy of a supernet's weights.

        Parameters
        ----------
        weights
            State dict of a supernet of the same ``classes`` and ``network`` settings. In
            evaluation mode both then give the same logits for the same images, bit for bit.
        genes, classes, network
            As for :meth:`build`.
        """
        alone = self.build(genes, classes, network)
        alone.load_state_dict({name: weights[name] for name in alone.state_dict()})
        return alone

    def params(
        self, genes: np.ndarray, classes: int = 10, *, network: Mapping[str, Any] | None = None
    ) -> np.ndarray:
        """Return the number of parameters, int64 (N,), of the stand-alone networks of genes.

        Batch normalisation is counted with its affine part, whatever ``network.batch_norm`` is.

        Parameters
        ----------
        genes
            int (N, layers).
        classes
            Number of classes.
        network
            Settings; None: the defaults.
        """
        return self._costs(network, None)[0].of(self._checked(genes), classes)

    def flops(
        self,
        genes: np.ndarray,
        classes: int = 10,
        resolution: int | None = None,
        *,
        network: Mapping[str, Any] | None = None,
    ) -> np.ndarray:
        """Return the number of multiply-accumulates, int64 (N,), for one image, of genes.

        Those of convolutions and of the classifier without its bias.

        Parameters
        ----------
        genes
            int (N, layers).
        classes
            Number of classes.
        resolution
            Side of the images; None: that of ``network``, or 32.
        network
            Settings; None: the defaults.
        """
        return self._costs(network, resolution)[1].of(self._checked(genes), classes)

    def _costs(
        self, network: Mapping[str, Any] | None, resolution: int | None
    ) -> tuple[Costs, Costs]:
        given = dict(network or {})
        if resolution is not None:
            given["resolution"] = resolution
        settings = from_mapping(ChainSettings, given, "network")
        return chain_costs(self.skeleton.widened(settings.width), self.operations, settings.side)

    def _network(
        self, held: Sequence[Sequence[int]], classes: int, network: Mapping[str, Any], seed: int
    ) -> ChainNetwork:
        from hanas.spaces.networks.chain import new_network

        settings = from_mapping(ChainSettings, network, "network")
        skeleton = self.skeleton.widened(settings.width)
        return new_network(skeleton, self.operations, held, classes, settings, seed)

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
