"""Damaged, hostile and oversized files: each refused by name, in bounded time and memory."""

from __future__ import annotations

import bz2
import io
import os
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import test_benchmarks
import torch
import yaml
from bombs import BOMBS, OneNumber
from nb201_space import nb201
from PIL import Image
from toy_pictures import toy_images

from hanas.benchmarks import nats_bench
from hanas.benchmarks.surrogates import models as surrogates
from hanas.core import files, plugins, yaml_files
from hanas.core.errors import InputError
from hanas.data import images
from hanas.data.datasets._dataset import read_split
from hanas.data.datasets.imagenet16_120 import Imagenet16120
from hanas.data.pictures import read_picture
from hanas.data.published_files import read_members
from hanas.data.tables import user_tables

REPOSITORY = Path(__file__).parents[2]
TEXTS = nb201.all_texts()
SOME = TEXTS[:500]
#: A space of its first cells only.
SPACE = SimpleNamespace(all_texts=lambda: SOME, from_text=nb201.from_text)


@dataclass(frozen=True)
class Reader:
    """A kind of file, how it is read, and what of a damaged one may pass.

    Attributes
    ----------
    name
        Of the file, which the message must hold.
    content
        Of a good file.
    read
        Reads the file.
    sealed
        Whether a checksum in the file makes every change an error. Elsewhere a changed byte may
        be a number like any other.
    """

    name: str
    content: Callable[[], bytes]
    read: Callable[[Path], Any]
    sealed: bool = False


def _saved(write: Callable[[Path], None], name: str) -> Callable[[], bytes]:
    @cache
    def content() -> bytes:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            write(path)
            return path.read_bytes()

    return content


def _hardware_pickle() -> bytes:
    values = [1.0 + n / 100 for n in range(len(TEXTS))]
    columns = {key: values for key in ("edgegpu_latency", "edgegpu_energy")}
    config = [{"arch_str": text, "dataset": "cifar10"} for text in TEXTS]
    return pickle.dumps({"nasbench201": {"cifar10": {**columns, "config": config}}})


def _batch() -> bytes:
    data = np.arange(4 * 768, dtype=np.uint32).astype(np.uint8).reshape(4, 768)
    return pickle.dumps({"data": data, "labels": [1, 2, 3, 4]})


def _read_batch(path: Path) -> Any:
    with path.open("rb") as handle:
        return Imagenet16120.read({"kind": "imagenet16_120"}).decoded(handle, str(path))


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in ("one", "two"):
            member = tarfile.TarInfo(name)
            member.size = 3000
            archive.addfile(member, io.BytesIO(np.random.default_rng(0).bytes(3000)))
    return buffer.getvalue()


def _picture(form: str) -> Callable[[], bytes]:
    def content() -> bytes:
        buffer = io.BytesIO()
        noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
        Image.fromarray(noise).save(buffer, form)
        return buffer.getvalue()

    return content


def _user_columns() -> pd.DataFrame:
    return pd.DataFrame({"cell": SOME, "ms": np.arange(len(SOME)) / 7 + 1})


def _read_user_table(path: Path) -> Any:
    columns = OneNumber.read({"arch": "cell", "number": "ms"})
    return user_tables.read(path, columns, space=SPACE).values["number"]


def _read_study(path: Path) -> Any:
    from hanas.study import checks

    yaml_files.check(path)
    return checks.read(yaml.safe_load(path.read_bytes()), name=str(path))


def _load_weights(path: Path) -> Any:
    from hanas.training.supernets import load_supernet

    return load_supernet(path).network_settings


def _save_weights(path: Path) -> None:
    from hanas.training.supernets import Supernet, save_supernet

    settings = {"skeleton": "pooled", "channels": 2, "cells": 1, "batch_norm": "batch"}
    network = nb201.supernet(3, settings)
    save_supernet(
        Supernet("nb201", 3, settings, None, network.state_dict(), torch.zeros(6, 5)), path
    )


READERS = {
    reader.name: reader
    for reader in (
        Reader(
            "HW-NAS-Bench.pickle",
            _hardware_pickle,
            lambda path: (
                plugins.plugin("devices", "hw_nas_bench")
                .read({"kind": "hw_nas_bench", "device": "edgegpu", "file": path.name})
                .table(nb201, "cifar10", path.parent)
            ),
        ),
        Reader(
            "000000.pickle.pbz2",
            lambda: bz2.compress(pickle.dumps(test_benchmarks.cell())),
            lambda path: nats_bench.read_cells(path.parent, TEXTS[:1]),
        ),
        Reader("train_data_batch_1", _batch, _read_batch),
        Reader("images.tar.gz", _tar, lambda path: list(read_members(path, ["one", "two"], 3000))),
        *(
            Reader(f"cat.{form}", _picture(form), lambda path: read_picture(path).square(8, None))
            for form in ("png", "jpeg", "bmp", "gif", "tiff", "webp")
        ),
        Reader(
            "split.txt",
            lambda: b'{"train": ["int", ["0", "2"]], "valid": ["int", ["1", "3"]]}',
            lambda path: read_split(path, ("train", "valid"), 4),
        ),
        Reader("surrogates.npz", surrogates.SHIPPED.read_bytes, surrogates.load),
        Reader("mine.csv", lambda: _user_columns().to_csv(index=False).encode(), _read_user_table),
        Reader(
            "mine.parquet",
            _saved(lambda path: _user_columns().to_parquet(path), "mine.parquet"),
            _read_user_table,
        ),
        Reader("study.yaml", (REPOSITORY / "config.yaml").read_bytes, _read_study),
        Reader("weights.pt", _saved(_save_weights, "weights.pt"), _load_weights, sealed=True),
        Reader(
            "images.pt",
            _saved(lambda path: images.save_images(toy_images(), path), "images.pt"),
            lambda path: images.load_images(path).classes,
            sealed=True,
        ),
        Reader(
            "result.parquet",
            _saved(lambda path: files.write_parquet(_user_columns(), path), "result.parquet"),
            files.read_parquet,
        ),
        Reader("facts.json", lambda: b'{"arch": "a", "how": "b"}\n', files.read_json),
    )
}


def _damaged(content: bytes, how: str, seed: int) -> bytes:
    random = np.random.default_rng(seed)
    changed, at = bytearray(content), int(random.integers(len(content)))
    if how == "cut":
        return content[:at]
    if how == "bit":
        changed[at] ^= 1 << int(random.integers(8))
    elif how == "byte":
        changed[at] = int(random.integers(256))
    elif how == "zeros":
        changed[at : at + 64] = bytes(len(changed[at : at + 64]))
    elif how == "twice":
        changed[at:at] = changed[at : at + 64]
    elif how == "hole":
        del changed[at : at + 64]
    elif how == "noise":
        return random.bytes(len(content) % 5000 + 1)
    return bytes(changed)


def _outcome(reader: Reader, path: Path) -> tuple[Any, str | None]:
    """Return what was read, or nothing and the message of a refusal."""
    try:
        return reader.read(path), None
    except InputError as error:
        return None, str(error)


def test_a_good_file_is_read(tmp_path):
    for name, reader in READERS.items():
        (tmp_path / name).write_bytes(reader.content())
        reader.read(tmp_path / name)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut", "bit", "byte", "zeros", "twice", "hole", "noise"])
@pytest.mark.parametrize("name", READERS)
def test_damage_is_refused_by_name_or_harmless(name, how, tmp_path):
    """Many seeds each: 1,000 files and more, of which each is refused or gives plain results."""
    reader, path = READERS[name], tmp_path / name
    refused = 0
    for seed in range(9):
        content = _damaged(reader.content(), how, seed)
        if content == reader.content():
            continue
        path.write_bytes(content)
        _, message = _outcome(reader, path)
        if message is not None:
            refused += 1
            assert name in message
            assert len(message) < 3000
        assert sorted(entry.name for entry in tmp_path.iterdir()) == [name]
    if how in ("cut", "noise"):
        assert refused >= 1


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\xff" * 100, b"{}", b"[]\n", b"a: b"])
def test_files_of_something_else_are_refused(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    if (name, content) == ("facts.json", b"{}"):
        return  # facts of nothing
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        READERS[name].read(tmp_path / name)


@pytest.mark.parametrize("name", [name for name in READERS if READERS[name].sealed])
def test_no_byte_of_a_sealed_file_changes_what_is_read(name, tmp_path):
    reader, path = READERS[name], tmp_path / name
    path.write_bytes(reader.content())
    expected = reader.read(path)
    for seed in range(60):
        path.write_bytes(_damaged(reader.content(), "byte", seed))
        found, message = _outcome(reader, path)
        assert found == expected if message is None else name in message


@pytest.fixture(scope="module")
def exploded(tmp_path_factory):
    """What is said of each bomb, in a process with 3 GiB of memory and a minute for each."""
    script = Path(__file__).with_name("bombs.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path_factory.mktemp("bombs"))],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "tests"))),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        },
    )
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    return said, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(name, exploded):
    said, error = exploded
    assert said.get(name, error).startswith("refused: ")
    assert "bomb." in said[name] or "000000.pickle" in said[name]


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ("../evil", tarfile.REGTYPE),
        ("/tmp/hanas_evil", tarfile.REGTYPE),
        ("one", tarfile.SYMTYPE),
        ("one", tarfile.LNKTYPE),
        ("one", tarfile.FIFOTYPE),
        ("one", tarfile.CHRTYPE),
        ("one", tarfile.DIRTYPE),
    ],
)
def test_an_archive_writes_nothing_anywhere(member, kind, tmp_path):
    path = tmp_path / "inside" / "evil.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(member)
        entry.type, entry.linkname = kind, "../../outside"
        entry.size = 4 if kind == tarfile.REGTYPE else 0
        archive.addfile(entry, io.BytesIO(b"evil"))
    with pytest.raises(InputError, match=r"evil\.tar\.gz"):
        list(read_members(path, ["one"], 10))
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == [
        "inside",
        "inside/evil.tar.gz",
    ]
    assert not Path("/tmp/hanas_evil").exists()
