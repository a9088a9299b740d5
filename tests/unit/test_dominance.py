import time

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance

from hanas.core.errors import InputError
from hanas.core.pareto import as_points, crowding_distance, non_dominated, thinned

# Few different values, so that ties, duplicates and dominance all occur often.
grids = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 30), st.integers(1, 5)),
    elements=st.integers(0, 5).map(float),
)
floats = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 30), st.integers(1, 4)),
    elements=st.floats(-1e6, 1e6),
)


def dominates(a, b):
    return bool((a <= b).all() and (a < b).any())


def test_front_by_hand():
    points = [[1, 5], [2, 3], [2, 4], [4, 1], [4, 1], [5, 1], [1, 6]]
    assert non_dominated(points).tolist() == [True, True, False, True, True, False, False]


def test_three_objectives_by_hand():
    points = [[1, 1, 3], [1, 2, 2], [1, 2, 3], [3, 1, 1], [3, 3, 1], [3, 1, 1]]
    assert non_dominated(points).tolist() == [True, True, False, True, False, True]


@settings(deadline=None)  # a busy machine is no error
@given(st.one_of(grids, floats))
def test_front_is_the_definition(points):
    expected = [not any(dominates(other, point) for other in points) for point in points]
    assert non_dominated(points).tolist() == expected
    first = [
        not any((each == point).all() for each in points[:n]) for n, point in enumerate(points)
    ]
    assert non_dominated(points, copies=False).tolist() == (np.array(expected) & first).tolist()


@settings(deadline=None)  # a busy machine is no error
@given(grids, st.randoms(use_true_random=False))
def test_front_does_not_depend_on_order_or_copies(points, random):
    order = list(range(len(points)))
    random.shuffle(order)
    front = non_dominated(points)
    assert non_dominated(points[order]).tolist() == front[order].tolist()
    assert non_dominated(np.concatenate([points, points])).tolist() == [*front, *front]


@settings(deadline=None)  # a busy machine is no error
@given(grids)
def test_front_does_not_depend_on_monotone_scales(points):
    assert non_dominated(np.exp(points) * 7 - 3).tolist() == non_dominated(points).tolist()


@settings(deadline=None)  # a busy machine is no error
@given(grids)
def test_dominated_points_do_not_change_the_front(points):
    front = points[non_dominated(points)]
    assert non_dominated(front).all()
    worse = front + 1
    assert non_dominated(np.concatenate([front, worse])).tolist() == [True] * len(front) + [
        False
    ] * len(worse)


def test_crowding_by_hand():
    # Ranges 10 and 100; the second point's neighbours are 4 apart in x and 70 in y, ...
    points = [[0, 100], [1, 80], [4, 30], [10, 0]]
    assert crowding_distance(points) == pytest.approx([np.inf, 0.4 + 0.7, 0.9 + 0.8, np.inf])


def test_crowding_of_constant_objective_and_of_few_points():
    assert crowding_distance([[0, 5], [1, 5], [3, 5]]).tolist() == [np.inf, 1.0, np.inf]
    assert crowding_distance([[2, 2], [2, 2], [2, 2]]).tolist() == [0, 0, 0]
    assert np.isinf(crowding_distance([[1, 2], [2, 1]])).all()
    assert crowding_distance(np.empty((0, 2))).shape == (0,)


@settings(deadline=None)  # a busy machine is no error
@given(
    hnp.arrays(
        np.float64, st.tuples(st.integers(3, 30), st.integers(1, 4)), elements=st.floats(0, 1e3)
    )
)
def test_crowding_agrees_with_pymoo(points):
    points = np.round(points, 3)
    # pymoo takes the mean over the objectives where the paper takes the sum.
    expected = calc_crowding_distance(points) * points.shape[1]
    assert crowding_distance(points) == pytest.approx(expected)


def test_no_points():
    assert non_dominated(np.empty((0, 3))).shape == (0,)


@pytest.mark.parametrize("function", [non_dominated, crowding_distance])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_no_number(function, bad):
    with pytest.raises(InputError, match="row 1, objective 0"):
        function([[1.0, 2.0], [bad, 2.0]])


def test_refuses_other_shapes():
    with pytest.raises(InputError, match=r"front: shape \(3,\)"):
        as_points([1, 2, 3], "front")


@pytest.mark.parametrize("objectives", [2, 3])
def test_whole_space_is_fast_even_if_all_of_it_is_the_front(objectives):
    rng = np.random.default_rng(0)
    points = rng.random((15_625, objectives))
    points[:, -1] = objectives - points[:, :-1].sum(axis=1)  # on a plane: no point dominates
    start = time.perf_counter()
    assert non_dominated(points).all()
    assert time.perf_counter() - start < 1


@settings(deadline=None)
@given(floats.filter(lambda points: points.shape[1] > 1), st.integers(1, 8))
def test_thinning_takes_what_adds_most_each_time(points, count):
    front = np.unique(points[non_dominated(points)], axis=0)
    span = np.ptp(front, axis=0)
    scaled = (front - front.min(axis=0)) / np.where(span > 0, span, 1)
    rows = thinned(front, count).tolist()
    assert len(set(rows)) == min(count, len(front))
    plain: list[int] = []
    for _ in range(len(rows)):
        left = [row for row in range(len(front)) if row not in plain]
        plain.append(max(left, key=lambda row: moocore.hypervolume(scaled[[*plain, row]], ref=1.1)))
    volume, expected = (moocore.hypervolume(scaled[some], ref=1.1) for some in (rows, plain))
    assert volume == pytest.approx(expected, rel=1e-9)
