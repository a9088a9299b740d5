import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hanas.core.errors import InputError
from hanas.core.pareto import non_dominated
from hanas.fronts import truth


def normalised_hypervolume(points, front):
    return truth.normalised_hypervolume(np.array(points), np.array(front))


def sets(objectives, elements, most=25):
    return hnp.arrays(np.float64, st.tuples(st.integers(1, most), objectives), elements=elements)


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
        share = normalised_hypervolume(points[kept], points[non_dominated(points)])
    except InputError:
        assume(False)  # a true front without extent
    assert 0 <= share <= 1 + 1e-12


def test_refuses_fronts_without_a_scale_or_a_volume():
    with pytest.raises(InputError, match="objective 1 is 3 everywhere"):
        normalised_hypervolume([[1, 3, 2]], [[1, 3, 2], [2, 3, 1]])
    with pytest.raises(InputError, match="hypervolume is 0"):
        normalised_hypervolume([[1, 1]], [[0, 1], [1, 0]])
