"""What pages say first: how well things are known, and why a pick should not be trusted."""

import numpy as np
import pandas as pd
import pytest
from judged_study import write_search

from hanas.core.files import read_csv, read_json, write_csv, write_json, write_parquet
from hanas.fronts import (
    trust,
    trust_of_devices,
    trust_of_models,
    trust_of_searches,
)
from hanas.fronts.rows import Row
from hanas.fronts.trust_of_accuracy import of_learned, of_rescored
from hanas.fronts.trust_of_devices import of_measurements
from hanas.fronts.trust_of_searches import of_rows

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
    found = trust_of_devices.of_predictor(quality(), WHERE)
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
    found = trust_of_devices.of_predictor(quality(**changes), WHERE)
    assert len(found.doubts) == len(doubts)
    for said, expected in zip(found.doubts, doubts, strict=True):
        assert expected in said
    if changes.get("held_out") == 0:
        assert "**not known**" in found.known[0]


@pytest.mark.parametrize(
    ("unstable", "doubt"), [(0, None), (2, None), (3, "only 70%"), (10, "no measurement")]
)
def test_more_than_a_fifth_of_the_measurements_unstable(unstable, doubt):
    found = of_measurements(measured(unstable), quality(), WHERE)
    assert found.known[0].startswith(f"{unstable} of 10 measurements {WHERE} are unstable")
    assert "measured twice, they differ by 1.0%" in found.known[0]
    assert bool(found.doubts) == bool(doubt)
    if doubt:
        assert found.doubts[0].startswith(doubt)


def test_what_measuring_says_itself_is_told():
    with_more = quality(split_half_spearman_rho=0.998, warnings="are these numbers microseconds?")
    found = of_measurements(measured(0), with_more, WHERE)
    assert "the two halves of them agree with Spearman 0.998" in found.known[0]
    assert found.doubts == ("board (toy, nb201): are these numbers microseconds?",)
    two = of_measurements(measured(0), quality(warnings="is it?; really? | it drifts"), WHERE)
    assert [said[20:] for said in two.doubts] == ["is it?; really?", "it drifts"]
    empty = of_measurements(measured(0), quality(warnings=""), WHERE)
    assert empty.doubts == ()


def test_of_numbers_that_others_measured_nothing_says_how_well_they_repeat():
    given = measured(0).drop(columns="stable").assign(source="my lab")
    found = of_measurements(given, quality(), WHERE)
    assert found.doubts == ()
    assert found.known == (
        f"10 networks {WHERE} were measured by others (my lab); how well such numbers repeat is "
        "**not known**",
    )


def test_a_front_that_was_measured():
    assert trust_of_devices.of_measured_front(front(0.1), WHERE).doubts == ()
    (doubt,) = trust_of_devices.of_measured_front(front(0.47), WHERE).doubts
    assert "is 47% off what was measured" in doubt
    (doubt,) = trust_of_devices.of_measured_front(front(0.1, runs=1), WHERE).doubts
    assert doubt.startswith("2 of 3 networks")


def rescored(values: list[float], error: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    archs = [f"network {row}" for row in range(len(values))]
    table = pd.DataFrame({"arch": archs, "value": values, "images": 4744, "seen_images": 0})
    pairs = [(one, two) for row, one in enumerate(archs) for two in archs[row + 1 :]]
    differences = pd.DataFrame(pairs, columns=["arch", "other"])
    return table, differences.assign(difference=np.nan, standard_error=error)


def test_scores_of_a_front_that_are_all_alike():
    apart = of_rescored(*rescored([1.70, 1.75, 1.80], 0.04), "of task t")
    assert apart.doubts == ()
    assert "scored again on 4744 validation images, which the search did not see" in apart.known[0]
    assert "from 1.7 to 1.8, ± 0.04" in apart.known[0]
    (doubt,) = of_rescored(*rescored([1.70, 1.75, 1.80], 0.06), "of task t").doubts
    assert "all alike" in doubt
    assert "within 2 standard errors of 0.06" in doubt
    assert of_rescored(*rescored([1.7], 0.1), "of task t").doubts == ()


def test_a_learned_model_of_accuracy():
    good = of_learned({"loo_spearman": 0.91, "loo_error_points": 0.8}, "of task t")
    assert good.doubts == ()
    assert "off by 0.80 percentage points, Spearman 0.91" in good.known[0]
    (doubt,) = of_learned({"loo_spearman": 0.4}, "of task t").doubts
    assert "Spearman 0.40" in doubt
    assert of_learned({}, "of task t") == trust.Trust()


def test_what_a_learned_model_cost_and_what_more_would_bring():
    facts = {"trained_architectures": 20, "training_epochs": 15, "training_minutes": 84.0}
    facts |= {"more_architectures": 20, "expected_tau": 0.8, "expected_tau_with_more": 0.85}
    (known,) = of_learned({**facts, "loo_spearman": 0.9}, "of task t").known
    assert "learned from 20 networks, 15 epochs each, 1 h 24 min in all;" in known
    assert "20 more are expected to put right 25 % of the pairs" in known
    looked_up = {"trained_architectures": 20, "loo_spearman": 0.9}
    (known,) = of_learned(looked_up, "of task t").known
    assert "learned from 20 networks; each" in known
    assert "epochs" not in known


def test_a_proxy_against_the_truth(tmp_path):
    row = write_search(tmp_path, [[0, 1, 2]])  # whose proxy is the truth
    (found,) = of_rows([row]).values()
    assert found.doubts == ()
    assert any("the proxy ranks 6 networks with Spearman 1.00" in said for said in found.known)
    backwards = write_search(tmp_path, [[0, 1]], proxy="q", proxy_error=[9, 8, 7, 5, 6, 1])
    (found,) = of_rows([backwards]).values()
    assert "Spearman -1.00 with true accuracies" in found.doubts[0]
    same = write_search(tmp_path, [[0, 1]], proxy="s", proxy_error=[0.5] * 6)
    (found,) = of_rows([same]).values()
    assert "are the same for all networks" in found.doubts[0]


def test_a_metric_that_was_left_out_is_told(tmp_path):
    row = write_search(tmp_path, [[0, 1, 2]])
    left_out = {"energy_mj": "energy_mj is 5 for every architecture"}
    write_json(row.facts, {**read_json(row.facts), "left_out": left_out})
    (found,) = of_rows([row]).values()
    assert left_out["energy_mj"] in found.known


def test_all_of_a_measured_row(tmp_path):
    known = write_search(tmp_path, [[0, 1, 2]])
    files = {name: str(tmp_path / f"{name}.csv") for name in ("quality", "measured_front")}
    files["measured"] = str(tmp_path / "measured.parquet")
    write_csv(quality(), files["quality"])
    write_csv(front(0.5), files["measured_front"])
    write_parquet(measured(10), files["measured"])
    row = Row(**{**known.__dict__, **files, "accuracies": None, "proxy_table": None})
    (found,) = of_rows([row]).values()
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
    found = trust_of_models.of_models(exports, [("board", table)], {})[1]
    assert "80.00 %, ± 2.00 points" in found.known[0]  # sqrt(.8 x .2 / 400)
    assert "trained once, so how much another seed changes it is **not known**" in found.known[1]
    assert found.doubts == ("its latency on board is unstable: the passes differ too much",)
    predicted = trust_of_devices.of_predictor(quality(spearman_rho=0.1), "on board")
    steady = table.drop(columns="stable")
    assert trust_of_models.of_models(exports, [("board", steady)], {"board": predicted})[1].doubts


def test_trained_models_say_how_far_seeds_differ_and_what_the_largest_class_scores():
    warning = "test accuracy 91.18 %: always answering 'good' would score 91.18 %"
    exports = pd.DataFrame(
        {
            **{"number": [1], "arch": ["a"], "test_accuracy_percent": [80.0]},
            **{"test_images": [400], "seeds": [2], "warning": [warning]},
            **{"test_accuracy_percent_mean": [80.5], "test_accuracy_percent_std": [0.71]},
            "validation_warning": [np.nan],  # an empty cell of a file
        }
    )
    of_images = trust_of_searches.of_warnings(["2 pictures are in two splits"], "mine")
    found = trust_of_models.of_models(exports, [], {}, of_images)[1]
    assert "trained 2 times with different seeds: 80.50 % in the mean, ± 0.71" in found.known[1]
    assert found.doubts == (warning, "images of mine: 2 pictures are in two splits")


def test_pages_say_why_trained_picks_should_not_be_trusted_each_reason_once():
    models = pd.DataFrame(
        [
            {"number": 1, "role": "pick", "device": "board", "do_not_trust": "a | b"},
            {"number": 2, "role": "pick", "device": "board", "do_not_trust": "b | c"},
            {"number": 3, "role": "random", "device": "board", "do_not_trust": "d"},
            {"number": 1, "role": "pick", "device": "other", "do_not_trust": "e"},
            {"number": 4, "role": "pick", "device": "board", "do_not_trust": np.nan},
        ]
    ).assign(retraining="own")
    found = trust_of_models.of_compared(models, "board", said=trust.Trust((), ("c",)))
    assert found == trust.Trust((), ("trained own/1: a", "trained own/1, own/2: b"))


def test_rows_of_trained_networks_have_their_doubts_too():
    names = {"device": "board", "task": "t", "proxy": "p", "search": "s"}
    table = pd.DataFrame([{**names, "arch": "a"}, {**names, "arch": "b"}], index=[3, 5])
    trusts = {("board", "t", "p", "s"): trust.Trust(("known",), ("of all",))}
    models = pd.DataFrame(
        [
            {"arch": "a", "device": "board", "do_not_trust": "of all | own"},
            {"arch": "b", "device": "other", "do_not_trust": "elsewhere"},
        ]
    )
    of_trained = {("t", a): it for a, it in trust_of_models.of_archs(models, "board").items()}
    found = trust.beside(table, trusts, of_trained)
    assert found["do_not_trust"].tolist() == ["of all | own", "of all"]
    assert found["how_well_known"].tolist() == ["known", "known"]
    assert trust.beside(table.iloc[:0], trusts)["do_not_trust"].tolist() == []


def test_a_latency_of_an_image_comes_with_its_batch():
    (said,) = trust_of_devices.of_predictor(quality(batch=4), WHERE).known
    assert said.startswith(f"latency an image (batch 4) {WHERE} is predicted")
    (said,) = trust_of_devices.of_predictor(quality(batch=1), WHERE).known
    assert "batch" not in said


def test_a_table_gives_back_what_it_was_given(tmp_path):
    given = [trust.Trust(("a is so", "b; too"), ("c",)), trust.Trust(("d",), ()), trust.Trust()]
    write_csv(pd.DataFrame([each.cells for each in given]).assign(arch="x"), tmp_path / "t.csv")
    rows = read_csv(tmp_path / "t.csv").to_dict("records")
    assert [trust.read(row) for row in rows] == given
    assert trust.read({"arch": "x"}) == trust.Trust()


def test_what_is_wrong_with_images_is_a_doubt(tmp_path):
    row = write_search(tmp_path, [[0, 1, 2]])
    facts = {
        "images_of_classes": {"test": {"scratch": 8, "good": 92}, "train": {"scratch": 1}},
        "value_range": [7000.0, 8041.0],
        "warnings": ["11 pictures are in two splits: a = b"],
    }
    write_json(tmp_path / "images.json", facts)
    whole = of_rows([Row(**{**row.__dict__, "images": str(tmp_path / "images.json")})])
    (found,) = whole.values()
    assert found.doubts == ("images of cifar10: 11 pictures are in two splits: a = b",)
    assert "100 of 2 classes; always answering 'good', the largest" in found.known[-2]
    assert "would be right on 92.00 % of them" in found.known[-2]
    assert "7000 became black and 8041 white" in found.known[-1]


@pytest.mark.parametrize(("hardly", "doubts"), [(0, 0), (3, 0), (4, 1), (6, 1)])
def test_a_learned_model_of_networks_that_learned_nothing(hardly, doubts):
    facts = {"loo_spearman": 0.9, "trained_architectures": 6}
    facts["hardly_better_than_largest_class"] = hardly
    found = of_learned(facts, "of task t").doubts
    assert len(found) == doubts
    assert all(f"6 trained networks, {hardly} of which" in said for said in found)


def test_texts_of_others_are_no_markdown():
    lines = trust.markdown(trust.Trust(("**so** <b>",), ("[x](y)",)))
    assert lines[0] == r"> **Do not trust this page: \[x](y).**"
    assert "- **so** &lt;b>." in lines
