"""The cell space of NAS-Bench-201: 4 nodes, 6 edges, 5 operations, 15,625 cells.

Reference: X. Dong and Y. Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural
Architecture Search", ICLR 2020. Gene ``e`` is the index in :data:`OPERATIONS` of the operation on
edge :data:`EDGES` ``[e]``. The canonical text lists, node by node, the operation of every incoming
edge and the node it comes from::

    |nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from hanas.core.errors import InputError
from hanas.core.settings import Count, Settings
from hanas.spaces._space import OF_ITS_OWN, SHARED, BatchNorm, Genes, Held, Network, Space

if TYPE_CHECKING:  # PyTorch is imported only where a network is made
    from hanas.spaces.networks.cell import CellNetwork

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NONE, SKIP, CONV_1X1, CONV_3X3, AVG_POOL = range(5)
#: (target node, source node) of each gene, in the order of the canonical text.
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
TARGETS, SOURCES = np.transpose(EDGES)
N_NODES = 4
#: The edge from the input to the output.
DIRECT_EDGE = EDGES.index((N_NODES - 1, 0))
#: The edges of each path from the input to the output.
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))

_FORM = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
_TEXT = re.compile(re.escape(_FORM).replace(r"\{\}", r"(\w+)"))
# Every cell in the official order: genes read as a number in base 5, and as they are.
_DIGIT_WEIGHTS = 5 ** np.arange(len(EDGES))[::-1]
_NUMBERS = np.load(Path(__file__).with_name("nb201_order.npy")).astype(np.int64)  # (15625,)
_RANKS = np.argsort(_NUMBERS)
_GENES = _NUMBERS[:, None] // _DIGIT_WEIGHTS % len(OPERATIONS)
_GENES.setflags(write=False)


def operations_on_paths(genes: np.ndarray) -> np.ndarray:
    """Return how often each operation is on each path, int64 (paths, N, operations), of (N, 6)."""
    operations = np.arange(len(OPERATIONS))
    return np.stack([(genes[:, path, None] == operations).sum(axis=1) for path in PATHS])


def reached(
    passing: np.ndarray, beginning: np.ndarray | bool = False, *, backwards: bool = False
) -> np.ndarray:
    """Return which nodes something reaches through ``passing`` edges, bool (N, 6); bool (N, 4).

    It comes from the input, or begins on an edge; ``backwards``: it leads to the output.
    """
    beginning = np.broadcast_to(beginning, passing.shape)
    nodes = np.zeros((len(passing), N_NODES), dtype=bool)
    nodes[:, -1 if backwards else 0] = True
    for edge, ends in sorted(enumerate(EDGES), reverse=backwards):
        after, before = reversed(ends) if backwards else ends
        nodes[:, after] |= passing[:, edge] & (nodes[:, before] | beginning[:, edge])
    return nodes


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
    batch_norm: BatchNorm = Field(default="batch", description=SHARED)


class DeployedCellNetworkSettings(CellNetworkSettings):
    """The same of a network of its own."""

    batch_norm: BatchNorm = Field(default="running", description=OF_ITS_OWN)


class Nb201(Space):
    """The space in the official order, with counts of networks of 16 channels and 5 cells a stage.

    >>> SPACE.params(np.array([[0, 0, 0, 1, 0, 0]])), SPACE.flops(np.array([[0, 0, 0, 1, 0, 0]]))
    (array([73306]), array([7783050]))
    >>> SPACE.to_text([3, 3, 4, 1, 3, 1])[:43]
    '|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3'
    """

    name, enumerable = "nb201", True
    operations, edges = OPERATIONS, EDGES
    choices = (len(OPERATIONS),) * len(EDGES)
    largest, smallest = (CONV_3X3,) * len(EDGES), (NONE, NONE, NONE, SKIP, NONE, NONE)
    network, deployed = CellNetworkSettings, DeployedCellNetworkSettings
    fitted = CellNetworkSettings

    @override
    def place(self, gene: int) -> str:
        target, source = EDGES[gene]
        return f"edge {target} <- {source}"

    @override
    def to_text(self, genes: Genes) -> str:
        checked = self._checked(np.asarray(genes)[None])[0]
        return _FORM.format(*(OPERATIONS[gene] for gene in checked))

    @override
    def from_text(self, text: str) -> np.ndarray:
        match = _TEXT.fullmatch(text)
        if match is None:
            form = _FORM.format(*["op"] * len(EDGES))
            raise InputError(f"not a NAS-Bench-201 cell: {text!r}; expected the form {form}")
        for name in match.groups():
            if name not in OPERATIONS:
                known = ", ".join(OPERATIONS)
                raise InputError(
                    f"unknown operation {name!r} in {text!r}; expected one of: {known}"
                )
        return np.array([OPERATIONS.index(name) for name in match.groups()], dtype=np.int64)

    @override
    def all_genes(self) -> np.ndarray:
        return _GENES

    @override
    def index_of(self, genes: np.ndarray) -> np.ndarray:
        return _RANKS[self._checked(genes) @ _DIGIT_WEIGHTS]

    @override
    def canonical(self, genes: Genes) -> str:
        """Return a text that isomorphic cells share (``Structure.to_unique_str`` of the benchmark).

        A node is the sorted sum of its incoming terms, where a skip connection changes nothing, and
        an edge that carries nothing is ``#``. There are 6,466 classes.
        """
        terms = ["0"]  # of nodes 0..3
        for node in range(1, N_NODES):
            incoming = []
            for (target, source), gene in zip(EDGES, genes, strict=True):
                if target != node:
                    continue
                term = "#" if gene == NONE else terms[source]
                plain = term == "#" or gene == SKIP
                incoming.append(term if plain else f"({term})@{OPERATIONS[gene]}")
            terms.append("+".join(sorted(incoming)))
        return terms[-1]

    def without_dead_edges(self, genes: np.ndarray, *, zeros_stay_zero: bool = True) -> np.ndarray:
        """Return genes (N, 6) in which every edge that cannot matter is ``none``.

        Cells with equal results are the same function of the same weights (9,445 of 15,625 differ).
        ``zeros_stay_zero``: batch normalisation has batch statistics and no affine part. Else a
        convolution of zeros is a constant, and dead are only edges that do not lead to the output,
        or carry zeros through a skip or a pooling.
        """
        live = self._checked(genes)
        constant = np.isin(live, (CONV_1X1, CONV_3X3)) & (not zeros_stay_zero)
        carrying = reached(live != NONE, constant)[:, SOURCES] | constant
        live = np.where(carrying, live, NONE)
        return np.where(reached(live != NONE, backwards=True)[:, TARGETS], live, NONE)

    @override
    def connected(self, genes: np.ndarray) -> np.ndarray:
        return reached(self._checked(genes) != NONE)[:, -1]

    @override
    def params(self, genes, classes=10, *, network=None):
        return self._cost(genes, 73_306 - 650 + 65 * classes, 28_000, 243_040)

    @override
    def flops(self, genes, classes=10, resolution=None, *, network=None):
        scale = ((resolution or 32) / 32) ** 2
        base, of_1x1, of_3x3 = (scale * count for count in (7_782_400, 3_932_160, 35_389_440))
        return self._cost(genes, base + 65 * classes, of_1x1, of_3x3)

    def _cost(self, genes: np.ndarray, base: float, of_1x1: float, of_3x3: float) -> np.ndarray:
        genes = self._checked(genes)
        n_1x1, n_3x3 = ((genes == operation).sum(axis=1) for operation in (CONV_1X1, CONV_3X3))
        return np.rint(base + of_1x1 * n_1x1 + of_3x3 * n_3x3).astype(np.int64)

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

        return CellNetwork(held, classes, self.settings(network))


SPACE = Nb201()
to_text, from_text, index_of = SPACE.to_text, SPACE.from_text, SPACE.index_of
choices, all_genes, all_texts = SPACE.choices, SPACE.all_genes, SPACE.all_texts
canonical, connected, without_dead_edges = (
    SPACE.canonical,
    SPACE.connected,
    SPACE.without_dead_edges,
)
params, flops, for_images = SPACE.params, SPACE.flops, SPACE.for_images
supernet, build = SPACE.supernet, SPACE.build
