import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hanas.core.compute import generator
from hanas.core.errors import InputError
from hanas.data import batches as batches_module
from hanas.data.batches import (
    FileSplit,
    load_split,
    ordered_batches,
    random_batches,
    steps_per_epoch,
)
from hanas.data.images import ImageData, load_images


def pixels_of(split, images):
    """Undo the normalisation: values 0..255 (times the pooled pixels), (B, H, W, 3)."""
    return (images.permute(0, 2, 3, 1) * split.deviation + split.mean).numpy()


def test_training_images_are_normalised(toy_data):
    split = load_split(toy_data, "train")
    images, labels = split.batch(torch.arange(24))
    assert images.shape == (24, 3, 8, 8)
    assert images.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(images.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    variance = images.var(dim=(0, 2, 3), unbiased=False)
    torch.testing.assert_close(variance, torch.ones(3), atol=1e-5, rtol=0)
    assert labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8


def test_other_splits_take_the_statistics_of_the_training_images(toy_data):
    train, validation = load_split(toy_data, "train"), load_split(toy_data, "validation")
    assert torch.equal(train.mean, validation.mean)
    expected = toy_data.images[toy_data.splits["validation"]]
    images = validation.batch(torch.arange(24)).images
    np.testing.assert_allclose(pixels_of(validation, images), expected, atol=1e-3)


def test_several_splits_are_put_together(toy_data):
    both = load_split(toy_data, "train", "validation")
    assert len(both) == 48


@pytest.mark.parametrize("resolution", [1, 2, 4, 8])
def test_pooling_is_the_exact_mean(toy_data, resolution):
    split = load_split(toy_data, "train", resolution=resolution)
    factor = 8 // resolution
    whole = toy_data.images[:24].astype(np.float64)
    expected = whole.reshape(24, resolution, factor, resolution, factor, 3).mean(axis=(2, 4))
    found = pixels_of(split, split.batch(torch.arange(24)).images) / factor**2
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.array_equal(split.pixels.numpy(), np.rint(expected * factor**2))  # nothing is lost


@pytest.mark.parametrize("resolution", [3, 5, 16])
def test_pooling_to_no_divisor_is_refused(toy_data, resolution):
    with pytest.raises(InputError, match=rf"training.resolution is {resolution}.*8x8"):
        load_split(toy_data, "train", resolution=resolution)


def test_a_constant_channel_is_refused():
    images = np.zeros((3, 8, 8, 3), dtype=np.uint8)
    splits = {name: np.array([i]) for i, name in enumerate(("train", "validation", "test"))}
    data = ImageData(images, np.array([0, 1, 0]), ("a", "b"), splits, ())
    with pytest.raises(InputError, match="same value"):
        load_split(data, "train")


@given(
    flip=st.booleans(),
    down=st.integers(0, 4),
    right=st.integers(0, 4),
    image=st.integers(0, 23),
)
def test_crop_and_flip(toy_data, flip, down, right, image):
    split = load_split(toy_data, "train", crop_padding=2)
    shifts = torch.tensor([[down, right]])
    found = split.batch(torch.tensor([image]), torch.tensor([flip]), shifts).images
    padded = np.pad(toy_data.images[image], ((2, 2), (2, 2), (0, 0)))  # black
    expected = padded[down : down + 8, right : right + 8]
    if flip:
        expected = expected[:, ::-1]
    np.testing.assert_allclose(pixels_of(split, found)[0], expected, atol=1e-3)


def test_without_shifts_the_border_is_cut_off(toy_data):
    plain, padded = load_split(toy_data, "train"), load_split(toy_data, "train", crop_padding=3)
    indices = torch.arange(24)
    assert torch.equal(plain.batch(indices).images, padded.batch(indices).images)


def batches(split, epoch=0, *, steps=3, size=8, flip=0.5):
    random = generator(0, "batches", epoch)
    return random_batches(split, steps=steps, batch_size=size, flip=flip, random=random)


def test_an_epoch_uses_every_image_once(toy_data):
    split = load_split(toy_data, "train")
    of_step = batches(split, flip=0)
    seen = torch.cat([of_step(step).images for step in range(3)]).flatten(1)
    expected = split.batch(torch.arange(24)).images.flatten(1)
    assert sorted(seen.sum(dim=1).tolist()) == sorted(expected.sum(dim=1).tolist())
    assert not torch.equal(seen, expected)


def test_every_image_is_used_before_one_is_used_again(toy_data):
    split = load_split(toy_data, "validation")
    of_step = batches(split, steps=7, flip=0)
    seen = torch.cat([of_step(step).images for step in range(7)]).flatten(1).sum(dim=1)
    assert len(set(seen[:24].tolist())) == 24
    assert len(set(seen[24:48].tolist())) == 24


def test_a_batch_follows_from_seed_epoch_and_step(toy_data):
    split = load_split(toy_data, "train", crop_padding=1)
    late, all_steps = batches(split, epoch=3), batches(split, epoch=3)
    for step in range(2):
        all_steps(step)
    assert torch.equal(late(2).images, all_steps(2).images)
    assert not torch.equal(late(2).images, batches(split, epoch=4)(2).images)


def test_about_half_of_the_images_are_flipped():
    image = np.zeros((1, 4, 4, 3), dtype=np.uint8)
    image[:, :, 0] = 255
    data = ImageData(
        np.repeat(image, 3, axis=0),
        np.array([0, 1, 0]),
        ("a", "b"),
        {name: np.array([i]) for i, name in enumerate(("train", "validation", "test"))},
        (),
    )
    split = load_split(data, "train")
    of_step = batches(split, steps=1000, size=1)
    flipped = sum(bool(of_step(step).images[0, 0, 0, 3] > 0) for step in range(1000))
    assert 400 < flipped < 600  # six standard deviations


@given(n=st.integers(1, 60), size=st.integers(1, 70))
def test_ordered_batches_are_all_images_in_nearly_equal_parts(toy_data, n, size):
    split = load_split(toy_data, "train", "validation", "test").take(n)
    parts = list(ordered_batches(split, size))
    labels = torch.cat([part.labels for part in parts])
    assert torch.equal(labels, split.labels)
    sizes = [len(part.labels) for part in parts]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1


def test_some_images_are_of_all_classes_and_always_the_same(toy_data):
    split = load_split(toy_data, "validation")  # sorted by class
    some = split.take(12)
    assert len(some) == 12
    assert set(some.labels.tolist()) == {0, 1, 2}
    assert torch.equal(some.pixels, split.take(12).pixels)
    assert torch.equal(some.pixels, split.take(None).pixels[:12])
    assert len(split.take(1000)) == 24


def test_steps_leave_out_an_incomplete_batch():
    assert steps_per_epoch(50_000, 64) == 781
    assert steps_per_epoch(50_000, 64, 100) == 100
    assert steps_per_epoch(50_000, 64, 10_000) == 781
    assert steps_per_epoch(3, 64) == 1


@pytest.mark.parametrize(("resolution", "padding"), [(None, 0), (None, 2), (4, 1), (1, 0)])
def test_batches_from_disk_are_those_from_memory(
    toy_file, toy_data, monkeypatch, capsys, resolution, padding
):
    how = {"resolution": resolution, "crop_padding": padding}
    held = load_split(toy_data, "train", "test", **how)
    monkeypatch.setattr(batches_module, "free_bytes", lambda: 1000)
    read = load_split(load_images(toy_file), "train", "test", **how)
    if resolution == 1:
        assert not isinstance(read, FileSplit)  # it has room
        return
    assert isinstance(read, FileSplit)
    assert "train and test: 48 images" in capsys.readouterr().out
    assert (read.size, len(read)) == (held.size, len(held))
    for one, other in zip(ordered_batches(held, 9), ordered_batches(read, 9), strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        assert one.images.is_contiguous(memory_format=torch.channels_last)
        assert other.images.is_contiguous(memory_format=torch.channels_last)
    for step in range(3):
        one, other = batches(held)(step), batches(read)(step)
        assert torch.equal(one.images, other.images)
    some, others = held.take(7), read.take(7)
    assert torch.equal(some.batch(torch.arange(7)).images, others.batch(torch.arange(7)).images)
