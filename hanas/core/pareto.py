"""Pareto dominance: the front, the ranks behind it, and how crowded a front is.

Every objective is minimised. A point dominates another if it is nowhere worse and somewhere
better, so equal points do not dominate each other: they are all on the front, or none is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import ArrayLike

from hanas.core.errors import InputError


def as_points(points: ArrayLike, name: str = "points") -> np.ndarray:
    """Return ``points`` as float64 (N, M), checked.

    Raises
    ------
    InputError
        If the array is not (N, M) with M >= 1, or a value is NaN or infinite: infeasible
        architectures have to be dropped before fronts are compared.
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise InputError(f"{name}: shape {array.shape}; expected (points, objectives)")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"{name}: row {row}, objective {column} is {array[row, column]}; "
            "drop infeasible rows first"
        )
    return array


def non_dominated(points: ArrayLike, *, copies: bool = True) -> np.ndarray:
    """Return which points no other point dominates.

    Equal points stay together: all copies of a non-dominated point are marked. O(n log n) for up
    to three objectives (Kung, Luccio and Preparata, "On Finding the Maxima of a Set of Vectors",
    J. ACM 22, 1975), O(n * front) for more.

    Parameters
    ----------
    points
        float (N, M), minimised.
    copies
        False marks only the first of equal points, one architecture for each point of the front.

    Returns
    -------
    numpy.ndarray
        bool (N,).

    Examples
    --------
    >>> non_dominated([[1, 4], [2, 2], [3, 3], [2, 2]])
    array([ True,  True, False,  True])
    >>> non_dominated([[1, 4], [2, 2], [3, 3], [2, 2]], copies=False)
    array([ True,  True, False, False])
    """
    points = as_points(points)
    if len(points) == 0:
        return np.zeros(0, dtype=bool)
    distinct, first, inverse = _distinct(points)
    front = _front_of_sorted(distinct)
    if copies:
        return front[inverse]
    mask = np.zeros(len(points), dtype=bool)
    mask[first[front]] = True
    return mask


def ranks(points: ArrayLike) -> np.ndarray:
    """Return the non-domination rank of every point; equal points share theirs.

    Rank 0 is the front, rank 1 the front of what is left without it, and so on (K. Deb et al.,
    "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE Trans. Evolutionary
    Computation 6, 2002). O(n log n) for two objectives, else one front after the other.

    Parameters
    ----------
    points
        float (N, M), minimised.

    Returns
    -------
    numpy.ndarray
        int64 (N,).

    Examples
    --------
    >>> ranks([[1, 4], [2, 2], [3, 3], [4, 4]])
    array([0, 0, 1, 2])
    """
    points = as_points(points)
    if len(points) == 0:
        return np.zeros(0, dtype=np.int64)
    distinct, _, inverse = _distinct(points)
    if distinct.shape[1] == 2:
        result = _ranks_of_sorted_pairs(distinct)
    else:
        result = np.empty(len(distinct), dtype=np.int64)
        left = np.arange(len(distinct))
        rank = 0
        while len(left):
            front = _front_of_sorted(distinct[left])
            result[left[front]] = rank
            left = left[~front]
            rank += 1
    return result[inverse]


def crowding_distance(points: ArrayLike) -> np.ndarray:
    """Return the crowding distance of the points of one front.

    The sum over the objectives of the gap between a point's two neighbours, each divided by the
    range of its objective; infinite for the ends of an objective (K. Deb et al., 2002, as above).
    An objective that is constant has no ends and adds nothing. One or two points are ends.

    Parameters
    ----------
    points
        float (N, M).

    Returns
    -------
    numpy.ndarray
        float64 (N,).

    Examples
    --------
    >>> crowding_distance([[0, 4], [1, 2], [3, 1], [4, 0]])
    array([ inf, 1.5 , 1.25,  inf])
    """
    points = as_points(points)
    if len(points) <= 2:
        return np.full(len(points), np.inf)
    distance = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        sorted_column = column[order]
        span = sorted_column[-1] - sorted_column[0]
        if span > 0:
            distance[order[1:-1]] += (sorted_column[2:] - sorted_column[:-2]) / span
            distance[order[[0, -1]]] = np.inf
    return distance


def _distinct(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct points, sorted lexicographically, and where each first occurs.

    And for each of all points its row among the distinct ones. Like numpy.unique along an axis,
    which is several times slower, as it sorts records.
    """
    order = np.lexsort(points.T[::-1])  # stable, so equal points keep their order
    in_order = points[order]
    starts = np.append(True, (in_order[1:] != in_order[:-1]).any(axis=1))
    inverse = np.empty(len(points), dtype=np.int64)
    inverse[order] = np.cumsum(starts) - 1
    return in_order[starts], order[starts], inverse


def _front_of_sorted(points: np.ndarray) -> np.ndarray:
    """Mark the front of distinct points that are sorted lexicographically.

    In this order a point can be dominated only by one before it.
    """
    if points.shape[1] == 1:
        return np.arange(len(points)) == 0
    if points.shape[1] == 2:
        best_before = np.minimum.accumulate(np.append(np.inf, points[:-1, 1]))
        return points[:, 1] < best_before
    if points.shape[1] == 3:
        return _front_of_sorted_triples(points)
    front = np.zeros(len(points), dtype=bool)
    left = np.arange(len(points))
    while len(left):
        first, left = left[0], left[1:]
        front[first] = True
        left = left[(points[left] < points[first]).any(axis=1)]
    return front


def _front_of_sorted_triples(points: np.ndarray) -> np.ndarray:
    """Mark the front of distinct, lexicographically sorted points of three objectives.

    What was passed so far is no worse in the first objective; of it, only the staircase that is
    non-dominated in the other two matters: ``seconds`` rises while ``thirds`` falls.
    """
    front = np.zeros(len(points), dtype=bool)
    seconds: list[float] = []
    thirds: list[float] = []
    for row, (second, third) in enumerate(points[:, 1:].tolist()):
        stair = bisect_right(seconds, second)
        if stair and thirds[stair - 1] <= third:
            continue
        front[row] = True
        start = bisect_left(seconds, second)
        stop = start
        while stop < len(thirds) and thirds[stop] >= third:
            stop += 1
        seconds[start:stop] = [second]
        thirds[start:stop] = [third]
    return front


def _ranks_of_sorted_pairs(points: np.ndarray) -> np.ndarray:
    """Rank distinct, lexicographically sorted points of two objectives.

    The smallest second objective of each front so far does not fall with the rank, so the first
    front that does not dominate a point is found by bisection.
    """
    smallest: list[float] = []
    result = np.empty(len(points), dtype=np.int64)
    for row, second in enumerate(points[:, 1].tolist()):
        rank = bisect_right(smallest, second)
        if rank == len(smallest):
            smallest.append(second)
        else:
            smallest[rank] = second
        result[row] = rank
    return result
