import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from hanas.fronts.picks import found_front, pick


def _history(rows, seeds=None):
    frame = pd.DataFrame(rows, columns=["arch", "error", "latency_ms", "energy_mj"])
    frame.insert(0, "seed", 0 if seeds is None else seeds)
    frame.insert(1, "evaluation", range(len(frame)))
    frame["feasible"] = frame[["error", "latency_ms", "energy_mj"]].notna().all(axis=1)
    frame["score"] = np.nan
    return frame


def test_front_is_in_order_of_preference():
    history = _history(
        [
            ("dominated", 0.5, 9.0, 9.0),
            ("fast", 0.3, 1.0, 5.0),
            ("infeasible", np.nan, np.nan, np.nan),
            ("slower but frugal", 0.1, 4.0, 1.0),
            ("as good, less slow", 0.1, 3.0, 2.0),
            ("the same, later", 0.1, 3.0, 2.0),
        ]
    )
    front = found_front(history)
    assert front["arch"].tolist() == [
        "as good, less slow",
        "the same, later",
        "slower but frugal",
        "fast",
    ]
    assert list(front) == ["arch", "evaluation", "error", "latency_ms", "energy_mj"]


def test_front_is_that_of_seed_0():
    history = _history([("a", 0.1, 1.0, 1.0), ("b", 0.2, 2.0, 2.0)], seeds=[0, 1])
    assert found_front(history)["arch"].tolist() == ["a"]


def test_front_of_nothing_feasible_is_empty():
    history = _history([("a", np.nan, np.nan, np.nan)])
    front = found_front(history)
    assert len(front) == 0
    assert pick(front, {"latency_ms": 1.0}) is None


_VALUES = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.7])


@given(
    points=st.lists(st.tuples(_VALUES, _VALUES, _VALUES), min_size=1, max_size=12),
    latency=_VALUES,
    energy=_VALUES,
)
def test_pick_is_the_best_of_all_evaluations_within_the_limits(points, latency, energy):
    history = _history([(str(number), *point) for number, point in enumerate(points)])
    front = found_front(history)
    position = pick(front, {"latency_ms": latency, "energy_mj": energy})
    within = [point for point in points if point[1] <= latency and point[2] <= energy]
    if position is None:
        assert not within
    else:
        chosen = tuple(front.loc[position, ["error", "latency_ms", "energy_mj"]])
        # Least by error, then latency, then energy: nothing within the limits dominates it.
        assert chosen == min(within)
