"""The shipped surrogates against the official tables and by themselves, and their plug-ins."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from nb201_space import NONE, nb201
from scipy.stats import kendalltau

from hanas.benchmarks.surrogate import Surrogate
from hanas.benchmarks.surrogates import models as surrogates
from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.devices.surrogate import SurrogateDevice

GENES = nb201.all_genes()
TEXTS = nb201.all_texts()
PREFIXES = {"cifar10": "c10", "cifar100": "c100", "imagenet16_120": "in16"}
CHANCE = {"cifar10": 10.0, "cifar100": 1.0, "imagenet16_120": 100 / 120}
METRICS = {
    "edgegpu": ("latency_ms", "energy_mj"),
    "raspi4": ("latency_ms",),
    "edgetpu": ("latency_ms",),
    "pixel3": ("latency_ms",),
    "eyeriss": ("latency_ms", "energy_mj"),
    "fpga": ("latency_ms", "energy_mj"),
}
NAMES = [
    *(f"{dataset}/accuracy_percent" for dataset in PREFIXES),
    *(f"{data}/{name}/{m}" for data in PREFIXES for name in METRICS for m in METRICS[name]),
]
QUALITY = surrogates.SHIPPED.with_suffix(".csv")


@pytest.fixture(scope="module")
def shipped():
    return surrogates.load()


@pytest.fixture(scope="module")
def predicted(shipped):
    """The predictions of each model for all cells; each network is evaluated once."""
    evaluate = shipped._outputs
    outputs = cache(lambda network: evaluate(network, GENES))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surrogates.Bundle, "_outputs", lambda self, network, genes: outputs(network))
        return {name: shipped.predict(name, GENES) for name in NAMES}


@pytest.fixture(scope="module")
def held_out(shipped):
    header = shipped.header
    return surrogates.split(len(GENES), seed=header["seed"], held_out=header["held_out"])[0]


@pytest.fixture(scope="module")
def true(data_folder):
    """The true numbers of each model's name, NaN where infeasible."""
    metrics = pd.read_parquet(data_folder / "hw_nas_bench_nb201.parquet")
    accuracies = pd.read_parquet(data_folder / "nb201_accuracy_cost.parquet")
    assert tuple(metrics["arch_str"]) == tuple(accuracies["arch_str"]) == TEXTS
    numbers = {}
    for name in NAMES:
        dataset, *place = name.split("/")
        if place == ["accuracy_percent"]:
            column = f"v11_{PREFIXES[dataset]}_test_acc_200ep"
            numbers[name] = accuracies[column].to_numpy(np.float64)
        else:
            column = "_".join([PREFIXES[dataset], *place]).replace("mj", "mJ")
            numbers[name] = metrics[column].replace(-1.0, np.nan).to_numpy(np.float64)
    return numbers


@pytest.fixture(scope="module")
def judged(predicted, held_out, true):
    """Return true and predicted numbers of the held-out cells that are feasible, by model."""
    known = {name: held_out[np.isfinite(true[name][held_out])] for name in NAMES}
    return {name: (true[name][cells], predicted[name][cells]) for name, cells in known.items()}


def tau(true, predicted):
    return kendalltau(predicted, true).statistic


# ---- the shipped bundle against the official tables --------------------------------------------


def test_a_tenth_of_the_cells_was_held_out(shipped, held_out):
    fitted = surrogates.split(len(GENES), seed=shipped.header["seed"], held_out=0.1)[1]
    assert shipped.header["held_out"] == 0.1
    assert len(held_out) == 1562
    assert sorted([*held_out, *fitted]) == list(range(len(GENES)))


@pytest.mark.parametrize("dataset", PREFIXES)
@pytest.mark.parametrize("metric", ["latency_ms", "energy_mj"])
@pytest.mark.parametrize("name", ["eyeriss", "fpga"])
def test_exact_metrics_are_exact_on_every_cell(predicted, true, dataset, name, metric):
    model = f"{dataset}/{name}/{metric}"
    np.testing.assert_allclose(predicted[model], true[model], rtol=1e-9)


@pytest.mark.parametrize("dataset", PREFIXES)
@pytest.mark.parametrize("metric", METRICS["edgegpu"])
def test_edgegpu_is_predicted_well(judged, dataset, metric):
    values, predicted = judged[f"{dataset}/edgegpu/{metric}"]
    assert np.median(np.abs(predicted / values - 1)) <= 0.015
    assert tau(values, predicted) >= 0.92


@pytest.mark.parametrize("dataset", PREFIXES)
@pytest.mark.parametrize("name", ["raspi4", "pixel3"])
def test_phones_are_predicted_better_than_isomorphic_cells_agree(true, judged, dataset, name):
    model = f"{dataset}/{name}/latency_ms"
    by_class = pd.Series(true[model]).groupby([nb201.canonical(cell) for cell in GENES])
    several = by_class.transform("size").to_numpy() > 1
    off = np.abs(true[model] / by_class.transform("median").to_numpy() - 1)
    values, predicted = judged[model]
    assert np.median(np.abs(predicted / values - 1)) <= np.median(off[several])
    assert tau(values, predicted) >= (0.8 if model.startswith("imagenet16_120/raspi4") else 0.88)


@pytest.mark.parametrize("dataset", PREFIXES)
def test_edgetpu_is_predicted_well(judged, dataset):
    values, predicted = judged[f"{dataset}/edgetpu/latency_ms"]
    assert np.median(np.abs(predicted / values - 1)) <= 0.02
    assert tau(values, predicted) >= 0.9


@pytest.mark.parametrize("dataset", PREFIXES)
def test_what_edgetpu_cannot_run_is_known(shipped, held_out, true, dataset):
    fails = np.isnan(true[f"{dataset}/edgetpu/latency_ms"])
    said = ~shipped.feasible(dataset, "edgetpu", GENES)
    assert not (said & ~fails).any()  # no cell that runs is lost
    assert said[fails].mean() >= 0.98
    assert said[held_out][fails[held_out]].mean() >= 0.97


@pytest.mark.parametrize(
    ("dataset", "upper_percent", "least_upper"),
    [("cifar10", 80, 0.92), ("cifar100", 50, 0.9), ("imagenet16_120", 25, 0.9)],
)
def test_accuracies_are_ranked_well(judged, dataset, upper_percent, least_upper):
    values, predicted = judged[f"{dataset}/accuracy_percent"]
    assert tau(values, predicted) >= 0.93
    upper = values > upper_percent
    assert tau(values[upper], predicted[upper]) >= least_upper
    assert np.median(np.abs(predicted / values - 1)) <= 0.01


def test_the_quality_file_is_that_of_the_shipped_models(shipped, held_out, true, judged):
    table = pd.read_csv(QUALITY)
    named = table[table["metric"] != "feasible"]
    names = ["/".join(row.dropna()) for _, row in named[["dataset", "device", "metric"]].iterrows()]
    assert sorted(names) == sorted(NAMES)
    for name, (_, row) in zip(names, named.iterrows(), strict=True):
        values, predicted = judged[name]
        error = np.abs(predicted / values - 1)
        assert row["cells_held_out"] == len(values)
        assert row["cells_held_out"] + row["cells_fitted"] == np.isfinite(true[name]).sum()
        expected = {
            "median_relative_error": np.median(error),
            "worst_relative_error": error.max(),
            "r2": 1 - np.square(predicted - values).sum() / np.square(values - values.mean()).sum(),
        }
        if row["kind"] == "perceptrons":
            # Accuracies that are equal but for the last digits: ties in the file, not for scipy.
            assert row["kendall_tau"] == pytest.approx(tau(values, predicted), abs=5e-4)
        for column, number in expected.items():
            assert row[column] == pytest.approx(number, rel=1e-5, abs=1e-9), (name, column)
    c10 = named[named["metric"] == "accuracy_percent"].set_index("dataset").loc["cifar10"]
    assert c10["upper_from_percent"] == 80
    fails = np.isnan(true["cifar10/edgetpu/latency_ms"][held_out])
    said = ~shipped.feasible("cifar10", "edgetpu", GENES[held_out])
    row = table[(table["metric"] == "feasible") & (table["dataset"] == "cifar10")].iloc[0]
    assert row["predicted_right"] == pytest.approx((fails == said).mean(), rel=1e-5)
    assert row["precision"] == 1
    assert row["recall"] == pytest.approx(said[fails].mean(), rel=1e-5)


# ---- the shipped bundle by itself --------------------------------------------------------------


def test_the_bundle_is_small_and_holds_no_pickle():
    assert surrogates.SHIPPED.stat().st_size + QUALITY.stat().st_size < 1_000_000
    with np.load(surrogates.SHIPPED, allow_pickle=False) as archive:
        assert not [key for key in archive.files if archive[key].dtype.hasobject]


def test_the_bundle_has_all_models_and_says_where_they_come_from(shipped):
    feasible = [f"{dataset}/edgetpu/feasible" for dataset in PREFIXES]
    assert shipped.names() == tuple(sorted([*NAMES, *feasible]))
    for name in shipped.names():
        benchmark_name = "NAS-Bench-201 v1_1" if "accuracy" in name else "HW-NAS-Bench v1.0"
        assert benchmark_name in shipped.header["models"][name]["source"]


@pytest.mark.parametrize("name", NAMES)
def test_predictions_can_be_and_differ(predicted, name):
    assert np.isfinite(predicted[name]).all()
    assert (predicted[name] > 0).all()
    if "accuracy" in name:
        assert (predicted[name] < 100).all()
    # Every cell differs where dead edges cost; an exact metric has a value a sum of counts.
    least = 20 if "eyeriss" in name or "fpga" in name else 8000
    assert len(np.unique(predicted[name])) >= least


@pytest.mark.parametrize("dataset", PREFIXES)
def test_a_cell_without_a_path_guesses(predicted, dataset):
    dead = (nb201.without_dead_edges(GENES) == NONE).all(axis=1)
    assert dead.sum() == 341
    guesses = predicted[f"{dataset}/accuracy_percent"][dead]
    np.testing.assert_allclose(guesses, CHANCE[dataset], rtol=1e-3)


def test_dead_edges_change_no_accuracy(predicted):
    live = nb201.index_of(nb201.without_dead_edges(GENES))
    for dataset in PREFIXES:
        of_all = predicted[f"{dataset}/accuracy_percent"]
        np.testing.assert_allclose(of_all, of_all[live], rtol=2e-6)


def test_one_cell_is_predicted_as_among_all(shipped, predicted):
    for name in NAMES:
        alone = np.concatenate([shipped.predict(name, GENES[i : i + 1]) for i in (0, 857)])
        np.testing.assert_allclose(alone, predicted[name][[0, 857]], rtol=2e-6)


def test_the_arithmetic_is_that_of_torch(shipped):
    genes = GENES[::50]
    for network, facts in shipped.header["networks"].items():
        of = {
            key.removeprefix(f"{network}/"): torch.tensor(array.astype(np.float64))
            for key, array in shipped.arrays.items()
            if key.startswith(f"{network}/")
        }
        x = torch.tensor(surrogates.FEATURES[facts["features"]](genes))
        x = (x - of["mean"]) / of["deviation"]
        outputs = []
        for member in range(len(of["weights_0"])):
            y = x
            for layer in range(facts["layers"]):
                y = y if layer == 0 else torch.nn.functional.silu(y)
                weights, biases = of[f"weights_{layer}"][member], of[f"biases_{layer}"][member, 0]
                y = torch.nn.functional.linear(y, weights.T, biases)
            outputs.append(y)
        expected = torch.stack(outputs).mean(dim=0).numpy()
        np.testing.assert_allclose(shipped._outputs(network, genes), expected, rtol=1e-9, atol=1e-9)


# ---- the plug-ins ------------------------------------------------------------------------------


def measure(settings=(), *, root=Path(), space="nb201", dataset="cifar10"):
    settings = {"kind": "surrogate", "device": "edgetpu", **dict(settings)}
    return SurrogateDevice.read(settings).table(plugins.space(space), dataset, root)


def accuracies(settings=(), *, root=Path(), space="nb201", dataset="cifar10"):
    settings = Surrogate.read({"kind": "surrogate", **dict(settings)})
    return settings.accuracies(plugins.space(space), dataset, root)


def test_device_tables_are_marked_and_hold_no_number_for_infeasible_cells(shipped):
    table = measure()
    runs = shipped.feasible("cifar10", "edgetpu", GENES)
    np.testing.assert_array_equal(table["feasible"], runs)
    np.testing.assert_array_equal(table["latency_ms"].isna(), ~runs)
    error = (
        100
        * shipped.header["models"]["cifar10/edgetpu/latency_ms"]["quality"]["median_relative_error"]
    )
    assert set(table["source"]) == {
        f"surrogate: HW-NAS-Bench v1.0 edgetpu (median error on held-out cells: {error:.2g} %)"
    }
    assert list(table) == ["arch", "feasible", "latency_ms", "source"]
    eyeriss = measure({"device": "eyeriss"})
    assert eyeriss["source"][0].endswith("held-out cells: latency_ms exact, energy_mj exact)")


def test_accuracy_tables_are_marked():
    found = accuracies()["source"].unique()
    start = "surrogate: NAS-Bench-201 v1_1 test accuracy, 200 epochs (median error on held-out "
    assert len(found) == 1
    assert found[0].startswith(start)


def test_numbers_can_be_those_of_another_data_set_and_file(tmp_path):
    (tmp_path / "mine.npz").write_bytes(surrogates.SHIPPED.read_bytes())
    borrowed = {"file": "mine.npz", "dataset": "cifar100"}
    own, other = measure(dataset="cifar100"), measure(borrowed, root=tmp_path, dataset="photos")
    pd.testing.assert_frame_equal(own, other)
    own, other = (
        accuracies(dataset="cifar100"),
        accuracies(borrowed, root=tmp_path, dataset="photos"),
    )
    pd.testing.assert_frame_equal(own, other)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"settings": {"device": "edgegpo"}}, ["cifar10/edgegpo", "cifar100/edgegpu"]),
        ({"dataset": "photos"}, ["photos/edgetpu", "imagenet16_120/fpga"]),
        ({"space": "shuffle"}, ["nb201", "shuffle"]),
        ({"settings": {"file": "nowhere.npz"}}, ["nowhere.npz"]),
    ],
)
def test_what_devices_are_not_there_is_said(wrong, words):
    with pytest.raises(InputError) as caught:
        measure(**wrong)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"dataset": "photos"}, ["photos", "cifar10, cifar100, imagenet16_120"]),
        ({"space": "shuffle"}, ["nb201", "shuffle"]),
        ({"settings": {"file": "nowhere.npz"}}, ["nowhere.npz"]),
    ],
)
def test_what_accuracies_are_not_there_is_said(wrong, words):
    with pytest.raises(InputError) as caught:
        accuracies(**wrong)
    for word in words:
        assert word in str(caught.value)
