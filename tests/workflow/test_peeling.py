"""Fronts are peeled: with accuracies that are looked up, and with networks that are trained."""

import copy

import numpy as np
import pandas as pd
import pytest
from studies import TINY, graph_of

from hanas.core.errors import InputError
from hanas.core.files import read_csv
from hanas.core.pareto import non_dominated
from hanas.fronts.rows import read_history

DEVICES = ("edgegpu", "edgetpu")


@pytest.fixture(scope="module")
def results(computed_study):
    return computed_study.folder / "results"


@pytest.mark.parametrize("device", DEVICES)
def test_first_layer_is_worth_what_the_found_front_is(results, device):
    layers = read_csv(results / "evaluations" / device / "peeling.csv")
    indicators = read_csv(results / "evaluations" / device / "indicators.csv")
    key = ["objectives", "proxy", "search", "seed"]
    first = layers[layers["layer"] == 1].set_index(key)["normalised_hypervolume"]
    found = indicators.set_index(key)["normalised_hypervolume"]
    pd.testing.assert_series_equal(first.sort_index(), found.sort_index())
    # More networks never make the trained front worse.
    for _, of_run in layers.groupby(key):
        assert (np.diff(of_run["normalised_hypervolume"]) >= -1e-12).all()
        assert (np.diff(of_run["trained_architectures"]) > 0).all()


@pytest.mark.parametrize("device", DEVICES)
def test_trained_fronts_are_fronts_in_truth(results, device):
    table = read_csv(results / "evaluations" / device / "trained_fronts.csv")
    assert set(table["proxy"]) == {"gdas_toy", "params"}
    for _, front in table.groupby(["proxy", "search"]):
        metrics = [name for name in ("latency_ms", "energy_mj") if name in front]
        true = np.column_stack([-front["accuracy_percent"], front[metrics]])
        assert non_dominated(true).all()
        assert (front["accuracy_percent"].diff().dropna() <= 0).all()
        assert front["proxy_source"].str.contains("surrogate.*; looked up for the").all()


@pytest.mark.parametrize("device", DEVICES)
def test_figures_show_every_proxy(results, device):
    drawn = pd.read_parquet(results / "figures" / "peeling" / device / "toy.parquet")
    assert set(drawn["proxy"]) == {"GDAS", "params"}
    assert (results / "figures" / "peeling" / device / "toy.svg").stat().st_size > 0


def test_layers_are_really_trained_and_their_front_is_exported(computed_study, results):
    with computed_study.edited() as config:
        peeled = {**config["retrainings"]["edgegpu_toy"], "images": "train"}
        del peeled["picks"]
        peeled["training"] = {**peeled["training"], "epochs": 1}
        peeled["peeling"] = {"epsilon": 0.05, "patience": 1, "limit": 8}
        config["retrainings"]["peeled"] = peeled
        computed_study.write(config)
        computed_study.compute("results/models/peeled.csv")
    metrics = pd.read_parquet(results / "retrained" / "peeled" / "metrics.parquet")
    models = read_csv(results / "models" / "peeled.csv")
    history = read_history(str(results / "searches/toy/edgegpu/gdas_toy.parquet"), "nsga2")
    seen = history[(history["seed"] == 0).to_numpy()].set_index("arch").loc[metrics["arch"]]
    assert 1 <= len(metrics) <= 8
    assert metrics["layer"].tolist() == sorted(metrics["layer"])
    true = np.column_stack(
        [-metrics["validation_accuracy_percent"], seen[["latency_ms", "energy_mj"]]]
    )
    np.testing.assert_array_equal(metrics["on_trained_front"], non_dominated(true, copies=False))
    assert models["arch"].tolist() == metrics["arch"][metrics["on_trained_front"]].tolist()


def test_peeling_needs_a_front_and_validation_images(tmp_path):
    config = copy.deepcopy(TINY)
    front = {**config["retrainings"]["edgegpu_toy"], "peeling": {}}
    listed = {"task": "toy", "archs": [DEVICES[0]], "peeling": {}, "images": "train"}
    wrong = {**config, "retrainings": {"a": front, "b": listed}}
    with pytest.raises(InputError) as error:
        graph_of(wrong, tmp_path)
    said = str(error.value)
    assert "retrainings.a.peeling goes by validation accuracy; set retrainings.a.images to" in said
    assert "retrainings.b.peeling: only a front has layers" in said
