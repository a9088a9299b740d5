"""Where a front loses: to the proxy's ranking, to other estimates, or to the search itself.

The measure is the normalised hypervolume (nHV) of the *true* objectives of the architectures that
make up a front in the eyes of whoever chose it. Objective 0 is the error.

Where several architectures look exactly the same to whoever chose, the first of them stands for
all, in the order of the rows. Taking all would credit a coarse proxy with a choice that only the
truth could make: to the number of parameters and a latency that is linear in operation counts,
thousands of cells of NAS-Bench-201 look equally optimal, and the best of them make up nearly the
true front.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hanas.errors import InputError
from hanas.fronts.dominance import as_points, non_dominated
from hanas.fronts.hypervolume import normalised_hypervolume

#: Room for 1 - (1 - x) not being x in floats, where an accuracy is held against a floor.
FLOOR_TOLERANCE = 1e-12


@dataclass(frozen=True)
class ErrorBudget:
    """How the loss ``1 - found`` comes about.

    Attributes
    ----------
    ceiling
        nHV of the exact front of what the search minimised, over the whole space: what a perfect
        searcher gets.
    found
        nHV of the front among the evaluated architectures.
    losses
        The nHV that each stage takes away, in the order of the stages, then ``searching``; they
        add up to ``1 - found``. One may be below zero: a front that is incomplete in the eyes of
        the proxy can, by luck, be better in truth.
    """

    ceiling: float
    found: float
    losses: dict[str, float]


def true_front(true_objectives: ArrayLike, *, accuracy_floor: float = 0.0) -> np.ndarray:
    """Return the front, float64 (K, M), of all architectures at or above an accuracy floor.

    The floor keeps cells whose input does not reach the output, which are fast and guess, from
    stretching the front and so from making every other front look good.

    Parameters
    ----------
    true_objectives
        float (N, M), minimised, of the whole space; column 0 is the error, a fraction.
    accuracy_floor
        Fraction; architectures below it do not count.

    Raises
    ------
    InputError
        If no architecture reaches the floor, or a value is NaN.
    """
    points = as_points(true_objectives, "true objectives")
    if not 0 <= accuracy_floor <= 1:
        raise InputError(f"accuracy_floor: {accuracy_floor}; expected a fraction, 0 to 1")
    points = points[_reaches(points, accuracy_floor)]
    if len(points) == 0:
        raise InputError(f"accuracy_floor: no architecture reaches {accuracy_floor:g}; lower it")
    return points[non_dominated(points)]


def front_quality(
    chosen_by: ArrayLike,
    true_objectives: ArrayLike,
    reference_front: ArrayLike,
    *,
    accuracy_floor: float = 0.0,
    copies: bool = False,
) -> float:
    """Return the nHV of the front that ``chosen_by`` picks, rescored with the true objectives.

    Parameters
    ----------
    chosen_by
        float (N, M): objectives as they looked to whoever chose; their front is taken exactly.
    true_objectives
        float (N, M'): the truth about the same architectures; column 0 is the error.
    reference_front
        float (K, M'): from :func:`true_front`.
    accuracy_floor
        Fraction; chosen architectures truly below it do not count.
    copies
        True takes all architectures that look the same instead of the first.
    """
    chosen_by = as_points(chosen_by, "chosen_by")
    points = as_points(true_objectives, "true objectives")
    if len(chosen_by) != len(points):
        raise InputError(f"chosen_by: {len(chosen_by)} rows for {len(points)} architectures")
    chosen = non_dominated(chosen_by, copies=copies) & _reaches(points, accuracy_floor)
    return normalised_hypervolume(points[chosen], reference_front)


def error_budget(
    true_objectives: ArrayLike,
    stages: Mapping[str, ArrayLike],
    evaluated: ArrayLike,
    *,
    accuracy_floor: float = 0.0,
    copies: bool = False,
) -> ErrorBudget:
    """Split the loss of a search into its parts.

    Parameters
    ----------
    true_objectives
        float (N, M) of the whole space, infeasible architectures left out; column 0 is the error.
    stages
        Objectives, float (N, M) each, that lead step by step from the truth to what the search
        minimised, which comes last. Usually one: ``{"ranking": [proxy error, true metrics]}``.
        Where latencies are estimates: ``{"measuring": [true error, estimates], "ranking": [proxy
        error, estimates]}``; each stage is charged with what it adds.
    evaluated
        int (K,): rows of the architectures that the search evaluated.
    accuracy_floor
        Fraction; see :func:`true_front`.
    copies
        See :func:`front_quality`.

    Raises
    ------
    InputError
        If there is no stage, a stage has another number of rows, a value is NaN, or a row of
        ``evaluated`` is outside the space.
    """
    points = as_points(true_objectives, "true objectives")
    rows = np.asarray(evaluated)
    if not stages:
        raise InputError("stages: none; expected at least what the search minimised")
    if rows.ndim != 1 or not np.issubdtype(rows.dtype, np.integer):
        raise InputError(f"evaluated: {rows.dtype} {rows.shape}; expected row numbers")
    if len(rows) and not (rows.min() >= 0 and rows.max() < len(points)):
        raise InputError(
            f"evaluated: rows {rows.min()} to {rows.max()} of {len(points)} architectures"
        )
    reference = true_front(points, accuracy_floor=accuracy_floor)
    losses: dict[str, float] = {}
    quality, searched = 1.0, points
    for name, objectives in stages.items():
        searched = as_points(objectives, name)
        before, quality = (
            quality,
            front_quality(
                searched, points, reference, accuracy_floor=accuracy_floor, copies=copies
            ),
        )
        losses[name] = before - quality
    found = front_quality(
        searched[rows], points[rows], reference, accuracy_floor=accuracy_floor, copies=copies
    )
    losses["searching"] = quality - found
    return ErrorBudget(ceiling=quality, found=found, losses=losses)


def _reaches(points: np.ndarray, accuracy_floor: float) -> np.ndarray:
    # The same comparison for every caller.
    return points[:, 0] <= 1 - accuracy_floor + FLOOR_TOLERANCE
