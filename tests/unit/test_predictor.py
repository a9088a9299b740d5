"""Predictors of device metrics against the official tables, and by themselves."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layerwise import SPACES, STAGES, random_genes
from nb201_space import AVG_POOL, CONV_3X3, nb201
from scipy.stats import spearmanr

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.devices.hw_nas_bench import DEVICES
from hanas.devices.prediction import predictor
from hanas.devices.prediction.features import Features

CELLS = nb201.all_genes()
METRICS = [(device, metric) for device, metrics in DEVICES.items() for metric in metrics]


@pytest.fixture(scope="module")
def table(data_folder):
    columns = [f"c10_{d}_{m.replace('mj', 'mJ')}" for d, m in METRICS]
    return pd.read_parquet(data_folder / "hw_nas_bench_nb201.parquet", columns=columns)


def some_cells(count: int, seed: int = 0) -> np.ndarray:
    return CELLS[np.random.default_rng(seed).permutation(len(CELLS))[:count]]


def latencies(genes: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return latencies, in ms, that depend on operations and paths, with 2 % of noise."""
    costs = np.array([0.0, 0.05, 0.3, 1.0, 0.4])[genes].sum(axis=1)
    joined = (genes[:, 0] == CONV_3X3) & (genes[:, 5] == CONV_3X3)
    noise = np.random.default_rng(seed).normal(size=len(genes))
    return (0.5 + costs - 0.3 * joined) * (1 + 0.02 * noise)


def fitted(count: int = 40, seed: int = 0, **options):
    genes = some_cells(count, seed)
    return predictor.fit(
        "nb201", genes, {"latency_ms": latencies(genes)}, source="measured: x", **options
    )


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("device", DEVICES)
def test_fifty_measurements_rank_better_than_flops(table, device, seed):
    order = np.random.default_rng(seed).permutation(len(CELLS))
    chosen, left = order[:50], order[50:]
    columns = {
        metric: table[f"c10_{device}_{metric.replace('mj', 'mJ')}"].where(lambda x: x > 0)
        for metric in DEVICES[device]
    }
    metrics = {metric: column.to_numpy()[chosen] for metric, column in columns.items()}
    found = predictor.fit("nb201", CELLS[chosen], metrics, source="measured: a table")
    predicted = found.predict(CELLS[left])
    flops = Features.of("nb201", None).multiply_accumulates(CELLS[left])
    assert found.metrics == tuple(DEVICES[device])
    for metric, column in columns.items():
        true = column.to_numpy()[left]
        known = np.isfinite(true)
        by_flops = spearmanr(flops[known], true[known]).statistic
        by_predictor = spearmanr(predicted[metric][known], true[known]).statistic
        assert by_predictor > by_flops + 0.03
        assert by_predictor > 0.9
        within = np.abs(predicted[metric] - true)[known] <= predicted[f"{metric}_deviation"][known]
        assert within.mean() > 0.55


def test_which_cells_a_compiler_fails_on_is_learnt(table):
    latency = table["c10_edgetpu_latency_ms"].to_numpy()
    chosen = np.random.default_rng(0).permutation(len(CELLS))[:150]
    values = np.where(latency > 0, latency, np.nan)[chosen]
    found = predictor.fit("nb201", CELLS[chosen], {"latency_ms": values}, source="measured: x")
    probability = found.predict(CELLS)["feasible_probability"].to_numpy()
    assert ((probability >= 0) & (probability <= 1)).all()
    right = (probability > 0.5) == (latency > 0)
    assert right.mean() > 0.8 > (latency > 0).mean()


def test_metrics_that_are_linear_in_operations_are_exact():
    genes = some_cells(30)
    exact = 2.0 + (CELLS == CONV_3X3).sum(axis=1) + 0.25 * (CELLS == AVG_POOL).sum(axis=1)
    values = exact[nb201.index_of(genes)]
    found = predictor.fit("nb201", genes, {"latency_ms": values}, source="measured: x")
    assert np.abs(found.predict(CELLS)["latency_ms"] / exact - 1).max() < 0.01


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(1e-9, 1e9), min_size=3, max_size=12),
    st.integers(0, 1000),
)
def test_predictions_are_above_zero_whatever_was_measured(values, seed):
    genes = some_cells(len(values), seed)
    metrics = {"latency_ms": np.array(values), "energy_mj": np.array(values)[::-1]}
    predicted = predictor.fit("nb201", genes, metrics, source="measured: x").predict(CELLS[:300])
    numbers = predicted.to_numpy()
    assert list(predicted) == [
        *("latency_ms", "latency_ms_deviation", "energy_mj", "energy_mj_deviation")
    ]
    assert np.isfinite(numbers).all()
    assert (numbers > 0).all()


def test_deviations_are_what_they_say_and_shrink():
    means = []
    for count in (20, 50, 120):
        within, sizes = [], []
        for seed in range(3):
            predicted = fitted(count, seed).predict(CELLS)
            true, deviation = latencies(CELLS, 1), predicted["latency_ms_deviation"]
            off = np.abs(predicted["latency_ms"] - true)
            within.append([(off <= deviation).mean(), (off <= 2 * deviation).mean()])
            sizes.append(deviation.mean())
        assert 0.55 < np.mean(within, axis=0)[0] < 0.85
        assert np.mean(within, axis=0)[1] > 0.88
        means.append(np.mean(sizes))
    assert means[0] > means[1] > means[2]


def test_one_more_measurement_makes_deviations_smaller():
    found = fitted()
    genes = some_cells(41)  # the same and one more
    metrics = {"latency_ms": latencies(genes)}
    more = predictor.fit("nb201", genes, metrics, source="measured: x")
    more = predictor.Predictor(
        more.features, more.source, more.genes, more.values, found.parameters
    )
    before = found.predict(CELLS)["latency_ms_deviation"] / found.regressions["latency_ms"].scale
    after = more.predict(CELLS)["latency_ms_deviation"] / more.regressions["latency_ms"].scale
    assert (after <= before * (1 + 0.02)).all()
    assert after.sum() < before.sum()


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(20)))
def test_order_of_measurements_does_not_matter(order):
    genes = some_cells(20)
    values = latencies(genes)
    values[3] = np.nan
    one = predictor.fit("nb201", genes, {"latency_ms": values}, source="measured: x")
    other = predictor.fit(
        "nb201", genes[order], {"latency_ms": values[order]}, source="measured: x"
    )
    a, b = one.predict(CELLS[::50]), other.predict(CELLS[::50])
    np.testing.assert_allclose(a.to_numpy(), b.to_numpy(), rtol=1e-9)


def test_written_and_read_again(tmp_path):
    genes = some_cells(20)
    values = latencies(genes)
    values[:5] = np.nan
    found = predictor.fit("nb201", genes, {"latency_ms": values}, source="measured: x")
    predictor.save(found, tmp_path / "one.npz")
    again = predictor.load(tmp_path / "one.npz")
    predictor.save(again, tmp_path / "other.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()
    pd.testing.assert_frame_equal(found.predict(CELLS), again.predict(CELLS), check_exact=True)
    assert again.source == found.source
    assert again.source == "predicted: Gaussian process fitted to 20 measured models (x)"
    assert again.metrics == ("latency_ms",)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("predictor") / "p.npz"
    predictor.save(fitted(12), path)
    return path.read_bytes()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damaged_files_are_refused_or_read_the_same(written, tmp_path_factory, data):
    damaged = bytearray(written)
    at = data.draw(st.integers(0, len(written) - 1))
    damaged[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("damaged") / "p.npz"
    path.write_bytes(damaged)
    said = ""
    try:
        found = predictor.load(path)
    except InputError as error:
        found, said = None, str(error)
    if found is None:
        assert str(path) in said
    else:  # a byte that means nothing, such as a date in the archive
        pd.testing.assert_frame_equal(
            found.predict(CELLS[:50]), fitted(12).predict(CELLS[:50]), check_exact=True
        )


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_truncated_files_are_refused(written, tmp_path, kept):
    path = tmp_path / "p.npz"
    path.write_bytes(written[: kept if isinstance(kept, int) else int(kept * len(written))])
    with pytest.raises(InputError, match="fit it again"):
        predictor.load(path)


def test_changed_files_are_refused(tmp_path):
    found = fitted(12)
    path = tmp_path / "p.npz"
    predictor.save(found, path)
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["values/latency_ms"] = arrays["values/latency_ms"] / 2
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="not what was written"):
        predictor.load(path)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({}, "expected some of"),
        ({"speed": np.ones(5)}, "speed"),
        ({"latency_ms": np.ones(4)}, "one a model"),
        ({"latency_ms": np.array([1, 2, 0, 3, 4.0])}, "model 3 is 0"),
        ({"latency_ms": np.array([1, 2, np.inf, 3, 4.0])}, "model 3 is inf"),
        ({"latency_ms": np.array([1, 2, np.nan, np.nan, np.nan])}, "2 of 5 measured"),
    ],
)
def test_numbers_that_cannot_be_are_refused(metrics, message):
    with pytest.raises(InputError, match=message):
        predictor.fit("nb201", some_cells(5), metrics, source="measured: x")


@pytest.mark.parametrize("genes", [np.full((3, 6), 5), np.zeros((3, 5)), np.full((3, 6), -1)])
def test_genes_of_another_space_are_refused(genes):
    with pytest.raises(InputError, match="nb201"):
        fitted(5).predict(genes)


def test_predictions_from_estimates_say_so():
    genes = some_cells(5)
    values = {"latency_ms": latencies(genes)}
    found = predictor.fit("nb201", genes, values, source="estimate: a model")
    assert found.source == "predicted: Gaussian process fitted to 5 estimated models (a model)"


@pytest.mark.parametrize("space", SPACES)
def test_chains_are_predicted_from_few(space):
    """A device that needs its time for each layer, and more for two alike in a row."""
    module = plugins.space(space)
    network = {"width": 0.25, "resolution": 16}
    genes = random_genes(space, 400)
    rng = np.random.default_rng(5)
    stages = np.repeat(np.arange(len(STAGES[space])), STAGES[space])
    costs = rng.permutation(np.linspace(0.3, 1.5, len(module.operations)))
    if "identity" in module.operations:
        costs[-1] = 0.0
    slowness = np.linspace(1.5, 0.5, len(STAGES[space]))
    latency = 1 + (costs[genes] * slowness[stages]).sum(axis=1)
    latency += 0.05 * (genes[:, 1:] == genes[:, :-1]).sum(axis=1)
    latency *= 1 + 0.01 * rng.normal(size=len(genes))
    found = predictor.fit(
        space, genes[:50], {"latency_ms": latency[:50]}, source="measured: x", network=network
    )
    predicted = found.predict(genes[50:])["latency_ms"]
    flops = Features.of(space, network).multiply_accumulates(genes[50:])
    by_flops = spearmanr(flops, latency[50:]).statistic
    assert spearmanr(predicted, latency[50:]).statistic > max(0.9, by_flops + 0.1)
    assert np.median(np.abs(predicted / latency[50:] - 1)) < 0.02


@pytest.mark.parametrize("space", ["nb201", *SPACES])
def test_features_are_standardised_over_the_space(space):
    genes = CELLS if space == "nb201" else random_genes(space, 4000, seed=3)
    for group in Features.of(space, None).groups(genes):
        assert np.abs(group.mean(axis=0)).max() < 0.1
        deviations = group.std(axis=0)
        assert ((np.abs(deviations - 1) < 0.1) | (deviations < 1e-9)).all()


def test_layers_of_a_kind_share_what_they_cost():
    """A chain with an operation in one layer of a stage has features of one with it in the next."""
    groups = Features.of("shuffle_i", {"width": 0.25}).groups
    base = np.zeros((3, 20), dtype=int)
    base[0, 9] = base[1, 10] = 1  # both in the third stage, neither its first layer
    base[2, 2] = 1  # another stage
    _, by_kind, by_layer = groups(base)
    np.testing.assert_array_equal(by_kind[0], by_kind[1])
    assert not np.array_equal(by_kind[0], by_kind[2])
    assert not np.array_equal(by_layer[0], by_layer[1])
