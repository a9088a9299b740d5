"""Gaussian-process regression on a few dozen points, with parameters found by itself.

C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning", MIT Press 2006,
algorithm 2.1 and chapter 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

_LEAST_NOISE = 1e-6  # keeps covariance matrices invertible
#: Expected logarithms (of standardised values) and how far off they may well be: variance of the
#: linear part, variance and length scale of each group, variance of the noise.
_LINEAR, _VARIANCE, _LENGTH, _NOISE = (-1.0, 1.0), (-0.5, 1.0), (0.5, 0.7), (-4.0, 1.0)


@dataclass(frozen=True)
class Posterior:
    """What is known about all points after some were observed.

    Attributes
    ----------
    groups
        Features, float64 (N, F) each, standardised: nearness is measured in each group.
    observed
        int64 (n,): rows that were observed.
    values
        float64 (n,): what was observed there.
    mean
        float64 (N,): expected values.
    parameters
        Logarithms of the parameters that were found, float64.
    scale
        Standard deviation of the observed values.
    """

    groups: tuple[np.ndarray, ...]
    observed: np.ndarray
    values: np.ndarray
    mean: np.ndarray
    parameters: np.ndarray
    scale: float

    def deviation(self, rows: np.ndarray, *, also_observed: Sequence[int] = ()) -> np.ndarray:
        """Return the standard deviation of what is known about ``rows``, float64 (M,).

        ``also_observed`` are rows that will have been observed: what is known then does not
        depend on the values.
        """
        observed = np.concatenate([self.observed, np.array(also_observed, dtype=np.int64)])
        known, asked = _rows(self.groups, observed), _rows(self.groups, rows)
        among = covariance(known, known, self.parameters)
        lower = cholesky(among + _noise(self.parameters) * np.eye(len(observed)), lower=True)
        to_rows = covariance(known, asked, self.parameters)  # (n, M)
        explained = (solve_triangular(lower, to_rows, lower=True) ** 2).sum(axis=0)
        prior = prior_variance(asked, self.parameters)
        return self.scale * np.sqrt(np.maximum(prior - explained, 0))


def fit(groups: Sequence[np.ndarray], observed: np.ndarray, values: np.ndarray) -> Posterior:
    """Fit a Gaussian process and predict all points.

    Its covariance is the sum of a linear one of the first group and, for each group, a Matern one
    (3/2) of the distance in it. Variances, length scales and noise are the most probable ones.

    Parameters
    ----------
    groups
        Features of all points, float64 (N, F) each, standardised.
    observed
        int (n,): rows whose values are known.
    values
        float (n,).
    """
    observed, groups = np.asarray(observed, dtype=np.int64), tuple(groups)
    values = np.asarray(values, dtype=np.float64)
    centre, scale = float(np.mean(values)), float(np.std(values)) or 1.0
    targets = (values - centre) / scale
    expected = _expected(len(groups))

    known = _rows(groups, observed)

    def improbability(parameters: np.ndarray) -> float:
        matrix = covariance(known, known, parameters)
        matrix = matrix + _noise(parameters) * np.eye(len(observed))
        try:
            lower = cholesky(matrix, lower=True)
        except np.linalg.LinAlgError:
            return 1e6  # far from all that is expected
        whitened = solve_triangular(lower, targets, lower=True)
        of_values = 0.5 * whitened @ whitened + np.log(np.diag(lower)).sum()
        return of_values + 0.5 * (((parameters - expected[:, 0]) / expected[:, 1]) ** 2).sum()

    limits = [(-8.0, 4.0)] * len(expected)
    parameters = minimize(improbability, expected[:, 0], method="L-BFGS-B", bounds=limits).x
    matrix = covariance(known, known, parameters)
    factor = cho_factor(matrix + _noise(parameters) * np.eye(len(observed)))
    to_all = covariance(groups, known, parameters)  # (N, n)
    mean = centre + scale * (to_all @ cho_solve(factor, targets))
    return Posterior(groups, observed, values, mean, parameters, scale)


def most_telling(groups: Sequence[np.ndarray], candidates: np.ndarray, count: int) -> np.ndarray:
    """Return which points to observe before anything is known, to know most about all of them.

    One after the other, each the one after which the sum of the variances of all points is least
    (D. A. Cohn, "Neural Network Exploration Using Optimal Experiment Design", NIPS 1993), for the
    parameters that are expected beforehand.

    Parameters
    ----------
    groups
        Features of all points, float64 (N, F) each, standardised. Memory is needed for N * N
        numbers.
    candidates
        int (C,): rows that may be observed.
    count
        How many of them.

    Returns
    -------
    ndarray
        int64 (count,), those that tell most first.

    Raises
    ------
    ValueError
        If there are fewer candidates.
    """
    if count > len(candidates):
        raise ValueError(f"{count} of {len(candidates)} candidates cannot be chosen")
    parameters = _expected(len(groups))[:, 0]
    among = covariance(groups, groups, parameters)  # (N, N), of what is not known yet
    noise = _noise(parameters)
    left = np.zeros(len(among), dtype=bool)
    left[candidates] = True
    chosen = []
    for _ in range(count):
        explained = np.einsum("ij,ij->j", among, among) / (np.diag(among) + noise)
        best = int(np.where(left, explained, -np.inf).argmax())
        chosen.append(best)
        left[best] = False
        with_best = among[best].copy()
        among -= np.outer(with_best, with_best) / (with_best[best] + noise)
    return np.array(chosen, dtype=np.int64)


def _expected(groups: int) -> np.ndarray:
    """Return what each parameter is expected to be and how far off it may be, (parameters, 2)."""
    return np.array([_LINEAR, *[_VARIANCE] * groups, *[_LENGTH] * groups, _NOISE])


def _noise(parameters: np.ndarray) -> float:
    return float(np.exp(parameters[-1])) + _LEAST_NOISE


def _rows(groups: Sequence[np.ndarray], rows: np.ndarray) -> list[np.ndarray]:
    return [group[rows] for group in groups]


def covariance(
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    parameters: np.ndarray,
    *,
    linear: int = 1,
) -> np.ndarray:
    """Return the covariance of some points with others, float64 (A, B).

    Parameters
    ----------
    first, second
        Features of the points, float64 (A, F) and (B, F) for each group.
    parameters
        Logarithms: the variance of the linear covariance of each of the first ``linear`` groups,
        then the variance of the Matern covariance (3/2) of each group, its length scale, and
        what else there is.
    linear
        How many groups have a linear covariance besides.
    """
    count = len(first)
    total = np.zeros((len(first[0]), len(second[0])))
    for a, b, variance in zip(first, second, parameters[:linear], strict=False):
        total = total + np.exp(variance) * (a @ b.T / a.shape[1])
    variances = parameters[linear : linear + count]
    lengths = parameters[linear + count : linear + 2 * count]
    for a, b, variance, length in zip(first, second, variances, lengths, strict=True):
        # Per feature, so that a length scale means the same in a group of many.
        distance = np.sqrt(mean_squares(a, b) * 3) / np.exp(length)
        total += np.exp(variance) * (1 + distance) * np.exp(-distance)
    return total


def mean_squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the mean squared difference of features (A, F) and (B, F), float64 (A, B)."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.maximum(squares, 0) / a.shape[1]


def prior_variance(
    points: Sequence[np.ndarray], parameters: np.ndarray, *, linear: int = 1
) -> np.ndarray:
    """Return the variance of points before anything is known, float64 (N,).

    The arguments are those of :func:`covariance`.
    """
    total = np.zeros(len(points[0]))
    for group, variance in zip(points, parameters[:linear], strict=False):
        total = total + np.exp(variance) * ((group**2).sum(axis=1) / group.shape[1])
    return total + np.exp(parameters[linear : linear + len(points)]).sum()
