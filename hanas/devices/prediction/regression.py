"""Gaussian-process regression from some points to any others.

The covariance is that of :mod:`hanas.core.gaussian_process`: a linear one of some groups of features
and, for each group, a Matern one of the distance in it. Its parameters are the most probable ones,
found with the gradient of their probability (C. E. Rasmussen and C. K. I. Williams, "Gaussian
Processes for Machine Learning", MIT Press 2006, equation 5.9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

from hanas.core.gaussian_process import covariance, mean_squares, prior_variance

_LEAST_NOISE = 1e-7  # of standardised values; keeps covariance matrices invertible
#: Expected logarithms (of standardised values) and how far off they may well be.
_LINEAR, _VARIANCE, _LENGTH, _NOISE = (-1.0, 1.5), (-1.0, 1.5), (1.0, 1.0), (-4.0, 1.5)
_LIMITS = (-14.0, 6.0)
_ENOUGH = 500  # points to find parameters from
_AT_A_TIME = 4096  # points; bounds memory


@dataclass(frozen=True)
class Regression:
    """A Gaussian process that has seen some points.

    Attributes
    ----------
    linear
        How many groups, the first ones, have a linear covariance besides.
    groups
        Features of the points that were seen, float64 (n, F) each, standardised.
    values
        Their values, float64 (n,).
    parameters
        Logarithms of the parameters, see :func:`hanas.core.gaussian_process.covariance`; the last one
        is the variance of the noise. Of values with mean 0 and deviation 1.
    """

    linear: int
    groups: tuple[np.ndarray, ...]
    values: np.ndarray
    parameters: np.ndarray

    @property
    def centre(self) -> float:
        """Mean of the values."""
        return float(np.mean(self.values))

    @property
    def scale(self) -> float:
        """Standard deviation of the values; 1 where all are the same."""
        return _scale(self.values)

    @property
    def noise(self) -> float:
        """Variance of the noise, in the unit of the values squared."""
        return self.scale**2 * (float(np.exp(self.parameters[-1])) + _LEAST_NOISE)

    @cached_property
    def _lower(self) -> np.ndarray:
        among = covariance(self.groups, self.groups, self.parameters, linear=self.linear)
        return np.linalg.cholesky(among + np.eye(len(self.values)) * self.noise / self.scale**2)

    @cached_property
    def _weights(self) -> np.ndarray:
        return cho_solve((self._lower, True), (self.values - self.centre) / self.scale)

    def predict(self, points: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return what is expected to be measured at points, and its standard deviation.

        The deviation is that of a measurement, so it includes the noise.

        Parameters
        ----------
        points
            Features, float64 (N, F) for each group.

        Returns
        -------
        mean, deviation
            float64 (N,) each.
        """
        parts = [
            self._predict([group[start : start + _AT_A_TIME] for group in points])
            for start in range(0, max(1, len(points[0])), _AT_A_TIME)
        ]
        mean, deviation = (np.concatenate(part) for part in zip(*parts, strict=True))
        return mean, deviation

    def _predict(self, points: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        to_points = covariance(self.groups, points, self.parameters, linear=self.linear)  # (n, N)
        explained = (solve_triangular(self._lower, to_points, lower=True) ** 2).sum(axis=0)
        prior = prior_variance(points, self.parameters, linear=self.linear)
        variance = self.scale**2 * np.maximum(prior - explained, 0) + self.noise
        return self.centre + self.scale * (to_points.T @ self._weights), np.sqrt(variance)

    def covariance(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
        """Return the covariance of what is known about points, without noise, float64 (A, B)."""
        prior = covariance(first, second, self.parameters, linear=self.linear)
        explained = [
            solve_triangular(
                self._lower,
                covariance(self.groups, points, self.parameters, linear=self.linear),
                lower=True,
            )
            for points in (first, second)
        ]
        return self.scale**2 * (prior - explained[0].T @ explained[1])


def parameters(groups: Sequence[np.ndarray], values: np.ndarray, *, linear: int) -> np.ndarray:
    """Return the most probable parameters.

    Takes O(n^3) a step; of more than 500 points, 500 at even distances in their order are looked
    at, which is enough for so few parameters.

    Parameters
    ----------
    groups
        Features of the points, float64 (n, F) each, standardised.
    values
        float64 (n,).
    linear
        How many of the groups, the first ones, have a linear covariance besides.

    Returns
    -------
    ndarray
        See :class:`Regression`.
    """
    some = np.linspace(0, len(values) - 1, min(len(values), _ENOUGH)).round().astype(int)
    groups, values = [group[some] for group in groups], values[some]
    count = len(groups)
    expected = np.array(
        [*[_LINEAR] * linear, *[_VARIANCE] * count, *[_LENGTH] * count, _NOISE]
    )  # (parameters, 2)
    targets = (values - np.mean(values)) / _scale(values)
    products = [group @ group.T / group.shape[1] for group in groups[:linear]]  # (n, n) each
    squares = [mean_squares(group, group) for group in groups]

    def improbability(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        parts = _parts(products, squares, parameters)
        # The matrix itself is the sum of the linear parts and those with a variance of their own.
        noise = float(np.exp(parameters[-1]))
        matrix = sum(parts[: linear + count]) + (noise + _LEAST_NOISE) * np.eye(len(targets))
        try:
            lower = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            return 1e6, np.zeros(len(parameters))  # far from all that is expected
        inverse_of_lower = solve_triangular(lower, np.eye(len(targets)), lower=True)
        inverse = inverse_of_lower.T @ inverse_of_lower
        weights = inverse @ targets
        of_values = 0.5 * targets @ weights + np.log(np.diag(lower)).sum()
        of_matrix = 0.5 * (inverse - np.outer(weights, weights))
        slopes = [np.vdot(of_matrix, part) for part in parts] + [noise * np.trace(of_matrix)]
        off = (parameters - expected[:, 0]) / expected[:, 1]
        return of_values + 0.5 * off @ off, np.array(slopes) + off / expected[:, 1]

    found = minimize(
        improbability,
        expected[:, 0],
        jac=True,
        method="L-BFGS-B",
        bounds=[_LIMITS] * len(expected),
    )
    return found.x


def _scale(values: np.ndarray) -> float:
    return float(np.std(values)) or 1.0


def _parts(
    products: Sequence[np.ndarray], squares: Sequence[np.ndarray], parameters: np.ndarray
) -> list[np.ndarray]:
    """Return the derivative of the covariance by each parameter but the noise, (n, n) each.

    A variance is given by its logarithm, so the derivative by it is the part of the covariance
    that it belongs to.
    """
    linear, count = len(products), len(squares)
    parts = [np.exp(p) * product for p, product in zip(parameters, products, strict=False)]
    by_lengths = []
    for group, square in enumerate(squares):
        variance = np.exp(parameters[linear + group])
        scaled = 3 * square * np.exp(-2 * parameters[linear + count + group])
        distance = np.sqrt(scaled)
        decay = np.exp(-distance)
        parts.append(variance * (1 + distance) * decay)
        by_lengths.append(variance * scaled * decay)
    return parts + by_lengths
