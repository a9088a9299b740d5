import dataclasses

import pandas as pd
import pytest
from judged_study import ARCHS, ERROR, write_search

from hanas.core.errors import InputError
from hanas.core.ranking import rank_panel
from hanas.fronts.proxy_quality import RankedProxy, ranking_table

NAMES = [field.name for field in dataclasses.fields(RankedProxy) if field.name != "space_table"]
PARAMS = [900, 800, 300, 200, 400, 100]


def _proxy(folder, **options):
    row = write_search(folder, [[0]], **options)
    pd.DataFrame({"arch": ARCHS, "params": PARAMS}).to_parquet(folder / "space.parquet")
    shared = {name: getattr(row, name) for name in NAMES}
    return RankedProxy(**shared, space_table=str(folder / "space.parquet"))


def test_both_scopes_are_told(tmp_path):
    proxy = [0.2, 0.1, 0.3, 0.4, 0.5, 0.0]  # likes the useless cell best
    row = _proxy(tmp_path, proxy_error=proxy)
    table = ranking_table([row]).set_index("cells")
    assert table["architectures"].to_dict() == {"all": 6, "above the floor": 5}
    expected = rank_panel(proxy, ERROR, counts=(10, 50, 100))
    assert table.loc["all", "kendall_tau"] == pytest.approx(expected["kendall_tau"])
    # Of ten pairs above the floor, (0, 1) and (3, 4) are the wrong way round.
    assert table.loc["above the floor", "kendall_tau"] == pytest.approx((8 - 2) / 10)
    assert table.loc["all", "regret_percentage_points"] == pytest.approx(80)
    assert table.loc["above the floor", "regret_percentage_points"] == pytest.approx(10)
    assert (table["accuracy_floor_percent"] == 50).all()
    assert (table["trained_architectures"] == 7).all()
    assert table["proxy_source"].tolist() == ["a proxy"] * 2


def test_quarters_by_size_are_told(tmp_path):
    proxy = [0.2, 0.1, 0.3, 0.4, 0.5, 0.0]
    row = _proxy(tmp_path, proxy_error=proxy, floor_percent=0)
    line = ranking_table([row]).iloc[0]
    # Quarters of 100, 200, 300, 400, 800, 900: {5, 3}, {2}, {4}, {1, 0}.
    counts = line[[f"architectures_size_{number}" for number in (1, 2, 3, 4)]].tolist()
    assert counts == [2, 1, 1, 2]
    assert line["kendall_tau_size_1"] == line["kendall_tau_size_4"] == -1
    assert line[["kendall_tau_size_2", "kendall_tau_size_3"]].isna().all()
    # Ranks in truth 6 and 5, by the proxy 1 and 5; 3 and 4; 4 and 6; 1 and 2, 3 and 2.
    lead = line[[f"overrated_size_{number}" for number in (1, 2, 3, 4)]].tolist()
    assert lead == pytest.approx([5 / 2 / 6, -1 / 6, -2 / 6, -2 / 2 / 6])


def test_without_a_floor_there_is_one_scope(tmp_path):
    row = _proxy(tmp_path, floor_percent=0)
    assert ranking_table([row])["cells"].tolist() == ["all"]


def test_a_scored_architecture_without_accuracy_is_an_error(tmp_path):
    row = _proxy(tmp_path)
    pd.read_parquet(row.accuracies).iloc[1:].to_parquet(row.accuracies)
    with pytest.raises(InputError, match="1 architectures that"):
        ranking_table([row])


def test_too_high_a_floor_names_the_task(tmp_path):
    row = _proxy(tmp_path, floor_percent=90)
    with pytest.raises(InputError, match="task t, proxy p: 1 architectures"):
        ranking_table([row])


def test_panel_of_parameters_on_the_real_tables(data_folder, tmp_path):
    # tau, rho and tau within the best 50/20/10 % were measured by others on the same tables.
    tables = pd.read_parquet(data_folder / "nb201_accuracy_cost.parquet")
    accuracies = pd.DataFrame(
        {
            "arch": tables["arch_str"],
            "accuracy_percent": tables["v11_c10_test_acc_200ep"],
            "source": "v1_1",
        }
    )
    proxy = pd.DataFrame(
        {"arch": tables["arch_str"], "score": -tables["params_M_c10"], "source": "parameters"}
    )
    row = dataclasses.replace(_proxy(tmp_path, floor_percent=0), proxy_objective="score")
    sizes = {"arch": tables["arch_str"], "params": tables["params_M_c10"]}
    pd.DataFrame(sizes).to_parquet(row.space_table)
    accuracies.to_parquet(row.accuracies)
    proxy.to_parquet(row.proxy_table)
    line = ranking_table([row]).iloc[0]
    assert line["kendall_tau"] == pytest.approx(0.577, abs=0.0005)
    assert line["spearman_rho"] == pytest.approx(0.752, abs=0.0005)
    best = [line[f"kendall_tau_best_{percent}_percent"] for percent in (50, 20, 10)]
    assert best == pytest.approx([0.39, 0.28, 0.09], abs=0.006)
