"""How far a front is from the true one, and what a searcher attains over its seeds.

Every objective is minimised. These indicators take objectives as they are: scale them with
:func:`hanas.fronts.hypervolume.to_unit_box` first where their units differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from hanas.core.errors import InputError
from hanas.core.pareto import as_points


def igd_plus(points: ArrayLike, true_front: ArrayLike) -> float:
    """Return how far the points of the true front are from being dominated, on average.

    For each point of the true front the Euclidean length of what the nearest of ``points`` is
    worse by; 0 if and only if every one is weakly dominated (H. Ishibuchi et al., "Modified
    Distance Calculation in Generational Distance and Inverted Generational Distance", EMO 2015).

    Parameters
    ----------
    points
        float (N, M), N >= 1.
    true_front
        float (K, M), K >= 1.

    Examples
    --------
    >>> igd_plus([[1, 1]], true_front=[[0, 2], [2, 0]])
    1.0
    """
    points, true_front = _pair(points, true_front)
    nearest = [
        np.sqrt(np.square(np.maximum(points - target, 0)).sum(axis=1)).min()
        for target in true_front
    ]
    return float(np.mean(nearest))


def additive_epsilon(points: ArrayLike, true_front: ArrayLike) -> float:
    """Return the least amount that, taken off every objective, lets ``points`` dominate all.

    That is, every point of ``true_front`` is then weakly dominated; 0 or less if it already was
    (E. Zitzler et al., "Performance Assessment of Multiobjective Optimizers: An Analysis and
    Review", IEEE Trans. Evolutionary Computation 7, 2003).

    Parameters
    ----------
    points
        float (N, M), N >= 1.
    true_front
        float (K, M), K >= 1.

    Examples
    --------
    >>> additive_epsilon([[1, 1], [3, 0]], true_front=[[0, 2], [2, 0]])
    1.0
    """
    points, true_front = _pair(points, true_front)
    return float(max((points - target).max(axis=1).min() for target in true_front))


def attainment_surface(fronts: Sequence[ArrayLike], attained_by: int) -> np.ndarray:
    """Return the surface that at least ``attained_by`` of the fronts attain.

    Its points are the best ones that so many fronts weakly dominate; with half of the fronts it
    is the median front of a searcher over its seeds (V. Grunert da Fonseca, C. M. Fonseca and
    A. O. Hall, "Inferential Performance Assessment of Stochastic Optimisers and the Attainment
    Function", EMO 2001). Two objectives.

    Parameters
    ----------
    fronts
        One float (N_i, 2) for each run, minimised; a run may be empty.
    attained_by
        1 for the best that any run attains, ``len(fronts)`` for what all of them do.

    Returns
    -------
    numpy.ndarray
        float64 (P, 2), rising in the first objective and falling in the second; empty where too
        few runs have points.

    Raises
    ------
    InputError
        If a front has other than two objectives or a NaN, or ``attained_by`` is out of range.

    Examples
    --------
    >>> attainment_surface([[[1, 3], [2, 1]], [[1, 2]]], attained_by=2)
    array([[1., 3.],
           [2., 2.]])
    """
    if not 1 <= attained_by <= len(fronts):
        raise InputError(f"attained_by: {attained_by}; expected 1 to {len(fronts)} (the fronts)")
    runs = [as_points(front, f"front {number}") for number, front in enumerate(fronts)]
    if any(run.shape[1] != 2 for run in runs):
        raise InputError("fronts: attainment surfaces need two objectives")
    firsts = np.unique(np.concatenate([run[:, 0] for run in runs]))  # (P,)
    best = np.empty((len(runs), len(firsts)))  # second objective a run attains up to each first
    for row, run in enumerate(runs):
        run = run[np.argsort(run[:, 0], kind="stable")]
        falling = np.append(np.inf, np.minimum.accumulate(run[:, 1]))
        best[row] = falling[np.searchsorted(run[:, 0], firsts, side="right")]
    seconds = np.sort(best, axis=0)[attained_by - 1]
    corners = seconds < np.append(np.inf, seconds[:-1])
    return np.stack([firsts[corners], seconds[corners]], axis=1)


def _pair(points: ArrayLike, true_front: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    points, true_front = as_points(points), as_points(true_front, "true front")
    if points.shape[1] != true_front.shape[1]:
        raise InputError(
            f"points of {points.shape[1]} objectives, true front of {true_front.shape[1]}"
        )
    if len(points) == 0 or len(true_front) == 0:
        raise InputError(f"{len(points)} points, {len(true_front)} on the true front; need some")
    return points, true_front
