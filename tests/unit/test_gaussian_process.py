import numpy as np
import pytest

from hanas.core.gaussian_process import Posterior, fit, most_telling


@pytest.fixture
def groups():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(60, 3)), rng.normal(size=(60, 2))]


def covariance(groups, i: int, j: int, parameters) -> float:
    """Return the covariance of two points, written out."""
    linear, *of_groups, _ = np.exp(parameters)
    total = linear * np.mean(groups[0][i] * groups[0][j])
    for number, group in enumerate(groups):
        variance, length = of_groups[number], of_groups[len(groups) + number]
        distance = np.sqrt(3 * np.mean((group[i] - group[j]) ** 2)) / length
        total += variance * (1 + distance) * np.exp(-distance)
    return total


def conditioned(posterior: Posterior, values, row: int, observed) -> tuple[float, float]:
    """Return mean and deviation of a point, from the joint normal distribution."""
    p = posterior.parameters
    noise = np.exp(p[-1]) + 1e-6
    joint = np.array(
        [[covariance(posterior.groups, i, j, p) for j in observed] for i in observed]
    ) + noise * np.eye(len(observed))
    to_row = np.array([covariance(posterior.groups, i, row, p) for i in observed])
    prior = covariance(posterior.groups, row, row, p)
    deviation = posterior.scale * np.sqrt(prior - to_row @ np.linalg.inv(joint) @ to_row)
    if len(values) < len(observed):
        return np.nan, deviation
    centred = (values - values.mean()) / values.std()
    mean = values.mean() + values.std() * (to_row @ np.linalg.inv(joint) @ centred)
    return mean, deviation


def test_the_posterior_is_the_conditioned_joint_distribution(groups):
    observed = np.arange(0, 40, 2)
    values = np.sin(groups[0][observed, 0]) + 0.3 * groups[1][observed, 1] + 5
    posterior = fit(groups, observed, values)
    deviation = posterior.deviation(np.arange(60))
    also = posterior.deviation(np.arange(60), also_observed=[41, 43])
    for row in (0, 1, 41, 59):
        expected = conditioned(posterior, values, row, observed)
        assert (posterior.mean[row], deviation[row]) == pytest.approx(expected, rel=1e-6)
        _, expected = conditioned(posterior, values, row, [*observed, 41, 43])
        assert also[row] == pytest.approx(expected, rel=1e-6)
    assert deviation[observed].max() < deviation[1:40:2].min()


def test_it_learns_a_function(groups):
    truth = np.tanh(2 * groups[0][:, 0]) + groups[1][:, 0]
    posterior = fit(groups, np.arange(40), truth[:40])
    left = slice(40, None)
    assert np.corrcoef(posterior.mean[left], truth[left])[0, 1] > 0.9


def test_values_that_are_all_the_same_are_expected_everywhere(groups):
    posterior = fit(groups, np.arange(5), np.full(5, 3.0))
    np.testing.assert_allclose(posterior.mean, 3)


def test_what_is_observed_first_leaves_the_least_variance(groups):
    # What is expected of the logarithms of the parameters: see hanas/core/gaussian_process.py.
    parameters = [-1.0, -0.5, -0.5, 0.5, 0.5, -4.0]
    joint = np.array([[covariance(groups, i, j, parameters) for j in range(60)] for i in range(60)])
    noise = np.exp(-4.0) + 1e-6

    def variance_left(observed: list[int]) -> float:
        known = joint[np.ix_(observed, observed)] + noise * np.eye(len(observed))
        return np.trace(joint - joint[:, observed] @ np.linalg.inv(known) @ joint[observed])

    candidates = np.arange(0, 60, 3)
    with pytest.raises(ValueError, match="21 of 20 candidates"):
        most_telling(groups, candidates, 21)
    chosen = most_telling(groups, candidates, 6)
    assert len(set(chosen)) == 6
    for count in range(6):
        before = chosen[:count].tolist()
        left = [int(row) for row in candidates if row not in before]
        best = min(variance_left([*before, row]) for row in left)
        assert variance_left([*before, int(chosen[count])]) == pytest.approx(best, rel=1e-9)
