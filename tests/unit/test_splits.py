import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanas.core.errors import InputError
from hanas.data.datasets._dataset import read_split
from hanas.data.datasets.cifar10 import Cifar10
from hanas.data.datasets.image_folder import stratified


def halves(count, seed):
    settings = Cifar10.read({"kind": "cifar10", "split_seed": seed})
    first, second, sources = settings.halves(count, Path())
    assert sources == ()
    return first, second


@given(st.integers(2, 500), st.integers(0, 2**32 - 1))
def test_halves_hold_everything_once_and_repeat(count, seed):
    first, second = halves(count, seed)
    assert len(first) == count // 2
    assert sorted([*first, *second]) == list(range(count))
    np.testing.assert_array_equal(first, halves(count, seed)[0])


def test_seeds_differ():
    assert halves(100, 0)[0].tolist() != halves(100, 1)[0].tolist()


def test_split_file_in_the_form_of_nas_bench_201(tmp_path):
    (tmp_path / "cifar-split.txt").write_text(
        '{\n  "train"              : ["int"   , ["0", "5", "2"]],\n'
        '  "valid"              : ["int"   , ["1", "3", "4"]]\n}'
    )
    settings = Cifar10.read({"kind": "cifar10", "split_file": "cifar-split.txt"})
    first, second, sources = settings.halves(6, tmp_path)
    assert first.tolist() == [0, 2, 5]
    assert second.tolist() == [1, 3, 4]
    assert sources[0]["file"] == "cifar-split.txt"
    assert len(sources[0]["checksum"]) == 64


def test_split_file_of_plain_integers(tmp_path):
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"xvalid": [3, 0], "xtest": [2, 1], "note": "mine"}))
    first, second = read_split(path, ("xvalid", "xtest"), 4)
    assert (first.tolist(), second.tolist()) == ([0, 3], [1, 2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"train": ["int", ["0"', "not readable as a split file"),
        ("[" * 100_000, "not readable as a split file"),
        ("[1, 2]", "expected 'train' and 'valid'"),
        ('{"train": [0, 1]}', "expected 'train' and 'valid'"),
        ('{"train": [0, 1], "valid": "2"}', "'valid' is not a list of indices"),
        ('{"train": [0, 1], "valid": []}', "'valid' is not a list of indices"),
        ('{"train": [0, true], "valid": [2, 3]}', "holds True"),
        ('{"train": [0, 1.0], "valid": [2, 3]}', "holds 1.0"),
        ('{"train": [0, "-1"], "valid": [2, 3]}', "holds '-1'"),
        ('{"train": [0, "__import__(1)"], "valid": [2, 3]}', "holds '__import__"),
        ('{"train": [0, 1], "valid": [1, 3]}', "not 0 to 3, each once"),
        ('{"train": [0, 1], "valid": [2]}', "not 0 to 3, each once"),
        ('{"train": [0, 1], "valid": [2, 4]}', "not 0 to 3, each once"),
    ],
)
def test_unusable_split_file_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "split.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"split\.txt.*{message}"):
        read_split(path, ("train", "valid"), 4)


def test_missing_split_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: not readable"):
        Cifar10.read({"kind": "cifar10", "split_file": "none.txt"}).halves(4, tmp_path)


@given(
    st.lists(st.integers(3, 40), min_size=1, max_size=5),
    st.floats(0.01, 0.3),
    st.floats(0.01, 0.3),
    st.integers(0, 2**32 - 1),
)
def test_stratified_parts_have_their_share_of_each_class(sizes, one, other, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    names = [str(label) for label in range(len(sizes))]
    fractions = {"validation": one, "test": other}
    found = stratified(labels, fractions, names, np.random.default_rng(seed), "pets")
    parts = [found[name] for name in ("train", "validation", "test")]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    for label, size in enumerate(sizes):
        counts = [int((labels[part] == label).sum()) for part in parts]
        assert min(counts) >= 1
        assert abs(counts[1] - size * one) <= 1
        assert abs(counts[2] - size * other) <= 1


def test_stratified_needs_an_image_of_each_class_for_each_part():
    labels = np.array([0, 0, 0, 1, 1])
    with pytest.raises(InputError, match="pets: class 'b' has 2 image"):
        stratified(labels, {"a": 0.2, "b": 0.2}, ["a", "b"], np.random.default_rng(0), "pets")
    with pytest.raises(InputError, match="leave nothing"):
        stratified(labels, {"a": 0.5, "b": 0.5}, ["a", "b"], np.random.default_rng(0), "pets")
