import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hanas.core.errors import InputError
from hanas.data.images import ImageData, load_images, save_images, training_statistics


def some_images(count=30, side=4, classes=3, seed=0):
    generator = np.random.default_rng(seed)
    order = generator.permutation(count)
    return ImageData(
        images=generator.integers(0, 256, (count, side, side, 3), dtype=np.uint8),
        labels=np.arange(count) % classes,
        classes=tuple("abcdefgh"[:classes]),
        splits={"train": order[:10], "validation": order[10:20], "test": order[20:]},
        sources=({"file": "f", "algorithm": "md5", "checksum": "0", "how": "made up"},),
    )


def test_saved_images_come_back_the_same(tmp_path):
    data = some_images()
    save_images(data, tmp_path / "images.pt")
    back = load_images(tmp_path / "images.pt")
    np.testing.assert_array_equal(back.images, data.images)
    np.testing.assert_array_equal(back.labels, data.labels)
    for name, indices in data.splits.items():
        np.testing.assert_array_equal(back.splits[name], indices)
    assert back.classes == data.classes
    assert back.sources == data.sources


def test_equal_images_give_equal_bytes_whatever_the_file_is_called(tmp_path):
    for name in ("a.pt", "another name.pt"):
        save_images(some_images(), tmp_path / name)
    one, other = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert one == other


def test_file_holds_plain_tensors(tmp_path):
    data = some_images()
    save_images(data, tmp_path / "images.pt")
    content = torch.load(tmp_path / "images.pt", weights_only=True)
    assert content["images"].dtype == torch.uint8
    assert content["images"].shape == (30, 4, 4, 3)
    assert content["splits"]["train"].tolist() == data.splits["train"].tolist()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"hello",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
    ],
)
def test_damaged_file_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "images.pt"
    save_images(some_images(), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"images\.pt.*run the workflow again"):
        load_images(path)


def test_one_changed_pixel_is_noticed(tmp_path):
    path = tmp_path / "images.pt"
    data = some_images()
    save_images(data, path)
    content = bytearray(path.read_bytes())
    content[content.index(data.images.tobytes()) + 17] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="changed after writing"):
        load_images(path)


def test_missing_file_and_file_of_something_else(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_images(tmp_path / "none.pt")
    torch.save({"weights": torch.zeros(3)}, tmp_path / "weights.pt")
    with pytest.raises(InputError, match=r"weights\.pt: not readable as images"):
        load_images(tmp_path / "weights.pt")


def one(value):
    return np.array([value])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((30, 4, 4, 3))}, "images: float64"),
        ({"images": np.zeros((30, 4, 4, 1), dtype=np.uint8)}, r"shape \(30, 4, 4, 1\)"),
        ({"images": np.zeros((0, 4, 4, 3), dtype=np.uint8)}, r"shape \(0, 4, 4, 3\)"),
        ({"labels": np.zeros(29, dtype=np.int64)}, r"expected int64 \(30,\)"),
        ({"labels": np.zeros(30, dtype=np.int32)}, "labels: int32"),
        ({"labels": np.full(30, 3)}, "image 0 has label 3; expected 0 to 2"),
        ({"labels": np.full(30, -1)}, "image 0 has label -1"),
        ({"classes": ("a",)}, "at least two"),
        ({"splits": {"train": one(0), "test": one(1)}}, "expected train, validation, test"),
        (
            {"splits": {"train": one(0), "validation": one(1), "test": one(1)}},
            "test: an image is used twice",
        ),
        (
            {"splits": {"train": np.array([2, 2]), "validation": one(0), "test": one(1)}},
            "train: an image is used twice",
        ),
        (
            {"splits": {"train": one(30), "validation": one(0), "test": one(1)}},
            "train: an index is outside 0 to 29",
        ),
        (
            {"splits": {"train": one(-1), "validation": one(0), "test": one(1)}},
            "train: an index is outside",
        ),
        (
            {"splits": {"train": one(2), "validation": np.array([], np.int64), "test": one(1)}},
            "validation: .* at least one",
        ),
    ],
)
def test_impossible_data_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(some_images(), **changes)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_statistics_are_those_of_the_training_images_only(seed, side):
    data = some_images(side=side, seed=seed)
    mean, deviation = training_statistics(data)
    pixels = data.images[data.splits["train"]] / 255
    np.testing.assert_allclose(mean, pixels.mean((0, 1, 2)), rtol=0, atol=1e-12)
    np.testing.assert_allclose(deviation, pixels.std((0, 1, 2)), rtol=0, atol=1e-12)
