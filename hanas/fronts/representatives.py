"""Choose the one point of a front that stands for it in a table."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hanas.core.errors import InputError
from hanas.core.pareto import as_points, non_dominated


def choose(objectives: ArrayLike, rule: str = "knee") -> int:
    """Return the row of the representative of objectives, float (N, M), the error the first.

    Only non-dominated points can be chosen. Objectives are scaled so that each runs from 0 to 1
    on the front; one that is constant there does not count.

    - ``knee``: the least sum of the scaled objectives, which is the largest distance below the
      plane through the unit points, the front's extremes for two objectives (I. Das, "On
      Characterizing the 'Knee' of the Pareto Curve Based on Normal-Boundary Intersection",
      Structural Optimization 18, 1999). On a straight or bulging front this is an end.
    - ``closest_to_ideal``: the least Euclidean distance from the origin.
    - ``lowest_error``: the least objective 0.
    - ``lowest_hardware``: the least mean of all objectives but the first.

    Ties go to the lower error, then to the lower next objectives, then to the first row, so the
    choice does not depend on the order of different points. Raises InputError if the rule is
    unknown, there is no point, or a value is NaN.

    >>> choose([[0.0, 9.0], [0.1, 2.0], [0.5, 1.0], [0.6, 3.0]], "knee")
    1
    """
    points = as_points(objectives, "objectives")
    if len(points) == 0:
        raise InputError("objectives: no feasible point to choose from")
    rows = np.flatnonzero(non_dominated(points))
    front = points[rows]
    span = front.max(axis=0) - front.min(axis=0)
    scaled = (front - front.min(axis=0)) / np.where(span > 0, span, 1)
    badness = {
        "knee": scaled.sum(axis=1),
        "closest_to_ideal": np.square(scaled).sum(axis=1),
        "lowest_error": scaled[:, 0],
        "lowest_hardware": scaled[:, 1:].sum(axis=1),
    }
    if rule not in badness:
        raise InputError(f"representative: no rule {rule!r}; expected one of: {', '.join(badness)}")
    # Rounded, so that sums that differ only by floating-point noise are ties. lexsort takes its
    # last key first and is stable, so equal points keep the order of their rows.
    order = np.lexsort((*front.T[::-1], np.round(badness[rule], 12)))
    return int(rows[order[0]])
