"""Effects of choices where they are known in closed form: spaces of made-up sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanas.core.errors import InputError
from hanas.fronts.lens.effects import of_all, of_sample, starts, weights_of_sample

CHOICES = (3, 2, 4)


def every(choices) -> np.ndarray:
    number = np.arange(np.prod(choices))
    return np.stack(np.unravel_index(number, choices), axis=1)


def contributions(choices, rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.normal(size=count) for count in choices]


def total(genes: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    chosen = [part[genes[:, gene]] for gene, part in enumerate(parts)]
    return 7.0 + np.sum(chosen, axis=0)


def centred(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([part - part.mean() for part in parts])


def matter_all(genes: np.ndarray) -> np.ndarray:
    return np.ones(genes.shape, dtype=bool)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_effects_of_a_sum_are_its_centred_parts(seed):
    parts = contributions(CHOICES, np.random.default_rng(seed))
    genes = every(CHOICES)
    found = of_all(CHOICES, genes, matter_all(genes), total(genes, parts))
    np.testing.assert_allclose(found.values, centred(parts), atol=1e-9)
    assert not found.standard_errors.any()
    assert found.additive == pytest.approx(1)
    variances = np.array([np.var(part) for part in parts])
    np.testing.assert_allclose(found.explained, variances / variances.sum(), atol=1e-9)
    assert found.mean == pytest.approx(7 + sum(part.mean() for part in parts))


def test_an_interaction_is_in_no_effect_and_is_told():
    genes = every((2, 2))
    values = 3.0 * (genes[:, 0] == genes[:, 1]) + 1.0 * genes[:, 0]  # exclusive-or, and a sum
    found = of_all((2, 2), genes, matter_all(genes), values)
    np.testing.assert_allclose(found.values, [-0.5, 0.5, 0, 0], atol=1e-12)
    # Variances: 1/4 of the sum, 9/4 of the rest.
    assert found.additive == pytest.approx(0.1)
    np.testing.assert_allclose(found.explained, [0.1, 0], atol=1e-12)


def test_a_sample_of_a_sum_is_exact_and_of_noise_covers_the_truth():
    rng = np.random.default_rng(1)
    choices = (3,) * 10
    parts = contributions(choices, rng)
    misses = []
    for _ in range(40):
        genes = rng.integers(0, choices, size=(200, 10))
        noise = rng.normal(scale=0.5, size=200)
        exact = of_sample(choices, genes, matter_all(genes), total(genes, parts))
        np.testing.assert_allclose(exact.values, centred(parts), atol=1e-9)
        found = of_sample(choices, genes, matter_all(genes), total(genes, parts) + noise)
        off = np.abs(found.values - centred(parts)) / found.standard_errors
        misses.append((off > 1.96).mean())
    assert 0.02 < np.mean(misses) < 0.09  # 5 % by design


def test_what_is_not_known_of_the_values_is_added():
    rng = np.random.default_rng(2)
    genes = rng.integers(0, CHOICES, size=(60, 3))
    values = total(genes, contributions(CHOICES, rng))
    matter = matter_all(genes)
    # The same unknown amount everywhere moves no effect; unknown parts of the second gene do.
    same = of_sample(CHOICES, genes, matter, values, np.ones((60, 60)))
    np.testing.assert_allclose(same.standard_errors, 0, atol=1e-6)
    slope = np.where(genes[:, 1] == 1, 1.0, -1.0)
    found = of_sample(CHOICES, genes, matter, values, 0.25 * np.outer(slope, slope))
    first, last = starts(CHOICES)[1:3]
    np.testing.assert_allclose(found.standard_errors[first:last], 0.5, atol=1e-6)
    np.testing.assert_allclose(found.standard_errors[:first], 0, atol=1e-6)
    weights = np.zeros(9)
    weights[[first, first + 1]] = -1, 1
    value, error = found.contrast(weights)
    assert value == pytest.approx(found.values[first + 1] - found.values[first])
    assert error == pytest.approx(1.0)


def test_a_gene_counts_only_where_it_matters():
    # Gene 0: one layer, or two; gene 2, of the second layer, matters with two.
    genes = np.array([[d, a, b] for d in (0, 1) for a in (0, 1) for b in (0, 1) if d or not b])
    matter = np.ones(genes.shape, dtype=bool)
    matter[:, 2] = genes[:, 0] == 1
    values = 10.0 * genes[:, 0] + 2 * genes[:, 1] + 4.0 * (genes[:, 2] * matter[:, 2])
    found = of_all((2, 2, 2), genes, matter, values)
    # Two layers: 10 more, and on average 2 of the second one.
    np.testing.assert_allclose(found.values, [-6, 6, -1, 1, -2, 2], atol=1e-12)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 2, size=(400, 3))
    inside = np.ones(drawn.shape, dtype=bool)
    inside[:, 2] = drawn[:, 0] == 1
    values = 10.0 * drawn[:, 0] + 2 * drawn[:, 1] + 4.0 * (drawn[:, 2] * inside[:, 2])
    estimated = of_sample((2, 2, 2), drawn, inside, values)
    np.testing.assert_allclose(estimated.values, found.values, atol=1e-9)


def test_a_choice_that_no_architecture_has_has_no_effect():
    genes = every((2, 3))
    genes = genes[genes[:, 1] != 2]
    found = of_all((2, 3), genes, matter_all(genes), 1.0 * genes[:, 1])
    np.testing.assert_allclose(found.values, [0, 0, -0.5, 0.5, np.nan])


def test_too_small_a_sample_is_refused():
    genes = np.random.default_rng(0).integers(0, CHOICES, size=(12, 3))
    with pytest.raises(InputError, match=r"lens\.sample: 12 random architectures"):
        of_sample(CHOICES, genes, matter_all(genes), np.arange(12.0))


def test_the_weights_of_a_sample_make_its_effects():
    rng = np.random.default_rng(3)
    genes = rng.integers(0, CHOICES, size=(50, 3))
    values = rng.normal(size=50)
    found = of_sample(CHOICES, genes, matter_all(genes), values)
    weights = weights_of_sample(CHOICES, genes, matter_all(genes))
    np.testing.assert_allclose(weights @ values, found.values)
