"""Pareto dominance: which points are non-dominated, and how crowded a front is.

Every objective is minimised. A point dominates another if it is nowhere worse and somewhere
better, so equal points do not dominate each other: they are all on the front, or none is.
"""

from __future__ import annotations

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
