import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from nb201_space import nb201

from hanas.fronts.picks import found_front, pick

_GENES = nb201.all_genes()
#: Architectures whose input reaches their output, and one that no path leads through.
ARCHS = [nb201.to_text(genes) for genes in _GENES[nb201.connected(_GENES)][:20]]
DEAD = nb201.to_text(_GENES[~nb201.connected(_GENES)][0])


def _history(rows, seeds=None):
    frame = pd.DataFrame(rows, columns=["arch", "error", "latency_ms", "energy_mj"])
    frame.insert(0, "seed", 0 if seeds is None else seeds)
    frame.insert(1, "evaluation", range(len(frame)))
    frame["feasible"] = frame[["error", "latency_ms", "energy_mj"]].notna().all(axis=1)
    frame["score"] = np.nan
    return frame


def test_front_is_in_order_of_preference():
    dominated, fast, infeasible, frugal, less_slow, later = ARCHS[:6]
    history = _history(
        [
            (dominated, 0.5, 9.0, 9.0),
            (fast, 0.3, 1.0, 5.0),
            (infeasible, np.nan, np.nan, np.nan),
            (frugal, 0.1, 4.0, 1.0),
            (less_slow, 0.1, 3.0, 2.0),
            (later, 0.1, 3.0, 2.0),
        ]
    )
    front = found_front(history, nb201)
    assert front["arch"].tolist() == [less_slow, later, frugal, fast]
    assert list(front) == ["arch", "evaluation", "error", "latency_ms", "energy_mj"]


def test_what_no_path_leads_through_is_on_no_front_and_keeps_nothing_off_it():
    fast, good = ARCHS[:2]
    history = _history([(fast, 0.3, 1.0, 1.0), (DEAD, 0.2, 0.5, 0.5), (good, 0.1, 2.0, 2.0)])
    assert found_front(history, nb201)["arch"].tolist() == [good, fast]


def test_front_is_that_of_seed_0():
    history = _history([(ARCHS[0], 0.1, 1.0, 1.0), (ARCHS[1], 0.2, 2.0, 2.0)], seeds=[0, 1])
    assert found_front(history, nb201)["arch"].tolist() == [ARCHS[0]]


def test_front_of_nothing_feasible_is_empty():
    history = _history([(ARCHS[0], np.nan, np.nan, np.nan)])
    front = found_front(history, nb201)
    assert len(front) == 0
    assert pick(front, {"latency_ms": 1.0}) is None


_VALUES = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.7])


@given(
    points=st.lists(st.tuples(_VALUES, _VALUES, _VALUES), min_size=1, max_size=12),
    latency=_VALUES,
    energy=_VALUES,
)
def test_pick_is_the_best_of_all_evaluations_within_the_limits(points, latency, energy):
    history = _history([(arch, *point) for arch, point in zip(ARCHS, points, strict=False)])
    front = found_front(history, nb201)
    position = pick(front, {"latency_ms": latency, "energy_mj": energy})
    within = [point for point in points if point[1] <= latency and point[2] <= energy]
    if position is None:
        assert not within
    else:
        chosen = tuple(front.loc[position, ["error", "latency_ms", "energy_mj"]])
        # Least by error, then latency, then energy: nothing within the limits dominates it.
        assert chosen == min(within)
