"""Fitting surrogates: what is found from the data, what the fit may see, damaged bundles."""

import itertools
import json
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nb201_space import CONV_3X3, nb201

from hanas.benchmarks.surrogates import cell_features, fitting
from hanas.benchmarks.surrogates import models as surrogates
from hanas.benchmarks.surrogates.fitting import Target, fit, targets_of
from hanas.benchmarks.surrogates.models import ANY, ANY_CONVOLUTION, SurrogateFit
from hanas.core.errors import InputError
from hanas.core.files import write_npz

GENES = nb201.all_genes()
COUNTS = cell_features.counts(nb201, GENES)
RULE = np.array([[0, ANY, ANY, ANY, ANY_CONVOLUTION, ANY], [ANY, ANY, ANY, 4, ANY, 4]])
FAILS = surrogates.matches(RULE, GENES).any(axis=0)
numbers = st.floats(0.01, 100)
genes_of_cells = st.lists(
    st.lists(st.integers(0, 4), min_size=6, max_size=6), min_size=1, max_size=30
).map(lambda cells: np.unique(np.array(cells), axis=0))


def made_up_targets() -> list[Target]:
    """Return columns of which it is known how they were made."""
    rng = np.random.default_rng(7)
    live = (nb201.without_dead_edges(GENES) == CONV_3X3).sum(axis=1)
    noise = rng.normal(scale=0.01, size=(3, len(GENES)))
    linear = COUNTS @ [1.0, 0, 0.25, 2.5, 0.5]
    with_gaps = np.where(FAILS, np.nan, linear)
    bound = np.maximum(linear, COUNTS @ [2.0, 0, 0.5, 1.0, 1.5])
    return [
        Target("toy/accuracy_percent", 80 - 50 / (1 + live) + noise[0], "made up"),
        Target("toy/board/latency_ms", linear, "made up"),
        Target("toy/board/energy_mj", bound, "made up"),
        Target("toy/chip/latency_ms", with_gaps, "made up"),
        Target("toy/chip/energy_mj", with_gaps * np.exp(noise[1]), "made up"),
        Target("toy/chip/feasible", ~FAILS, "made up"),
        Target("toy/phone/latency_ms", linear * np.exp(noise[2]), "made up"),
    ]


def save(bundle, path):
    write_npz(path, bundle.header, bundle.arrays)


FIT = SurrogateFit(seed=3, held_out=0.2)


def fitted(targets):
    torch.set_num_threads(1)
    return fit(targets, FIT, epochs=2)


@pytest.fixture(scope="module")
def toy():
    return fitted(made_up_targets())


# ---- what is found from the data ---------------------------------------------------------------


def test_the_kind_of_each_model_is_found_from_the_data(toy):
    bundle, quality = toy
    kinds = {name: model["kind"] for name, model in bundle.header["models"].items()}
    assert kinds == {
        "toy/accuracy_percent": "perceptrons",
        "toy/board/latency_ms": "linear",
        "toy/board/energy_mj": "linear",
        "toy/chip/latency_ms": "linear",
        "toy/chip/energy_mj": "perceptrons",
        "toy/chip/feasible": "partial_cells",
        "toy/phone/latency_ms": "perceptrons",
    }
    assert quality["kind"].tolist() == [kinds[target.name] for target in made_up_targets()]
    assert len(bundle.arrays["linear/toy/board/latency_ms"]) == 1
    assert len(bundle.arrays["linear/toy/board/energy_mj"]) == 2


def test_exact_models_are_exact_on_every_cell(toy):
    by_name = {target.name: target.values for target in made_up_targets()}
    for name in ("toy/board/latency_ms", "toy/board/energy_mj", "toy/chip/latency_ms"):
        known = np.isfinite(by_name[name])
        predicted = toy[0].predict(name, GENES)[known]
        np.testing.assert_allclose(predicted, by_name[name][known], rtol=1e-9)


def test_feasibility_is_learned_and_absent_where_all_is_feasible(toy):
    np.testing.assert_array_equal(toy[0].feasible("toy", "chip", GENES), ~FAILS)
    assert toy[0].feasible("toy", "board", GENES).all()


def test_perceptrons_learn_and_stay_within_what_was_seen(toy):
    bundle, quality = toy
    rows = quality.set_index(["device", "metric"])
    assert rows.loc[("phone", "latency_ms"), "median_relative_error"] < 0.1
    assert rows.loc[("phone", "latency_ms"), "kendall_tau"] > 0.8
    _, seen = surrogates.split(len(GENES), seed=3, held_out=0.2)
    for target in made_up_targets():
        if bundle.header["models"][target.name]["kind"] == "perceptrons":
            predicted = bundle.predict(target.name, GENES)
            assert predicted.min() >= np.nanmin(target.values[seen]) * (1 - 1e-5)
            assert predicted.max() <= np.nanmax(target.values[seen]) * (1 + 1e-5)


# ---- what the fit may see ----------------------------------------------------------------------


@pytest.mark.slow
def test_held_out_cells_change_no_model_and_a_seed_gives_equal_bits(toy):
    held_out, _ = surrogates.split(len(GENES), seed=3, held_out=0.2)
    rng = np.random.default_rng(0)
    spoilt = []
    for target in made_up_targets():
        values = target.values.copy()
        values[held_out] = True if values.dtype == bool else rng.uniform(50, 90, len(held_out))
        spoilt.append(replace(target, values=values))
    bundle, quality = fitted(spoilt)
    assert bundle.arrays.keys() == toy[0].arrays.keys()
    for key, array in bundle.arrays.items():
        np.testing.assert_array_equal(array, toy[0].arrays[key], strict=True)
    honest = quality.set_index(["device", "metric"])["worst_relative_error"]
    assert honest.loc[("board", "latency_ms")] > 0.5


def test_the_bundle_says_how_it_was_made(toy):
    header = toy[0].header
    assert (header["space"], header["seed"], header["held_out"]) == ("nb201", 3, 0.2)
    assert header["revision"] == SurrogateFit.revision == 1
    assert {model["source"] for model in header["models"].values()} == {"made up"}


def test_quality_counts_cells(toy):
    held_out, seen = surrogates.split(len(GENES), seed=3, held_out=0.2)
    rows = toy[1].set_index(["device", "metric"])
    assert rows.loc[("board", "latency_ms"), "cells_fitted"] == len(seen) == 12500
    assert rows.loc[("chip", "latency_ms"), "cells_fitted"] == (~FAILS[seen]).sum()
    assert rows.loc[("chip", "latency_ms"), "cells_held_out"] == (~FAILS[held_out]).sum()
    classes = [nb201.canonical(cell) for cell in GENES]
    seen_classes = {classes[index] for index in seen}
    alone = sum(classes[index] not in seen_classes for index in held_out)
    assert rows.loc[("board", "latency_ms"), "cells_without_twin"] == alone


def test_a_table_that_lacks_cells_is_refused():
    table = pd.DataFrame({"arch": nb201.all_texts(), "accuracy_percent": 50.0, "source": "x"})
    assert [target.name for target in targets_of({"toy": table}, {})] == ["toy/accuracy_percent"]
    with pytest.raises(InputError, match=r"accuracies on toy.*all cells"):
        targets_of({"toy": table.iloc[:-1]}, {})
    shuffled = table.iloc[::-1].assign(feasible=True, latency_ms=1.0)
    with pytest.raises(InputError, match=r"board on toy.*order"):
        targets_of({}, {("board", "toy"): shuffled})


# ---- bundles as files --------------------------------------------------------------------------


def test_a_bundle_survives_its_file_and_equal_bundles_give_equal_bytes(toy, tmp_path):
    save(toy[0], tmp_path / "first.npz")
    again = surrogates.load(tmp_path / "first.npz")
    save(again, tmp_path / "second.npz")
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    for name in ("toy/board/energy_mj", "toy/accuracy_percent"):
        np.testing.assert_array_equal(again.predict(name, GENES), toy[0].predict(name, GENES))


class _Evil:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was run",))


def _object_array(path):
    with path.open("wb") as handle:
        np.savez(handle, header=np.array([_Evil()], dtype=object))


def _plain_pickle(path):
    path.write_bytes(pickle.dumps(_Evil()))


def _truncated(path):
    path.write_bytes(surrogates.SHIPPED.read_bytes()[:200_000])


def _changed_byte(path):
    data = bytearray(surrogates.SHIPPED.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _no_header(path):
    np.savez(path, weights=np.zeros(3))


def _other_format(path):
    bundle = surrogates.load()
    save(replace(bundle, header={**bundle.header, "format": 99}), path)


def _header_of_nothing(path):
    np.savez(path, header=np.frombuffer(json.dumps([1]).encode(), np.uint8))


def _too_large(path):
    with path.open("wb") as handle:
        handle.truncate(2**24 + 1)


@pytest.mark.parametrize(
    "damage",
    [
        _object_array,
        _plain_pickle,
        _truncated,
        _changed_byte,
        _no_header,
        _other_format,
        _header_of_nothing,
        _too_large,
        lambda path: None,
    ],
)
def test_files_that_are_no_bundle_are_refused_by_name(damage, tmp_path):
    path = tmp_path / "mine.npz"
    damage(path)
    with pytest.raises(InputError, match=r"mine\.npz"):
        surrogates.load(path)


# ---- features ----------------------------------------------------------------------------------


@given(genes_of_cells)
def test_features_of_live_edges_ignore_dead_ones(genes):
    live = nb201.without_dead_edges(genes)
    np.testing.assert_array_equal(
        cell_features.live_edges(nb201, genes), cell_features.live_edges(nb201, live)
    )


def test_all_cells_have_features_of_their_own():
    features = cell_features.all_edges(nb201, GENES)
    assert len(np.unique(features, axis=0)) == len(GENES)
    assert len(np.unique(cell_features.live_edges(nb201, GENES), axis=0)) == 9445
    assert features.min() >= -1
    assert features.max() <= 1


def test_open_paths_are_counted():
    paths = [(3,), (0, 4), (1, 5), (0, 2, 5)]
    expected = [sum(all(cell[e] != 0 for e in path) for path in paths) / 4 for cell in GENES]
    np.testing.assert_array_equal(cell_features.live_edges(nb201, GENES)[:, -1], expected)


# ---- partial cells -----------------------------------------------------------------------------


@given(st.lists(st.integers(0, ANY_CONVOLUTION), min_size=6, max_size=6), genes_of_cells)
def test_matching_is_edge_by_edge(partial, genes):
    def admits(entry, gene):
        return entry in (gene, ANY) or (entry == ANY_CONVOLUTION and gene in (2, 3))

    expected = [all(map(admits, partial, cell)) for cell in genes.tolist()]
    assert surrogates.matches(np.array([partial]), genes)[0].tolist() == expected


def test_a_rule_is_found_in_its_shortest_form_amid_mishaps():
    rng = np.random.default_rng(0)
    fails = FAILS.copy()
    fails[rng.choice(np.flatnonzero(~FAILS), 40, replace=False)] = True
    seen = np.sort(rng.permutation(len(GENES))[:12000])
    found = surrogates.learn(GENES[seen], fails[seen])
    assert sorted(found.tolist()) == sorted(RULE.tolist())


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_no_cell_that_runs_matches_what_was_learned(seed):
    rng = np.random.default_rng(seed)
    seen = rng.permutation(len(GENES))[:300]
    fails = rng.random(300) < 0.5
    found = surrogates.learn(GENES[seen], fails)
    assert not surrogates.matches(found, GENES[seen[~fails]]).any()


def test_without_failures_nothing_is_learned():
    found = surrogates.learn(GENES, np.zeros(len(GENES), dtype=bool))
    assert found.shape == (0, 6)
    assert not surrogates.matches(found, GENES).any()


# ---- linear models -----------------------------------------------------------------------------


@given(st.lists(numbers, min_size=5, max_size=5))
def test_linear_metrics_are_found(coefficients):
    some = COUNTS[::10]
    found = surrogates.exact_maximum(some, some @ coefficients, np.random.default_rng(0))
    assert found is not None
    np.testing.assert_allclose(found, [coefficients], rtol=1e-6, atol=1e-6)


def test_a_change_of_a_millionth_is_not_exact():
    values = COUNTS @ [1.0, 0.1, 0.2, 0.3, 0.4]
    values[5000] *= 1 + 1e-6
    assert surrogates.exact_maximum(COUNTS, values, np.random.default_rng(0)) is None


def test_a_product_of_counts_is_not_linear():
    values = 10 + COUNTS[:, 2] * COUNTS[:, 3] - COUNTS[:, 1] * COUNTS[:, 4] / 9
    assert surrogates.exact_maximum(COUNTS, values, np.random.default_rng(0)) is None


# ---- quality -----------------------------------------------------------------------------------


def test_numbers_are_judged_as_worked_out_by_hand():
    found = fitting.quality_of_numbers(
        np.array([1.0, 2.0, 4.0, 5.0]), np.array([1.1, 2.0, 5.0, 4.0])
    )
    # Relative errors .1, 0, .25, .2; residual .01 + 1 + 1 of a spread of 10; five of six pairs.
    assert found == pytest.approx(
        {
            "cells_held_out": 4,
            "median_relative_error": 0.15,
            "worst_relative_error": 0.25,
            "r2": 1 - 2.01 / 10,
            "kendall_tau": 4 / 6,
        }
    )


def test_failures_are_judged_as_worked_out_by_hand():
    fails, said = np.array(list(itertools.product([True, False], repeat=2)) * 2).T
    found = fitting.quality_of_failures(fails, said)
    assert found == {"cells_held_out": 8, "predicted_right": 0.5, "precision": 0.5, "recall": 0.5}


def test_tau_among_the_best_looks_at_them_only():
    true = np.array([10.0, 20.0, 81.0, 85.0, 90.0])
    found = fitting.quality_of_the_best(true, -true, best=94.37)
    assert found == {"upper_from_percent": 80, "kendall_tau_upper": pytest.approx(-1)}
