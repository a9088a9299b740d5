"""Pareto dominance: what is non-dominated, how crowded a front is, and a few that stand for it.

Every objective is minimised. A point dominates another if it is nowhere worse and somewhere
better, so equal points do not dominate each other: they are all on the front, or none is.
"""

from __future__ import annotations

import heapq

import moocore
import numpy as np
from numpy.typing import ArrayLike

from hanas.core.errors import InputError


def as_points(points: ArrayLike, name: str = "points") -> np.ndarray:
    """Return ``points`` as float64 (N, M).

    InputError for another shape, M = 0, and values that are not finite: infeasible architectures
    have to be dropped before fronts are compared.
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise InputError(f"{name}: shape {array.shape}; expected (points, objectives)")
    for row, column in np.argwhere(~np.isfinite(array)):
        wrong = f"{name}: row {row}, objective {column} is {array[row, column]}"
        raise InputError(f"{wrong}; drop infeasible rows first")
    return array


def non_dominated(points: ArrayLike, *, copies: bool = True) -> np.ndarray:
    """Return which points, float (N, M), no other point dominates; bool (N,).

    All copies of a non-dominated point are marked; ``copies=False`` marks only the first of them.

    >>> non_dominated([[1, 4], [2, 2], [3, 3], [2, 2]], copies=False)
    array([ True,  True, False, False])
    """
    return moocore.is_nondominated(as_points(points), keep_weakly=copies)


def crowding_distance(points: ArrayLike) -> np.ndarray:
    """Return the crowding distance of the points, float (N, M), of one front; float64 (N,).

    The sum over the objectives of the gap between a point's two neighbours, each divided by the
    range of its objective; infinite for the ends of an objective (K. Deb et al., "A Fast and
    Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE Trans. Evolutionary Computation 6,
    2002). A constant objective adds nothing. Not pymoo's, which takes 0.7 s to import.

    >>> crowding_distance([[0, 4], [1, 2], [3, 1], [4, 0]])
    array([ inf, 1.5 , 1.25,  inf])
    """
    points = as_points(points)
    if len(points) <= 2:
        return np.full(len(points), np.inf)
    distance = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        in_order = column[order]
        span = in_order[-1] - in_order[0]
        if span > 0:
            distance[order[1:-1]] += (in_order[2:] - in_order[:-2]) / span
            distance[order[[0, -1]]] = np.inf
    return distance


def thinned(front: ArrayLike, count: int) -> np.ndarray:
    """Return the rows, rising, of ``count`` points that stand for a front, float (N, M); or of all.

    One after the other the point is taken that adds most hypervolume, which is within 1 - 1/e of
    the best choice (A. Guerreiro et al., "Greedy Hypervolume Subset Selection in Low Dimensions",
    Evolutionary Computation 24, 2016). The front is scaled to the unit box; the reference point
    lies a tenth beyond it, so that its ends count too. Gains only shrink, so only the largest of
    the last known is computed anew.

    >>> thinned([[0, 4], [1, 1], [1.1, 0.9], [4, 0]], 3)
    array([0, 1, 3])
    """
    points = as_points(front)
    span = np.ptp(points, axis=0) if len(points) else 1
    scaled = (points - points.min(axis=0, initial=np.inf)) / np.where(span > 0, span, 1)
    gains = [(-gain, row) for row, gain in enumerate(np.prod(1.1 - scaled, axis=1))]
    heapq.heapify(gains)
    chosen: list[int] = []
    volume = 0.0
    while gains and len(chosen) < count:
        while True:
            _, row = heapq.heappop(gains)
            gain = moocore.hypervolume(scaled[[*chosen, row]], ref=1.1) - volume
            if not gains or (-gain, row) <= gains[0]:
                break
            heapq.heappush(gains, (-gain, row))
        chosen.append(row)
        volume += gain
    return np.array(sorted(chosen), dtype=np.int64)
