"""Surrogates that are found exactly: largest linear functions, and cells that a device cannot run.

Analytic cost models give metrics that are exactly the *largest of a few linear functions* of the
numbers of operations: a sum over the layers is linear in them, and where either the arithmetic or
the memory bounds the time, it is the larger of two sums.

A compiler fails on combinations of operations: an absent edge here with a convolution there,
whatever the other edges hold. A *partial cell*, int (6,), fixes some edges, or only that one is
:data:`ANY_CONVOLUTION`, and leaves others open (:data:`ANY`); a cell that matches one of a short
list is said to fail. Genes are int (N, 6).
"""

from __future__ import annotations

import numpy as np

from hanas.spaces.nb201 import CONV_1X1, CONV_3X3, OPERATIONS

EXACT = 1e-9  # largest relative error of a model that is called exact
_LARGEST = 3  # linear functions
_RESTARTS = 50
_ITERATIONS = 100
ANY, ANY_CONVOLUTION = len(OPERATIONS), len(OPERATIONS) + 1

#: Whether an entry of a partial cell (row) admits an operation (column).
_ADMITS = np.vstack(
    [
        np.eye(len(OPERATIONS), dtype=bool),
        np.ones(len(OPERATIONS), dtype=bool),
        np.isin(np.arange(len(OPERATIONS)), (CONV_1X1, CONV_3X3)),
    ]
)


def exact_maximum(
    counts: np.ndarray, values: np.ndarray, rng: np.random.Generator
) -> np.ndarray | None:
    """Return the fewest linear functions whose largest value is the metric; None if none are.

    The least-squares partition algorithm of A. Magnani and S. Boyd, "Convex piecewise-linear
    fitting", Optimization and Engineering, 2009: fit a linear function to each part of the
    points, let each point go to the function that is largest there, repeat.

    ``counts`` are float64 (N, F), where a column of ones makes the functions affine, ``values`` the
    metric, float64 (N,), not 0. ``rng`` is for the first partitions. The coefficients are float64
    (functions, F), with a relative error below :data:`EXACT` for each value.

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


def matches(partial_cells: np.ndarray, genes: np.ndarray) -> np.ndarray:
    """Return which cells match which partial cells (K, 6), bool (K, N).

    >>> cells = np.array([[0, 1, 1, 1, 2, 1], [0, 1, 1, 1, 4, 1], [1, 1, 1, 1, 2, 1]])
    >>> matches(np.array([[0, ANY, ANY, ANY, ANY_CONVOLUTION, ANY]]), cells)
    array([[ True, False, False]])
    """
    matched = np.ones((len(partial_cells), len(genes)), dtype=bool)
    for edge in range(genes.shape[1]):
        matched &= _ADMITS[partial_cells[:, edge]][:, genes[:, edge]]
    return matched


def learn(genes: np.ndarray, fails: np.ndarray, *, support: int = 4) -> np.ndarray:
    """Return a short list of partial cells that only failing cells match, uint8 (K, 6).

    Every partial cell that at least ``support`` of the given cells (each once) match, all of which
    fail (bool (N,)), is a candidate. They are chosen greedily, each time the one that explains most
    failures not yet explained (of equals the one more cells match), until none explains
    ``support`` more. Failures that are left over are single ones amid cells alike that run: a
    compiler's mishap, not a rule.
    """
    failing, running = _matching(genes[fails]), _matching(genes[~fails])
    candidates = np.argwhere((running == 0) & (failing >= support))  # (C, 6)
    explained = failing[tuple(candidates.T)]
    candidates = candidates[np.argsort(-explained, kind="stable")]
    covers = matches(candidates, genes[fails])  # (C, failing cells)
    left = np.ones(covers.shape[1], dtype=bool)
    chosen = []
    while len(candidates):
        gains = covers[:, left].sum(axis=1)
        best = int(gains.argmax())
        if gains[best] < support:
            break
        chosen.append(candidates[best])
        left &= ~covers[best]
    return np.array(chosen, dtype=np.uint8).reshape(-1, genes.shape[1])


def _matching(genes: np.ndarray) -> np.ndarray:
    """Return how many cells match each possible partial cell, float64 (7, 7, 7, 7, 7, 7)."""
    numbers = np.zeros((len(OPERATIONS),) * genes.shape[1])
    np.add.at(numbers, tuple(genes.T), 1)
    for edge in range(genes.shape[1]):
        numbers = np.moveaxis(np.tensordot(_ADMITS, numbers, axes=(1, edge)), 0, edge)
    return numbers
