import moocore
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hanas.core.pareto import non_dominated
from hanas.fronts.evaluation import attainment_surface

GRID = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 15), st.just(2)), elements=st.integers(0, 9).map(float)
)


def test_attainment_by_hand():
    fronts = np.array([[[1, 5], [3, 1]], [[2, 4], [4, 2]], [[1, 6], [5, 1]]], dtype=float)
    assert attainment_surface(fronts, 1).tolist() == [[1, 5], [2, 4], [3, 1]]
    assert attainment_surface(fronts, 2).tolist() == [[1, 6], [2, 5], [3, 4], [4, 2], [5, 1]]
    assert attainment_surface(fronts, 3).tolist() == [[2, 6], [5, 2]]


@settings(deadline=None)  # a busy machine is no error
@given(st.lists(GRID, min_size=1, max_size=6))
def test_attainment_is_the_front_for_one_run_and_gets_worse_with_more(fronts):
    whole = np.concatenate(fronts)
    best = attainment_surface(fronts, 1)
    assert best.tolist() == np.unique(whole[non_dominated(whole)], axis=0).tolist()
    for attained_by in range(2, len(fronts) + 1):
        surface = attainment_surface(fronts, attained_by)
        assert non_dominated(surface).all()
        assert moocore.epsilon_additive(best, ref=surface) <= 0


def test_attainment_with_runs_that_found_nothing():
    fronts = [np.empty((0, 2)), np.array([[1.0, 2.0]])]
    assert attainment_surface(fronts, 1).tolist() == [[1, 2]]
    assert attainment_surface(fronts, 2).shape == (0, 2)
