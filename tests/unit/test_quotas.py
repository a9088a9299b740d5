import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from toy_searches import HUGE, LARGE, problem, run

from hanas.core.errors import InputError
from hanas.search.searchers._quotas import QuotaSurvival, shares

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("bins", [1, 2, 5])
def test_quotas_keep_the_contract(objectives, bins):
    history = run("nsga2", problem(objectives, LARGE), quota_bins=bins)
    assert len(history.genes) == 20 * 5
    assert len(np.unique(history.genes, axis=0)) == len(history.genes)


def test_no_bin_is_without_a_parent():
    with pytest.raises(InputError, match=r"quota_bins: 6; expected at most parents, which is 5"):
        run("nsga2", problem(2, LARGE), quota_bins=6)


def survivors(survival, points, count):
    population = Population.new("F", np.array(points, dtype=float))
    chosen = survival.do(Problem(n_obj=2), population, n_survive=count, random_state=RNG)
    return sorted(map(tuple, chosen.get("F").tolist()))


def test_each_bin_keeps_its_best():
    survival = QuotaSurvival(2)
    # The median of the metric, the second number, is 3: it belongs to the lower bin.
    first = [[1, 1], [2, 2], [9, 3], [5, 4], [6, 5], [4, 6]]
    assert survivors(survival, first, 4) == [(1, 1), (2, 2), (4, 6), (5, 4)]
    # Of three, the larger networks get two, although every one of the others dominates them.
    assert survivors(survival, first, 3) == [(1, 1), (4, 6), (5, 4)]
    # The limits stay: all of these are large.
    assert survivors(survival, [[1, 9], [3, 8], [2, 7]], 2) == [(1, 9), (2, 7)]
    # A bin without enough members leaves its places to the other.
    assert survivors(survival, [[1, 1], [7, 7], [8, 8], [9, 9]], 3) == [(1, 1), (7, 7), (8, 8)]


def test_a_metric_that_is_the_same_in_all_is_one_bin():
    survival = QuotaSurvival(4)
    same = [[1, 5], [2, 5], [3, 5], [4, 5]]
    assert survivors(survival, same, 2) == [(1, 5), (2, 5)]
    assert survivors(survival, [[1, 1], [2, 2], [9, 6], [8, 7]], 2) == [(1, 1), (2, 2)]


def test_without_quotas_nothing_changes():
    plain, one = (run("nsga2", problem(2, LARGE), **more) for more in ({}, {"quota_bins": 1}))
    np.testing.assert_array_equal(plain.genes, one.genes)


def test_quotas_keep_a_search_out_of_the_small_model_trap():
    # The proxy says that the less a network costs the better it is: the front is one point.
    def evaluate(genes):
        cost = genes.mean(axis=1)
        return np.stack([cost, cost], axis=1)

    spent = []
    for bins in (1, 4):
        history = run("nsga2", evaluate, HUGE, generations=12, quota_bins=bins)
        late = history.generation > 6
        spent.append((history.objectives[late, 1] > 4.5).mean())  # above the middle of the space
    assert spent[1] > 2 * spent[0]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(0, 100))
def test_places_are_shared_alike_among_bins_with_members(sizes, places):
    taken = shares(sizes, places)
    assert sum(taken) == min(places, sum(sizes))
    assert all(count <= size for count, size in zip(taken, sizes, strict=True))
    full = max(taken)
    assert all(count >= full - 1 for count, size in zip(taken, sizes, strict=True) if count < size)
