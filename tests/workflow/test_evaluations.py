"""The judgement of the tiny study, held against the tables that it was made from."""

import json

import moocore
import numpy as np
import pandas as pd
import pytest
from nb201_space import nb201

from hanas import cli
from hanas.core.files import read_csv
from hanas.fronts.rows import read_history

DEVICES = ("edgegpu", "edgetpu")
SEARCHES = [
    ("gdas_toy", "nsga2"),
    ("gdas_toy", "random"),
    ("params", "nsga2"),
    ("params", "random"),
]


@pytest.fixture(scope="module")
def results(computed_study):
    return computed_study.folder / "results"


@pytest.mark.parametrize("device", DEVICES)
def test_indicators_agree_with_moocore(results, device):
    table = read_csv(results / "evaluations" / device / "indicators.csv")
    assert not table.duplicated(["proxy", "search", "seed", "objectives"]).any()
    of_pairs = table[table["objectives"] == "error+latency_ms"]
    assert len(of_pairs) == len(SEARCHES) * 2
    accuracies = pd.read_parquet(results / "benchmarks/nb201/toy.parquet").set_index("arch")
    metrics = pd.read_parquet(results / f"devices/{device}/nb201/toy.parquet").set_index("arch")
    true = pd.DataFrame(
        {"error": 1 - accuracies["accuracy_percent"] / 100, "latency_ms": metrics["latency_ms"]}
    ).loc[metrics["feasible"]]
    front = moocore.filter_dominated(true.to_numpy())
    low, high = front.min(axis=0), front.max(axis=0)
    whole = moocore.hypervolume((front - low) / (high - low), ref=[1, 1])
    for _, row in of_pairs.iterrows():
        histories = results / "searches/toy" / device / f"{row['proxy']}.parquet"
        history = read_history(str(histories), row["search"])
        seen = history[(history["seed"] == row["seed"]) & history["feasible"]]
        proxy = "error" if row["proxy"] == "gdas_toy" else "proxy_score"
        searched = seen[[proxy, "latency_ms"]].to_numpy()
        found = true.loc[seen["arch"][moocore.is_nondominated(searched, keep_weakly=False)]]
        points = (found.to_numpy() - low) / (high - low)
        share = moocore.hypervolume(np.clip(points, 0, None), ref=[1, 1]) / whole
        assert row["normalised_hypervolume"] == pytest.approx(share, abs=1e-9)
        front_in_units = (front - low) / (high - low)
        assert row["igd_plus"] == pytest.approx(moocore.igd_plus(points, front_in_units))
        epsilon = moocore.epsilon_additive(points, front_in_units)
        assert row["additive_epsilon"] == pytest.approx(epsilon)


@pytest.mark.parametrize("device", DEVICES)
def test_budgets_add_up(results, device):
    table = read_csv(results / "evaluations" / device / "budget.csv")
    pairs = set(zip(table["proxy"], table["search"], strict=True))
    assert pairs == set(SEARCHES)
    parts = table["loss_by_ranking"] + table["loss_by_searching"]
    np.testing.assert_allclose(parts, table["loss"], atol=1e-12)
    np.testing.assert_allclose(1 - table["found_mean"], table["loss"], atol=1e-12)
    assert table["accuracy_source"].str.contains("surrogate").all()
    assert table["metrics_source"].str.contains("surrogate").all()


@pytest.mark.parametrize("device", DEVICES)
def test_two_seeds_are_too_few_for_a_claim(results, device):
    table = read_csv(results / "evaluations" / device / "statistics.csv")
    assert (table["seeds"] == 2).all()
    assert (table["evaluations"] == 40).all()
    assert (table["claim"] == "none: with fewer than 6 seeds p cannot be below 0.05").all()


@pytest.mark.parametrize("device", DEVICES)
def test_convergence_ends_with_what_was_found(results, device):
    curves = pd.read_parquet(results / "evaluations" / device / "convergence.parquet")
    budget = read_csv(results / "evaluations" / device / "budget.csv")
    keys = ["objectives", "proxy", "search"]
    last = curves.loc[curves.groupby(keys)["evaluations"].idxmax()].set_index(keys)
    assert (last["evaluations"] == 40).all()
    # Of two seeds the median is the mean.
    expected = budget.set_index(keys)["found_mean"].loc[last.index]
    np.testing.assert_allclose(last["median"], expected, atol=1e-12)
    assert (curves["q25"] <= curves["median"]).all()
    assert (curves["median"] <= curves["q75"]).all()


def test_every_proxy_is_ranked(results):
    table = read_csv(results / "evaluations/ranking.csv")
    assert table["proxy"].tolist() == ["gdas_toy", "params"]
    assert (table["architectures"] == 15625).all()
    assert table["trained_on"].tolist()[0] == "toy"


def test_devices_are_compared(results):
    correlation = read_csv(results / "evaluations/device_correlation.csv")
    assert correlation[["device_a", "device_b"]].to_numpy().tolist() == [list(DEVICES)]
    transfer = read_csv(results / "evaluations/transfer_between_devices.csv")
    assert set(transfer["front"]) == {"true", "gdas_toy+nsga2", "params+nsga2"}
    assert len(transfer) == 3 * 2
    assert (transfer.loc[transfer["front"] == "true", "own"] == 1).all()


def test_all_tables_are_joined(results):
    table = read_csv(results / "tables/all.csv")
    parts = [read_csv(results / f"tables/{device}.csv") for device in DEVICES]
    assert len(table) == sum(map(len, parts))
    assert list(dict.fromkeys(table["device"])) == list(DEVICES)


@pytest.mark.parametrize("device", DEVICES)
def test_data_sets_that_nobody_published_say_so(results, device):
    table = read_csv(results / "comparison" / f"{device}.csv")
    assert set(table["verdict"]) == {"no published row"}
    words = (results / "comparison" / f"{device}.md").read_text(encoding="utf-8")
    assert "No figures were published" in words


@pytest.mark.parametrize("device", DEVICES)
def test_decisions_hold_each_front(results, device):
    table = read_csv(results / "decisions" / f"{device}.csv")
    assert set(zip(table["proxy"], table["search"], strict=True)) == set(SEARCHES)
    assert table["latency_ms"].notna().all()
    genes = np.array([nb201.from_text(arch) for arch in table["arch"]])
    assert nb201.connected(genes).all()  # the first front of edgegpu by parameters held two others
    words = (results / "decisions" / f"{device}.md").read_text(encoding="utf-8")
    assert words.startswith(f"# What to take on {device}")
    assert words.count("## toy (") == 2
    assert "surrogate" in words


@pytest.mark.parametrize("device", DEVICES)
def test_the_command_picks_from_the_found_front(computed_study, device, monkeypatch, capsys):
    table = read_csv(computed_study.folder / "results/decisions" / f"{device}.csv")
    front = table[(table["proxy"] == "gdas_toy") & (table["search"] == "nsga2")]
    limit = float(np.median(front["latency_ms"]))
    monkeypatch.chdir(computed_study.folder)
    limits = ["--max-latency-ms", repr(limit), "--json"]
    assert cli.main(["pick", "--device", device, "--dataset", "toy", *limits]) == 0
    picked = json.loads(capsys.readouterr().out)
    within = front[front["latency_ms"] <= limit]
    assert picked["proxy_value"] == within["proxy_value"].min()
    assert picked["latency_ms"] <= limit
    assert picked["arch"] in set(within["arch"])
