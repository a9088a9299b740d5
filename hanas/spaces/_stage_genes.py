"""The genes of a stage of a chain: its channels and its layers, if several, and each operation.

Genes of layers that are left out do not matter, and are 0 in tidy genes: only these are listed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hanas.spaces.networks.skeletons import Operation


@dataclass(frozen=True)
class StageChoices:
    """What a stage can be: sorted channels, sorted numbers of layers, and operations.

    ``possible`` are the operations of each layer up to the most.
    """

    channels: tuple[int, ...]
    layers: tuple[int, ...]
    possible: tuple[tuple[Operation, ...], ...]

    @property
    def most(self) -> int:
        """How many layers it has at most."""
        return self.layers[-1]

    @property
    def before(self) -> int:
        """How many genes stand before those of its layers."""
        return (len(self.channels) > 1) + (len(self.layers) > 1)

    @property
    def choices(self) -> tuple[int, ...]:
        """How many values each gene has."""
        sizes = [len(each) for each in (self.channels, self.layers) if len(each) > 1]
        return (*sizes, *map(len, self.possible))

    @cached_property
    def chains(self) -> tuple[int, ...]:
        """How many stages of each depth there are, of the same channels."""
        return tuple(math.prod(map(len, self.possible[:layers])) for layers in self.layers)

    @property
    def count(self) -> int:
        """How many stages there are."""
        return len(self.channels) * sum(self.chains)

    def sizes(self, genes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which channels, int64 (N,), and how many layers, int64 (N,), of its genes."""
        none = np.zeros(len(genes), dtype=np.int64)
        which = genes[:, 0] if len(self.channels) > 1 else none
        depth = genes[:, self.before - 1] if len(self.layers) > 1 else none
        return which, np.array(self.layers)[depth]

    def used(self, genes: np.ndarray) -> np.ndarray:
        """Return which genes matter, bool (N, G)."""
        _, depth = self.sizes(genes)
        return np.arange(genes.shape[1]) - self.before < depth[:, None]

    def rows(self) -> np.ndarray:
        """Return the genes of every stage, int64 (count, G): by channels, depth, operations."""
        of_depths = []
        for number, layers in enumerate(self.layers):
            sizes = [len(each) for each in self.possible[:layers]]
            rows = np.zeros((math.prod(sizes), len(self.choices)), dtype=np.int64)
            rows[:, self.before : self.before + layers] = np.indices(sizes).reshape(layers, -1).T
            if len(self.layers) > 1:
                rows[:, self.before - 1] = number
            of_depths.append(rows)
        rows = np.concatenate(of_depths * len(self.channels))
        if len(self.channels) > 1:
            rows[:, 0] = np.repeat(np.arange(len(self.channels)), sum(self.chains))
        return rows

    def index_of(self, genes: np.ndarray) -> np.ndarray:
        """Return the positions in :meth:`rows`, int64 (N,), of genes (N, G)."""
        which, depth = self.sizes(genes)
        number = np.zeros(len(genes), dtype=np.int64)
        for layer, operations in enumerate(self.possible):
            further = number * len(operations) + genes[:, self.before + layer]
            number = np.where(layer < depth, further, number)
        starts = np.cumsum((0, *self.chains))[np.searchsorted(self.layers, depth)]
        return which * sum(self.chains) + starts + number
