import moocore
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hanas.errors import InputError
from hanas.fronts.error_budget import error_budget, front_quality, true_front
from hanas.spaces import nb201

# Error and latency of six architectures; all but the last two are on the true front, whose
# scaled points are (0, 1), (1/4, 1/2), (1/2, 1/4), (1, 0).
TRUE = np.array([[0.1, 5], [0.2, 3], [0.3, 2], [0.5, 1], [0.4, 4], [0.9, 0.5]])
FLOOR = 0.5
WHOLE = 0.25 * 0.5 + 0.5 * 0.75  # of the true front


def test_true_front_with_and_without_floor():
    assert true_front(TRUE, accuracy_floor=FLOOR).tolist() == TRUE[:4].tolist()
    assert true_front(TRUE).tolist() == TRUE[[0, 1, 2, 3, 5]].tolist()


def test_perfect_proxy_and_search_lose_nothing():
    budget = error_budget(TRUE, {"ranking": TRUE}, np.arange(6), accuracy_floor=FLOOR)
    assert budget.ceiling == budget.found == 1
    assert budget.losses == {"ranking": 0, "searching": 0}


def test_budget_by_hand():
    # The proxy dislikes the two in the middle, so even a search that meets them drops them.
    proxy = TRUE.copy()
    proxy[2, 0], proxy[1, 0] = 0.6, 0.7  # both behind (0.5, 1), which is faster
    budget = error_budget(TRUE, {"ranking": proxy}, [0, 1, 2, 3], accuracy_floor=FLOOR)
    # Seen by the proxy, the front is 0, 3, 4 and 5; of these only 4 lies inside the box, at
    # (3/4, 3/4), and 5 is below the floor.
    assert budget.ceiling == pytest.approx(0.25 * 0.25 / WHOLE)
    assert budget.found == 0
    assert budget.losses["ranking"] == pytest.approx(1 - 0.0625 / WHOLE)
    assert budget.losses["searching"] == pytest.approx(0.0625 / WHOLE)


def test_stages_are_charged_with_what_they_add():
    measured = TRUE.copy()
    measured[2, 1] = 6  # a latency measured wrongly hides architecture 2
    proxy = measured.copy()
    proxy[1, 0] = 0.95  # and the proxy hides architecture 1
    stages = {"measuring": measured, "ranking": proxy}
    budget = error_budget(TRUE, stages, [0, 3], accuracy_floor=FLOOR)
    after_measuring = 0.75 * 0.5 / WHOLE
    after_ranking = 0.25 * 0.25 / WHOLE  # architecture 4 remains
    assert list(budget.losses) == ["measuring", "ranking", "searching"]
    assert budget.losses["measuring"] == pytest.approx(1 - after_measuring)
    assert budget.losses["ranking"] == pytest.approx(after_measuring - after_ranking)
    assert budget.losses["searching"] == pytest.approx(after_ranking)
    assert budget.ceiling == pytest.approx(after_ranking)


@settings(deadline=None)  # a busy machine is no error
@given(
    hnp.arrays(np.float64, (20, 2), elements=st.integers(0, 50).map(lambda n: n / 50)),
    st.permutations(range(20)),
    st.integers(1, 20),
)
def test_losses_add_up_and_agree_with_moocore(points, order, evaluated):
    proxy = np.stack([points[order, 0], points[:, 1]], axis=1)
    try:
        budget = error_budget(points, {"ranking": proxy}, order[:evaluated])
    except InputError:
        assume(False)  # a true front without extent
    assert sum(budget.losses.values()) == pytest.approx(1 - budget.found)
    assert 0 <= budget.ceiling <= 1 + 1e-12
    front = moocore.filter_dominated(points)
    chosen = points[moocore.is_nondominated(proxy, keep_weakly=False)]
    low, high = front.min(axis=0), front.max(axis=0)
    share = [
        moocore.hypervolume((each - low) / (high - low), ref=[1, 1]) for each in (chosen, front)
    ]
    assert budget.ceiling == pytest.approx(share[0] / share[1], abs=1e-9)


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
    front = true_front(points, accuracy_floor=floor)
    expected = moocore.filter_dominated(points[points[:, 0] <= 1 - floor], keep_weakly=True)
    assert np.unique(front, axis=0).tolist() == np.unique(expected, axis=0).tolist()
    assert len(front) == len(expected)
    random = points[np.random.default_rng(0).choice(len(points), 500, replace=False)]
    low, high = expected.min(axis=0), expected.max(axis=0)
    ones = np.ones(points.shape[1])
    inside = np.maximum((random - low) / (high - low), 0)
    share = moocore.hypervolume(inside, ref=ones) / moocore.hypervolume(
        (expected - low) / (high - low), ref=ones
    )
    ours = front_quality(random, random, front, accuracy_floor=floor)
    assert ours == pytest.approx(share, abs=1e-9)
    assert 0 < ours < 1


# Measured by others on the same tables, within the cells of at least 50 %: the ceiling by device
# of ranking by the number of parameters.
@pytest.mark.parametrize(
    ("device", "ceiling"),
    [("eyeriss", 0.846), ("fpga", 0.891), ("edgegpu", 0.842), ("raspi4", 0.778)],
)
def test_ceilings_of_ranking_by_parameters(data_folder, device, ceiling):
    accuracies = pd.read_parquet(data_folder / "nb201_accuracy_cost.parquet")
    metrics = pd.read_parquet(data_folder / "hw_nas_bench_nb201.parquet")
    error = 1 - accuracies["v11_c10_test_acc_200ep"].to_numpy() / 100
    latency_ms = metrics[f"c10_{device}_latency_ms"].to_numpy()
    true = np.stack([error, latency_ms], axis=1)
    proxy = np.stack([-nb201.params(nb201.all_genes()), latency_ms], axis=1)
    worthy = error <= 0.5
    budget = error_budget(true[worthy], {"ranking": proxy[worthy]}, np.arange(1000))
    assert budget.ceiling == pytest.approx(ceiling, abs=0.0005)
    assert budget.losses["ranking"] == pytest.approx(1 - ceiling, abs=0.0005)


def test_what_looks_the_same_is_not_chosen_by_its_truth():
    blind = TRUE.copy()
    blind[:4] = [0.3, 2]  # the whole true front looks the same; its first stands for it
    reference = true_front(TRUE, accuracy_floor=FLOOR)
    assert front_quality(blind, TRUE, reference) == 0
    assert front_quality(blind[[1, 0, 2, 3]], TRUE[[1, 0, 2, 3]], reference) > 0
    assert front_quality(blind, TRUE, reference, copies=True) == 1


def test_floor_keeps_architectures_out_of_a_chosen_front():
    reference = true_front(TRUE, accuracy_floor=FLOOR)
    assert front_quality(TRUE[5:], TRUE[5:], reference, accuracy_floor=FLOOR) == 0
    # Even where the reference front was made without it.
    point, reference = [[0.6, 2]], [[0.1, 5], [0.6, 2], [0.9, 0.5]]
    assert front_quality(point, point, reference) == 1
    assert front_quality(point, point, reference, accuracy_floor=FLOOR) == 0


def test_refuses():
    with pytest.raises(InputError, match=r"no architecture reaches 0\.95"):
        true_front(TRUE, accuracy_floor=0.95)
    with pytest.raises(InputError, match="expected a fraction"):
        true_front(TRUE, accuracy_floor=50)
    bad = TRUE.copy()
    bad[2, 1] = np.nan
    with pytest.raises(InputError, match="ranking: row 2, objective 1"):
        error_budget(TRUE, {"ranking": bad}, [0])
    with pytest.raises(InputError, match="5 rows for 6 architectures"):
        error_budget(TRUE, {"ranking": TRUE[:5]}, [0])
    with pytest.raises(InputError, match="rows 0 to 6 of 6"):
        error_budget(TRUE, {"ranking": TRUE}, [0, 6])
    with pytest.raises(InputError, match="expected row numbers"):
        error_budget(TRUE, {"ranking": TRUE}, np.ones(6, dtype=bool))
    with pytest.raises(InputError, match="stages: none"):
        error_budget(TRUE, {}, [0])
