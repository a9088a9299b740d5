from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hanas.core.errors import InputError
from hanas.core.ranking import (
    kendall_tau,
    kendall_tau_of_best,
    precision_at,
    rank_panel,
    regret,
    spearman_rho,
)

small = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=12)


def test_panel_of_a_perfect_and_of_an_inverse_proxy():
    error = np.linspace(0.05, 0.9, 200)
    perfect = rank_panel(np.exp(error), error)
    assert perfect == pytest.approx(
        {
            "kendall_tau": 1,
            "spearman_rho": 1,
            "kendall_tau_best_50_percent": 1,
            "kendall_tau_best_20_percent": 1,
            "kendall_tau_best_10_percent": 1,
            "precision_at_10": 1,
            "precision_at_100": 1,
            "regret": 0,
        }
    )
    inverse = rank_panel(-error, error)
    assert inverse["kendall_tau"] == pytest.approx(-1)
    assert inverse["precision_at_10"] == 0
    assert inverse["regret"] == pytest.approx(0.85)


def test_panel_leaves_out_counts_beyond_the_space():
    assert "precision_at_100" not in rank_panel([1, 2, 3], [1, 2, 3], counts=(2, 100))


@settings(deadline=None)  # a busy machine is no error
@given(small)
def test_correlations_by_definition(pairs):
    score, error = np.array(pairs, dtype=float).T
    signs = [
        (np.sign(score[i] - score[j]), np.sign(error[i] - error[j]))
        for i in range(len(pairs))
        for j in range(i)
    ]
    agreement = sum(a * b for a, b in signs)
    untied = sum(a != 0 for a, _ in signs) * sum(b != 0 for _, b in signs)
    tau, rho = kendall_tau(score, error), spearman_rho(score, error)
    if untied == 0:
        assert np.isnan(tau)
        assert np.isnan(rho)
    else:
        assert tau == pytest.approx(agreement / untied**0.5)
        assert rho == pytest.approx(stats.spearmanr(score, error).statistic)


def test_tau_of_best_rounds_up_and_keeps_ties():
    score, error = np.array([3, 1, 2, 0, 9]), np.array([0.1, 0.2, 0.2, 0.3, 0.4])
    # 0.3 of 5 rounds up to 2 architectures; the third ties with the second and stays.
    expected = kendall_tau([3, 1, 2], [0.1, 0.2, 0.2])
    assert kendall_tau_of_best(score, error, 0.3) == pytest.approx(expected)
    assert kendall_tau_of_best(score, error, 1) == kendall_tau(score, error)
    assert np.isnan(kendall_tau_of_best(score, error, 0.2))  # one architecture


def test_tau_of_best_is_not_fooled_by_float_noise():
    error = np.arange(100.0)
    score = np.where(error < 7, error, -error)  # an eighth architecture would spoil the order
    assert 0.07 * 100 > 7
    assert kendall_tau_of_best(score, error, 0.07) == pytest.approx(1)


def test_precision_by_hand():
    assert precision_at(np.array([1, 2, 3, 4, 5]), np.array([5, 1, 2, 3, 4]), 3) == pytest.approx(
        2 / 3
    )


@settings(deadline=None)  # a busy machine is no error
@given(small, st.integers(1, 12))
def test_precision_is_the_mean_over_orders_of_ties(pairs, count):
    pairs = pairs[:4]
    count = min(count, len(pairs))
    score, error = np.array(pairs, dtype=float).T
    orders = [np.array(order) for order in permutations(range(len(pairs)))]
    by_score = [set(np.lexsort((order, score))[:count]) for order in orders]
    by_error = [set(np.lexsort((order, error))[:count]) for order in orders]
    expected = np.mean([len(a & b) for a in by_score for b in by_error]) / count
    assert precision_at(score, error, count) == pytest.approx(expected)


def test_regret_is_the_mean_over_ties():
    assert regret(np.array([1, 1, 2]), np.array([0.3, 0.2, 0.1])) == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("score", "error", "message"),
    [
        ([1, 2], [1, 2, 3], "expected one each"),
        ([[1, 2]], [[1, 2]], "expected one each"),
        ([1], [1], "two at least"),
        ([1, np.nan], [1, 2], "score: row 1 is nan"),
        ([1, 2], [np.inf, 2], "error: row 0 is inf"),
    ],
)
def test_refuses(score, error, message):
    with pytest.raises(InputError, match=message):
        rank_panel(score, error)
