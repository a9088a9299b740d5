import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hanas.core.errors import InputError
from hanas.fronts.indicators import hypervolume, normalised_hypervolume, to_unit_box


def sets(objectives, elements, most=25):
    return hnp.arrays(np.float64, st.tuples(st.integers(1, most), objectives), elements=elements)


grids = sets(st.integers(1, 4), st.integers(0, 6).map(float))


@pytest.mark.parametrize(
    ("points", "reference", "expected"),
    [
        ([[3]], [5], 2),
        ([[3], [4], [7]], [5], 2),
        ([[1, 1]], [3, 4], 6),
        ([[1, 3], [2, 1], [3, 2]], [4, 4], 3 + 4),
        ([[1, 1, 1]], [2, 3, 4], 6),
        # Two boxes of 4 that share a unit square for 1 in the third objective.
        ([[0, 1, 0], [1, 0, 0]], [2, 2, 2], 4 + 4 - 2),
        ([[0, 0, 1], [0, 1, 0], [1, 0, 0]], [2, 2, 2], 3 * 4 - 3 * 2 + 1),
        ([[0, 0, 0, 1], [0, 0, 1, 0]], [2, 2, 2, 2], 8 + 8 - 4),
        ([[2, 0], [0, 2]], [2, 2], 0),
        ([[5, 5]], [2, 2], 0),
    ],
)
def test_by_hand(points, reference, expected):
    assert hypervolume(points, reference) == pytest.approx(expected)


def test_agrees_with_counting_samples():
    rng = np.random.default_rng(7)
    points, samples = rng.random((8, 3)), rng.random((20_000, 3))
    share = (points[None] <= samples[:, None]).all(axis=2).any(axis=1).mean()
    assert hypervolume(points, [1, 1, 1]) == pytest.approx(share, abs=4 * 0.5 / 20_000**0.5)


@settings(deadline=None)  # a busy machine is no error
@given(grids, st.data())
def test_grows_with_points_and_with_the_reference(points, data):
    reference = np.full(points.shape[1], 5.0)
    point = data.draw(hnp.arrays(np.float64, points.shape[1], elements=st.floats(0, 6)))
    volume = hypervolume(points, reference)
    larger = hypervolume(np.vstack([points, point]), reference)
    assert larger >= volume - 1e-9
    strictly = (point < reference).all() and not (points <= point).all(axis=1).any()
    room = np.prod(np.maximum(reference - point, 0))
    if strictly and room > 1e-6:
        # No other point is below it in every objective, so a corner of its box is its own.
        assert larger > volume or np.isclose(point, points).any()
    assert hypervolume(points, reference + 1) >= volume


@settings(deadline=None)  # a busy machine is no error
@given(grids)
def test_does_not_depend_on_order_copies_or_dominated_points(points):
    reference = np.full(points.shape[1], 5.0)
    again = np.concatenate([points[::-1], points, points + 1])
    assert hypervolume(again, reference) == pytest.approx(hypervolume(points, reference))


def test_no_points_have_no_volume():
    assert hypervolume(np.empty((0, 2)), [1, 1]) == 0


def test_refuses_nan_and_shapes_that_do_not_fit():
    with pytest.raises(InputError, match="row 0, objective 1"):
        hypervolume([[1, np.nan]], [2, 2])
    with pytest.raises(InputError, match="3 values for points of 2"):
        hypervolume([[1, 1]], [2, 2, 2])


def test_unit_box_is_spanned_by_non_dominated_points_only():
    front = [[0, 20], [4, 10], [100, 1000]]  # the last one is dominated
    assert to_unit_box([[2, 15], [8, 5]], front).tolist() == [[0.5, 0.5], [2, -0.5]]


def test_normalised_by_hand():
    # Scaled: (0, 1), (1/4, 1/4), (1, 0): the middle point has (3/4)^2.
    front = [[10, 4], [20, 1], [50, 0]]
    assert normalised_hypervolume([[30, 2]], front) == pytest.approx((0.5 * 0.5) / (0.75 * 0.75))
    assert normalised_hypervolume(front, front) == 1
    assert normalised_hypervolume([[20, 1]], front) == 1  # the extremes carry no volume
    assert normalised_hypervolume([[10, 4], [50, 0]], front) == 0
    assert normalised_hypervolume(np.empty((0, 2)), front) == 0


def test_points_outside_the_box_count_for_nothing():
    front = [[0, 4], [1, 1], [4, 0]]
    inside = normalised_hypervolume([[2, 2]], front)
    assert normalised_hypervolume([[2, 2], [-5, 4.5], [5, -1]], front) == inside
    # A point beyond the ideal is worth what it is worth on the border of the box.
    assert normalised_hypervolume([[-3, 2]], front) == normalised_hypervolume([[0, 2]], front)


@settings(deadline=None)  # a busy machine is no error
@given(
    sets(st.just(2), st.integers(0, 9).map(float)),
    st.floats(0.01, 100),
    st.floats(-100, 100),
    st.randoms(use_true_random=False),
)
def test_normalised_share_does_not_depend_on_units(points, scale, shift, random):
    front = np.array([[0, 9], [1, 4], [5, 1], [9, 0]], dtype=float)
    share = normalised_hypervolume(points, front)
    assert share >= 0
    again = normalised_hypervolume(points * scale + shift, front * scale + shift)
    assert again == pytest.approx(share, rel=1e-6, abs=1e-6)


@settings(deadline=None)  # a busy machine is no error
@given(sets(st.integers(2, 3), st.integers(0, 6).map(float)), st.data())
def test_no_subset_beats_the_true_front(points, data):
    kept = data.draw(st.lists(st.integers(0, len(points) - 1), min_size=1))
    try:
        share = normalised_hypervolume(points[kept], points)
    except InputError:
        assume(False)  # a true front without extent
    assert 0 <= share <= 1 + 1e-12


def test_refuses_fronts_without_a_scale_or_a_volume():
    with pytest.raises(InputError, match="objective 1 is 3 everywhere"):
        normalised_hypervolume([[1, 3, 2]], [[1, 3, 2], [2, 3, 1]])
    with pytest.raises(InputError, match="hypervolume is 0"):
        normalised_hypervolume([[1, 1]], [[0, 1], [1, 0]])
    with pytest.raises(InputError, match="no points"):
        normalised_hypervolume([[1, 1]], np.empty((0, 2)))
    with pytest.raises(InputError, match="points of 3 objectives, true front of 2"):
        normalised_hypervolume([[1, 1, 1]], [[0, 4], [1, 1], [4, 0]])
