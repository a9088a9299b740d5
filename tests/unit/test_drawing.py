"""How searchers draw architectures: at random, from parents, by chance changes."""

import numpy as np
import pytest
from toy_searches import problem

from hanas.search.searchers._evolutionary import crossover, mutation
from hanas.search.searchers._searcher import Ledger


@pytest.mark.parametrize("count", [3, 30])  # by guessing, and from the list of what is left
def test_draws_are_uniform(count):
    rng = np.random.default_rng(0)
    counts = np.zeros((4, 9), dtype=int)
    for _ in range(1000):
        drawn = Ledger((4, 9), problem(1, (4, 9))).draw(count, rng)
        np.add.at(counts, tuple(drawn.T), 1)
    expected = 1000 * count / 36
    assert counts.sum() == 1000 * count
    assert np.abs(counts - expected).max() < 5 * expected**0.5


def test_draws_leave_out_what_was_seen_or_named():
    ledger = Ledger((2, 3), problem(1, (2, 3)))
    rng = np.random.default_rng(0)
    first = ledger.draw(2, rng)
    ledger.evaluate(first, 0)
    named = ledger.draw(1, rng)
    rest = ledger.draw(10, rng, besides=[named[0].tobytes()])
    assert sorted([*first.tolist(), *named.tolist(), *rest.tolist()]) == [
        [i, j] for i in range(2) for j in range(3)
    ]
    assert ledger.draw(0, rng).shape == (0, 2)


def test_crossover_mixes_two_different_parents_evenly():
    parents = np.array([[0] * 8, [1] * 8, [2] * 8])
    children = crossover(parents, 3000, np.random.default_rng(0))
    values = [len(set(child)) for child in children.tolist()]
    assert max(values) == 2
    # Of 2^8 ways to take genes, two copy a parent.
    assert np.mean(np.array(values) == 2) == pytest.approx(1 - 2 / 256, abs=0.006)
    assert np.bincount(children.ravel()) / children.size == pytest.approx([1 / 3] * 3, abs=0.02)


def test_mutation_changes_each_gene_at_its_rate_to_another_choice():
    choices = np.array([5, 2, 1, 3])
    parents = np.array([[4, 0, 0, 1]])
    children = mutation(parents, 20_000, choices, 0.1, np.random.default_rng(0))
    assert (children != parents).mean(axis=0) == pytest.approx([0.1, 0.1, 0, 0.1], abs=0.01)
    mutants = children[children[:, 0] != 4, 0]
    assert np.bincount(mutants) / len(mutants) == pytest.approx([0.25] * 4, abs=0.04)
    never = mutation(parents, 10, choices, 0.0, np.random.default_rng(0))
    assert (never == parents).all()
