import dataclasses

import numpy as np
import pandas as pd
import pytest
from judged_study import ARCHS, ERROR, LATENCY_MS, write_search

from hanas.fronts import runs
from hanas.fronts.decisions import decision_table
from hanas.fronts.evaluation import curve_table, peeling_table
from hanas.fronts.settings import Peeling

# Predicted layers: 0, 4, 3 and 5; then 2, which is better in truth than 4; then 1.
PROXY = [0.1, 0.7, 0.6, 0.5, 0.4, 0.9]
ALL = [[0, 1, 2, 3, 4, 5]]


def _layers(row, **settings):
    return peeling_table(list(runs.read_runs([row])), Peeling(**settings))


def test_layers_by_hand(tmp_path):
    table = _layers(write_search(tmp_path, ALL, proxy_error=PROXY), epsilon=0.3, patience=1)
    assert table["layer"].tolist() == [1, 2, 3]
    # The proxy of this study was itself learned from seven.
    assert table["trained_architectures"].tolist() == [7 + 4, 7 + 5, 7 + 6]
    # In units of the true front, of volume 1/2: 4 is (3/4, 3/4), 2 is (1/2, 1/4).
    assert table["normalised_hypervolume"].tolist() == pytest.approx([0.125, 0.75, 1])
    # The ends of the trained front are those of the true one, so its box is the same.
    assert table["gain"].tolist() == pytest.approx([1, 1 - 0.125 / 0.75, 0.25])
    assert table["pays"].tolist() == [True, True, False]
    assert table["front_points"].tolist() == [3, 3, 4]
    assert (table["objectives"] == "error+latency_ms").all()
    assert (table["accuracy_source"] == "true ones").all()


def test_curves_goes_on_past_the_stop(tmp_path):
    table = _layers(write_search(tmp_path, ALL, proxy_error=PROXY), epsilon=0.9, patience=1)
    assert table["pays"].tolist() == [True, False, False]
    curve = curve_table(table)
    assert curve["trained_architectures"].tolist() == [11, 12, 13]
    assert curve["median"].tolist() == pytest.approx([0.125, 0.75, 1])
    assert (curve["stopped_at"] == 12).all()
    assert curve["stopped_with"].tolist() == pytest.approx([0.75] * 3)
    assert (curve["seeds"] == 1).all()


def test_curves_are_over_seeds_from_where_all_have_a_front(tmp_path):
    # The second seed saw 0 and 3 only: one layer of two, without volume.
    row = write_search(tmp_path, [*ALL, [0, 3]], proxy_error=PROXY)
    curve = curve_table(_layers(row))
    assert curve["trained_architectures"].tolist() == [11]
    assert curve["median"].tolist() == pytest.approx([0.125 / 2])
    assert (curve["seeds"] == 2).all()
    # It stopped where it ended: the median of 13 and 9 trained.
    assert curve["stopped_at"].tolist() == [11]


def test_what_the_device_cannot_run_is_not_trained(tmp_path):
    latency = [np.nan, *LATENCY_MS[1:]]
    row = write_search(tmp_path, ALL, latency_ms=latency)
    table = _layers(row)
    assert table["trained_architectures"].max() == 7 + 5


def test_trained_front_takes_the_place_of_the_predicted_one(tmp_path):
    row = write_search(tmp_path, ALL, proxy_error=PROXY)
    assert decision_table([row])["arch"].tolist() == [ARCHS[n] for n in (0, 4, 3, 5)]
    table = decision_table([row], Peeling(epsilon=0.9, patience=1))
    # The most accurate first; 5 is below the floor, 1 was not trained.
    assert table["arch"].tolist() == [ARCHS[n] for n in (0, 2, 3)]
    assert table["proxy_value"].tolist() == pytest.approx([ERROR[n] for n in (0, 2, 3)])
    assert (table["proxy_objective"] == "error").all()
    assert (table["method"] == "P+NSGA2, trained").all()
    assert set(table["trained_architectures"]) == {7 + 5}  # as in the table of layers
    assert table["roles"].tolist() == ["most accurate", "knee", "fastest"]
    assert set(table["trained_layers"]) == {2}
    assert set(table["proxy_source"]) == {
        "true ones; looked up for the 5 architectures of 2 layers that p predicted"
    }
    assert table["pick_below_latency_ms"].tolist() == [np.inf, 5, 2]


def test_trained_fronts_need_accuracies(tmp_path):
    row = write_search(tmp_path, ALL)
    unknown = dataclasses.replace(row, accuracies=None)
    both = decision_table([unknown, row], Peeling())
    pd.testing.assert_frame_equal(both, decision_table([row], Peeling()))
    assert decision_table([unknown], Peeling()).empty


def test_a_trained_front_may_be_empty(tmp_path):
    # The only one that is trained is below the floor.
    row = write_search(tmp_path, [[5, 0, 2]])
    table = decision_table([row], Peeling(limit=1))
    assert table.empty
    assert {"arch", "index", "task", "accuracy_percent"} <= set(table)
    layers = _layers(row, limit=1)
    assert layers["front_points"].tolist() == [0]
    assert layers["normalised_hypervolume"].tolist() == [0]


def test_seeds_that_found_nothing_count(tmp_path):
    latency = [*LATENCY_MS[:3], np.nan, *LATENCY_MS[4:]]
    layers = _layers(write_search(tmp_path, [[0, 1, 2, 4, 5], [3]], latency_ms=latency))
    nothing = layers[layers["seed"] == 1].iloc[0]
    assert (nothing["layer"], nothing["trained_architectures"]) == (0, 7)
    assert nothing["normalised_hypervolume"] == 0
    curve = curve_table(layers)
    assert (curve["seeds"] == 2).all()
    # Half of what the other has.
    first = layers[layers["seed"] == 0].iloc[0]
    row = curve[curve["trained_architectures"] == first["trained_architectures"]].iloc[0]
    assert row["median"] == pytest.approx(first["normalised_hypervolume"] / 2)
