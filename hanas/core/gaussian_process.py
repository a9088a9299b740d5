"""Gaussian-process regression on a few dozen points, with parameters found by itself.

The covariance is the sum of a linear one of the first groups of features and, for each group, a
Matern one (3/2) of the distance in it. Its parameters are the most probable ones: C. E. Rasmussen
and C. K. I. Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, algorithm 2.1
and chapter 5. :func:`fit` predicts points that are all known beforehand; a :class:`Regression`
predicts any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from hanas.core.pareto import non_dominated

#: Points that parameters are found from at most; enough for so few of them.
_ENOUGH = 500
_AT_A_TIME = 4096  # points; bounds memory


@dataclass(frozen=True)
class Prior:
    """A covariance, and what its parameters are expected to be for values of deviation 1.

    Points are features, float64 (A, F) for each group. Parameters are logarithms: the variance of
    the linear covariance of each of the first ``linear_groups``, then the variance of the Matern
    covariance of each group, its length scale, and the variance of the noise, to which
    ``least_noise`` is added: it keeps covariance matrices invertible. Of each kind the expected
    value stands here and how far off it may be, and ``limits`` of all.
    """

    linear_groups: int
    linear: tuple[float, float]
    variance: tuple[float, float]
    length: tuple[float, float]
    noise: tuple[float, float]
    limits: tuple[float, float]
    least_noise: float

    def expected(self, groups: int) -> np.ndarray:
        """Return mean and deviation of each parameter, float64 (parameters, 2)."""
        linear = [self.linear] * self.linear_groups
        return np.array([*linear, *[self.variance] * groups, *[self.length] * groups, self.noise])

    def noise_of(self, parameters: np.ndarray) -> float:
        """Return the variance of the noise."""
        return float(np.exp(parameters[-1])) + self.least_noise

    def covariance(
        self, first: Sequence[np.ndarray], second: Sequence[np.ndarray], parameters: np.ndarray
    ) -> np.ndarray:
        """Return the covariance of some points with others, float64 (A, B)."""
        total = np.zeros((len(first[0]), len(second[0])))
        linear, of_groups = self._parts(parameters, len(first))
        for a, b, variance in zip(first, second, linear, strict=False):
            total = total + np.exp(variance) * (a @ b.T / a.shape[1])
        for a, b, (variance, length) in zip(first, second, of_groups, strict=True):
            # Per feature, so that a length scale means the same in a group of many.
            distance = np.sqrt(_mean_squares(a, b) * 3) / np.exp(length)
            total += np.exp(variance) * (1 + distance) * np.exp(-distance)
        return total

    def variance_of(self, points: Sequence[np.ndarray], parameters: np.ndarray) -> np.ndarray:
        """Return the variance of points before anything is known, float64 (N,)."""
        total = np.zeros(len(points[0]))
        linear, of_groups = self._parts(parameters, len(points))
        for group, variance in zip(points, linear, strict=False):
            total = total + np.exp(variance) * ((group**2).sum(axis=1) / group.shape[1])
        return total + np.exp(of_groups[:, 0]).sum()

    def _parts(self, parameters: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the linear variances, and variance and length of each group, (groups, 2)."""
        linear, of_groups = parameters[: self.linear_groups], parameters[self.linear_groups :]
        return linear, of_groups[: 2 * groups].reshape(2, groups).T


#: Of points that are known beforehand, such as the accuracies of cells; chosen on those.
OF_ALL_POINTS = Prior(1, (-1.0, 1.0), (-0.5, 1.0), (0.5, 0.7), (-4.0, 1.0), (-8.0, 4.0), 1e-6)
#: Of any points; chosen on metrics of devices.
OF_ANY_POINTS = Prior(2, (-1.0, 1.5), (-1.0, 1.5), (1.0, 1.0), (-4.0, 1.5), (-14.0, 6.0), 1e-7)


@dataclass(frozen=True)
class Posterior:
    """What is known about all points after the rows ``observed``, int64 (n,), were observed.

    ``groups`` are standardised features of all points; ``mean``, float64 (N,), is what is expected;
    ``centre`` and ``scale`` are the mean and the standard deviation of the observed values.
    """

    groups: Sequence[np.ndarray]
    observed: np.ndarray
    mean: np.ndarray
    parameters: np.ndarray
    scale: float
    centre: float
    weights: np.ndarray

    def expected(self, groups: Sequence[np.ndarray]) -> np.ndarray:
        """Return what is expected of any points, float64 (M,), by their features."""
        known = [group[self.observed] for group in self.groups]
        to_points = OF_ALL_POINTS.covariance(groups, known, self.parameters)  # (M, n)
        return self.centre + self.scale * (to_points @ self.weights)

    def about(self, points: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, float]:
        """Return what is known about any points, by their features, for values of deviation 1.

        Mean, float64 (M,), covariance, float64 (M, M), and the variance of the noise.
        """
        known = [group[self.observed] for group in self.groups]
        to_points = OF_ALL_POINTS.covariance(points, known, self.parameters)  # (M, n)
        lower = cholesky(_with_noise(known, self.parameters), lower=True)
        explained = solve_triangular(lower, to_points.T, lower=True)
        left = OF_ALL_POINTS.covariance(points, points, self.parameters) - explained.T @ explained
        return to_points @ self.weights, left, OF_ALL_POINTS.noise_of(self.parameters)

    def leave_one_out(self, values: np.ndarray) -> np.ndarray:
        """Return what is expected of each observed point from all others, float64 (n,).

        With the parameters found on all (Rasmussen and Williams, equation 5.12).
        """
        known = [group[self.observed] for group in self.groups]
        inverse = np.linalg.inv(_with_noise(known, self.parameters))
        return values - self.scale * self.weights / np.diag(inverse)

    def deviation(self, rows: np.ndarray, *, also_observed: Sequence[int] = ()) -> np.ndarray:
        """Return the standard deviation of what is known about ``rows``, float64 (M,).

        Also once ``also_observed`` rows were observed: it does not depend on their values.
        """
        observed = np.concatenate([self.observed, np.array(also_observed, dtype=np.int64)])
        known, asked = ([group[some] for group in self.groups] for some in (observed, rows))
        lower = cholesky(_with_noise(known, self.parameters), lower=True)
        to_rows = OF_ALL_POINTS.covariance(known, asked, self.parameters)  # (n, M)
        explained = (solve_triangular(lower, to_rows, lower=True) ** 2).sum(axis=0)
        prior = OF_ALL_POINTS.variance_of(asked, self.parameters)
        return self.scale * np.sqrt(np.maximum(prior - explained, 0))


def fit(groups: Sequence[np.ndarray], observed: np.ndarray, values: np.ndarray) -> Posterior:
    """Fit a Gaussian process to values, float64 (n,), of the rows ``observed``, and predict all.

    ``groups`` are features of all points, float64 (N, F) each, standardised.
    """
    centre, scale = float(np.mean(values)), _scale(values)
    targets = (values - centre) / scale
    known = [group[observed] for group in groups]
    centres, spreads = OF_ALL_POINTS.expected(len(groups)).T

    def improbability(parameters: np.ndarray) -> float:
        try:
            lower = cholesky(_with_noise(known, parameters), lower=True)
        except np.linalg.LinAlgError:
            return 1e6  # far from all that is expected
        whitened = solve_triangular(lower, targets, lower=True)
        of_values = 0.5 * whitened @ whitened + np.log(np.diag(lower)).sum()
        return of_values + 0.5 * (((parameters - centres) / spreads) ** 2).sum()

    limits = [OF_ALL_POINTS.limits] * len(centres)
    parameters = minimize(improbability, centres, method="L-BFGS-B", bounds=limits).x
    factor = cho_factor(_with_noise(known, parameters))
    to_all = OF_ALL_POINTS.covariance(groups, known, parameters)  # (N, n)
    weights = cho_solve(factor, targets)
    mean = centre + scale * (to_all @ weights)
    return Posterior(groups, observed, mean, parameters, scale, centre, weights)


def _with_noise(known: Sequence[np.ndarray], parameters: np.ndarray) -> np.ndarray:
    noise = OF_ALL_POINTS.noise_of(parameters) * np.eye(len(known[0]))
    return OF_ALL_POINTS.covariance(known, known, parameters) + noise


def most_telling(groups: Sequence[np.ndarray], candidates: np.ndarray, count: int) -> np.ndarray:
    """Return which candidates to observe, int64 (count,), to know most about all points.

    One after the other, each the one after which the sum of the variances of all points is least
    (D. A. Cohn, "Neural Network Exploration Using Optimal Experiment Design", NIPS 1993), for the
    expected parameters. ``candidates``, int (C,), are rows; ValueError if there are fewer than
    ``count``. Memory is needed for N * N numbers.
    """
    if count > len(candidates):
        raise ValueError(f"{count} of {len(candidates)} candidates cannot be chosen")
    parameters = OF_ALL_POINTS.expected(len(groups))[:, 0]
    among = OF_ALL_POINTS.covariance(groups, groups, parameters)  # (N, N), of what is unknown yet
    return observe(among, OF_ALL_POINTS.noise_of(parameters), candidates, count)


def observe(among: np.ndarray, noise: float, candidates: np.ndarray, count: int) -> np.ndarray:
    """Return which rows :func:`most_telling` chooses, int64 (count,), and update what is unknown.

    ``among``, the covariance of all points, float64 (N, N), becomes that after these were observed.
    """
    left = np.isin(np.arange(len(among)), candidates)
    chosen = []
    for _ in range(count):
        explained = np.einsum("ij,ij->j", among, among) / (np.diag(among) + noise)
        best = int(np.where(left, explained, -np.inf).argmax())
        chosen.append(best)
        left[best] = False
        with_best = among[best].copy()
        among -= np.outer(with_best, with_best) / (with_best[best] + noise)
    return np.array(chosen, dtype=np.int64)


def on_possible_fronts(
    posterior: Posterior, costs: np.ndarray, left: np.ndarray, count: int
) -> np.ndarray:
    """Return ``count`` of the rows ``left``: each the least known on the front of what may be.

    That is of values one standard deviation better (lower) than expected and ``costs``, float64
    (N, C). Those chosen before will be known. Fewer where no more are left.
    """
    hoped = posterior.mean[left] - posterior.deviation(left)
    chosen: list[int] = []
    for _ in range(min(count, len(left))):
        open_ = ~np.isin(left, chosen)
        points = np.column_stack([hoped[open_], costs[left[open_]]])
        front = left[open_][non_dominated(points, copies=False)]
        unsure = posterior.deviation(front, also_observed=chosen)
        chosen.append(int(front[unsure.argmax()]))
    return np.array(chosen, dtype=np.int64)


@dataclass(frozen=True)
class Regression:
    """A Gaussian process, linear in two groups, that has seen some points and predicts any others.

    The points have standardised features, float64 (n, F) for each of the ``groups``, and values,
    float64 (n,). ``parameters`` are those of :data:`OF_ANY_POINTS`.
    """

    groups: Sequence[np.ndarray]
    values: np.ndarray
    parameters: np.ndarray

    @property
    def scale(self) -> float:
        """Standard deviation of the values; 1 where all are the same."""
        return _scale(self.values)

    @property
    def noise(self) -> float:
        """Variance of the noise, in the unit of the values squared."""
        return self.scale**2 * OF_ANY_POINTS.noise_of(self.parameters)

    @cached_property
    def _lower(self) -> np.ndarray:
        among = self._prior(self.groups, self.groups)
        return np.linalg.cholesky(among + np.eye(len(self.values)) * self.noise / self.scale**2)

    def predict(self, points: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return what is expected to be measured at points, and its standard deviation.

        The deviation is that of a measurement, so it includes the noise; both are float64 (N,).
        """
        centre = float(np.mean(self.values))
        weights = cho_solve((self._lower, True), (self.values - centre) / self.scale)
        means, deviations = [], []
        for start in range(0, max(1, len(points[0])), _AT_A_TIME):
            some = [group[start : start + _AT_A_TIME] for group in points]
            to_points = self._prior(self.groups, some)  # (n, N)
            explained = (solve_triangular(self._lower, to_points, lower=True) ** 2).sum(axis=0)
            prior = OF_ANY_POINTS.variance_of(some, self.parameters)
            variance = self.scale**2 * np.maximum(prior - explained, 0) + self.noise
            means.append(centre + self.scale * (to_points.T @ weights))
            deviations.append(np.sqrt(variance))
        return np.concatenate(means), np.concatenate(deviations)

    def covariance(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
        """Return the covariance of what is known about points, without noise, float64 (A, B)."""
        a, b = (
            solve_triangular(self._lower, self._prior(self.groups, points), lower=True)
            for points in (first, second)
        )
        return self.scale**2 * (self._prior(first, second) - a.T @ b)

    def _prior(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
        return OF_ANY_POINTS.covariance(first, second, self.parameters)


def parameters(groups: Sequence[np.ndarray], values: np.ndarray) -> np.ndarray:
    """Return the most probable parameters of a :class:`Regression`, found with their gradient.

    Of more than 500 points, 500 at even distances in their order are used, since a step is O(n^3).
    """
    some = np.linspace(0, len(values) - 1, min(len(values), _ENOUGH)).round().astype(int)
    groups, values, prior = [group[some] for group in groups], values[some], OF_ANY_POINTS
    centres, spreads = prior.expected(len(groups)).T
    targets = (values - np.mean(values)) / _scale(values)
    products = [group @ group.T / group.shape[1] for group in groups]  # (n, n) each
    squares = [_mean_squares(group, group) for group in groups]

    def improbability(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        # Derivatives of the covariance, (n, n) each. Those by the logarithm of a variance are the
        # parts of the covariance that it belongs to; the sum of these is the matrix itself.
        linear, of_groups = prior._parts(parameters, len(groups))
        parts = [np.exp(p) * product for p, product in zip(linear, products, strict=False)]
        by_lengths = []
        for square, (log_variance, length) in zip(squares, of_groups, strict=True):
            variance, scaled = np.exp(log_variance), 3 * square * np.exp(-2 * length)
            distance = np.sqrt(scaled)
            decay = np.exp(-distance)
            parts.append(variance * (1 + distance) * decay)
            by_lengths.append(variance * scaled * decay)
        matrix = sum(parts) + prior.noise_of(parameters) * np.eye(len(targets))
        try:
            lower = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            return 1e6, np.zeros(len(parameters))  # far from all that is expected
        inverse_of_lower = solve_triangular(lower, np.eye(len(targets)), lower=True)
        inverse = inverse_of_lower.T @ inverse_of_lower
        weights = inverse @ targets
        of_values = 0.5 * targets @ weights + np.log(np.diag(lower)).sum()
        of_matrix = 0.5 * (inverse - np.outer(weights, weights))  # equation 5.9
        slopes = [np.vdot(of_matrix, part) for part in parts + by_lengths]
        slopes += [float(np.exp(parameters[-1])) * np.trace(of_matrix)]
        off = (parameters - centres) / spreads
        return of_values + 0.5 * off @ off, np.array(slopes) + off / spreads

    limits = [prior.limits] * len(centres)
    return minimize(improbability, centres, jac=True, method="L-BFGS-B", bounds=limits).x


def _mean_squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the mean squared difference of features (A, F) and (B, F), float64 (A, B)."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.maximum(squares, 0) / a.shape[1]


def _scale(values: np.ndarray) -> float:
    return float(np.std(values)) or 1.0
