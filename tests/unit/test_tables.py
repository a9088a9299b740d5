from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from nb201_space import nb201

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import write_json, write_parquet
from hanas.fronts.rows import read_history
from hanas.report import tables

TEXTS = nb201.all_texts()
ENUMERABLE = [n for n in plugins.names("spaces") if plugins.space(n).enumerable]


@pytest.mark.parametrize("name", ENUMERABLE)
def test_a_space_table_lists_every_architecture(name):
    space = plugins.space(name)
    table = tables.space_table(space)
    assert table["arch"].is_unique
    assert (table["index"] == np.arange(len(table))).all()
    assert len(table) == np.prod(space.choices)


def write_histories(path, history):
    """Write a history as that of search b, after another search."""
    other = history.assign(search="a", arch=TEXTS[9])
    histories = pd.concat([other, history.assign(search="b")], ignore_index=True)
    write_parquet(histories[["search", *history]], path)


@pytest.fixture
def rows(tmp_path):
    """Two methods on one data set; three architectures matter, in two seeds."""
    accuracies = pd.DataFrame({"arch": TEXTS, "accuracy_percent": 50.0, "source": "true"})
    accuracies.loc[[0, 1, 2], "accuracy_percent"] = [90.0, 94.0, 20.005]
    metrics = pd.DataFrame({"arch": TEXTS, "feasible": True, "latency_ms": 5.0, "source": "device"})
    metrics.loc[[0, 1, 2], "latency_ms"] = [2.0, 4.0, np.nan]
    metrics.loc[2, "feasible"] = False
    history = pd.DataFrame(
        # seed 0: the knee is cell 0; seed 1: its only point is cell 1
        {
            "seed": [0, 0, 0, 0, 1],
            "evaluation": [0, 1, 2, 3, 0],
            "generation": 0,
            "arch": [TEXTS[i] for i in (2, 7, 0, 8, 1)],
            "error": [np.nan, 0.0, 0.1, 0.5, 0.2],
            "latency_ms": [np.nan, 9.0, 2.0, 1.5, 4.0],
            "feasible": [False, True, True, True, True],
            "score": np.nan,
        }
    )
    write_parquet(accuracies, tmp_path / "accuracies.parquet")
    write_parquet(metrics, tmp_path / "metrics.parquet")
    write_histories(tmp_path / "history.parquet", history)
    write_json(tmp_path / "found.json", {"arch": TEXTS[2]})
    common = {
        "task": "t",
        "dataset": "cifar10",
        "space": "nb201",
        "trained_on": "cifar100",
        "accuracies": str(tmp_path / "accuracies.parquet"),
        "metrics": str(tmp_path / "metrics.parquet"),
    }
    return [
        tables.Method(
            **common,
            method="DARTS",
            search=None,
            ranked_by=None,
            trained_architectures=0,
            file=str(tmp_path / "found.json"),
        ),
        tables.Method(
            **common,
            method="A+B",
            search="b",
            ranked_by="mean rank of 2 x a, b",
            trained_architectures=50,
            file=str(tmp_path / "history.parquet"),
        ),
    ]


def test_rows_show_the_representative_of_seed_0_and_the_spread_over_seeds(rows):
    table = tables.device_table(rows, device="mine", representative="knee").set_index("method")
    search = table.loc["A+B"]
    assert search["arch"] == TEXTS[0]
    assert search["nb201_index"] == 0
    assert (search["accuracy_percent"], search["latency_ms"]) == (90.0, 2.0)
    assert search["accuracy_percent_mean"] == 92.0
    assert search["accuracy_percent_std"] == pytest.approx(np.sqrt(8))
    assert (search["seeds"], search["unique_evaluations"]) == (2, 2.5)
    assert "energy_mj" not in table
    assert search["trained_architectures"] == 50
    found = table.loc["DARTS"]
    assert found["seeds"] == 1
    assert np.isnan(found["latency_ms"])
    assert np.isnan(found["accuracy_percent_std"])


def test_a_price_that_nobody_pays_is_no_column(rows):
    free = [rows[0], replace(rows[1], trained_architectures=0)]
    table = tables.device_table(free, device="mine", representative="knee")
    assert "trained_architectures" not in table


def test_scalar_searchers_are_represented_by_their_lowest_score(rows):
    history = read_history(rows[1].file, "b")
    history["score"] = [np.nan, 3.0, 2.0, np.inf, 1.0]
    picks, chosen_as = tables.pick_of_each_seed(history, "lowest_error")
    assert picks == [TEXTS[0], TEXTS[1]]
    assert chosen_as == "lowest score, seed 0"


def test_the_forms_of_a_paper_show_the_same_numbers(rows):
    table = tables.device_table(rows, device="mine", representative="knee")
    markdown = tables.markdown(table)
    assert "| A+B | 90.00 (92.00 ± 2.83) | 2.000 (3.000 ± 1.414) |" in markdown
    assert "| DARTS | 20.00 | – |" in markdown or "| DARTS | 20.01 | – |" in markdown
    assert "transfer from supernets trained on cifar100" in markdown
    assert "- A+B: searches ranked by mean rank of 2 x a, b." in markdown
    latex = tables.latex(table)
    assert r"A+B & 90.00 (92.00 $\pm$ 2.83) & 2.000 (3.000 $\pm$ 1.414) \\" in latex
    assert r"cifar10 accuracy (\%)" in latex


def test_a_scalar_search_without_a_valid_architecture_has_no_row(rows):
    history = read_history(rows[1].file, "b")
    history["score"] = [np.nan, 3.0, 2.0, 1.0, np.inf]
    with pytest.raises(InputError, match="seed 1: no architecture met its limits"):
        tables.pick_of_each_seed(history, "knee")
    history["feasible"] = history["seed"] == 0
    with pytest.raises(InputError, match="seed 1: the device can run none"):
        tables.pick_of_each_seed(history, "knee")
