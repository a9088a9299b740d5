"""Find out whether a metric is exactly the largest of a few linear functions of some counts.

Analytic cost models give such metrics: a sum over the layers is linear in the numbers of
operations, and where either the arithmetic or the memory bounds the time, it is the larger of two
sums.
"""

from __future__ import annotations

import numpy as np

EXACT = 1e-9  # largest relative error of a model that is called exact
_LARGEST = 3  # linear functions
_RESTARTS = 50
_ITERATIONS = 100


def exact_maximum(
    counts: np.ndarray, values: np.ndarray, rng: np.random.Generator
) -> np.ndarray | None:
    """Return the fewest linear functions whose largest value is the metric; None if none are.

    The least-squares partition algorithm of A. Magnani and S. Boyd, "Convex piecewise-linear
    fitting", Optimization and Engineering, 2009: fit a linear function to each part of the
    points, let each point go to the function that is largest there, repeat.

    Parameters
    ----------
    counts
        float64 (N, F); a column of ones makes the functions affine.
    values
        The metric, float64 (N,), not 0.
    rng
        For the first partitions.

    Returns
    -------
    ndarray or None
        Coefficients, float64 (functions, F), with a relative error below :data:`EXACT` for each
        of the N values.

    Examples
    --------
    >>> x = np.column_stack([np.ones(20), np.arange(20.0)])
    >>> larger = np.maximum(9 + x[:, 1], 1 + 2 * x[:, 1])
    >>> exact_maximum(x, larger, np.random.default_rng(0)).round(6)
    array([[9., 1.],
           [1., 2.]])
    """
    points, first, inverse = np.unique(counts, axis=0, return_index=True, return_inverse=True)
    at_points = values[first]
    if np.abs(at_points[inverse.ravel()] / values - 1).max() > EXACT:
        return None  # not even a function of the counts
    for functions in range(1, _LARGEST + 1):
        for _ in range(_RESTARTS if functions > 1 else 1):
            coefficients = _partition_fit(points, at_points, functions, rng)
            if coefficients is not None:
                error = np.abs((points @ coefficients.T).max(axis=1) / at_points - 1)
                if error.max() <= EXACT:
                    return coefficients
    return None


def _partition_fit(
    points: np.ndarray, values: np.ndarray, functions: int, rng: np.random.Generator
) -> np.ndarray | None:
    """Return coefficients that the algorithm ends at; None if a part has too few points."""
    deviation = points.std(axis=0)
    scaled = (points - points.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    part = (scaled @ rng.normal(size=(points.shape[1], functions))).argmax(axis=1)
    coefficients = np.zeros((functions, points.shape[1]))
    for _ in range(_ITERATIONS):
        for function in range(functions):
            chosen = part == function
            if chosen.sum() < points.shape[1]:
                return None
            coefficients[function] = np.linalg.lstsq(points[chosen], values[chosen], rcond=None)[0]
        now = (points @ coefficients.T).argmax(axis=1)
        if (now == part).all():
            break
        part = now
    return coefficients
