from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_study import write_search
from scipy import stats

from hanas.core.files import write_parquet
from hanas.fronts.runs import read_runs
from hanas.fronts.statistics import FEWEST_SEEDS, holm, searcher_tests, wilcoxon_signed_rank


def test_wilcoxon_by_hand():
    # Ranks 1 to 4, negative is rank 1: sums up to 1 are {} and {1}, 2 of 16 on each side.
    effect, p_value = wilcoxon_signed_rank([-1, 2, 3, 4])
    assert p_value == 2 * 2 / 16
    assert effect == (9 - 1) / 10


def test_wilcoxon_of_no_difference():
    assert wilcoxon_signed_rank([]) == (0.0, 1.0)
    assert wilcoxon_signed_rank([0.0] * 15) == (0.0, 1.0)
    assert wilcoxon_signed_rank([-1.0, 1.0]) == (0.0, 1.0)


def test_zero_differences_say_nothing():
    assert wilcoxon_signed_rank([0, 1, 0, -2, 3]) == wilcoxon_signed_rank([1, -2, 3])


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1).filter(lambda x: abs(x) > 1e-6), min_size=1, max_size=25))
def test_wilcoxon_without_ties_is_that_of_scipy(differences):
    differences = list({abs(each): each for each in differences}.values())
    expected = stats.wilcoxon(differences, method="exact").pvalue
    assert wilcoxon_signed_rank(differences)[1] == pytest.approx(expected, rel=1e-9)


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_wilcoxon_with_ties_is_the_share_of_all_signs(differences):
    values = np.array([each for each in differences if each])
    if len(values) == 0:
        return
    ranks = stats.rankdata(np.abs(values))
    sums = [ranks[np.array(signs)].sum() for signs in product([False, True], repeat=len(values))]
    seen = ranks[values > 0].sum()
    tails = np.mean(np.array(sums) <= seen + 1e-9), np.mean(np.array(sums) >= seen - 1e-9)
    assert wilcoxon_signed_rank(differences)[1] == pytest.approx(min(1, 2 * min(tails)))


@given(st.lists(st.integers(-4, 4), max_size=30))
def test_wilcoxon_is_symmetric(differences):
    effect, p_value = wilcoxon_signed_rank(differences)
    turned = wilcoxon_signed_rank([-each for each in differences])
    assert turned == (-effect, pytest.approx(p_value))
    assert 0 < p_value <= 1


def test_fewest_seeds_is_where_the_test_can_first_say_something():
    assert wilcoxon_signed_rank(np.arange(1, FEWEST_SEEDS + 1))[1] < 0.05
    assert wilcoxon_signed_rank(np.arange(1, FEWEST_SEEDS))[1] > 0.05


def test_holm_by_hand():
    assert holm([0.02, 0.5, 0.01, 0.04]) == pytest.approx([0.06, 0.5, 0.04, 0.08])
    assert holm([0.4, 0.6]) == pytest.approx([0.8, 0.8])  # never below a smaller one's
    assert holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_as_the_step_down_procedure(p_values):
    corrected = holm(p_values)
    rejected = set()
    for step, position in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[position] * (len(p_values) - step) > 0.05:
            break
        rejected.add(position)
    assert set(np.flatnonzero(corrected <= 0.05)) == rejected
    assert (corrected >= np.array(p_values)).all()


def _tests(folder, good, bad):
    rows = [
        write_search(folder, good, search="good"),
        write_search(folder, bad, search="bad"),
    ]
    return searcher_tests(list(read_runs(rows)))


def test_the_better_searcher_is_named_with_enough_seeds(tmp_path):
    line = _tests(tmp_path, [[0, 1, 2, 3]] * 6, [[0, 1, 3, 5]] * 6).iloc[0]
    assert line[["search_a", "search_b"]].tolist() == ["good", "bad"]
    assert (line["seeds"], line["evaluations"], line["comparisons"]) == (6, 4, 1)
    assert line["mean_a"] == 1
    assert line["mean_b"] == pytest.approx(0.375 / 0.5)  # (1/4, 1/2) alone
    assert line["median_difference"] == pytest.approx(0.25)
    assert line["p_value"] == line["p_holm"] == 2 / 2**6
    assert line["claim"] == "good is better"


def test_nothing_is_claimed_with_few_seeds(tmp_path):
    line = _tests(tmp_path, [[0, 1, 2, 3]] * 5, [[0, 1, 3, 5]] * 5).iloc[0]
    assert line["p_value"] == 2 / 2**5
    assert line["claim"] == "none: with fewer than 6 seeds p cannot be below 0.05"


def test_nothing_is_claimed_of_equal_searchers(tmp_path):
    line = _tests(tmp_path, [[0, 1, 2, 3]] * 15, [[3, 2, 1, 0]] * 15).iloc[0]
    assert (line["p_value"], line["rank_biserial"], line["median_difference"]) == (1, 0, 0)
    assert line["claim"] == "none: the seeds show no difference"


def test_searchers_are_compared_at_equal_evaluations(tmp_path):
    # The longer one would be better, but not after three evaluations.
    line = _tests(tmp_path, [[0, 3, 5, 1, 2]] * 6, [[0, 3, 1]] * 5 + [[0, 3, 1, 2]]).iloc[0]
    assert line["evaluations"] == 3
    assert line["mean_a"] == 0
    assert line["claim"] == "bad is better"


def test_seeds_are_paired_and_families_corrected(tmp_path):
    rows = [
        write_search(tmp_path, [[0, 1, 2]] * 8, search="a"),
        write_search(tmp_path, [[0, 1, 3]] * 7, search="b"),
        write_search(tmp_path, [[0, 3, 5]] * 9, search="c"),
        write_search(tmp_path, [[0, 3, 5]] * 9, search="c", proxy="other"),
    ]
    table = searcher_tests(list(read_runs(rows)))
    assert table["seeds"].tolist() == [7, 8, 7]
    assert (table["comparisons"] == 3).all()
    assert table["p_holm"].tolist() == pytest.approx(holm(table["p_value"]).tolist())


def test_a_study_of_one_search_has_a_table_without_rows(tmp_path):
    several = _tests(tmp_path, [[0]], [[1]])
    alone = searcher_tests(list(read_runs([write_search(tmp_path, [[0, 1]])])))
    assert len(alone) == 0
    assert list(alone) == list(several)


def test_a_claim_says_that_a_searcher_had_hardly_begun(tmp_path):
    rows = [
        write_search(tmp_path, [[0, 1, 2, 3]] * 6, search="good"),
        write_search(tmp_path, [[0, 1, 3, 5, 2]] * 6, search="bad"),
    ]
    histories = pd.read_parquet(rows[1].history)
    early = (histories["search"] == "bad") & (histories["evaluation"] < 3)
    histories.loc[early, "generation"] = -1
    write_parquet(histories, rows[1].history)
    line = searcher_tests(list(read_runs(rows))).iloc[0]
    assert line["claim"] == (
        "good is better; by then bad had made 1 evaluations of its own, after 3 at random"
    )
