"""ImageNet16-120: the first 120 classes of ImageNet at 16 x 16 pixels.

ImageNet16 is from Chrabaszcz, Loshchilov and Hutter (arXiv:1707.08819); its part with the labels 1
to 120 is a data set of NAS-Bench-201 (Dong and Yang, ICLR 2020). Its files are given out by
image-net.org to those who registered there, so they are never downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError
from hanas.data.datasets._dataset import OfficialDataset, read_batch
from hanas.data.images import ImageData
from hanas.data.published_files import KnownFile

SIDE = 16  # pixels
CLASSES = 120
REMEDY = (
    "get the 16 x 16 images (train and validation, for Python) from image-net.org's download page "
    "and put train_data_batch_1 to train_data_batch_10 and val_data into the data folder, in it or "
    "in its ImageNet16"
)


@dataclass(frozen=True)
class Release:
    """The files to read with their MD5s, and how many images of the 120 classes they hold."""

    training: Mapping[str, str]
    validation: Mapping[str, str]
    training_images: int
    validation_images: int


RELEASE = Release(
    training={
        "train_data_batch_1": "27846dcaa50de8e21a7d1a35f30f0e91",
        "train_data_batch_2": "c7254a054e0e795c69120a5727050e3f",
        "train_data_batch_3": "4333d3df2e5ffb114b05d2ffc19b1e87",
        "train_data_batch_4": "1620cdf193304f4a92677b695d70d10f",
        "train_data_batch_5": "348b3c2fdbb3940c4e9e834affd3b18d",
        "train_data_batch_6": "6e765307c242a1b3d7d5ef9139b48945",
        "train_data_batch_7": "564926d8cbf8fc4818ba23d2faac7564",
        "train_data_batch_8": "f4755871f718ccb653440b9dd0ebac66",
        "train_data_batch_9": "bb6dd660c38c58552125b1a92f86b5d4",
        "train_data_batch_10": "8f03f34ac4b42271a294f91bf480f29b",
    },
    validation={"val_data": "3410e3017fdaefba8d5073aaa65e4bd6"},
    training_images=151_700,
    validation_images=6_000,
)


class Imagenet16120(OfficialDataset):
    """ImageNet16-120; a split file is NAS-Bench-201's ``imagenet-16-120-test-split.txt``."""

    kind: Literal["imagenet16_120"] = Field(
        description="ImageNet16-120; its files cannot be downloaded without an account."
    )

    def load(self, root: Path, downloads: Path) -> ImageData:
        """Return half of the official validation images each for validation and test.

        The files lie in the data folder ``root`` or in its ``ImageNet16``. The training images
        come first, in the order of the files, then the validation images. A class is named by its
        label in the files, 1 to 120.
        """
        release, first = RELEASE, RELEASE.training_images
        validation, test, split_sources = self.halves(
            release.validation_images, ("xvalid", "xtest"), root
        )
        folder = root / "ImageNet16" if (root / "ImageNet16").is_dir() else root
        train_images, train_labels = _read(folder, release.training, first)
        images, labels = _read(folder, release.validation, release.validation_images)
        files = {**release.training, **release.validation}
        sources = (KnownFile(name, "md5", md5).source("data folder") for name, md5 in files.items())
        return ImageData(
            images=np.concatenate([train_images, images]),
            labels=np.concatenate([train_labels, labels]),
            classes=tuple(str(label) for label in range(1, CLASSES + 1)),
            splits={
                "train": np.arange(first),
                "validation": first + validation,
                "test": first + test,
            },
            sources=(*sources, *split_sources),
        )


def _read(folder: Path, files: Mapping[str, str], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the images of the 120 classes, uint8 (count, 16, 16, 3), and labels from 0."""
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{folder}: no {', '.join(missing)} in it; {REMEDY}")
    images, labels = [], []
    for name, md5 in files.items():
        path = folder / name
        KnownFile(name, "md5", md5).verify(path, REMEDY)
        with path.open("rb") as handle:
            some_images, some_labels = read_batch(
                handle, name=str(path), side=SIDE, label_key="labels"
            )
        if some_labels.min(initial=1) < 1:
            raise InputError(f"{path}: a label is {some_labels.min()}; they are counted from 1")
        wanted = some_labels <= CLASSES
        images.append(some_images[wanted])
        labels.append(some_labels[wanted] - 1)
    found = sum(map(len, labels))
    if found != count:
        raise InputError(
            f"{folder}: {', '.join(files)} hold {found} images with labels 1 to {CLASSES}; "
            f"expected {count}"
        )
    return np.concatenate(images), np.concatenate(labels)
