"""CIFAR-100, and the reader of ImageNet16, on real images."""

import importlib.util
import pickle
import subprocess
import sys

import numpy as np
import pytest
from release_files import channel_order, digest

from hanas.core.errors import InputError
from hanas.data.datasets.cifar100 import Cifar100
from hanas.data.datasets.imagenet16_120 import Imagenet16120
from hanas.data.images import training_statistics
from hanas.data.published_files import KnownFile


@pytest.fixture(scope="module")
def image_packs(data_folder):
    """The module that decodes the packed images of the data folder, and their folder."""
    folder = data_folder / "images"
    spec = importlib.util.spec_from_file_location("packs", folder / "loader.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, str(folder)


@pytest.mark.slow
def test_real_cifar100(image_packs, tmp_path):
    packs, folder = image_packs
    subprocess.run(
        [sys.executable, packs.__file__, "pickles", folder, str(tmp_path)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    data = Cifar100.read({"kind": "cifar100"}).load(tmp_path, tmp_path / "d")
    for name, part in (("train", slice(0, 50_000)), ("test", slice(50_000, 60_000))):
        content = pickle.loads(
            (tmp_path / "cifar-100-python" / name).read_bytes(), encoding="bytes"
        )
        np.testing.assert_array_equal(channel_order(data.images[part]), content[b"data"])
        np.testing.assert_array_equal(data.labels[part], content[b"fine_labels"])
    assert data.classes == tuple(packs.FINE)
    assert [len(data.splits[name]) for name in ("train", "validation", "test")] == [
        50_000,
        5_000,
        5_000,
    ]
    assert (np.bincount(data.labels[data.splits["train"]]) == 500).all()
    # The means and deviations that are in general use for this data set.
    mean, deviation = training_statistics(data)
    np.testing.assert_allclose(mean, [0.5071, 0.4865, 0.4409], atol=1e-4)
    np.testing.assert_allclose(deviation, [0.2673, 0.2564, 0.2762], atol=1e-4)
    # One byte of the real file changed:
    path = tmp_path / "cifar-100-python" / "test"
    with path.open("r+b") as handle:
        handle.seek(20_000_000)
        byte = handle.read(1)[0]
        handle.seek(20_000_000)
        handle.write(bytes([byte ^ 1]))
    with pytest.raises(InputError, match="cifar-100-python/test: MD5 is"):
        Cifar100.read({"kind": "cifar100"}).load(tmp_path, tmp_path / "d")


@pytest.fixture(scope="module")
def stand_in(image_packs, tmp_path_factory):
    """Files of the form of ImageNet16 with other images, and what they hold."""
    packs, folder = image_packs
    images, meta = packs.load(folder, "tinyimagenet16_120_val")
    labels = meta["labels"].astype(int) + 1
    root = tmp_path_factory.mktemp("imagenet")
    (root / "ImageNet16").mkdir()
    # Classes beyond the first 120, as in the official files, which have 1,000.
    shown = np.where(np.arange(len(labels)) % 7 == 0, labels + 120, labels)
    parts = {
        "train_data_batch_1": slice(0, 2000),
        "train_data_batch_2": slice(2000, 3000),
        "val_data": slice(3000, 6000),
    }
    batches = []
    for name, part in parts.items():
        content = {"data": channel_order(images[part]), "labels": shown[part].tolist()}
        content["mean"] = images[part].mean(0).ravel()
        path = root / "ImageNet16" / name
        path.write_bytes(pickle.dumps(content, protocol=2))
        batches.append(KnownFile(name, "md5", digest(path.read_bytes(), "md5")))
    kept = shown <= 120
    release = made(batches, int(kept[:3000].sum()), int(kept[3000:].sum()))
    return root, release, images[kept], labels[kept] - 1


def made(files, training, others):
    """Return the data set of other files, with so many images of the 120 classes."""

    class StandIn(Imagenet16120):
        batches, train_images, other_images = files, training, others

    return StandIn.read({"kind": "imagenet16_120"})


def test_imagenet16_form_keeps_the_first_120_classes(stand_in):
    root, release, images, labels = stand_in
    data = release.load(root, root)
    np.testing.assert_array_equal(data.images, images)
    np.testing.assert_array_equal(data.labels, labels)
    assert data.images.shape[1:] == (16, 16, 3)
    assert len(data.classes) == 120
    assert len(data.splits["train"]) == release.train_images
    half = release.other_images // 2
    assert len(data.splits["validation"]) == half
    assert len(data.splits["test"]) == release.other_images - half
    assert min(data.splits["test"].min(), data.splits["validation"].min()) == len(
        data.splits["train"]
    )
    directly = release.load(root / "ImageNet16", root)
    np.testing.assert_array_equal(directly.splits["test"], data.splits["test"])


def test_imagenet16_form_is_checked(stand_in, tmp_path):
    root, release, _, _ = stand_in
    with pytest.raises(InputError, match=r"train_data_batch_1: MD5 is .* image-net\.org"):
        Imagenet16120.read({"kind": "imagenet16_120"}).load(root, root)  # not the official files
    folder = tmp_path / "ImageNet16"
    folder.mkdir()
    for path in (root / "ImageNet16").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    more = made(release.batches, release.train_images + 1, release.other_images)
    with pytest.raises(InputError, match=f"expected {more.train_images} for training"):
        more.load(tmp_path, tmp_path)
    content = bytearray((folder / "val_data").read_bytes())
    content[5000] ^= 1
    (folder / "val_data").write_bytes(content)
    with pytest.raises(InputError, match=r"val_data: MD5 is .* image-net\.org"):
        release.load(tmp_path, tmp_path)


def test_imagenet16_labels_are_counted_from_1(tmp_path):
    content = {"data": np.zeros((3, 768), np.uint8), "labels": [0, 1, 2]}
    (tmp_path / "t").write_bytes(pickle.dumps(content))
    checksum = digest((tmp_path / "t").read_bytes(), "md5")
    release = made([KnownFile("t", "md5", checksum)], 3, 3)
    with pytest.raises(InputError, match="t: a label is 0; they are counted from 1"):
        release.load(tmp_path, tmp_path)


def test_imagenet16_official_files_are_what_nas_bench_201_reads():
    assert len(Imagenet16120.batches) == 11
    assert (Imagenet16120.train_images, Imagenet16120.other_images) == (151_700, 6_000)
