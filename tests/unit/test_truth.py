import itertools

import moocore
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nb201_space import nb201

from hanas.core.errors import InputError
from hanas.core.pareto import non_dominated
from hanas.fronts.truth import Truth, truth_of_tables

# Error and latency of six architectures; all but the last two are on the true front, whose
# scaled points are (0, 1), (1/4, 1/2), (1/2, 1/4), (1, 0).
TRUE = np.array([[0.1, 5], [0.2, 3], [0.3, 2], [0.5, 1], [0.4, 4], [0.9, 0.5]])
FLOOR = 0.5
WHOLE = 0.25 * 0.5 + 0.5 * 0.75  # of the true front
METRICS = ("latency_ms", "energy_mj")


def truth_of(points: np.ndarray, floor: float = 0.0) -> Truth:
    archs = [str(row) for row in range(len(points))]
    accuracies = pd.DataFrame({"arch": archs, "accuracy_percent": 100 * (1 - points[:, 0])})
    metrics = METRICS[: points.shape[1] - 1]
    device = pd.DataFrame({"arch": archs, "feasible": True})
    device[list(metrics)] = points[:, 1:]
    return truth_of_tables(
        accuracies.assign(source="made up"),
        device.assign(source="made up"),
        metrics=metrics,
        accuracy_floor_percent=100 * floor,
        name="test",
    )


def every_row(truth: Truth) -> np.ndarray:
    return np.arange(len(truth.archs))


def test_true_front_with_and_without_floor():
    truth = truth_of(TRUE, FLOOR)
    assert truth.front_rows.tolist() == [0, 1, 2, 3]
    assert truth.front == pytest.approx(TRUE[:4])
    assert truth_of(TRUE).front_rows.tolist() == [0, 1, 2, 3, 5]


def test_a_true_front_of_two_is_judged_with_a_reference_further_away():
    # Scaled (0, 1) and (1, 0), reference (2, 2): the first covers 2 x 1, both 3; what is worse
    # than both by half, (1/2, 3/2), covers 3/2 x 1/2.
    truth = truth_of(np.array([[0.1, 5.0], [0.3, 1.0], [0.2, 7.0]]))
    assert truth.share(np.array([0, 1])) == 1
    assert truth.share(np.array([0])) == pytest.approx(2 / 3)
    assert truth.share(np.array([2])) == pytest.approx(0.75 / 3)
    assert truth.share(np.array([], dtype=int)) == 0


def test_a_true_front_of_one_is_measured_in_what_all_span():
    # The first is the best in everything: the unit is from it to the worst of each objective.
    truth = truth_of(np.array([[0.1, 1.0], [0.5, 3.0], [0.3, 2.0]]))
    assert truth.share(np.array([0])) == 1
    assert truth.share(np.array([2])) == pytest.approx(0.5 * 0.5)
    assert truth.share(np.array([1])) == 0


def test_a_single_architecture_is_its_own_front():
    truth = truth_of(np.array([[0.1, 1.0]]))
    assert truth.share(np.array([0])) == 1


def test_perfect_proxy_loses_nothing():
    truth = truth_of(TRUE, FLOOR)
    assert truth.ceiling(TRUE, every_row(truth)) == (1, 0)
    assert truth.ceiling(TRUE, np.flatnonzero(truth.reaches_floor)) == (1, 0)


def test_ceiling_by_hand():
    # The proxy dislikes the two in the middle, so even a search that meets them drops them.
    proxy = TRUE.copy()
    proxy[2, 0], proxy[1, 0] = 0.6, 0.7  # both behind (0.5, 1), which is faster
    truth = truth_of(TRUE, FLOOR)
    # Seen by the proxy, the front is 0, 3, 4 and 5; of these only 4 lies inside the box, at
    # (3/4, 3/4), and 5 is below the floor.
    mean, deviation = truth.ceiling(proxy, every_row(truth))
    assert mean == pytest.approx(0.25 * 0.25 / WHOLE)
    assert deviation == 0
    assert truth.share(np.array([0, 3])) == 0


def test_a_thinned_front_is_chosen_by_what_was_searched():
    proxy = TRUE.copy()
    proxy[2, 0] = 0.49  # hardly better than (0.5, 1) now: the other two of the middle tell more
    truth = truth_of(TRUE, FLOOR)
    rows = np.flatnonzero(truth.reaches_floor)
    scaled = (proxy[:4] - [0.1, 1]) / [0.4, 4]
    best = max(
        itertools.combinations(range(4), 3),
        key=lambda three: moocore.hypervolume(scaled[list(three)], ref=1.1),
    )
    assert best == (0, 1, 3)
    mean, deviation = truth.ceiling(proxy, rows, most=3)
    assert mean == pytest.approx(truth.share(np.array(best)))
    assert deviation == 0
    assert mean < truth.ceiling(proxy, rows)[0] == 1
    assert truth.ceiling(proxy, rows, most=4) == (1, 0)


def test_of_what_looks_the_same_any_can_be_met_first():
    blind = np.full((6, 2), 0.3)
    truth = truth_of(TRUE, FLOOR)
    alone = [truth.share(np.array([row])) for row in range(6)]
    assert sum(share > 0 for share in alone) == 3  # 1, 2 and 4
    for rows in (every_row(truth), np.array([5, 4, 3, 2, 1, 0])):
        mean, deviation = truth.ceiling(blind, rows)
        assert mean == pytest.approx(np.mean(alone), abs=4 * np.std(alone) / 10)
        assert deviation == pytest.approx(np.std(alone), rel=0.3)
        assert (mean, deviation) == truth.ceiling(blind, rows)  # no other luck the next time


@settings(deadline=None, max_examples=25)  # a busy machine is no error
@given(
    hnp.arrays(np.float64, (12, 2), elements=st.integers(0, 50).map(lambda n: n / 50)),
    st.permutations(range(12)),
    st.integers(1, 60),
)
def test_ceilings_agree_with_moocore_and_with_all_choices(points, order, steps):
    proxy = np.stack([points[order, 0], points[:, 1]], axis=1)
    proxy = np.floor(proxy * steps) / steps  # the coarser, the more of them look the same
    truth, front = truth_of(points), moocore.filter_dominated(points)
    assume(len(np.unique(front, axis=0)) > 2)  # smaller ones have another reference point
    low, high = front.min(axis=0), front.max(axis=0)
    whole = moocore.hypervolume((front - low) / (high - low), ref=[1, 1])
    alike: dict[tuple[float, ...], list[int]] = {}
    for row in np.flatnonzero(moocore.is_nondominated(proxy, keep_weakly=True)):
        alike.setdefault(tuple(proxy[row]), []).append(int(row))
    choices = list(itertools.islice(itertools.product(*alike.values()), 3000))
    shares = [
        moocore.hypervolume((points[list(rows)] - low) / (high - low), ref=[1, 1]) / whole
        for rows in choices
    ]
    mean, deviation = truth.ceiling(proxy, every_row(truth))
    assert 0 <= mean <= 1 + 1e-12
    assert mean == pytest.approx(np.mean(shares), abs=5 * np.std(shares) / 10 + 1e-9)
    if len(choices) == 1:
        assert deviation == 0


@pytest.mark.slow
@pytest.mark.parametrize("device", ["edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga"])
@pytest.mark.parametrize("floor", [0, 0.5])
def test_true_fronts_of_the_whole_space_agree_with_moocore(data_folder, device, floor):
    error = (
        1
        - pd.read_parquet(data_folder / "nb201_accuracy_cost.parquet")[
            "v11_c10_test_acc_200ep"
        ].to_numpy()
        / 100
    )
    metrics = pd.read_parquet(data_folder / "hw_nas_bench_nb201.parquet")
    columns = [f"c10_{device}_{metric}" for metric in ("latency_ms", "energy_mJ")]
    hardware = metrics[[column for column in columns if column in metrics]].to_numpy()
    points = np.column_stack([error, hardware])[(hardware > 0).all(axis=1)]
    truth = truth_of(points, floor)
    expected = moocore.filter_dominated(points[points[:, 0] <= 1 - floor], keep_weakly=True)
    assert truth.front == pytest.approx(np.unique(expected, axis=0))
    assert len(truth.front_rows) == len(expected)
    rows = np.random.default_rng(0).choice(len(points), 500, replace=False)
    random = points[rows]
    low, high = expected.min(axis=0), expected.max(axis=0)
    ones = np.ones(points.shape[1])
    inside = np.maximum((random - low) / (high - low), 0)
    share = moocore.hypervolume(inside, ref=ones) / moocore.hypervolume(
        (expected - low) / (high - low), ref=ones
    )
    chosen = truth.archs.get_indexer([str(row) for row in rows])
    ours, deviation = truth.ceiling(truth.objectives, chosen)
    assert ours == pytest.approx(share, abs=1e-9)
    assert deviation == 0
    assert 0 < ours < 1


# Measured by others on the same tables, within the cells of at least 50 %: the ceiling by device
# of ranking by the number of parameters, where of those that look the same the first in the table
# was taken. On eyeriss and fpga, whose latencies are linear in operation counts, many do.
@pytest.mark.parametrize(
    ("device", "share", "alike"),
    [
        ("eyeriss", 0.846, True),
        ("fpga", 0.891, True),
        ("edgegpu", 0.842, False),
        ("raspi4", 0.778, False),
    ],
)
def test_ceilings_of_ranking_by_parameters(data_folder, device, share, alike):
    accuracies = pd.read_parquet(data_folder / "nb201_accuracy_cost.parquet")
    metrics = pd.read_parquet(data_folder / "hw_nas_bench_nb201.parquet")
    error = 1 - accuracies["v11_c10_test_acc_200ep"].to_numpy() / 100
    latency_ms = metrics[f"c10_{device}_latency_ms"].to_numpy()
    truth = truth_of(np.stack([error, latency_ms], axis=1), 0.5)
    searched = np.stack([-nb201.params(nb201.all_genes()), latency_ms], axis=1)
    worthy = np.flatnonzero(truth.reaches_floor)
    first = worthy[non_dominated(searched[worthy], copies=False)]
    assert truth.share(first) == pytest.approx(share, abs=0.0005)
    mean, deviation = truth.ceiling(searched, worthy)
    assert (deviation > 0) == alike
    assert abs(mean - share) <= 3 * deviation + 0.0005


def test_floor_keeps_architectures_out_of_a_chosen_front():
    truth = truth_of(TRUE, FLOOR)
    assert truth.worthy(np.array([-1, 5, 3])).tolist() == [3]
    assert truth.share(np.array([5])) == 0
    point = np.array([[0.1, 5], [0.6, 2], [0.9, 0.5]])
    assert truth_of(point).share(np.array([1])) == 1


def test_refuses():
    with pytest.raises(InputError, match=r"no architecture reaches 0\.95"):
        truth_of(TRUE, 0.95)
    bad = TRUE.copy()
    bad[2, 1] = np.nan
    with pytest.raises(InputError, match="true objectives: row 2, objective 1"):
        truth_of(bad)
    with pytest.raises(InputError, match="points: row 2, objective 1"):
        truth_of(TRUE).ceiling(bad, np.arange(6))
