"""A small study, computed whole; the slow tests ask the real command about it."""

import json
from itertools import product

import pandas as pd
import pytest
from nb201_space import nb201
from studies import differing, reproducible_bytes

from hanas import cli
from hanas.fronts.picks import found_front
from hanas.fronts.rows import read_history
from hanas.study.explain import facts_of_files

DEVICES = ("edgegpu", "edgetpu")
SEARCHES = list(product(DEVICES, ("gdas_toy", "params"), ("nsga2", "random")))
METHODS = ["DARTS", "GDAS", "GDAS+NSGA", "GDAS+RANDOM", "params+NSGA", "params+RANDOM"]


@pytest.mark.parametrize("device", DEVICES)
def test_table_joins_what_the_stages_computed(computed_study, device):
    results = computed_study.folder / "results"
    table = pd.read_csv(results / "tables" / f"{device}.csv")
    assert list(table["method"]) == METHODS
    accuracies = pd.read_parquet(results / "benchmarks/nb201/toy.parquet").set_index("arch")
    metrics = pd.read_parquet(results / f"devices/{device}/nb201/toy.parquet").set_index("arch")
    for _, row in table.iterrows():
        assert nb201.all_texts()[row["nb201_index"]] == row["arch"]
        expected = accuracies.loc[row["arch"], "accuracy_percent"]
        assert row["accuracy_percent"] == pytest.approx(expected, rel=1e-5)
        if metrics.loc[row["arch"], "feasible"]:
            expected = metrics.loc[row["arch"], "latency_ms"]
            assert row["latency_ms"] == pytest.approx(expected, rel=1e-5)
        else:
            assert pd.isna(row["latency_ms"])
        assert "surrogate" in row["accuracy_source"]
        assert "surrogate" in row["metrics_source"]
        assert (row["seeds"] == 2) == ("+" in row["method"])


def history_of(study, device, proxy, search):
    file = study.folder / f"results/searches/toy/{device}/{proxy}.parquet"
    return read_history(str(file), search)


def test_searches_evaluate_nothing_twice(computed_study):
    for device, proxy, search in SEARCHES:
        history = history_of(computed_study, device, proxy, search)
        assert not history.duplicated(["seed", "arch"]).any()
        assert list(history["seed"].unique()) == [0, 1]
        assert history.groupby("seed").size().tolist() == [40, 40]


def test_infeasible_architectures_never_enter_a_table_of_a_search(computed_study):
    table = pd.read_csv(computed_study.folder / "results/tables/edgetpu.csv")
    searched = table[table["method"].str.contains("+", regex=False)]
    assert searched["latency_ms"].notna().all()
    assert (searched["latency_ms"] > 0).all()
    history = history_of(computed_study, "edgetpu", "params", "random")
    assert not history["feasible"].all()
    assert history.loc[~history["feasible"], ["score", "latency_ms"]].isna().all(axis=None)


def test_proxy_table_scores_every_cell_and_equal_functions_equally(computed_study):
    table = pd.read_parquet(computed_study.folder / "results/proxies/gdas_toy/toy.parquet")
    assert list(table["arch"]) == list(nb201.all_texts())
    live = nb201.without_dead_edges(nb201.all_genes())
    groups = table.groupby([nb201.to_text(genes) for genes in live])["cross_entropy"]
    assert groups.ngroups == 9445
    assert (groups.nunique() == 1).all()


def test_retraining_stands_beside_the_benchmark(computed_study):
    folder = computed_study.folder / "results/retrained/edgegpu_toy"
    metrics = pd.read_parquet(folder / "metrics.parquet")
    history = history_of(computed_study, "edgegpu", "gdas_toy", "nsga2")
    front = found_front(history, nb201)["arch"]
    assert len(metrics) == min(2, len(front))
    assert set(metrics["arch"]) <= set(front)
    assert metrics["test_accuracy_percent"].between(0, 100).all()
    assert metrics["benchmark_accuracy_percent"].between(0, 100).all()


def test_facts_say_where_a_result_came_from(computed_study):
    results = computed_study.folder / "results"
    for path in results.rglob("*.json"):
        if path.name in ("found.json", "model.json"):  # results that are JSON
            continue
        facts = json.loads(path.read_text(encoding="utf-8"))
        assert {"settings", "inputs", "hanas", "hardware", "seconds"} <= set(facts), path
    facts = json.loads((results / "tables/edgegpu.json").read_text(encoding="utf-8"))
    assert "results/searches/toy/edgegpu/params.parquet" in facts["inputs"]


def test_no_side_file_is_left(computed_study):
    results = computed_study.folder / "results"
    names = {path.name for path in results.rglob("*")}
    assert not {name for name in names if "checkpoint" in name or name.endswith(".tmp")}


@pytest.fixture
def explained(snakemake_study, monkeypatch, capsys):
    """Returns a function (file) -> exit status of ``hanas explain --json`` and what it printed."""
    monkeypatch.chdir(snakemake_study.folder)
    monkeypatch.setenv("HANAS_DATA", str(snakemake_study.folder / "data"))

    def explain(file: str) -> tuple[int, dict]:
        status = cli.main(["explain", file, "--json"])
        return status, json.loads(capsys.readouterr().out)

    return explain


@pytest.mark.slow
def test_snakemake_computes_the_same_bytes_and_has_nothing_left_to_do(
    snakemake_study, computed_study
):
    assert differing(reproducible_bytes(snakemake_study), computed_study) == []
    assert "Nothing to be done" in snakemake_study.run()


@pytest.mark.slow
def test_a_table_is_explained_down_to_the_images(explained):
    status, found = explained("results/tables/edgegpu.csv")
    assert (status, found["changed"], found["would_run"]) == (0, [], {})
    files = {step["file"] for step in found["chain"]}
    assert {
        "results/searches/toy/edgegpu/gdas_toy.parquet",
        "results/proxies/gdas_toy/toy.parquet",
        "results/supernets/gdas_toy/weights.pt",
        "results/datasets/toy.pt",
        "results/devices/edgegpu/nb201/toy.parquet",
    } <= files
    explained = {step["file"] for step in found["chain"] if "facts" in step}
    assert {file for file in files if file.endswith((".pt", ".parquet"))} <= explained


def test_every_result_has_facts(computed_study):
    known = facts_of_files(computed_study.folder)
    for folder in ("tables", "figures", "evaluations", "decisions", "supernets"):
        written = {
            str(path.relative_to(computed_study.folder))
            for path in (computed_study.folder / "results" / folder).rglob("*")
            if path.is_file() and path.suffix != ".json"
        }
        assert written
        assert written <= set(known)


@pytest.mark.slow
def test_edited_settings_are_said_to_change_a_result(snakemake_study, explained):
    with snakemake_study.edited() as config:
        config["searches"]["nsga2"]["seeds"] = 3
        snakemake_study.write(config)
        status, found = explained("results/tables/edgegpu.csv")
    assert (status, found["changed"]) == (3, [])
    assert found["would_run"] == {"search": 2, "table": 1}
