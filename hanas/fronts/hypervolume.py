"""The hypervolume of a front, and its share of the true front's.

E. Zitzler and L. Thiele, "Multiobjective Optimization Using Evolutionary Algorithms - A
Comparative Case Study", PPSN V, 1998. Every objective is minimised.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import ArrayLike

from hanas.core.errors import InputError
from hanas.core.pareto import as_points, non_dominated


def hypervolume(points: ArrayLike, reference: ArrayLike) -> float:
    """Return the volume that is dominated by ``points`` and dominates ``reference``.

    Exact for any number of objectives. O(n log n) for two and three objectives; more are cut into
    slices along the last one, which multiplies the time by n for each.

    Parameters
    ----------
    points
        float (N, M), minimised; points that are not better than ``reference`` in every objective
        add nothing.
    reference
        float (M,).

    Raises
    ------
    InputError
        If a value is NaN or infinite, or the shapes do not fit.

    Examples
    --------
    >>> hypervolume([[1, 3], [2, 1]], reference=[4, 4])
    7.0
    """
    points = as_points(points)
    corner = as_points(np.atleast_2d(np.asarray(reference)), "reference")[0]
    if points.shape[1] != len(corner):
        raise InputError(
            f"reference: {len(corner)} values for points of {points.shape[1]} objectives"
        )
    return _volume(points[(points < corner).all(axis=1)], corner)


def to_unit_box(points: ArrayLike, true_front: ArrayLike) -> np.ndarray:
    """Return ``points``, float64 (N, M), in units in which the true front spans the unit box.

    0 is the ideal of ``true_front``, the best of each objective, and 1 its nadir, the worst of
    each objective among its non-dominated points. Points may lie outside.

    Raises
    ------
    InputError
        If an objective has one value on the whole true front: it then has no scale.

    Examples
    --------
    >>> to_unit_box([[2, 15]], true_front=[[0, 20], [4, 10]])
    array([[0.5, 0.5]])
    """
    points = as_points(points)
    true_front = as_points(true_front, "true front")
    if points.shape[1] != true_front.shape[1]:
        raise InputError(
            f"points of {points.shape[1]} objectives, true front of {true_front.shape[1]}"
        )
    true_front = true_front[non_dominated(true_front)]
    if len(true_front) == 0:
        raise InputError("true front: no points")
    ideal, nadir = true_front.min(axis=0), true_front.max(axis=0)
    flat = np.flatnonzero(nadir == ideal)
    if len(flat):
        raise InputError(
            f"true front: objective {flat[0]} is {ideal[flat[0]]:g} everywhere, so it cannot be "
            "scaled; compare fronts without this objective"
        )
    return (points - ideal) / (nadir - ideal)


def normalised_hypervolume(points: ArrayLike, true_front: ArrayLike) -> float:
    """Return the hypervolume of ``points`` over that of ``true_front``, 1 for the true front.

    Objectives are scaled by :func:`to_unit_box`, the reference point is (1, ..., 1), and what
    lies outside the box counts for nothing: points beyond the nadir are left out, points beyond
    the ideal are moved onto the box. The extreme points of the true front lie on the border of
    the box and carry no volume of their own.

    Parameters
    ----------
    points
        float (N, M), minimised; dominated points do not matter. No points give 0.
    true_front
        float (K, M); dominated points among them are left out.

    Raises
    ------
    InputError
        If the true front has no extent in an objective or no volume (fewer than three points,
        for two objectives): then there is nothing to compare with.

    Examples
    --------
    >>> front = [[0, 4], [1, 1], [4, 0]]
    >>> normalised_hypervolume([[0, 4], [2, 2], [4, 0]], front)
    0.4444444444444444
    """
    ones = np.ones(as_points(true_front, "true front").shape[1])
    whole = hypervolume(to_unit_box(true_front, true_front), ones)
    if whole == 0:
        raise InputError(
            "true front: its hypervolume is 0, because each of its points is the worst in some "
            "objective; there is nothing to compare with"
        )
    return hypervolume(np.maximum(to_unit_box(points, true_front), 0), ones) / whole


def _volume(points: np.ndarray, reference: np.ndarray) -> float:
    """Return the hypervolume of points that are all better than ``reference``."""
    if len(points) == 0:
        return 0.0
    if points.shape[1] == 1:
        return float(reference[0] - points.min())
    if points.shape[1] == 2:
        return _area(points, reference)
    points = points[non_dominated(points)]
    points = points[np.argsort(points[:, -1], kind="stable")]
    if points.shape[1] == 3:
        return _volume_of_sorted_triples(points, reference)
    thickness = np.diff(np.append(points[:, -1], reference[-1]))
    return float(
        sum(
            _volume(points[: row + 1, :-1], reference[:-1]) * thickness[row]
            for row in np.flatnonzero(thickness)
        )
    )


def _area(points: np.ndarray, reference: np.ndarray) -> float:
    points = points[np.lexsort((points[:, 1], points[:, 0]))]
    height_before = np.minimum.accumulate(np.append(reference[1], points[:-1, 1]))
    rises = np.maximum(height_before - points[:, 1], 0)
    return float(rises @ (reference[0] - points[:, 0]))


def _volume_of_sorted_triples(points: np.ndarray, reference: np.ndarray) -> float:
    """Sweep along the third objective and keep the area that the first two dominate.

    The staircase runs between two sentinels: ``firsts`` rises while ``seconds`` falls.
    """
    firsts = [-np.inf, float(reference[0])]
    seconds = [float(reference[1]), -np.inf]
    area = volume = 0.0
    thickness = np.diff(np.append(points[:, 2], reference[2])).tolist()
    for (first, second, _), depth in zip(points.tolist(), thickness, strict=True):
        if seconds[bisect_right(firsts, first) - 1] > second:
            start = bisect_left(firsts, first)
            stop, left, height = start, first, seconds[start - 1]
            while seconds[stop] >= second:  # stairs that the new point dominates
                area += (firsts[stop] - left) * (height - second)
                left, height = firsts[stop], seconds[stop]
                stop += 1
            area += (firsts[stop] - left) * (height - second)
            firsts[start:stop] = [first]
            seconds[start:stop] = [second]
        volume += area * depth
    return volume
