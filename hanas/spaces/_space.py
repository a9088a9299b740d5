"""What a search space is: the base class of the objects called ``SPACE``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hanas.core import plugins
from hanas.core.settings import Settings

if TYPE_CHECKING:  # PyTorch is imported only where a network is made
    from torch import Tensor

#: Settings of a network; plain values are read as those of a supernet.
Network = Settings | Mapping[str, Any]


class Space(ABC):
    """Architectures as genes and as text, their counts, and the networks they stand for.

    Attributes
    ----------
    name
        Of the plugin.
    edges
        (target node, source node) of each gene, where genes stand for the edges of a cell.
    enumerable
        Whether the architectures are few enough to list all of them; only then are there
        :meth:`all_genes`, :meth:`all_texts` and :meth:`index_of`.
    operations
        Names of what a gene can stand for.
    choices
        The count of choices of each gene; it is the first of the operations that it chooses from.
    largest, smallest
        Genes of the architecture with the most parameters, and of the smallest that works.
    network, deployed
        Settings of a supernet's network, and of a network of its own.
    """

    name: str
    edges: tuple[tuple[int, int], ...] = ()
    enumerable: bool = False
    operations: tuple[str, ...]
    choices: tuple[int, ...]
    largest: tuple[int, ...]
    smallest: tuple[int, ...]
    network: type[Settings]
    deployed: type[Settings]

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to other processes by name."""
        return plugins.space, (self.name,)

    @abstractmethod
    def to_text(self, genes: Sequence[int] | np.ndarray) -> str:
        """Return the canonical text of one architecture."""

    @abstractmethod
    def from_text(self, text: str) -> np.ndarray:
        """Return the genes, int64 (genes,), of a canonical text.

        Raises
        ------
        InputError
            If the text is not of the canonical form, or not of the space.
        """

    def all_genes(self) -> np.ndarray:
        """Return the genes of every architecture, int64 (M, genes), in index order."""
        raise NotImplementedError

    def all_texts(self) -> tuple[str, ...]:
        """Return the canonical text of every architecture, in index order."""
        raise NotImplementedError

    def index_of(self, genes: np.ndarray) -> np.ndarray:
        """Return the index, int64 (N,), of genes (N, genes)."""
        raise NotImplementedError

    def canonical(self, genes: Sequence[int] | np.ndarray) -> str:
        """Return a text that architectures share which are the same graph."""
        return self.to_text(genes)

    def without_dead_edges(self, genes: np.ndarray, *, zeros_stay_zero: bool = True) -> np.ndarray:
        """Return genes (N, genes) in which nothing is left that cannot matter.

        ``zeros_stay_zero``: whether all operations map a zero input to zero.
        """
        return genes

    def connected(self, genes: np.ndarray) -> np.ndarray:
        """Return whether the input of each architecture reaches its output, bool (N,)."""
        return np.ones(len(genes), dtype=bool)

    @abstractmethod
    def params(
        self, genes: np.ndarray, classes: int = 10, *, network: Network | None = None
    ) -> np.ndarray:
        """Return the number of parameters, int64 (N,), of the stand-alone networks of genes.

        Batch normalisation is counted with its affine part, whatever ``network.batch_norm`` is.

        Parameters
        ----------
        genes
            int (N, genes).
        classes
            Number of classes.
        network
            Settings; None: the defaults. Of cells, full size is always counted.
        """

    @abstractmethod
    def flops(
        self,
        genes: np.ndarray,
        classes: int = 10,
        resolution: int | None = None,
        *,
        network: Network | None = None,
    ) -> np.ndarray:
        """Return the number of multiply-accumulates, int64 (N,), for one image, of genes.

        Those of convolutions and of the classifier without its bias; parameters as of
        :meth:`params`, and ``resolution``, the side of the images: None is that of ``network``,
        or 32.
        """

    @abstractmethod
    def settings(self, network: Network) -> Any:
        """Return the settings of a network as the network takes them.

        Raises
        ------
        InputError
            For a setting that does not exist or cannot be.
        """

    @abstractmethod
    def for_images(self, network: Network, side: int, place: str) -> Any:
        """Return the settings of a network for images of ``side`` x ``side`` pixels.

        Raises
        ------
        InputError
            Naming ``place``, where the images come from, if there is none for images of that side.
        """

    def supernet(self, classes: int, network: Network, *, seed: int = 0) -> Any:
        """Return the weight-sharing network, which holds all operations of every gene.

        Parameters
        ----------
        classes
            Number of classes.
        network
            Settings.
        seed
            Of the initial weights; PyTorch's global random state stays as it is.

        Raises
        ------
        InputError
            For a setting that does not exist or cannot be.
        """
        return self._network([range(count) for count in self.choices], classes, network, seed)

    def build(
        self, genes: Sequence[int] | np.ndarray, classes: int, network: Network, *, seed: int = 0
    ) -> Any:
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
        network: Network,
    ) -> Any:
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

    @abstractmethod
    def _checked(self, genes: np.ndarray) -> np.ndarray:
        """Return genes, int64 (N, genes), or raise InputError unless all are of the space."""

    @abstractmethod
    def _network(
        self, held: Sequence[Sequence[int]], classes: int, network: Network, seed: int
    ) -> Any:
        """Return a network that holds these operations (their numbers) of each gene."""
