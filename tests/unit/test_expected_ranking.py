"""How well a Gaussian process believes to rank, now and after more observations."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from hanas.core.expected_ranking import expected_tau
from hanas.core.gaussian_process import OF_ALL_POINTS, fit, observe

RNG = np.random.default_rng(4)
GROUP = RNG.normal(size=(52, 3))
SEEN, MORE, JUDGED = 6, 10, 36  # the judged ones are what is left of 46 points


@pytest.fixture(scope="module")
def posterior():
    values = GROUP[:SEEN, 0] + 0.5 * np.sin(3 * GROUP[:SEEN, 1]) + RNG.normal(0, 0.2, SEEN)
    return fit([GROUP[:SEEN]], np.arange(SEEN), values)


def simulated(posterior, draws: int = 1000) -> tuple[float, float]:
    """Return the mean tau over values drawn from what is known, by conditioning on those to come.

    Written out with the joint distribution of all points.
    """
    points = GROUP[SEEN:]
    parameters = posterior.parameters
    noise = np.exp(parameters[-1]) + 1e-6
    among = OF_ALL_POINTS.covariance([GROUP], [GROUP], parameters)
    seen, unknown = np.arange(SEEN), np.arange(SEEN, len(GROUP))
    to_unknown = among[np.ix_(unknown, seen)] @ np.linalg.inv(
        among[np.ix_(seen, seen)] + noise * np.eye(SEEN)
    )
    mean = (posterior.expected([points]) - posterior.centre) / posterior.scale
    left = among[np.ix_(unknown, unknown)] - to_unknown @ among[np.ix_(seen, unknown)]
    chosen = observe(left.copy(), noise, np.arange(JUDGED, len(points)), MORE)
    update = left[:, chosen] @ np.linalg.inv(left[np.ix_(chosen, chosen)] + noise * np.eye(MORE))
    rng = np.random.default_rng(0)
    values = rng.multivariate_normal(mean, left + noise * np.eye(len(mean)), size=draws)
    now, later = [], []
    for value in values:
        then = mean + update @ (value[chosen] - mean[chosen])
        now.append(kendalltau(mean[:JUDGED], value[:JUDGED]).statistic)
        later.append(kendalltau(then[:JUDGED], value[:JUDGED]).statistic)
    return float(np.mean(now)), float(np.mean(later))


def known(found):
    assert found is not None
    return found


def test_it_is_the_mean_over_values_that_may_come(posterior):
    found = known(expected_tau(posterior, [GROUP[SEEN:]], MORE))
    assert found == pytest.approx(simulated(posterior), abs=0.008)
    assert found[1] > found[0] + 0.03  # so that a mistake in one of them shows


def test_nothing_more_adds_nothing_and_more_adds_more(posterior):
    points = [GROUP[SEEN:]]
    now, same = known(expected_tau(posterior, points, 0))
    assert same == pytest.approx(now, abs=1e-9)
    few, many = (known(expected_tau(posterior, points, more)) for more in (2, 30))
    assert few[1] > few[0]
    assert many[1] > few[1]


def test_too_few_points_say_nothing(posterior):
    assert expected_tau(posterior, [GROUP[SEEN:]], 45) is None
    assert expected_tau(posterior, [GROUP[SEEN : SEEN + 3]], 5) is None
