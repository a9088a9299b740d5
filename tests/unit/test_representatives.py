from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hanas.core.errors import InputError
from hanas.core.pareto import non_dominated
from hanas.fronts.picks import choose
from hanas.fronts.settings import Representative

grids = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 20), st.integers(1, 4)),
    elements=st.integers(0, 6).map(float),
)
RULES = get_args(Representative)
rules = pytest.mark.parametrize("rule", RULES)

# Scaled: (0, 1), (0.1, 0.55), (0.45, 0.45), (0.6, 0.08), (1, 0); then a dominated point.
FRONT = [[0.0, 100], [0.1, 55], [0.45, 45], [0.6, 8], [1.0, 0], [0.6, 45]]


@pytest.mark.parametrize(
    ("rule", "row"),
    [("knee", 1), ("closest_to_ideal", 1), ("lowest_error", 0), ("lowest_hardware", 4)],
)
def test_by_hand(rule, row):
    assert choose(FRONT, rule) == row


def test_knee_and_distance_differ():
    # Scaled: sums .65 and .7, squared distances .3625 and .245.
    front = [[0, 1], [0.05, 0.6], [0.35, 0.35], [1, 0]]
    assert choose(front, "knee") == 1
    assert choose(front, "closest_to_ideal") == 2


def test_knee_is_farthest_below_the_line_through_the_extremes():
    rng = np.random.default_rng(1)
    x = np.sort(rng.random(40))
    front = np.stack([x * 3 + 1, np.exp(-4 * x) * 50], axis=1)
    a, b = front[0], front[-1]
    scale = front.max(axis=0) - front.min(axis=0)
    a, b, points = a / scale, b / scale, front / scale
    normal = np.array([a[1] - b[1], b[0] - a[0]]) / np.linalg.norm(b - a)
    assert choose(front, "knee") == np.argmax((a - points) @ normal)


@rules
def test_single_point_and_constant_objective(rule):
    assert choose([[0.3, 5]], rule) == 0
    assert choose([[0.3], [0.2]], rule) == 1
    # The last objective is the same everywhere: it must not matter.
    front = np.array(FRONT)
    flat = np.column_stack([front, np.full(len(front), 7.0)])
    assert choose(flat, rule) == choose(front, rule)


@settings(deadline=None)  # a busy machine is no error
@given(points=grids, random=st.randoms(use_true_random=False))
def test_is_on_the_front_and_does_not_depend_on_units_or_order(points, random):
    order = list(range(len(points)))
    random.shuffle(order)
    for rule in RULES:
        row = choose(points, rule)
        assert non_dominated(points)[row]
        assert choose(points * 8 + 16, rule) == row  # exact in binary
        assert points[order][choose(points[order], rule)].tolist() == points[row].tolist()


def test_ties_go_to_the_lower_error_then_to_the_first_row():
    front = [[1.0, 0.0], [0.3, 0.3], [0.2, 0.4], [0.0, 1.0], [0.2, 0.4]]
    assert choose(front, "knee") == 2


def test_refuses():
    with pytest.raises(InputError, match="row 0, objective 1"):
        choose([[0.1, np.nan]])
