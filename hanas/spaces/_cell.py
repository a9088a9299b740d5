"""Cell spaces: nodes, edges between them, and the operations that each edge can do.

Edges lead from every node to every later one; the first node is the input of a cell, the last its
output. Genes are the operations of the edges, node by node of where they lead. The canonical text
lists, node by node, the operation of every incoming edge and the node it comes from, as
NAS-Bench-201 does (X. Dong and Y. Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural
Architecture Search", ICLR 2020)::

    |nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, create_model, model_validator
from typing_extensions import override

from hanas.core.errors import InputError
from hanas.core.settings import Count, Settings
from hanas.spaces._cell_operations import NONE, SKIP, CellOperation
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

if TYPE_CHECKING:  # PyTorch is imported only where a network is made
    from hanas.spaces.networks.cell import CellNetwork

#: Stages of a network: channels double, and sides halve, from one to the next.
STAGES = 3
Skeleton = Literal["standard", "pooled", "pooled_3x3"]


class CellNetworkSettings(Settings):
    """Size and form of a network of cells; the defaults are those of NAS-Bench-201."""

    skeleton: Skeleton = Field(
        default="standard",
        description="Transition between stages: the residual block of NAS-Bench-201; 2x2 average "
        "pooling -> 1x1 convolution -> BN; or the same with a 3x3 convolution.",
    )
    channels: Count = Field(
        default=16, description="Channels of the first stage; they double twice."
    )
    cells: Count = Field(default=5, description="Cells a stage.")
    batch_norm: BatchNorm = Field(default="batch", description=SHARED)
    #: Group convolutions of the space split channels into so many groups, or divisors of it.
    groups: ClassVar[int] = 1

    @model_validator(mode="after")
    def _splits(self) -> CellNetworkSettings:
        if self.channels % self.groups:
            raise InputError(
                f"channels is {self.channels}; expected a multiple of {self.groups}, into which "
                "the group convolutions of the space split them"
            )
        return self


class DeployedCellNetworkSettings(CellNetworkSettings):
    """The same of a network of its own."""

    batch_norm: BatchNorm = Field(default="running", description=OF_ITS_OWN)


class CellSpace(Space):
    """The cells of ``operations``, what each edge can do, in networks of the declared size.

    ``edges`` are in the order of the canonical text. ``order``, if given, holds every cell, int64
    (M,), its genes read as a number of mixed radix: the index order; else numbers are in order.
    """

    def __init__(
        self,
        name: str,
        nodes: int,
        operations: Sequence[Sequence[CellOperation]],
        network: CellNetworkSettings,
        order: np.ndarray | None = None,
    ) -> None:
        self.name, self.nodes = name, nodes
        self.edges = edges_of(nodes)
        self.choices = tuple(map(len, operations))
        #: What each gene can stand for, and all of that: each operation once.
        self.of_edges = tuple(map(tuple, operations))
        self.distinct = tuple(dict.fromkeys(one for held in operations for one in held))
        self.operations = tuple(one.name for one in self.distinct)
        self.enumerable = self.count <= MOST_LISTED
        groups = math.lcm(*(one.groups for one in self.distinct))
        forms = _forms(network.skeleton, network.channels, network.cells, groups)
        self.network, self.deployed = forms
        self.fitted = self.network
        self.targets, self.sources = np.transpose(self.edges)
        self.direct_edge = self.edges.index((nodes - 1, 0))
        self.largest, self.smallest = self._ends()
        self._order = order

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """Return the edges of each path from the input to the output, the longest path last."""
        inner, last = range(1, self.nodes - 1), self.nodes - 1
        between = [nodes for size in range(self.nodes - 1) for nodes in combinations(inner, size)]
        ways = [pairwise((0, *nodes, last)) for nodes in between]
        return tuple(tuple(self.edges.index((b, a)) for a, b in way) for way in ways)

    # ---- genes and texts ---------------------------------------------------------------------

    @override
    def options(self, gene: int) -> tuple[str, ...]:
        return tuple(one.name for one in self.of_edges[gene])

    @override
    def place(self, gene: int) -> str:
        target, source = self.edges[gene]
        return f"edge {target} <- {source}"

    def _form(self, operations: Sequence[str]) -> str:
        """Return a text with these operations on the edges."""
        nodes: list[list[str]] = [[] for _ in range(1, self.nodes)]
        for (target, source), operation in zip(self.edges, operations, strict=True):
            nodes[target - 1].append(f"{operation}~{source}|")
        return "+".join(f"|{''.join(incoming)}" for incoming in nodes)

    @override
    def to_text(self, genes: Genes) -> str:
        checked = self._checked(np.asarray(genes)[None])[0]
        pairs = zip(self.of_edges, checked, strict=True)
        return self._form([held[gene].name for held, gene in pairs])

    @override
    def from_text(self, text: str) -> np.ndarray:
        number = len(self.edges)
        form = re.escape(self._form(["{}"] * number)).replace(r"\{\}", r"(\w+)")
        match = re.fullmatch(form, text)
        if match is None:
            expected = self._form(["op"] * number)
            raise InputError(f"not a cell of {self.name}: {text!r}; expected the form {expected}")
        genes = []
        for edge, name in enumerate(match.groups()):
            known = self.options(edge)
            if name not in known:
                said = f"{self.place(edge)} of {text!r}: unknown operation {name!r}"
                raise InputError(f"{said}; expected one of: {', '.join(known)}")
            genes.append(known.index(name))
        return np.array(genes, dtype=np.int64)

    @cached_property
    def _weights(self) -> np.ndarray:
        """Return the weight of each gene in a number of mixed radix."""
        products = np.cumprod([1, *self.choices[:0:-1]], dtype=np.int64)
        return products[::-1]

    @cached_property
    def _listed(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all genes in index order, and the index of each number."""
        numbers = np.arange(self.count) if self._order is None else self._order
        genes = numbers[:, None] // self._weights % np.array(self.choices)
        genes.setflags(write=False)
        return genes, np.argsort(numbers)

    @override
    def all_genes(self) -> np.ndarray:
        return self._listed[0]

    @override
    def index_of(self, genes: np.ndarray) -> np.ndarray:
        return self._listed[1][self._checked(genes) @ self._weights]

    # ---- what a cell computes ----------------------------------------------------------------

    def which(self, genes: np.ndarray, has: Callable[[CellOperation], bool]) -> np.ndarray:
        """Return which edges of genes (N, edges) have an operation of a property, bool."""
        most = max(self.choices)
        rows = [[has(one) for one in held] for held in self.of_edges]
        table = np.array([row + [False] * (most - len(row)) for row in rows])
        return table[np.arange(len(self.edges)), genes]

    @override
    def numbers(self, genes: np.ndarray) -> np.ndarray:
        most = max(self.choices)
        rows = [[self.operations.index(one.name) for one in held] for held in self.of_edges]
        table = np.array([row + [0] * (most - len(row)) for row in rows])
        return table[np.arange(len(self.edges)), genes]

    def operations_on_paths(self, genes: np.ndarray) -> np.ndarray:
        """Return how often each operation is on each path, int64 (paths, N, operations)."""
        numbers, operations = self.numbers(genes), np.arange(len(self.operations))
        one_hot = [numbers[:, path, None] == operations for path in self.paths]
        return np.stack([on_path.sum(axis=1) for on_path in one_hot])

    def reached(
        self,
        passing: np.ndarray,
        beginning: np.ndarray | bool = False,
        *,
        backwards: bool = False,
    ) -> np.ndarray:
        """Return which nodes something reaches through ``passing`` edges, bool (N, nodes).

        It comes from the input, or begins on an edge; ``backwards``: it leads to the output. Both
        are bool (N, edges).
        """
        beginning = np.broadcast_to(beginning, passing.shape)
        nodes = np.zeros((len(passing), self.nodes), dtype=bool)
        nodes[:, -1 if backwards else 0] = True
        for edge, ends in sorted(enumerate(self.edges), reverse=backwards):
            after, before = reversed(ends) if backwards else ends
            nodes[:, after] |= passing[:, edge] & (nodes[:, before] | beginning[:, edge])
        return nodes

    @override
    def canonical(self, genes: Genes) -> str:
        """Return a text that isomorphic cells share (``Structure.to_unique_str`` of NAS-Bench-201).

        A node is the sorted sum of its incoming terms, where a skip connection changes nothing, and
        an edge that carries nothing is ``#``. Of NAS-Bench-201 there are 6,466 classes.
        """
        incoming: list[list[str]] = [[] for _ in range(self.nodes)]
        terms = ["0"]  # of each node, as far as known
        for edge, (target, source) in enumerate(self.edges):
            if len(terms) == source:
                terms.append("+".join(sorted(incoming[source])))
            name = self.of_edges[edge][genes[edge]].name
            term = "#" if name == NONE else terms[source]
            plain = term == "#" or name == SKIP
            incoming[target].append(term if plain else f"({term})@{name}")
        return "+".join(sorted(incoming[-1]))

    def live(self, genes: np.ndarray, *, zeros_stay_zero: bool = True) -> np.ndarray:
        """Return which edges of genes (N, edges) matter, bool (N, edges).

        ``zeros_stay_zero``: batch normalisation has batch statistics and no affine part. Else a
        convolution of zeros is a constant, and dead are only edges that do not lead to the output,
        or carry zeros through a skip or a pooling.
        """
        carrying, leading = self._carry_and_lead(self._checked(genes), zeros_stay_zero)
        return carrying & leading

    def _carry_and_lead(
        self, genes: np.ndarray, zeros_stay_zero: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return which edges carry something, and which lead to the output."""
        present = ~self.which(genes, lambda one: one.name == NONE)
        constant = self.which(genes, lambda one: one.convolves and not zeros_stay_zero)
        carrying = present & (self.reached(present, constant)[:, self.sources] | constant)
        return carrying, self.reached(carrying, backwards=True)[:, self.targets]

    def without_dead_edges(self, genes: np.ndarray, *, zeros_stay_zero: bool = True) -> np.ndarray:
        """Return genes (N, edges) in which every edge that does not matter is ``none``; see `live`.

        An edge that cannot be ``none`` does what is as good there, the same for all such cells.
        Cells with equal results are the same function of the same weights (of the 15,625 cells of
        NAS-Bench-201, 9,445 differ).
        """
        genes = self._checked(genes)
        carrying, leading = self._carry_and_lead(genes, zeros_stay_zero)

        def first(held: Sequence[CellOperation], able: Callable[[CellOperation], bool]) -> int:
            names = [one.name for one in held]
            return names.index(NONE) if NONE in names else [*map(able, held), True].index(True)

        of_zeros = [
            first(held, lambda one: zeros_stay_zero or not one.convolves) for held in self.of_edges
        ]
        unused = [first(held, lambda one: True) for held in self.of_edges]
        return np.where(leading, np.where(carrying, genes, of_zeros), unused)

    @override
    def connected(self, genes: np.ndarray) -> np.ndarray:
        genes = self._checked(genes)
        return self.reached(~self.which(genes, lambda one: one.name == NONE))[:, -1]

    # ---- costs -------------------------------------------------------------------------------

    @override
    def params(self, genes, classes=10, *, network=None, live_only=False):
        """Return the parameters, int64 (N,), with affine BN; ``live_only``: of :meth:`live` edges.

        Those of the declared network, if ``network`` is None.
        """
        settings = self.settings(network)
        counts = self._counted(genes, _edge_parameters, settings, live_only)
        counts += _outer_costs(settings)[0] + (4 * settings.channels + 1) * classes
        return counts

    @override
    def flops(self, genes, classes=10, resolution=None, *, network=None, live_only=False):
        settings = self.settings(network)
        counts = self._counted(genes, _edge_flops, settings, live_only) + _outer_costs(settings)[1]
        of_classifier = (4 * settings.channels + 1) * classes
        return np.rint(((resolution or 32) / 32) ** 2 * counts + of_classifier).astype(np.int64)

    def _counted(
        self,
        genes: np.ndarray,
        count: Callable[[CellOperation, CellNetworkSettings], int],
        settings: CellNetworkSettings,
        live_only: bool,
    ) -> np.ndarray:
        """Return the sum over edges of what their operations cost, int64 (N,)."""
        genes = self._checked(genes)
        counted = self.live(genes) if live_only else np.ones(genes.shape, dtype=bool)
        total = np.zeros(len(genes), dtype=np.int64)
        for edge, held in enumerate(self.of_edges):
            costs = np.array([count(one, settings) for one in held], dtype=np.int64)
            total += costs[genes[:, edge]] * counted[:, edge]
        return total

    def _ends(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the genes with the most parameters, and with the fewest among those that work.

        InputError where no path can lead from the input to the output.
        """
        declared = self.settings(None)
        costs = [[_edge_parameters(one, declared) for one in held] for held in self.of_edges]
        passes = [[one.name != NONE for one in held] for held in self.of_edges]
        largest, idle, passing = [], [], []
        for cost, able in zip(costs, passes, strict=True):
            order = range(len(cost))
            largest.append(max(order, key=lambda gene: (cost[gene], able[gene])))
            idle.append(min(order, key=lambda gene: (cost[gene], able[gene])))
            passing.append(min(order, key=lambda gene: (not able[gene], cost[gene])))
        # The cheapest way to each node: what it costs more than idle edges, its edges.
        ways: list[tuple[int, int, tuple[int, ...]]] = [(0, 0, ())]
        for node in range(1, self.nodes):
            into = [edge for edge, (end, _) in enumerate(self.edges) if end == node]
            found = []
            for edge in into:
                more, length, edges = ways[self.edges[edge][1]]
                more += costs[edge][passing[edge]] - costs[edge][idle[edge]]
                blocked = not passes[edge][passing[edge]]
                found.append((math.inf if blocked else more, length + 1, (*edges, edge)))
            ways.append(min(found))
        extra, _, edges = ways[-1]
        if extra == math.inf:
            raise InputError(
                f"edges: no path leads from node 0 to node {self.nodes - 1}, as too many edges can "
                f"only be {NONE}; give some of them other operations"
            )
        smallest = [passing[edge] if edge in edges else idle[edge] for edge in range(len(costs))]
        return tuple(largest), tuple(smallest)

    # ---- networks ----------------------------------------------------------------------------

    @override
    def _for_side(self, network: Network, side: int, place: str) -> CellNetworkSettings:
        if side % 4:
            raise InputError(
                f"{place}: images of {side}x{side} pixels; the network halves them twice, so their "
                "side must be a multiple of 4"
            )
        return self.settings(network)

    @override
    def _network(self, held: Held, classes: int, network: Network) -> CellNetwork:
        from hanas.spaces.networks.cell import CellNetwork

        return CellNetwork(self, held, classes, self.settings(network))


def edges_of(nodes: int) -> tuple[tuple[int, int], ...]:
    """Return (target, source) of each edge, in the order of the canonical text.

    >>> edges_of(3)
    ((1, 0), (2, 0), (2, 1))
    """
    return tuple((target, source) for target in range(1, nodes) for source in range(target))


def official_order() -> np.ndarray:
    """Return the cells of NAS-Bench-201 in its order, as numbers in base 5, int64 (15625,)."""
    return np.load(Path(__file__).with_name("nb201_order.npy")).astype(np.int64)


@cache
def _forms(
    skeleton: str, channels: int, cells: int, groups: int
) -> tuple[type[CellNetworkSettings], type[CellNetworkSettings]]:
    """Return the settings of networks with these defaults: of a supernet's, and of its own."""
    plain = CellNetworkSettings, DeployedCellNetworkSettings
    given = {"skeleton": skeleton, "channels": channels, "cells": cells}
    fields = CellNetworkSettings.model_fields
    if groups == 1 and all(fields[name].default == value for name, value in given.items()):
        return plain
    changed: dict[str, Any] = {
        name: (
            fields[name].rebuild_annotation(),
            Field(value, description=fields[name].description),
        )
        for name, value in given.items()
    }
    made = []
    for base in plain:
        form = create_model(base.__name__, __base__=base, __doc__=base.__doc__, **changed)
        form.groups = groups
        made.append(form)
    return made[0], made[1]


def _edge_parameters(one: CellOperation, settings: CellNetworkSettings) -> int:
    """Return the parameters of an operation on an edge, in all cells."""
    return settings.cells * sum(one.parameters(c) for c in _channels(settings))


def _edge_flops(one: CellOperation, settings: CellNetworkSettings) -> int:
    """Return the multiply-accumulates of an operation on an edge, for images of 32x32 pixels."""
    pairs = zip(_channels(settings), _PIXELS, strict=True)
    return settings.cells * sum(one.weights(c) * pixels for c, pixels in pairs)


#: Pixels of the maps of each stage, of an image of 32x32.
_PIXELS = tuple((32 >> stage) ** 2 for stage in range(STAGES))


def _channels(settings: CellNetworkSettings) -> tuple[int, ...]:
    return tuple(settings.channels << stage for stage in range(STAGES))


def _outer_costs(settings: CellNetworkSettings) -> tuple[int, int]:
    """Return what is around the cells, but for the classifier: parameters, multiply-accumulates.

    Of images of 32x32 pixels. The stem, the transitions to twice the channels, the last BN.
    """
    channels = _channels(settings)
    of_skeleton = {"standard": (9 * 2 + 9 * 4 + 2, 8), "pooled": (2, 4), "pooled_3x3": (18, 4)}
    weights, of_norms = of_skeleton[settings.skeleton]
    parameters, flops = 27 * channels[0] + 2 * channels[0], 27 * channels[0] * _PIXELS[0]
    for c, pixels in zip(channels[:-1], _PIXELS[1:], strict=True):
        parameters += weights * c**2 + of_norms * c
        flops += weights * c**2 * pixels
    return parameters + 2 * channels[-1], flops
