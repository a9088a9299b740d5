"""What a model sees of a cell; genes are int (N, edges) of a cell space.

The numbers of features F are given for NAS-Bench-201.
"""

from __future__ import annotations

import numpy as np

from hanas.spaces._cell import CellSpace
from hanas.spaces._cell_operations import NONE, SKIP


def counts(space: CellSpace, genes: np.ndarray) -> np.ndarray:
    """Return a one and the number of each operation but ``none``; float64 (N, F), F = 5.

    >>> from hanas.core import plugins
    >>> counts(plugins.space("nb201"), np.array([[0, 1, 2, 3, 3, 4]]))
    array([[1., 1., 1., 2., 1.]])
    """
    return np.hstack([np.ones((len(genes), 1)), _counts(space, _one_hot(space, genes))])


def live_edges(space: CellSpace, genes: np.ndarray) -> np.ndarray:
    """Return the features of what a cell computes, whatever its dead edges, float64 (N, 62).

    The operation of each live edge; for each path whether it is open, its operations, whether it is
    of skips alone, and whether it convolves; extremes over the paths.
    """
    on, longest = _Paths(space, genes), len(space.paths[-1])
    lengths = np.array([[len(path)] for path in space.paths])
    passing = [o for o, name in enumerate(space.operations) if name != NONE]
    shares = [on.paths[..., o] * on.is_open / lengths for o in passing]
    convolves = on.is_open & (on.convolutions > 0)
    of_each = np.stack([on.is_open, *shares, on.skips == lengths, convolves], axis=-1)
    extremes = [
        np.where(on.is_open, on.convolutions, -1).max(axis=0) / longest,
        np.where(on.is_open, on.spatial, -1).max(axis=0) / longest,
        np.where(on.is_open, on.poolings, longest).min(axis=0) / longest,
        on.is_open.sum(axis=0) / len(space.paths),
    ]
    operations = _flat(_one_hot(space, genes, space.live(genes)))
    return np.hstack([operations, *of_each, np.stack(extremes, axis=1)])


def kinds_of_paths(space: CellSpace, genes: np.ndarray) -> np.ndarray:
    """Return a short description of what a cell computes, float64 (N, 24).

    How many open paths have 0, 1, 2, ... convolutions, are of skips alone, and of skips and
    poolings; how many live edges are of each operation but ``none``, in all, from the input, and
    into the output; the least (one more than there are edges, without an open path), the largest
    and the mean number of convolutions larger than 1x1 on an open path; whether the edge from input
    to output is a skip or one of the convolutions.

    >>> from hanas.core import plugins
    >>> kinds = kinds_of_paths(plugins.space("nb201"), np.array([[3, 0, 4, 1, 2, 4]]))
    >>> kinds[0, :18].astype(int)
    array([1, 1, 1, 0, 1, 0, 1, 1, 1, 2, 1, 0, 1, 0, 1, 1, 0, 1])
    """
    on, longest = _Paths(space, genes), len(space.paths[-1])
    straight, pools = on.is_open & (on.convolutions == 0), on.poolings > 0
    kinds = [
        *(on.is_open & (on.convolutions == count) for count in range(longest + 1)),
        straight & ~pools,
        straight & pools,
    ]
    of_kinds = np.stack([kind.sum(axis=0) for kind in kinds], axis=1)
    least = on.spatial.min(axis=0, where=on.is_open, initial=longest + 1)
    largest = on.spatial.max(axis=0, where=on.is_open, initial=0)
    mean = (on.spatial * on.is_open).sum(axis=0) / np.maximum(on.is_open.sum(axis=0), 1)
    live = _one_hot(space, genes, space.live(genes))
    parts = (live, live[:, space.sources == 0], live[:, space.targets == space.nodes - 1])
    direct = [o for o, one in enumerate(space.distinct) if one.name != NONE and not one.pools]
    extremes = np.stack([least, largest, mean], axis=1)
    of_parts = [_counts(space, part) for part in parts]
    return np.hstack([of_kinds, *of_parts, extremes, live[:, space.direct_edge, direct]])


def all_edges(space: CellSpace, genes: np.ndarray) -> np.ndarray:
    """Return the features of what a device may have to run, float64 (N, 110).

    Those of :func:`live_edges`, the operations of all edges, on which a device may spend time, and
    which edges carry zeros or lead nowhere, which a compiler may fold away.
    """
    operations = _flat(_one_hot(space, genes))
    return np.hstack([live_edges(space, genes), operations, _edge_states(space, genes)])


def groups_for_devices(space: CellSpace, genes: np.ndarray) -> list[np.ndarray]:
    """Return what a device may have to run, in groups of which each says something of its own.

    The numbers of operations (N, 4); the same without edges that lead nowhere, which a compiler
    leaves out most easily (N, 4); states (N, 18) and operations of edges (N, 30). All float64.
    """
    leading = space.reached(_present(space, genes), backwards=True)[:, space.targets]
    some, every = _one_hot(space, genes, leading), _one_hot(space, genes)
    counted = [_counts(space, every), _counts(space, some)]
    return [*counted, _edge_states(space, genes), _flat(every)]


class _Paths:
    """Paths of cells: their operations (paths, N, operations), and sums over kinds of them."""

    def __init__(self, space: CellSpace, genes: np.ndarray) -> None:
        self.paths = space.operations_on_paths(genes)
        of = space.distinct
        self.is_open = self._sum([one.name == NONE for one in of]) == 0  # (paths, N), as all
        self.skips = self._sum([one.name == SKIP for one in of])
        self.poolings = self._sum([one.pools for one in of])
        self.convolutions = self._sum([one.convolves for one in of])
        self.spatial = self._sum([one.convolves and one.kernel > 1 for one in of])

    def _sum(self, counted: list[bool]) -> np.ndarray:
        return self.paths[..., counted].sum(axis=-1)


def _one_hot(space: CellSpace, genes: np.ndarray, counted: np.ndarray | bool = True) -> np.ndarray:
    """Return the operations of edges, float64 (N, edges, operations).

    Where bool (N, edges) ``counted`` is false, an edge is as if it were ``none``.
    """
    counted = np.broadcast_to(counted, genes.shape)[..., None]
    none = np.array([name == NONE for name in space.operations], dtype=np.float64)
    return np.where(counted, np.eye(len(space.operations))[space.numbers(genes)], none)


def _flat(one_hot: np.ndarray) -> np.ndarray:
    return one_hot.reshape(len(one_hot), one_hot.shape[1] * one_hot.shape[2])


def _counts(space: CellSpace, one_hot: np.ndarray) -> np.ndarray:
    """Return how often each operation but ``none`` is there, float64 (N, operations)."""
    counted = one_hot.sum(axis=1)[:, [name != NONE for name in space.operations]]
    return np.ascontiguousarray(counted)  # the last bits of means hang on the order in memory


def _present(space: CellSpace, genes: np.ndarray) -> np.ndarray:
    return ~space.which(genes, lambda one: one.name == NONE)


def _edge_states(space: CellSpace, genes: np.ndarray) -> np.ndarray:
    """Return which edges start at a zero node or lead nowhere, and which nodes are in use."""
    present = _present(space, genes)
    carries, used = space.reached(present), space.reached(present, backwards=True)
    of_zeros, unused = present & ~carries[:, space.sources], present & ~used[:, space.targets]
    return np.hstack([of_zeros, unused, carries[:, 1:], used[:, :-1]]).astype(np.float64)
