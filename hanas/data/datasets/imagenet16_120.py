"""ImageNet16-120: the first 120 classes of ImageNet at 16 x 16 pixels.

ImageNet16 is from Chrabaszcz, Loshchilov and Hutter (arXiv:1707.08819); its part with the labels 1
to 120 is a data set of NAS-Bench-201 (Dong and Yang, ICLR 2020). Its files are given out by
image-net.org to those who registered there, so they are never downloaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import Field

from hanas.core.errors import InputError
from hanas.data.datasets._dataset import Labelled, OfficialDataset, Sources
from hanas.data.published_files import KnownFile

REMEDY = (
    "get the 16 x 16 images (train and validation, for Python) from image-net.org's download page "
    "and put train_data_batch_1 to train_data_batch_10 and val_data into the data folder, in it or "
    "in its ImageNet16"
)


class Imagenet16120(OfficialDataset):
    """ImageNet16-120; a split file is NAS-Bench-201's ``imagenet-16-120-test-split.txt``.

    The validation images are divided. A class is named by its label in the files, 1 to 120.
    """

    kind: Literal["imagenet16_120"] = Field(
        description="ImageNet16-120; its files cannot be downloaded without an account."
    )

    batches = (
        KnownFile("train_data_batch_1", "md5", "27846dcaa50de8e21a7d1a35f30f0e91"),
        KnownFile("train_data_batch_2", "md5", "c7254a054e0e795c69120a5727050e3f"),
        KnownFile("train_data_batch_3", "md5", "4333d3df2e5ffb114b05d2ffc19b1e87"),
        KnownFile("train_data_batch_4", "md5", "1620cdf193304f4a92677b695d70d10f"),
        KnownFile("train_data_batch_5", "md5", "348b3c2fdbb3940c4e9e834affd3b18d"),
        KnownFile("train_data_batch_6", "md5", "6e765307c242a1b3d7d5ef9139b48945"),
        KnownFile("train_data_batch_7", "md5", "564926d8cbf8fc4818ba23d2faac7564"),
        KnownFile("train_data_batch_8", "md5", "f4755871f718ccb653440b9dd0ebac66"),
        KnownFile("train_data_batch_9", "md5", "bb6dd660c38c58552125b1a92f86b5d4"),
        KnownFile("train_data_batch_10", "md5", "8f03f34ac4b42271a294f91bf480f29b"),
        KnownFile("val_data", "md5", "3410e3017fdaefba8d5073aaa65e4bd6"),
    )
    side = 16
    train_images = 151_700
    other_images = 6_000
    classes = tuple(str(label) for label in range(1, 121))

    def find(self, root: Path, downloads: Path) -> tuple[Labelled, Sources]:
        """Return the images of the 120 classes; the files lie in ``root`` or its ``ImageNet16``."""
        folder = root / "ImageNet16"
        return self.read_folder(folder if folder.is_dir() else root, REMEDY)

    def decoded(self, handle: BinaryIO, name: str) -> Labelled:
        """Return those images of a batch that are of the 120 classes, and their labels from 0."""
        images, labels = super().decoded(handle, name)
        if labels.min(initial=1) < 1:
            raise InputError(f"{name}: a label is {labels.min()}; they are counted from 1")
        wanted = labels <= len(self.classes)
        return images[wanted], labels[wanted] - 1
