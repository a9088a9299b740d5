"""A supernet that has learned nothing, or ranks nothing, is refused with what to change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_supernets import settings_of, train

from hanas.core.errors import InputError
from hanas.training.learning_checks import (
    better_than_largest_class,
    require_different,
    require_ranking,
)


def labels(*counts: int) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


def test_few_images_tell_only_what_is_no_better_at_all():
    few = labels(30, 20, 10)  # half are of the largest class
    assert not better_than_largest_class(0.0, few)
    assert not better_than_largest_class(0.5, few)
    assert better_than_largest_class(0.52, few)


def test_many_images_tell_chance_too():
    many = labels(200, 200)  # a standard error of 2.5 %
    assert not better_than_largest_class(0.54, many)
    assert better_than_largest_class(0.56, many)
    # The best of 100 is lucky by sqrt(2 ln 100) = 3.03 of them.
    assert not better_than_largest_class(0.57, many, best_of=100)
    assert better_than_largest_class(0.58, many, best_of=100)


def test_where_one_class_is_nearly_all_half_of_the_rest_is_enough():
    uneven = labels(970, 30)  # 97 %, a standard error of .54 %, of which ten are more than 100 %
    assert better_than_largest_class(0.986, uneven, best_of=10**9)
    assert not better_than_largest_class(0.97, uneven)


@given(st.integers(1, 10), st.integers(40, 200), st.integers(0, 2**32 - 1))
def test_guesses_are_refused(classes, count, seed):
    rng = np.random.default_rng(seed)
    true = labels(*[count] * classes)
    always = np.full(len(true), rng.integers(classes))
    assert not better_than_largest_class(float((always == true).mean()), true)
    assert better_than_largest_class(1.0, true) == (classes > 1)


def test_scores_that_rank_nothing():
    require_different(np.array([0.5, np.nan, 0.4]), "error")
    require_different(np.array([0.5]), "error")  # of one there is nothing to rank
    with pytest.raises(InputError, match=r"error of all 2 architectures is 0\.5.*cross_entropy"):
        require_different(np.array([0.5, np.nan, 0.5]), "error")
    scores = {"error": np.array([0.5, 0.6]), "cross_entropy": np.array([1.0, 2.0])}
    require_ranking(scores, "cross_entropy", labels(200, 200, 200))
    require_ranking(scores, "cross_entropy", labels(2, 2))  # too few to tell
    with pytest.raises(InputError, match=r"best of 2 architectures is right on 50\.00% of 400"):
        require_ranking(scores, "cross_entropy", labels(200, 200))


def test_a_training_that_taught_nothing_ends(tmp_path, toy_file):
    # Weights that hardly move answer one class for all images.
    too_slow = settings_of("gdas", training={"learning_rate": 1e-12})
    with pytest.raises(InputError, match=r"has learned nothing: after 2 epochs it is right on"):
        train({**too_slow, "must_learn": True}, toy_file, tmp_path)
    assert not (tmp_path / "weights").exists()
    train(too_slow, toy_file, tmp_path)  # said to be a try
    assert (tmp_path / "weights").exists()
