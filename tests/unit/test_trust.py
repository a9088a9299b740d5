"""What pages say first: how well things are known, and why a pick should not be trusted."""

import numpy as np
import pandas as pd
import pytest
from judged_study import write_search

from hanas.core.files import read_json, write_csv, write_json, write_parquet
from hanas.fronts import trust
from hanas.fronts.rows import Row

WHERE = "on board (toy, nb201)"


def quality(**changes) -> pd.DataFrame:
    row = {
        "metric": "latency_ms",
        "fitted": 40,
        "held_out": 10,
        "spearman_rho": 0.95,
        "median_relative_error": 0.03,
        "again_median_relative_difference": 0.01,
    }
    return pd.DataFrame([{**row, **changes}])


def measured(unstable: int, of: int = 10) -> pd.DataFrame:
    stable = np.arange(of) >= unstable
    return pd.DataFrame({"feasible": True, "stable": stable})


def front(off: float, *, runs: int = 3, count: int = 3) -> pd.DataFrame:
    table = pd.DataFrame({"predicted_latency_ms": np.full(count, 1 + off)})
    table["measured_latency_ms"], table["stable"] = 1.0, True
    table["feasible"] = np.arange(count) < runs
    return table


def test_predictions_that_are_good_raise_no_doubt():
    found = trust.of_predictor(quality(), WHERE)
    assert found.doubts == ()
    (said,) = found.known
    assert "on 10 others it is off by 3.0% in the median, Spearman 0.95" in said


@pytest.mark.parametrize(
    ("changes", "doubts"),
    [
        ({"spearman_rho": -0.4}, ["Spearman -0.40"]),
        ({"spearman_rho": 0.7999999999999999}, []),  # .8, in floats
        ({"median_relative_error": 0.47}, ["47% off"]),
        ({"median_relative_error": 0.2}, []),
        ({"spearman_rho": 0.1, "median_relative_error": 0.5}, ["Spearman 0.10", "50% off"]),
        ({"spearman_rho": np.nan, "median_relative_error": np.nan, "held_out": 0}, []),
    ],
)
def test_predictions_that_are_not(changes, doubts):
    found = trust.of_predictor(quality(**changes), WHERE)
    assert len(found.doubts) == len(doubts)
    for said, expected in zip(found.doubts, doubts, strict=True):
        assert expected in said
    if changes.get("held_out") == 0:
        assert "**not known**" in found.known[0]


@pytest.mark.parametrize(
    ("unstable", "doubt"), [(0, None), (2, None), (3, "only 70%"), (10, "no measurement")]
)
def test_more_than_a_fifth_of_the_measurements_unstable(unstable, doubt):
    found = trust.of_measurements(measured(unstable), quality(), WHERE)
    assert found.known[0].startswith(f"{unstable} of 10 measurements {WHERE} are unstable")
    assert "measured twice, they differ by 1.0%" in found.known[0]
    assert bool(found.doubts) == bool(doubt)
    if doubt:
        assert found.doubts[0].startswith(doubt)


def test_what_measuring_says_itself_is_told():
    with_more = quality(split_half_spearman_rho=0.998, warnings="are these numbers microseconds?")
    found = trust.of_measurements(measured(0), with_more, WHERE)
    assert "the two halves of them agree with Spearman 0.998" in found.known[0]
    assert found.doubts == ("board (toy, nb201): are these numbers microseconds?",)
    empty = trust.of_measurements(measured(0), quality(warnings=""), WHERE)
    assert empty.doubts == ()


def test_a_front_that_was_measured():
    assert trust.of_measured_front(front(0.1), WHERE).doubts == ()
    (doubt,) = trust.of_measured_front(front(0.47), WHERE).doubts
    assert "is 47% off what was measured" in doubt
    (doubt,) = trust.of_measured_front(front(0.1, runs=1), WHERE).doubts
    assert doubt.startswith("2 of 3 networks")


def rescored(values: list[float], error: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    archs = [f"network {row}" for row in range(len(values))]
    table = pd.DataFrame({"arch": archs, "value": values, "images": 4744, "seen_images": 0})
    pairs = [(one, two) for row, one in enumerate(archs) for two in archs[row + 1 :]]
    differences = pd.DataFrame(pairs, columns=["arch", "other"])
    return table, differences.assign(difference=np.nan, standard_error=error)


def test_scores_of_a_front_that_are_all_alike():
    apart = trust.of_rescored(*rescored([1.70, 1.75, 1.80], 0.04), "of task t")
    assert apart.doubts == ()
    assert "scored again on 4744 validation images, which the search did not see" in apart.known[0]
    assert "from 1.7 to 1.8, ± 0.04" in apart.known[0]
    (doubt,) = trust.of_rescored(*rescored([1.70, 1.75, 1.80], 0.06), "of task t").doubts
    assert "all alike" in doubt
    assert "within 2 standard errors of 0.06" in doubt
    assert trust.of_rescored(*rescored([1.7], 0.1), "of task t").doubts == ()


def test_a_learned_model_of_accuracy():
    good = trust.of_learned({"loo_spearman": 0.91, "loo_error_points": 0.8}, "of task t")
    assert good.doubts == ()
    assert "off by 0.80 percentage points, Spearman 0.91" in good.known[0]
    (doubt,) = trust.of_learned({"loo_spearman": 0.4}, "of task t").doubts
    assert "Spearman 0.40" in doubt
    assert trust.of_learned({}, "of task t") == trust.Trust()


def test_what_a_learned_model_cost_and_what_more_would_bring():
    facts = {"trained_architectures": 20, "training_epochs": 15, "training_minutes": 84.0}
    facts |= {"more_architectures": 20, "expected_tau": 0.8, "expected_tau_with_more": 0.85}
    (known,) = trust.of_learned({**facts, "loo_spearman": 0.9}, "of task t").known
    assert "learned from 20 networks, 15 epochs each, 1 h 24 min in all;" in known
    assert "20 more are expected to put right 25 % of the pairs" in known
    looked_up = {"trained_architectures": 20, "loo_spearman": 0.9}
    (known,) = trust.of_learned(looked_up, "of task t").known
    assert "learned from 20 networks; each" in known
    assert "epochs" not in known


def test_a_proxy_against_the_truth(tmp_path):
    row = write_search(tmp_path, [[0, 1, 2]])  # whose proxy is the truth
    (found,) = trust.of_rows([row]).values()
    assert found.doubts == ()
    assert any("the proxy ranks 6 networks with Spearman 1.00" in said for said in found.known)
    backwards = write_search(tmp_path, [[0, 1]], proxy="q", proxy_error=[9, 8, 7, 5, 6, 1])
    (found,) = trust.of_rows([backwards]).values()
    assert "Spearman -1.00 with true accuracies" in found.doubts[0]
    same = write_search(tmp_path, [[0, 1]], proxy="s", proxy_error=[0.5] * 6)
    (found,) = trust.of_rows([same]).values()
    assert "are the same for all networks" in found.doubts[0]


def test_a_metric_that_was_left_out_is_told(tmp_path):
    row = write_search(tmp_path, [[0, 1, 2]])
    left_out = {"energy_mj": "energy_mj is 5 for every architecture"}
    write_json(row.facts, {**read_json(row.facts), "left_out": left_out})
    (found,) = trust.of_rows([row]).values()
    assert left_out["energy_mj"] in found.known


def test_all_of_a_measured_row(tmp_path):
    known = write_search(tmp_path, [[0, 1, 2]])
    files = {name: str(tmp_path / f"{name}.csv") for name in ("quality", "measured_front")}
    files["measured"] = str(tmp_path / "measured.parquet")
    write_csv(quality(), files["quality"])
    write_csv(front(0.5), files["measured_front"])
    write_parquet(measured(10), files["measured"])
    row = Row(**{**known.__dict__, **files, "accuracies": None, "proxy_table": None})
    (found,) = trust.of_rows([row]).values()
    assert [said.split()[0] for said in found.doubts] == ["no", "the"]
    assert "train some picks" in found.known[-1]


def test_markdown_begins_with_the_doubts():
    found = trust.Trust(("a is so", "b too"), ("nothing is stable", "all is far off"))
    lines = trust.markdown(found + found)
    assert lines == [
        "> **Do not trust this page: nothing is stable.**",
        ">",
        "> **All is far off.**",
        "",
        "How well things are known:",
        "",
        "- A is so.",
        "- B too.",
        "",
    ]
    assert trust.markdown(trust.Trust(("a is so",)))[0] == "How well things are known:"


def test_trained_models():
    exports = pd.DataFrame(
        {"number": [1], "arch": ["a"], "test_accuracy_percent": [80.0], "test_images": [400]}
    )
    table = pd.DataFrame({"arch": ["a"], "feasible": True, "stable": [False], "source": "measured"})
    found = trust.of_models(exports, [("board", table)], {})[1]
    assert "80.00 %, ± 2.00 points" in found.known[0]  # sqrt(.8 x .2 / 400)
    assert found.doubts == ("its latency on board is unstable: the passes differ too much",)
    predicted = trust.of_predictor(quality(spearman_rho=0.1), "on board")
    steady = table.drop(columns="stable")
    assert trust.of_models(exports, [("board", steady)], {"board": predicted})[1].doubts
