import dataclasses

import moocore
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from judged_study import ARCHS, LATENCY_MS, WHOLE, write_search
from nb201_space import nb201

from hanas.core.errors import InputError
from hanas.fronts import evaluation, runs, truth
from hanas.fronts.truth import normalised_hypervolume

# A proxy that sees 2 as worse than 4, and hides 1 behind 3, as in the error budget's own test.
PROXY = [0.1, 0.7, 0.6, 0.5, 0.4, 0.9]


def _read(*rows):
    return list(runs.read_runs(rows))


def test_indicators_by_hand(tmp_path):
    row = write_search(tmp_path, [[0, 1, 2, 3, 4, 5], [3, 2]])
    table = evaluation.indicator_table(_read(row)).set_index("seed")
    assert table.loc[0, "normalised_hypervolume"] == 1
    assert table.loc[0, "igd_plus"] == table.loc[0, "additive_epsilon"] == 0
    assert table.loc[0, ["front_points", "front_points_above_floor"]].tolist() == [5, 4]
    # Only (1/2, 1/4) carries volume; (0, 1) is missed by 1/2 and (1/4, 1/2) by 1/4.
    assert table.loc[1, "normalised_hypervolume"] == pytest.approx(0.5 * 0.75 / WHOLE)
    assert table.loc[1, "igd_plus"] == pytest.approx((0.5 + 0.25 + 0 + 0) / 4)
    assert table.loc[1, "additive_epsilon"] == pytest.approx(0.5)
    assert (table["true_front_points"] == 4).all()
    assert (table["accuracy_floor_percent"] == 50).all()
    assert (table["accuracy_source"] == "true ones").all()
    assert (table["trained_architectures"] == 7).all()
    assert table["objectives"].tolist() == ["error+latency_ms"] * 2


def test_equal_architectures_are_one_point_of_the_true_front(tmp_path):
    latency = [5.0, 3.0, 3.0, 1.0, 4.0, 0.5]
    row = write_search(tmp_path, [[3]], error=[0.1, 0.2, 0.2, 0.5, 0.4, 0.9], latency_ms=latency)
    line = evaluation.indicator_table(_read(row)).iloc[0]
    assert line["true_front_points"] == 3
    assert line["igd_plus"] == pytest.approx((1 + 0.75 + 0) / 3)


def test_front_without_a_point_above_the_floor(tmp_path):
    row = write_search(tmp_path, [[5]])
    line = evaluation.indicator_table(_read(row)).iloc[0]
    assert line["normalised_hypervolume"] == 0
    assert np.isinf(line[["igd_plus", "additive_epsilon"]].to_numpy(float)).all()
    assert evaluation.attainment_table(_read(row)).empty


def test_budget_by_hand(tmp_path):
    row = write_search(tmp_path, [[0, 3], [0, 3, 4]], proxy_error=PROXY)
    searches = _read(row)
    line = evaluation.budget_table(searches, evaluation.indicator_table(searches)).iloc[0]
    # To the proxy the front is 0, 3, 4 and 5, of which 4, at (3/4, 3/4), carries volume.
    ceiling = 0.25 * 0.25 / WHOLE
    assert line["ceiling"] == pytest.approx(ceiling)
    assert line["found_mean"] == pytest.approx(ceiling / 2)
    assert line["found_std"] == pytest.approx(np.std([0, ceiling], ddof=1))
    assert line["loss_by_ranking"] == pytest.approx(1 - ceiling)
    assert line["loss_by_searching"] == pytest.approx(ceiling / 2)
    assert line["loss"] == pytest.approx(line["loss_by_ranking"] + line["loss_by_searching"])
    assert line["unique_evaluations_mean"] == 2.5
    assert line["ceiling_of_20"] == line["ceiling"]  # four points need no thinning
    assert line["exact_front_points"] == 4


def test_a_proxy_that_orders_by_the_metric_is_named(tmp_path):
    row = write_search(tmp_path, [[0, 3]], proxy_error=[-value for value in LATENCY_MS])
    searches = _read(row)
    line = evaluation.budget_table(searches, evaluation.indicator_table(searches)).iloc[0]
    assert line["ceiling"] == 1  # all six are on its front
    assert line["exact_front_points"] == 6
    assert line["note"].startswith("the proxy orders by latency_ms: 6 of the 6 architectures")
    searches = _read(write_search(tmp_path, [[0, 3]], proxy_error=[0.4, 0.3, 0.2, 0.1, 0.5, 0.6]))
    line = evaluation.budget_table(searches, evaluation.indicator_table(searches)).iloc[0]
    assert line["exact_front_points"] == 2  # 3, and 5 which is faster
    assert line["note"] == ""


def test_both_ceilings_where_the_proxy_prefers_what_is_below_the_floor(tmp_path):
    proxy = [0.3, 0.3, 0.3, 0.3, 0.3, 0.0]  # the useless cell dominates all
    searches = _read(write_search(tmp_path, [[0]], proxy_error=proxy))
    line = evaluation.budget_table(searches, evaluation.indicator_table(searches)).iloc[0]
    assert line["ceiling"] == 0
    assert line["ceiling_above_floor"] == 0  # 3 alone, in a corner
    proxy = [0.1, 0.2, 0.3, 0.5, 0.4, 0.0]
    searches = _read(write_search(tmp_path, [[0]], proxy_error=proxy))
    line = evaluation.budget_table(searches, evaluation.indicator_table(searches)).iloc[0]
    assert (line["ceiling"], line["ceiling_above_floor"]) == (0, 1)


def test_devices_with_energy_are_judged_in_both_sets_of_objectives(tmp_path):
    energy = [9.0, 8.0, 1.0, 2.0, 3.0, 4.0]
    row = write_search(tmp_path, [[0, 1, 2]], energy_mj=energy)
    two, three = _read(row)
    assert two.truth.name == "error+latency_ms"
    assert three.truth.name == "error+latency_ms+energy_mj"
    assert (
        two.found_front(two.evaluated[0]).tolist()
        == three.found_front(three.evaluated[0]).tolist()
        == [0, 1, 2]
    )
    only = _read(dataclasses.replace(row, device_objectives=["energy_mj"]))
    assert [runs.truth.name for runs in only] == ["error+energy_mj"]


def test_infeasible_evaluations_count_as_evaluations_only(tmp_path):
    latency = [5.0, 3.0, 2.0, 1.0, np.nan, 0.5]
    searches = _read(write_search(tmp_path, [[4, 0, 2]], latency_ms=latency))
    line = evaluation.indicator_table(searches).iloc[0]
    assert line[["unique_evaluations", "feasible_evaluations"]].tolist() == [3, 2]
    archs = searches[0].truth.archs[searches[0].found_front(searches[0].evaluated[0])]
    assert archs.tolist() == [ARCHS[0], ARCHS[2]]


def test_of_equal_architectures_the_first_evaluated_stands_for_all(tmp_path):
    (searched,) = _read(
        write_search(tmp_path, [[3, 0, 1, 2]], proxy_error=[0.3] * 6, latency_ms=LATENCY_MS)
    )
    assert searched.found_front(searched.evaluated[0]).tolist() == [3]  # the fastest
    blind = dataclasses.replace(searched, searched=np.full((6, 2), 0.3))
    assert blind.found_front(blind.evaluated[0]).tolist() == [3]
    assert blind.shares_after([1, 2, 3, 4])[0].tolist() == [0, 0, 0, 0]


def test_convergence_by_hand(tmp_path):
    row = write_search(tmp_path, [[0, 3, 2, 1, 4], [0, 3, 1, 2, 4], [0, 3, 1, 4, 2]])
    table = evaluation.convergence_table(_read(row)).set_index("evaluations")
    assert table.index.tolist() == [1, 2, 3, 4, 5]
    one, two = 0.75 * 0.5 / WHOLE, 0.5 * 0.75 / WHOLE  # of 1 alone, of 2 alone
    assert table.loc[2, ["q25", "median", "q75"]].tolist() == [0, 0, 0]
    assert table.loc[3, "median"] == pytest.approx(np.median([two, one, one]))
    assert table.loc[4, ["q25", "median", "q75"]].tolist() == pytest.approx(
        np.quantile([1, 1, one], [0.25, 0.5, 0.75]).tolist()
    )
    assert table.loc[5, "median"] == 1
    assert (table["seeds"] == 3).all()


def test_convergence_ends_where_all_seeds_have_evaluations(tmp_path):
    row = write_search(tmp_path, [[0, 3, 2], [0, 3, 1, 2]])
    assert evaluation.convergence_table(_read(row))["evaluations"].tolist() == [1, 2, 3]


def test_attainment_by_hand(tmp_path):
    row = write_search(tmp_path, [[0, 1], [2, 5], [1, 2]])
    table = evaluation.attainment_table(_read(row))
    assert sorted(set(table["attained_by"])) == [1, 2, 3]

    def surface(attained_by):
        rows = table[table["attained_by"] == attained_by]
        return rows[["error", "latency_ms"]].to_numpy().round(12).tolist()

    assert surface(1) == [[0.1, 5], [0.2, 3], [0.3, 2]]
    assert surface(2) == [[0.2, 3], [0.3, 2]]
    assert surface(3) == [[0.3, 3]]


_GRID = st.integers(0, 12).map(lambda number: number / 12)


@settings(deadline=None, max_examples=15)
@given(
    error=st.lists(_GRID, min_size=6, max_size=6),
    latency=st.lists(_GRID.map(lambda x: x + 0.5), min_size=6, max_size=6),
    proxy=st.lists(_GRID, min_size=6, max_size=6),
    evaluated=st.permutations(range(6)),
)
def test_tables_agree_with_the_library(tmp_path_factory, error, latency, proxy, evaluated):
    folder = tmp_path_factory.mktemp("tables")
    evaluated = evaluated[:4]
    row = write_search(
        folder,
        [evaluated],
        error=error,
        latency_ms=latency,
        proxy_error=proxy,
        floor_percent=25,
    )
    true = np.column_stack([1 - (100 * (1 - np.array(error))) / 100, latency])
    searched = np.column_stack([proxy, latency])
    worthy = true[:, 0] <= 0.75 + 1e-12
    reference = moocore.filter_dominated(true[worthy]) if worthy.any() else true[:0]
    assume(len(set(latency)) > 1)  # else there is nothing to search
    if not worthy.any():
        with pytest.raises(InputError, match=r"task t on mine: .*floor_percent is 25"):
            _read(row)
        return
    if len(np.unique(reference, axis=0)) < 3:  # judged by another reference point: test_truth.py
        truth = _read(row)[0].truth
        assert truth.share(truth.front_rows) == 1
        return
    searches = _read(row)

    def share(rows) -> float:
        """Return the normalised hypervolume of the front of these rows, each look once."""
        front = rows[moocore.is_nondominated(searched[rows], keep_weakly=False)]
        low, high = reference.min(axis=0), reference.max(axis=0)
        points = [(each - low) / (high - low) for each in (true[front[worthy[front]]], reference)]
        volumes = [moocore.hypervolume(np.maximum(each, 0), ref=[1, 1]) for each in points]
        return volumes[0] / volumes[1]

    ceiling, found = share(np.arange(6)), share(np.array(evaluated))
    indicators = evaluation.indicator_table(searches)
    line = evaluation.budget_table(searches, indicators).iloc[0]
    if line["ceiling_std"] == 0:
        assert line["ceiling"] == pytest.approx(ceiling, abs=1e-9)
    assert line["found_mean"] == pytest.approx(found, abs=1e-9)
    assert line["loss_by_ranking"] == 1 - line["ceiling"]
    assert line["loss_by_searching"] == line["ceiling"] - line["found_mean"]
    judged = searches[0].truth
    chosen = judged.worthy(searches[0].found_front(searches[0].evaluated[0]))
    assert judged.share(chosen) == pytest.approx(
        normalised_hypervolume(judged.objectives[chosen], judged.front), abs=1e-9
    )
    if len(chosen):
        low, high = judged.front.min(axis=0), judged.front.max(axis=0)
        points, front = ((each - low) / (high - low) for each in (true[chosen], judged.front))
        assert indicators.loc[0, "igd_plus"] == pytest.approx(moocore.igd_plus(points, front))
        epsilon = moocore.epsilon_additive(points, front)
        assert indicators.loc[0, "additive_epsilon"] == pytest.approx(epsilon)


def test_prefixes_of_a_search_have_the_front_of_their_own(tmp_path):
    row = write_search(tmp_path, [[4, 3, 0, 1, 5, 2]], proxy_error=PROXY)
    (searched,) = _read(row)
    shares = searched.shares_after([1, 2, 3, 4, 5, 6])[0]
    for count, share in enumerate(shares, start=1):
        front = searched.found_front(searched.evaluated[0][:count])
        assert share == searched.truth.share(front)


def test_an_architecture_without_accuracy_is_named(tmp_path):
    row = write_search(tmp_path, [[0]])
    accuracies = pd.read_parquet(row.accuracies)
    accuracies.drop(index=3).to_parquet(row.accuracies)
    with pytest.raises(InputError, match=r"1 without accuracy, first: \|"):
        _read(row)


def test_floor_that_nothing_reaches(tmp_path):
    row = write_search(tmp_path, [[0]], floor_percent=95)
    with pytest.raises(InputError, match=r"task t on mine: .*no architecture reaches 0\.95"):
        _read(row)


@pytest.mark.slow
@pytest.mark.parametrize("device", ["edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga"])
def test_ceilings_on_the_real_tables_agree_with_moocore(data_folder, tmp_path, device):
    accuracies = pd.read_parquet(data_folder / "nb201_accuracy_cost.parquet")
    metrics = pd.read_parquet(data_folder / "hw_nas_bench_nb201.parquet")
    accuracy = accuracies["v11_c10_test_acc_200ep"].to_numpy()
    latency_ms = metrics[f"c10_{device}_latency_ms"].to_numpy(dtype=float)
    feasible = latency_ms > 0
    proxy = -accuracies["v11_c10_test_acc_12ep"].to_numpy()
    judged = truth.truth_of_tables(
        pd.DataFrame({"arch": nb201.all_texts(), "accuracy_percent": accuracy, "source": ""}),
        pd.DataFrame(
            {
                "arch": nb201.all_texts(),
                "feasible": feasible,
                "latency_ms": np.where(feasible, latency_ms, np.nan),
                "source": "",
            }
        ),
        metrics=["latency_ms"],
        accuracy_floor_percent=50,
        name=device,
    )
    searched = np.column_stack([proxy, latency_ms])[feasible]
    ours, deviation = judged.ceiling(searched, np.arange(len(searched)))

    true = np.column_stack([1 - accuracy / 100, latency_ms])[feasible]
    front = moocore.filter_dominated(true[true[:, 0] <= 0.5])
    chosen = true[moocore.is_nondominated(searched, keep_weakly=False)]
    low, high = front.min(axis=0), front.max(axis=0)
    chosen = np.clip((chosen[chosen[:, 0] <= 0.5] - low) / (high - low), 0, None)
    whole = moocore.hypervolume((front - low) / (high - low), ref=[1, 1])
    share = moocore.hypervolume(chosen, ref=[1, 1]) / whole
    assert ours == pytest.approx(share, abs=4 * deviation + 1e-9)  # on eyeriss two cells are alike
