import numpy as np
import pytest
from scipy import stats

from hanas.core.gaussian_process import Regression, parameters

LINEAR = 2


@pytest.fixture
def groups():
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=(50, features)) for features in (3, 2, 4))


def written_out(groups, i: int, j: int, logarithms) -> float:
    """Return the covariance of two points."""
    found = np.exp(logarithms)
    linear, variances, lengths = found[:LINEAR], found[LINEAR:5], found[5:8]
    total = sum(v * np.mean(g[i] * g[j]) for v, g in zip(linear, groups, strict=False))
    for group, variance, length in zip(groups, variances, lengths, strict=True):
        distance = np.sqrt(3 * np.mean((group[i] - group[j]) ** 2)) / length
        total += variance * (1 + distance) * np.exp(-distance)
    return total


def joint(groups, rows, logarithms) -> np.ndarray:
    matrix = [[written_out(groups, i, j, logarithms) for j in rows] for i in rows]
    return np.array(matrix) + (np.exp(logarithms[-1]) + 1e-7) * np.eye(len(rows))


def values_at(groups) -> np.ndarray:
    rng = np.random.default_rng(1)
    smooth = 4 + groups[0][:, 0] - 0.5 * groups[1][:, 1] + np.sin(groups[2][:, 0])
    return smooth + 0.1 * rng.normal(size=len(smooth))


def test_predictions_are_the_conditioned_joint_distribution(groups):
    seen, values = np.arange(20), values_at(groups)[:20]
    chosen = np.array([-1.0, -2.0, -0.5, -1.5, -1.0, 0.2, 0.5, 0.8, -3.0])
    regression = Regression(tuple(g[:20] for g in groups), values, chosen)
    mean, deviation = regression.predict([g[[20, 3, 41]] for g in groups])
    centred = (values - values.mean()) / values.std()
    inverse = np.linalg.inv(joint(groups, seen, chosen))
    between = regression.covariance([g[[20, 3]] for g in groups], [g[[41]] for g in groups])
    to = {row: np.array([written_out(groups, i, row, chosen) for i in seen]) for row in (20, 3, 41)}
    for number, row in enumerate((20, 3, 41)):
        expected = values.mean() + values.std() * (to[row] @ inverse @ centred)
        variance = written_out(groups, row, row, chosen) - to[row] @ inverse @ to[row]
        variance += np.exp(chosen[-1]) + 1e-7
        assert mean[number] == pytest.approx(expected, rel=1e-8)
        assert deviation[number] == pytest.approx(values.std() * np.sqrt(variance), rel=1e-8)
        if row != 41:
            shared = written_out(groups, row, 41, chosen) - to[row] @ inverse @ to[41]
            assert between[number, 0] == pytest.approx(values.std() ** 2 * shared, rel=1e-6)


def test_parameters_are_the_most_probable_ones(groups):
    values = values_at(groups)
    found = parameters(groups, values)
    centred = (values - values.mean()) / values.std()
    centres = np.array([-1.0, -1, -1, -1, -1, 1, 1, 1, -4])
    spreads = np.array([1.5, 1.5, 1.5, 1.5, 1.5, 1, 1, 1, 1.5])

    def log_probability(logarithms) -> float:
        matrix = joint(groups, np.arange(50), logarithms)
        of_values = stats.multivariate_normal(np.zeros(50), matrix).logpdf(centred)
        return of_values + stats.norm(centres, spreads).logpdf(logarithms).sum()

    best = log_probability(found)
    for number in range(len(found)):
        for step in (-0.2, 0.2):
            moved = found.copy()
            moved[number] += step
            assert log_probability(moved) < best


def test_values_that_are_all_the_same_are_expected_everywhere(groups):
    few = tuple(group[:5] for group in groups)
    found = parameters(few, np.full(5, 3.0))
    mean, deviation = Regression(few, np.full(5, 3.0), found).predict(groups)
    np.testing.assert_allclose(mean, 3)
    assert (deviation > 0).all()
