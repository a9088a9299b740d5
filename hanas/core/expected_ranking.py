"""How well a Gaussian process believes to rank, now and once more points will have been observed.

Of two points whose difference is normal with mean m and variance v, the one expected to be lower is
lower with probability P(|m| / sqrt(v)), P the standard normal distribution; Kendall's tau is the
mean of 2 P - 1 over pairs. Observations to come leave a variance w that does not depend on their
values, and move m by a normal number of variance v - w.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from hanas.core.gaussian_process import Posterior, observe

#: Points at most that pairs are made of; the others are those that may be observed.
_JUDGED = 300
_NODES = 16  # of the quadrature over the values to come; more change nothing in four digits


def expected_tau(
    posterior: Posterior, points: Sequence[np.ndarray], more: int
) -> tuple[float, float] | None:
    """Return Kendall's tau with observations of points not seen, now and after ``more`` of others.

    ``points`` are features, float64 (N, F) for each group, in random order, of points that were not
    observed; those to come tell most about all of them. As the process itself believes, whose
    parameters stay. None where points are too few.
    """
    mean, covariance, noise = posterior.about(points)
    judged = min(_JUDGED, len(mean) - more)
    if judged < 2:
        return None
    first, second = np.triu_indices(judged, 1)

    def variance() -> np.ndarray:
        of_each = np.diag(covariance)
        of_pairs = of_each[first] + of_each[second] - 2 * covariance[first, second]
        return np.maximum(of_pairs, 0)

    difference, now = mean[first] - mean[second], variance()
    observe(covariance, noise, np.arange(judged, len(mean)), more)
    later = variance()
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    moved = difference[:, None] + np.sqrt(np.maximum(now - later, 0))[:, None] * nodes
    right = _right(moved, later[:, None] + 2 * noise) @ (weights / weights.sum())
    return _tau(_right(difference, now + 2 * noise)), _tau(right)


def _right(difference: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the probability that what is expected to be lower is lower."""
    return ndtr(np.abs(difference) / np.sqrt(variance))


def _tau(right: np.ndarray) -> float:
    return float(2 * right.mean() - 1)
