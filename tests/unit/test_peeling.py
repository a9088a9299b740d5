from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hanas.core.errors import InputError
from hanas.core.pareto import non_dominated
from hanas.fronts.peeling import peel
from hanas.fronts.settings import Peeling

POINTS = st.integers(1, 30).flatmap(
    lambda count: arrays(np.float64, (count, 2), elements=st.integers(0, 8).map(float))
)


def errors_of(true):
    return lambda rows: true[rows]


@given(POINTS)
def test_layers_hold_every_row_once_and_follow_the_ranks(points):
    settings = Peeling(limit=len(points))
    layers = peel(points, errors_of(points[:, 0]), settings, past_the_end=True)
    found = [layer.rows for layer in layers]
    assert sorted(np.concatenate(found).tolist()) == list(range(len(points)))
    for earlier, later in pairwise(found):
        # Each of the later is dominated by, or equal to, one of the earlier.
        assert all((points[earlier] <= points[row]).all(axis=1).any() for row in later)


@given(POINTS, st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_trained_front_is_the_front_of_what_was_trained(points, seed, limit):
    true = np.random.default_rng(seed).random(len(points))
    settings = Peeling(epsilon=0.01, patience=3, limit=limit)
    found = list(peel(points, errors_of(true), settings))
    for layer in found:
        assert len(layer.trained) <= limit
        assert len(set(layer.trained.tolist())) == len(layer.trained)
        seen = np.column_stack([true, points[:, 1]])[layer.trained]
        front = np.column_stack([true, points[:, 1]])[layer.front]
        assert sorted(map(tuple, np.unique(seen[non_dominated(seen)], axis=0))) == sorted(
            map(tuple, front)
        )
        assert 0 <= layer.gain <= 1
    assert not found[-1].pays or len(found[-1].trained) == len(points)


def test_by_hand():
    # Predicted layers: {0, 1, 2}, {3, 4}, {5}. In truth row 4 beats the middle of the front.
    predicted = np.array([[1, 9], [5, 5], [9, 1], [6, 6], [7, 5], [9, 9]], dtype=float)
    true = np.array([0.1, 0.5, 0.9, 0.6, 0.3, 0.9])
    first, second = peel(predicted, errors_of(true), Peeling(epsilon=0.1, patience=1, limit=5))
    assert (first.rows.tolist(), first.front.tolist()) == ([0, 1, 2], [0, 1, 2])
    assert (first.gain, first.pays) == (1, True)
    assert (second.rows.tolist(), second.front.tolist()) == ([3, 4], [0, 2, 4])
    # In the box of the new front, error .1 to .9 and metric 1 to 9: .5 x .5 of .75 x .5.
    assert second.gain == pytest.approx(1 - (0.5 * 0.5) / (0.75 * 0.5))
    assert not second.pays  # the limit


def test_stops_after_patience_and_may_look_past_it():
    predicted = np.array([[k, 10.0 - k + i] for i in range(6) for k in range(11)])
    true = predicted[:, 0] / 10  # the proxy is perfect: no further layer adds anything
    settings = Peeling(epsilon=0.01, patience=2, limit=60)
    found = list(peel(predicted, errors_of(true), settings))
    assert [layer.gain for layer in found] == [1, 0, 0]
    assert [layer.pays for layer in found] == [True, True, False]
    longer = list(peel(predicted, errors_of(true), settings, past_the_end=True))
    assert [layer.pays for layer in longer] == [True, True, False, False, False, False]
    assert len(longer[-1].trained) == 60


def test_what_does_not_reach_the_floor_is_paid_for_but_not_on_the_front():
    predicted = np.array([[0.1, 3.0], [0.2, 2.0], [0.3, 1.0]])
    true = np.array([0.2, 0.3, 0.8])
    (only,) = peel(predicted, errors_of(true), Peeling(), accuracy_floor=0.5)
    assert only.trained.tolist() == [0, 1, 2]
    assert only.front.tolist() == [0, 1]


def test_stops_where_nothing_reaches_the_floor():
    predicted = np.array([[k, 10.0 - k + i] for i in range(6) for k in range(11)])
    nothing = np.full(len(predicted), 0.7)
    settings = Peeling(epsilon=0.01, patience=2, limit=60)
    found = list(peel(predicted, errors_of(nothing), settings, accuracy_floor=0.5))
    assert [layer.gain for layer in found] == [0, 0]
    assert [len(layer.front) for layer in found] == [0, 0]
    # Later than that, the first front that reaches it is all there is.
    later = np.where(np.arange(len(predicted)) < 11, 0.7, 0.2)
    found = list(peel(predicted, errors_of(later), settings, accuracy_floor=0.5))
    assert [layer.gain for layer in found][:2] == [0, 1]


def test_a_layer_that_does_not_fit_keeps_its_ends():
    predicted = np.array([[float(k), 10.0 - k] for k in range(11)])
    (only,) = peel(predicted, errors_of(predicted[:, 0] / 10), Peeling(limit=2))
    assert only.rows.tolist() == [0, 10]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epsilon": 0}, "peeling.epsilon is 0; expected more than 0"),
        ({"patience": 0}, "peeling.patience is 0; expected at least 1"),
        ({"limit": 0.5}, "peeling.limit is 0.5; expected a whole number"),
    ],
)
def test_wrong_settings(settings, words):
    with pytest.raises(InputError, match=words):
        Peeling.read(settings, "evaluation.peeling")
