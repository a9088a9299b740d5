"""What a search space is: the base class of the objects called ``SPACE``."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.settings import Settings

#: Settings of a network, or plain values that are read as those of a supernet.
Network = Settings | Mapping[str, Any]
BatchNorm = Literal["batch", "batch_affine", "running"]
SHARED = (
    "batch: batch statistics always, no affine part; batch_affine: with one; running: affine, "
    "with running statistics."
)
OF_ITS_OWN = "As for supernets; a network of its own has an affine part and running statistics."
#: Genes of one architecture, and the operations that a network holds of each gene.
Genes = Sequence[int] | np.ndarray
Held = Sequence[Sequence[int]]
#: Spaces of up to so many architectures are listed; NAS-Bench-201 has 15,625.
MOST_LISTED = 20_000


class Space(ABC):
    """Architectures as genes and as text, their costs, and the networks they stand for.

    ``network`` arguments are as :data:`Network`.
    """

    name: str
    #: Whether all can be listed: only then are there ``all_genes``, ``all_texts``, ``index_of``.
    enumerable: bool = False
    #: Whether genes stand for layers, one after the other, rather than for the edges of a cell.
    layerwise: bool = False
    #: Names of what a gene can stand for; each gene has the first ``choices`` of them.
    operations: tuple[str, ...]
    choices: tuple[int, ...]
    #: (target node, source node) of each gene, where genes stand for the edges of a cell.
    edges: tuple[tuple[int, int], ...] = ()
    #: How many layers each stage has, where genes stand for layers.
    stages: tuple[int, ...] = ()
    #: Genes of the architecture with the most parameters, and of the smallest that works.
    largest: tuple[int, ...]
    smallest: tuple[int, ...]
    #: Settings of a supernet's network, of a network of its own, and as the modules take them.
    network: type[Settings]
    deployed: type[Settings]
    fitted: type[Settings]
    #: Of what training its networks computes: raise it when results change.
    revision: int = 1

    @property
    def count(self) -> int:
        """How many architectures there are."""
        return math.prod(self.choices)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to other processes by name."""
        return plugins.space, (self.name,)

    def options(self, gene: int) -> tuple[str, ...]:
        """Return the names of what a gene can stand for, by its value."""
        return self.operations[: self.choices[gene]]

    @abstractmethod
    def place(self, gene: int) -> str:
        """Return where a gene stands, in words, such as ``edge 3 <- 1``."""

    @abstractmethod
    def to_text(self, genes: Genes) -> str:
        """Return the canonical text of one architecture."""

    @abstractmethod
    def from_text(self, text: str) -> np.ndarray:
        """Return the genes, int64 (genes,), of a canonical text; InputError if it is none."""

    def numbers(self, genes: np.ndarray) -> np.ndarray:
        """Return what genes (N, genes) stand for among ``operations``, int64 (N, M).

        Of chains a column a layer, the number of operations where a layer is left out.
        """
        return genes

    def used(self, genes: np.ndarray) -> np.ndarray:
        """Return which genes (N, genes) matter, bool: not those of layers that are left out."""
        return np.ones_like(genes, dtype=bool)

    def tidy(self, genes: np.ndarray) -> np.ndarray:
        """Return genes (N, genes) in the one form of their architecture: 0 where none matters."""
        return np.where(self.used(genes), genes, 0)

    def all_genes(self) -> np.ndarray:
        """Return the genes of every architecture, int64 (M, genes), in index order."""
        raise NotImplementedError

    @cache  # noqa: B019 (spaces live as long as the program)
    def all_texts(self) -> tuple[str, ...]:
        """Return the canonical text of every architecture, in index order."""
        return tuple(self.to_text(genes) for genes in self.all_genes())

    def index_of(self, genes: np.ndarray) -> np.ndarray:
        """Return the index, int64 (N,), of genes (N, genes)."""
        raise NotImplementedError

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return different random architectures that work, int64 (count, genes), or all."""
        if self.enumerable or self.count <= MOST_LISTED:  # a second stage may be small, unplanned
            genes = self.all_genes()
            genes = genes[rng.permutation(len(genes))]
            return genes[self.connected(genes)][:count]
        found = np.empty((0, len(self.choices)), dtype=np.int64)
        while len(found) < count:
            drawn = self.tidy(rng.integers(0, self.choices, size=(count, len(self.choices))))
            found = different(np.concatenate([found, drawn[self.connected(drawn)]]))[:count]
        return found

    def canonical(self, genes: Genes) -> str:
        """Return a text that architectures share which are the same graph."""
        return self.to_text(genes)

    def connected(self, genes: np.ndarray) -> np.ndarray:
        """Return whether the input of each architecture reaches its output, bool (N,)."""
        return np.ones(len(genes), dtype=bool)

    @abstractmethod
    def params(
        self, genes: np.ndarray, classes: int = 10, *, network: Network | None = None
    ) -> np.ndarray:
        """Return the parameters, int64 (N,), with affine BN."""

    @abstractmethod
    def flops(
        self,
        genes: np.ndarray,
        classes: int = 10,
        resolution: int | None = None,
        *,
        network: Network | None = None,
    ) -> np.ndarray:
        """Return the multiply-accumulates, int64 (N,), of convolutions and classifier for an image.

        Its side is ``resolution``, if None that of ``network``, or 32.
        """

    def settings(self, network: Network | None) -> Any:
        """Return the settings of a network as its modules take them; InputError if wrong."""
        if isinstance(network, self.fitted):
            return network
        given = network.model_dump() if isinstance(network, Settings) else dict(network or {})
        return self.fitted.read(given, "network")

    def for_images(
        self, network: Network, size: tuple[int, int], resolution: int | None, images: str | Path
    ) -> Any:
        """Return the settings of a network for the images of a data set, in the file ``images``.

        ``size`` is their height and width, ``resolution`` the side they are average-pooled to, or
        None. Raises InputError if no network is for that size.
        """
        height, width = size
        place = "training.resolution" if resolution else str(images)
        fitted = self._for_side(network, resolution or height, place)
        if self._for_side(network, resolution or width, place) != fitted:
            raise InputError(f"{place}: images of {height}x{width} pixels; expected square images")
        return fitted

    @abstractmethod
    def _for_side(self, network: Network, side: int, place: str) -> Any:
        """Return the settings for images of a side; InputError, naming their place, if none are."""

    def supernet(self, classes: int, network: Network, *, seed: int = 0) -> Any:
        """Return the weight-sharing network, which holds all operations of every gene.

        Weights follow from the seed alone; PyTorch's global random state stays as it is.
        """
        return self._seeded([range(count) for count in self.choices], classes, network, seed)

    def shared_problem(self, network: Network | None) -> str | None:
        """Return why no supernet can have these settings; None if one can."""
        return None

    def start_problems(self, own: Network, shared: Network) -> Iterator[str]:
        """Yield why no network with settings ``own`` can begin as a supernet's, of ``shared``.

        Statistics of batch normalisation are computed anew, and an affine part that the supernet
        does not have begins as one that changes nothing.
        """
        mine, theirs = self.settings(own).params(), self.settings(shared).params()
        if (scale := mine.get("first_scale", 1)) != 1:
            yield (
                f"network.first_scale is {scale:g}, but no weight is a first one where all are "
                "inherited; leave it out"
            )
        for name in sorted(mine.keys() - {"batch_norm", "first_scale", "resolution"}):
            if mine[name] != theirs[name]:
                yield (
                    f"network.{name} is {mine[name]!r}, in the supernet {theirs[name]!r}; expected "
                    "the same"
                )
        if mine.get("resolution") != theirs.get("resolution"):
            yield (
                f"images are {mine['resolution']} pixels wide, for the supernet "
                f"{theirs['resolution']}, and strides follow from that; set training.resolution of "
                "both to the same"
            )
        if mine["batch_norm"] == "batch" != theirs["batch_norm"]:
            yield (
                f"network.batch_norm is 'batch', in the supernet {theirs['batch_norm']!r}, "
                "whose affine part would be lost; set it to running"
            )

    def build(self, genes: Genes, classes: int, network: Network, *, seed: int = 0) -> Any:
        """Return the stand-alone network of one architecture, which needs no genes when called.

        As :meth:`supernet`; a network of its own usually has ``batch_norm: running``.
        """
        held = [(int(gene),) for gene in self._checked(np.asarray(genes)[None])[0]]
        return self._seeded(held, classes, network, seed)

    def _seeded(self, held: Held, classes: int, network: Network, seed: int) -> Any:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self._network(held, classes, network)

    @abstractmethod
    def _network(self, held: Held, classes: int, network: Network) -> Any:
        """Return a network that holds these operations (their numbers) of each gene."""

    def _checked(self, genes: np.ndarray) -> np.ndarray:
        """Return genes, int64 (N, genes), or raise InputError unless all are of the space."""
        genes = np.asarray(genes, dtype=np.int64)
        if genes.ndim != 2 or genes.shape[1] != len(self.choices):
            raise InputError(f"genes of shape {genes.shape}; expected (N, {len(self.choices)})")
        wrong = np.argwhere((genes < 0) | (genes >= np.array(self.choices)))
        if len(wrong):
            row, number = (int(index) for index in wrong[0])
            raise InputError(self._refusal(number, int(genes[row, number])))
        return genes

    def _refusal(self, number: int, gene: int) -> str:
        return f"gene {number + 1} is {gene}; expected 0..{self.choices[number] - 1}"


def different(genes: np.ndarray) -> np.ndarray:
    """Return each row of genes (N, genes) once, in the order in which they come first."""
    _, first = np.unique(genes, axis=0, return_index=True)
    return genes[np.sort(first)]


@dataclass(frozen=True)
class _OfSpace:
    """Read a network's settings as those of the space in the field ``space``, if there is one."""

    which: Literal["network", "deployed"]

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, schema: object, handler: GetJsonSchemaHandler) -> dict:
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
SupernetNetwork = Annotated[Settings, _OfSpace("network"), _NETWORK]
DeployedNetwork = Annotated[Settings, _OfSpace("deployed"), _NETWORK]
