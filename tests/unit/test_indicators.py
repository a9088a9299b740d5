import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hanas.core.errors import InputError
from hanas.core.pareto import non_dominated
from hanas.fronts.indicators import additive_epsilon, attainment_surface, igd_plus


def grid(objectives, most=15):
    return hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, most), st.just(objectives)),
        elements=st.integers(0, 9).map(float),
    )


pairs = st.integers(1, 4).flatmap(lambda m: st.tuples(grid(m), grid(m)))
runs = st.lists(grid(2), min_size=1, max_size=6)


def test_igd_plus_by_hand():
    # (0, 4): the nearest is (3, 0) + nothing in y -> 3; (2, 2): 1 in x; (5, 0): dominated -> 0.
    assert igd_plus([[3, 0]], [[0, 4], [2, 2], [5, 0]]) == pytest.approx((3 + 1 + 0) / 3)
    assert igd_plus([[3, 4]], [[0, 0]]) == 5


def test_additive_epsilon_by_hand():
    assert additive_epsilon([[3, 0], [0, 9]], [[0, 4], [2, 2], [5, 0]]) == 3
    assert additive_epsilon([[0, 0]], [[1, 2]]) == -1


@settings(deadline=None)  # a busy machine is no error
@given(pairs)
def test_distances_are_zero_exactly_for_what_covers_the_front(pair):
    points, front = pair
    covered = all((points <= target).all(axis=1).any() for target in front)
    assert (igd_plus(points, front) == 0) == covered
    assert (additive_epsilon(points, front) <= 0) == covered


@settings(deadline=None)  # a busy machine is no error
@given(pairs)
def test_distances_fall_with_more_points(pair):
    points, front = pair
    more = np.concatenate([points, front])
    assert igd_plus(more, front) == 0
    assert igd_plus(points, front) <= igd_plus(points[:1], front)
    assert additive_epsilon(points, front) <= additive_epsilon(points[:1], front)


@pytest.mark.parametrize("function", [igd_plus, additive_epsilon])
def test_distances_refuse_what_cannot_be_compared(function):
    with pytest.raises(InputError, match="points: row 0"):
        function([[np.nan, 1]], [[1, 1]])
    with pytest.raises(InputError, match="true front: row 0"):
        function([[1, 1]], [[np.nan, 1]])
    with pytest.raises(InputError, match="0 points, 1 on the true front"):
        function(np.empty((0, 2)), [[1, 1]])
    with pytest.raises(InputError, match="points of 1 objectives, true front of 2"):
        function([[1]], [[1, 1]])


def test_attainment_by_hand():
    fronts = [[[1, 5], [3, 1]], [[2, 4], [4, 2]], [[1, 6], [5, 1]]]
    assert attainment_surface(fronts, 1).tolist() == [[1, 5], [2, 4], [3, 1]]
    assert attainment_surface(fronts, 2).tolist() == [[1, 6], [2, 5], [3, 4], [4, 2], [5, 1]]
    assert attainment_surface(fronts, 3).tolist() == [[2, 6], [5, 2]]


@settings(deadline=None)  # a busy machine is no error
@given(runs)
def test_attainment_is_the_front_for_one_run_and_gets_worse_with_more(fronts):
    whole = np.concatenate(fronts)
    best = attainment_surface(fronts, 1)
    assert best.tolist() == np.unique(whole[non_dominated(whole)], axis=0).tolist()
    for attained_by in range(2, len(fronts) + 1):
        surface = attainment_surface(fronts, attained_by)
        assert non_dominated(surface).all()
        assert additive_epsilon(best, surface) <= 0


def test_attainment_with_runs_that_found_nothing():
    fronts = [np.empty((0, 2)), [[1, 2]]]
    assert attainment_surface(fronts, 1).tolist() == [[1, 2]]
    assert attainment_surface(fronts, 2).shape == (0, 2)


def test_attainment_refuses_what_it_cannot_draw():
    with pytest.raises(InputError, match="two objectives"):
        attainment_surface([[[1, 2, 3]]], 1)
    with pytest.raises(InputError, match="front 1: row 0"):
        attainment_surface([[[1, 2]], [[np.nan, 2]]], 1)
