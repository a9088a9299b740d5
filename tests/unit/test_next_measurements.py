import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layerwise import SPACES
from nb201_space import CONV_3X3, nb201

from hanas.core import plugins
from hanas.devices.prediction import predictor
from hanas.devices.prediction.campaign import (
    CANDIDATES,
    JUDGES,
    next_batch,
    without,
)

CELLS = nb201.all_genes()


def latencies(genes: np.ndarray) -> np.ndarray:
    costs = np.array([0.0, 0.05, 0.3, 1.0, 0.4])[genes]
    noise = np.random.default_rng(0).normal(size=len(genes))
    return (0.5 + costs.sum(axis=1) - costs[:, 0] * costs[:, 5]) * (1 + 0.01 * noise)


def fitted(genes: np.ndarray, infeasible: np.ndarray | None = None):
    values = latencies(genes)
    if infeasible is not None:
        values[infeasible] = np.nan
    return predictor.fit("nb201", genes, {"latency_ms": values}, source="measured: x")


def some_cells(count: int, seed: int) -> np.ndarray:
    return nb201.sample(count, np.random.default_rng(seed))


def others(taken: np.ndarray) -> np.ndarray:
    return without(nb201.sample(CANDIDATES, np.random.default_rng(7)), taken)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 12), st.integers(0, 100))
def test_a_batch_holds_new_architectures_and_follows_from_the_seed(count, seed):
    taken = some_cells(15, seed)
    found = fitted(taken)
    one, other = (
        next_batch(found, others(taken), count, rng=np.random.default_rng(seed)) for _ in range(2)
    )
    np.testing.assert_array_equal(one, other)
    assert one.shape == (count, 6)
    rows = {tuple(row) for row in one.tolist()}
    assert len(rows) == count
    assert rows.isdisjoint(tuple(row) for row in taken.tolist())


def test_a_small_pool_is_used_up():
    taken, pool = some_cells(15, 0), some_cells(4, 99)
    found = next_batch(fitted(taken), pool, 10, rng=np.random.default_rng(0))
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, pool.tolist()))


def test_the_same_row_twice_or_taken_is_left_out():
    taken, new = some_cells(15, 0), some_cells(4, 99)
    np.testing.assert_array_equal(without(np.concatenate([taken[:3], new, new]), taken), new)
    assert not len(without(taken, taken))


def test_chosen_ones_leave_less_unknown_than_random_ones():
    """What is known after a batch, with the parameters that were known before it."""
    chosen_left, random_left = [], []
    for seed in range(4):
        taken = some_cells(20, seed)
        found = fitted(taken)
        rng = np.random.default_rng(seed)
        for batch, left in (
            (next_batch(found, others(taken), 10, rng=rng), chosen_left),
            (without(some_cells(40, seed + 50), taken)[:10], random_left),
        ):
            genes = np.concatenate([taken, batch])
            groups = found.features.groups(genes)
            after = predictor.Regression(
                groups,
                np.resize(found.regressions["latency_ms"].values, len(genes)),
                found.parameters["latency_ms"],
            )
            _, deviation = after.predict(found.features.groups(CELLS[::7]))
            left.append(np.square(deviation / after.scale).mean())
    assert (np.array(chosen_left) < np.array(random_left)).all()
    assert np.mean(chosen_left) < 0.9 * np.mean(random_left)


def test_the_first_choice_takes_away_most_of_the_variance():
    """Against the variance over the same cells, computed anew with each candidate measured."""
    taken, pool = some_cells(15, 1), some_cells(30, 77)
    found = fitted(taken)
    chosen = next_batch(found, without(pool, taken), 1, rng=np.random.default_rng(0))[0]
    judges = found.features.groups(nb201.sample(JUDGES, np.random.default_rng(0)))
    left = []
    for candidate in without(pool, taken):
        genes = np.vstack([taken, candidate])
        values = np.append(found.regressions["latency_ms"].values, 1.0)
        after = predictor.Regression(
            found.features.groups(genes), values, found.parameters["latency_ms"]
        )
        _, deviation = after.predict(judges)
        left.append((np.square(deviation / after.scale).sum(), tuple(candidate)))
    assert tuple(chosen) == min(left)[1]


def test_what_the_device_cannot_run_is_chosen_less():
    taken = some_cells(120, 2)
    fails = taken[:, 3] == CONV_3X3
    rng = np.random.default_rng(0)
    chosen = next_batch(fitted(taken, fails), others(taken), 30, rng=rng)
    unaware = next_batch(fitted(taken), others(taken), 30, rng=np.random.default_rng(0))
    assert (chosen[:, 3] == CONV_3X3).sum() < (unaware[:, 3] == CONV_3X3).sum()


@pytest.mark.parametrize("space", ["nb201", *SPACES])
def test_random_architectures_are_different_members(space):
    module = plugins.space(space)
    found = plugins.space(space).sample(200, np.random.default_rng(0))
    assert len(np.unique(found, axis=0)) == len(found) == 200
    assert (found >= 0).all()
    assert (found < np.array(module.choices)).all()
    for row in found[:5]:
        np.testing.assert_array_equal(module.from_text(module.to_text(row)), row)
