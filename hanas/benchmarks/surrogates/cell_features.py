"""What a surrogate model sees of a NAS-Bench-201 cell; genes are int (N, 6)."""

from __future__ import annotations

import numpy as np

from hanas.spaces import nb201
from hanas.spaces.nb201 import AVG_POOL, CONV_1X1, CONV_3X3, NONE, PATHS, SKIP, SOURCES, TARGETS


def counts(genes: np.ndarray) -> np.ndarray:
    """Return a one and the numbers of skips, 1x1, 3x3 convolutions and poolings; float64 (N, 5).

    >>> counts(np.array([[0, 1, 2, 3, 3, 4]]))
    array([[1., 1., 1., 2., 1.]])
    """
    of_operations = [(genes == o).sum(axis=1) for o in (SKIP, CONV_1X1, CONV_3X3, AVG_POOL)]
    return np.stack([np.ones(len(genes)), *of_operations], axis=1)


def live_edges(genes: np.ndarray) -> np.ndarray:
    """Return the features of what a cell computes, whatever its dead edges, float64 (N, 62).

    The operation of each live edge; for each path whether it is open, its operations, whether it is
    of skips alone, and whether it convolves; extremes over the paths.
    """
    live = nb201.without_dead_edges(genes)
    on_paths, longest = nb201.operations_on_paths(live), len(PATHS[-1])  # (paths, N, operations)
    is_open = on_paths[..., NONE] == 0
    convolutions = on_paths[..., CONV_1X1] + on_paths[..., CONV_3X3]
    lengths = np.array([[len(path)] for path in PATHS])
    shares = [on_paths[..., o] * is_open / lengths for o in (SKIP, CONV_1X1, CONV_3X3, AVG_POOL)]
    only_skips = on_paths[..., SKIP] == lengths
    of_each = np.stack([is_open, *shares, only_skips, is_open & (convolutions > 0)], axis=-1)
    extremes = [
        np.where(is_open, convolutions, -1).max(axis=0) / longest,
        np.where(is_open, on_paths[..., CONV_3X3], -1).max(axis=0) / longest,
        np.where(is_open, on_paths[..., AVG_POOL], longest).min(axis=0) / longest,
        is_open.sum(axis=0) / len(PATHS),
    ]
    return np.hstack([_one_hot(live), *of_each, np.stack(extremes, axis=1)])


def kinds_of_paths(genes: np.ndarray) -> np.ndarray:
    """Return a short description of what a cell computes, float64 (N, 24).

    How many open paths have 0, 1, 2 and 3 convolutions, are of skips alone, and of skips and
    poolings; how many live edges are skips, 1x1, 3x3 convolutions and poolings, in all, from the
    input, and into the output; the least (4 without an open path), the largest and the mean number
    of 3x3 convolutions on an open path; whether the edge from input to output is a skip, a 1x1 or a
    3x3 convolution.

    >>> kinds_of_paths(np.array([[3, 0, 4, 1, 2, 4]]))[0, :18].astype(int)
    array([1, 1, 1, 0, 1, 0, 1, 1, 1, 2, 1, 0, 1, 0, 1, 1, 0, 1])
    """
    live = nb201.without_dead_edges(genes)
    on_paths = nb201.operations_on_paths(live)  # (paths, N, operations)
    is_open = on_paths[..., NONE] == 0
    of_3x3, pools = on_paths[..., CONV_3X3], on_paths[..., AVG_POOL] > 0
    convolutions = on_paths[..., CONV_1X1] + of_3x3
    kinds = [
        *(is_open & (convolutions == count) for count in range(4)),
        is_open & (convolutions == 0) & ~pools,
        is_open & (convolutions == 0) & pools,
    ]
    of_kinds = np.stack([kind.sum(axis=0) for kind in kinds], axis=1)
    least = of_3x3.min(axis=0, where=is_open, initial=len(PATHS[-1]) + 1)
    largest = of_3x3.max(axis=0, where=is_open, initial=0)
    mean = (of_3x3 * is_open).sum(axis=0) / np.maximum(is_open.sum(axis=0), 1)
    parts = (live, live[:, SOURCES == 0], live[:, TARGETS == nb201.N_NODES - 1])
    of_parts = [counts(part)[:, 1:] for part in parts]
    direct = live[:, [nb201.DIRECT_EDGE]] == (SKIP, CONV_1X1, CONV_3X3)
    return np.hstack([of_kinds, *of_parts, np.stack([least, largest, mean], axis=1), direct])


def all_edges(genes: np.ndarray) -> np.ndarray:
    """Return the features of what a device may have to run, float64 (N, 110).

    Those of :func:`live_edges`, the operations of all edges, on which a device may spend time, and
    which edges carry zeros or lead nowhere, which a compiler may fold away.
    """
    return np.hstack([live_edges(genes), _one_hot(genes), _edge_states(genes)])


def groups_for_devices(genes: np.ndarray) -> list[np.ndarray]:
    """Return what a device may have to run, in groups of which each says something of its own.

    The numbers of operations (N, 4); the same without edges that lead nowhere, which a compiler
    leaves out most easily (N, 4); states (N, 18) and operations of edges (N, 30). All float64.
    """
    leading = np.where(nb201.reached(genes != NONE, backwards=True)[:, TARGETS], genes, NONE)
    return [counts(genes)[:, 1:], counts(leading)[:, 1:], _edge_states(genes), _one_hot(genes)]


def _one_hot(genes: np.ndarray) -> np.ndarray:
    one_hot = np.eye(len(nb201.OPERATIONS))[genes]  # (N, edges, operations)
    return one_hot.reshape(len(genes), genes.shape[1] * len(nb201.OPERATIONS))


def _edge_states(genes: np.ndarray) -> np.ndarray:
    """Return which edges start at a zero node or lead nowhere, and which nodes are in use."""
    present = genes != NONE
    carries, used = nb201.reached(present), nb201.reached(present, backwards=True)
    of_zeros, unused = present & ~carries[:, SOURCES], present & ~used[:, TARGETS]
    return np.hstack([of_zeros, unused, carries[:, 1:], used[:, :-1]]).astype(np.float64)
