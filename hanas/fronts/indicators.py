"""Indicators of fronts on moocore: hypervolume, distances to the true front, attainment.

Every objective is minimised. Distances take objectives as they are: scale them with
:func:`to_unit_box` first where their units differ. Points are float (N, M); NaN and shapes that do
not fit raise InputError, which moocore (M. Lopez-Ibanez et al.,
https://multi-objective.github.io/moocore/python) does not do.
"""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np
from numpy.typing import ArrayLike

from hanas.core.errors import InputError
from hanas.core.pareto import as_points, non_dominated


def hypervolume(points: ArrayLike, reference: ArrayLike) -> float:
    """Return the volume that ``points`` dominate up to ``reference``, float (M,).

    Points that are not better than the reference in every objective add nothing (E. Zitzler and
    L. Thiele, "Multiobjective Optimization Using Evolutionary Algorithms - A Comparative Case
    Study", PPSN V, 1998).
    """
    points = as_points(points)
    corner = as_points(np.atleast_2d(np.asarray(reference)), "reference")[0]
    if points.shape[1] != len(corner):
        said = f"{len(corner)} values for points of {points.shape[1]} objectives"
        raise InputError(f"reference: {said}")
    return float(moocore.hypervolume(points, ref=corner)) if len(points) else 0.0


def to_unit_box(points: ArrayLike, true_front: ArrayLike) -> np.ndarray:
    """Return ``points``, float64 (N, M), in units in which the true front spans the unit box.

    0 is its ideal, the best of each objective, and 1 its nadir, the worst of each among its
    non-dominated points. Raises InputError if an objective is the same on the whole true front.
    """
    points, true_front = _pair(points, true_front)
    true_front = true_front[non_dominated(true_front)]
    if len(true_front) == 0:
        raise InputError("true front: no points")
    ideal, nadir = true_front.min(axis=0), true_front.max(axis=0)
    for objective in np.flatnonzero(nadir == ideal):
        raise InputError(
            f"true front: objective {objective} is {ideal[objective]:g} everywhere, so it cannot "
            "be scaled; compare fronts without this objective"
        )
    return (points - ideal) / (nadir - ideal)


def normalised_hypervolume(points: ArrayLike, true_front: ArrayLike) -> float:
    """Return the hypervolume of ``points`` over that of ``true_front``, 1 for the true front.

    Objectives are scaled by :func:`to_unit_box`, the reference point is (1, ..., 1), and what
    lies outside the box counts for nothing: points beyond the nadir are left out, points beyond
    the ideal are moved onto the box. The extreme points of the true front carry no volume of their
    own. Raises InputError if it has no extent in an objective or no volume (fewer than three
    points, for two objectives).
    """
    scaled_front = to_unit_box(true_front, true_front)
    ones = np.ones(scaled_front.shape[1])
    whole = hypervolume(scaled_front, ones)
    if whole == 0:
        raise InputError(
            "true front: its hypervolume is 0, because each of its points is the worst in some "
            "objective; there is nothing to compare with"
        )
    return hypervolume(np.maximum(to_unit_box(points, true_front), 0), ones) / whole


def igd_plus(points: ArrayLike, true_front: ArrayLike) -> float:
    """Return how far the points of the true front are from being dominated, on average.

    For each point of the true front the Euclidean length of what the nearest of ``points`` is
    worse by; 0 if and only if every one is weakly dominated (H. Ishibuchi et al., "Modified
    Distance Calculation in Generational Distance and Inverted Generational Distance", EMO 2015).
    """
    points, true_front = _pair(points, true_front, some=True)
    return float(moocore.igd_plus(points, ref=true_front))


def additive_epsilon(points: ArrayLike, true_front: ArrayLike) -> float:
    """Return the least that, taken off every objective, lets ``points`` weakly dominate the front.

    0 or less if they already did (E. Zitzler et al., "Performance Assessment of Multiobjective
    Optimizers: An Analysis and Review", IEEE Trans. Evolutionary Computation 7, 2003).
    """
    points, true_front = _pair(points, true_front, some=True)
    return float(moocore.epsilon_additive(points, ref=true_front))


def attainment_surface(fronts: Sequence[ArrayLike], attained_by: int) -> np.ndarray:
    """Return the surface that at least ``attained_by`` of the fronts attain, float64 (P, 2).

    Its points, rising in the first objective, are the best that so many of the fronts, float
    (N_i, 2), weakly dominate (V. Grunert da Fonseca, C. M. Fonseca and A. O. Hall, "Inferential
    Performance Assessment of Stochastic Optimisers and the Attainment Function", EMO 2001). Fronts
    may be empty; where too few of them have points, so is the surface.
    """
    runs = [as_points(front, f"front {number}") for number, front in enumerate(fronts)]
    if any(run.shape[1] != 2 for run in runs):
        raise InputError("fronts: attainment surfaces need two objectives")
    runs = [run for run in runs if len(run)]
    if attained_by > len(runs):
        return np.empty((0, 2))
    of_run = np.repeat(np.arange(len(runs)), [len(run) for run in runs])
    percentile = 100 * attained_by / len(runs)
    surface = moocore.eaf(np.concatenate(runs), of_run, percentiles=[percentile])[:, :2]
    return surface[np.argsort(surface[:, 0])]


def _pair(
    points: ArrayLike, true_front: ArrayLike, *, some: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    points, true_front = as_points(points), as_points(true_front, "true front")
    objectives, of_front = points.shape[1], true_front.shape[1]
    if objectives != of_front:
        raise InputError(f"points of {objectives} objectives, true front of {of_front}")
    if some and not (len(points) and len(true_front)):
        raise InputError(f"{len(points)} points, {len(true_front)} on the true front; need some")
    return points, true_front
