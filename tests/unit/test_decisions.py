import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_study import ARCHS, write_search
from nb201_space import nb201

from hanas.core.errors import InputError
from hanas.fronts import picks
from hanas.fronts.decisions import decision_table, in_words, pick_ranges, round_limits

ALL = [[0, 1, 2, 3, 4, 5]]
ENERGY_MJ = [50.0, 40.0, 10.0, 20.0, 30.0, 5.0]
# The proxy has 1 and 2 the wrong way round.
PROXY = [0.1, 0.3, 0.25, 0.5, 0.4, 0.9]


def test_front_is_in_order_of_preference_with_its_numbers(tmp_path):
    table = decision_table([write_search(tmp_path, ALL, energy_mj=ENERGY_MJ, proxy_error=PROXY)])
    assert table["arch"].tolist() == [ARCHS[row] for row in (0, 2, 3, 5)]
    assert table["index"].tolist() == [0, 2, 3, 5]
    assert table["accuracy_percent"].tolist() == pytest.approx([90, 70, 50, 10])
    assert table["latency_ms"].tolist() == [5, 2, 1, 0.5]
    assert table["energy_mj"].tolist() == [50, 10, 20, 5]
    assert table["proxy_value"].tolist() == [0.1, 0.25, 0.5, 0.9]
    assert table["method"].tolist() == ["P+NSGA2"] * 4
    assert (table["space"] == "nb201").all()
    assert table.loc[0, ["accuracy_source", "metrics_source", "proxy_source"]].tolist() == [
        "true ones",
        "a mine",
        "a proxy",
    ]


def test_ranges_roles_and_costs_by_hand(tmp_path):
    table = decision_table([write_search(tmp_path, ALL, energy_mj=ENERGY_MJ, proxy_error=PROXY)])
    assert table["pick_below_latency_ms"].tolist() == [np.inf, 5, 2, 1]
    # By energy 3 is never picked: 2 is preferred and takes less.
    np.testing.assert_array_equal(table["pick_below_energy_mj"], [np.inf, 50, np.nan, 10])
    # 5 is below the floor. Scaled sums of 0, 2 and 3: 0 + 1 + 1, 3/8 + 1/4 + 0, 1 + 0 + 1/4.
    assert table["roles"].tolist() == ["best by the proxy", "knee; least energy", "fastest", ""]
    np.testing.assert_array_equal(table["next_percent_latency_ms"], [np.nan, 3, 1, 0.5])
    np.testing.assert_array_equal(table["next_percent_energy_mj"], [np.nan, 40, -10, 15])
    assert table["next_percent_arch"].tolist() == ["", ARCHS[0], ARCHS[2], ARCHS[3]]


def test_only_seed_0_is_shown_and_the_first_of_equals(tmp_path):
    equal = [0.1, 0.1, 0.1, 0.5, 0.4, 0.9]
    latency = [5.0, 5.0, 5.0, 1.0, 4.0, 0.5]
    row = write_search(tmp_path, [[1, 0, 2], [3]], proxy_error=equal, latency_ms=latency)
    table = decision_table([row])
    assert table["arch"].tolist() == [ARCHS[1]]


def test_searches_keep_their_order(tmp_path):
    rows = [
        write_search(tmp_path, ALL, search="nsga2"),
        write_search(tmp_path, [[0]], search="wsea"),
        write_search(tmp_path, [[4]], search="cea", latency_ms=[1, 1, 1, 1, np.nan, 1]),
    ]
    assert list(dict.fromkeys(decision_table(rows[:2])["search"])) == ["nsga2", "wsea"]
    with pytest.raises(InputError, match="no search found an architecture"):
        decision_table(rows[2:])


@given(st.lists(st.integers(1, 9).map(float), min_size=1, max_size=8), st.integers(0, 10))
def test_ranges_are_those_of_the_pick(metric, limit):
    front = pd.DataFrame({"latency_ms": metric})
    position = picks.pick(front, {"latency_ms": float(limit)})
    until = pick_ranges(np.array(metric))
    said = [row for row, least in enumerate(metric) if least <= limit < until[row]]
    assert said == ([] if position is None else [position])


def test_words_by_hand(tmp_path):
    table = decision_table([write_search(tmp_path, ALL, energy_mj=ENERGY_MJ, proxy_error=PROXY)])
    lines = in_words(table, searches=[("t", "p", "nsga2")]).splitlines()
    assert lines[0] == "# What to take on mine"
    assert "## t (P+NSGA2)" in lines
    by_latency = lines[lines.index("By latency:") + 2 : lines.index("By energy:") - 1]
    assert by_latency == [
        "- Below 1 ms there is none.",
        f"- Up to 1 ms take **3** (50.00 %, 1 ms, 20 mJ) `{ARCHS[3]}`.",
        f"- Up to 2 ms take **2** (70.00 %, 2 ms, 10 mJ) `{ARCHS[2]}`.",
        f"- Up to 5 ms take **0** (90.00 %, 5 ms, 50 mJ) `{ARCHS[0]}`.",
    ]
    assert f"- Knee: **2** (70.00 %, 2 ms, 10 mJ) `{ARCHS[2]}`." in lines
    cost = "From the knee, the next 1 % of true accuracy costs +3 ms and +40 mJ"
    assert f"- {cost}: **0** (90.00 %, 5 ms, 50 mJ) `{ARCHS[0]}`." in lines
    told = next(line for line in lines if line.startswith("The networks were"))
    assert "chosen by the proxy** (error: a proxy)" in told
    assert "true test accuracies** as this study knows them (true ones)" in told
    assert "leave out 1 below 50 %" in told


def test_words_say_where_the_proxy_misjudged(tmp_path):
    proxy = [0.8, 0.3, 0.25, 0.5, 0.1, 0.9]  # takes 4 for the best
    table = decision_table([write_search(tmp_path, [[1, 2, 3, 4]], proxy_error=proxy)])
    words = in_words(table, searches=[("t", "p", "nsga2")])
    assert f"`{ARCHS[4]}` – in truth, 2 above is better." in words
    assert "No network of this front is more accurate than the knee by 1 %." in words


def test_words_of_fronts_that_are_of_no_use(tmp_path):
    table = decision_table([write_search(tmp_path, [[5]])])
    words = in_words(table, searches=[("t", "p", "nsga2"), ("t", "p", "wsea")])
    assert "No network of the front reaches the accuracy floor of 50 %." in words
    assert "## t: nothing found by p+wsea runs on mine" in words


@given(
    st.floats(1e-3, 1e3).flatmap(lambda low: st.tuples(st.just(low), st.floats(low * 1.05, 1e5)))
)
def test_limits_are_round_and_within(bounds):
    lowest, highest = bounds
    limits = round_limits(lowest, highest)
    assert all(lowest <= limit * (1 + 1e-9) for limit in limits)
    assert all(limit <= highest * (1 + 1e-9) for limit in limits)
    assert limits == sorted(set(limits))
    if highest <= 10 * lowest:
        assert len(limits) <= 7
    else:
        assert all(f"{limit:e}"[:8] in ("1.000000", "2.000000", "5.000000") for limit in limits)


def test_texts_of_the_study_are_those_of_the_space():
    assert list(ARCHS) == list(nb201.all_texts()[:6])


def test_ties_of_scores_with_errors_are_said(tmp_path):
    from dataclasses import replace

    from hanas.core.files import write_csv, write_parquet

    row = write_search(tmp_path, [[0, 1, 2]])
    again = {"value": [0.31, 0.3, 0.4], "standard_error": [0.05, 0.04, 0.03]}
    table = pd.DataFrame({"arch": ARCHS[:3], **again, "images": 2048, "seen_images": 0})
    pairs = {"arch": [ARCHS[0], ARCHS[0], ARCHS[1]], "other": [ARCHS[1], ARCHS[2], ARCHS[2]]}
    differences = pd.DataFrame({**pairs, "difference": [0.01, -0.09, -0.1]})
    write_csv(table.assign(objective="error"), tmp_path / "rescored.csv")
    write_parquet(differences.assign(standard_error=0.02), tmp_path / "differences.parquet")
    files = {"rescored": str(tmp_path / "rescored.csv")}
    files["differences"] = str(tmp_path / "differences.parquet")
    found = decision_table([replace(row, accuracies=None, **files)])
    assert found["ties"].tolist() == [ARCHS[1], ARCHS[0], ""]
    assert found["rescored_difference"].tolist() == [0, -0.01, 0.09]
    words = in_words(found, searches=[("t", "p", "nsga2")], head=["> **Do not trust**", ""])
    assert words.splitlines()[:3] == ["# What to take on mine", "", "> **Do not trust**"]
    fastest = f"the fastest of them **1** (error 0.3 ± 0.04, 3 ms) `{ARCHS[1]}`"
    assert f"**0** (error 0.31 ± 0.05, 5 ms) `{ARCHS[0]}` – a tie with 1 other, {fastest}." in words
    assert f"- Up to 2 ms take **2** (error 0.4 ± 0.03, 2 ms) `{ARCHS[2]}`." in words
    assert "Scores are those of 2048 validation images, which the search did not see" in words
