"""What a data set is: the base classes of the plugins in this folder.

The official data sets are those of NAS-Bench-201 (Dong and Yang, ICLR 2020).
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar

import numpy as np
from pydantic import Field
from typing_extensions import override

from hanas.core.errors import InputError
from hanas.core.files import checksum, reading, user_path
from hanas.core.pickles import load_plain
from hanas.core.settings import Seed, Settings, UserFile
from hanas.data.images import ImageData
from hanas.data.published_files import KnownFile

#: Images uint8 (N, H, W, 3) and labels int64 (N,).
Labelled = tuple[np.ndarray, np.ndarray]
#: What provenance says of each file that was read.
Sources = tuple[dict[str, str], ...]


@dataclass(frozen=True)
class Census:
    """How many images a data set has, before any is read."""

    images: Mapping[str, int]  # of each split; copies are not known yet
    classes: int
    side: int  # pixels


class Dataset(Settings):
    """An image data set: its settings, and how it is read."""

    kind: Any  # a plugin says: Literal["its name"]

    @abstractmethod
    def load(self, root: Path, downloads: Path) -> ImageData:
        """Return the images, from the data folder ``root`` or else from the network.

        What is downloaded goes into the folder ``downloads``, where later runs find it. Raises
        InputError if a file in the data folder is missing or damaged, or no source gives the
        images.
        """

    def census(self, root: Path) -> Census | None:
        """Return how many images :meth:`load` would find, without reading any.

        None where only reading tells. InputError where the data folder ``root`` lacks them.
        """
        return None


class OfficialDataset(Dataset):
    """A data set of NAS-Bench-201, of which one part is divided into two.

    Its ``batches`` are the pickled files of images in their order: ``train_images`` for training,
    then ``other_images``. Their labels stand under ``label_key``.
    """

    batches: ClassVar[Sequence[KnownFile]]
    label_key: ClassVar[str] = "labels"
    side: ClassVar[int] = 32  # pixels
    train_images: ClassVar[int] = 50_000
    other_images: ClassVar[int] = 10_000
    classes: ClassVar[Sequence[str]]
    #: What a split file calls the two parts: the other images are divided, unless one is ``train``.
    split_keys: ClassVar[tuple[str, str]] = ("xvalid", "xtest")

    split_seed: Seed = Field(
        0,
        description="Seed of the split into training and validation (CIFAR-10) or validation and "
        "test (the others), where no split_file is given.",
    )
    split_file: Annotated[str, UserFile()] | None = Field(
        None,
        description="File of the split in the form of NAS-Bench-201, relative to the data folder.",
    )

    def load(self, root: Path, downloads: Path) -> ImageData:
        """Return all images, with half of the part that is divided in each of two splits."""
        divides_training = "train" in self.split_keys
        count = self.train_images if divides_training else self.other_images
        first, second, split_sources = self.halves(count, root)
        (images, labels), sources = self.find(root, downloads)
        if len(images) != self.train_images + self.other_images:
            raise InputError(
                f"{self.kind}: {len(images)} images; expected {self.train_images} for training "
                f"and {self.other_images} others"
            )
        train, others = np.split(np.arange(len(images)), [self.train_images])
        if divides_training:
            splits = {"train": train[first], "validation": train[second], "test": others}
        else:
            splits = {"train": train, "validation": others[first], "test": others[second]}
        return ImageData(images, labels, tuple(self.classes), splits, (*sources, *split_sources))

    @override
    def census(self, root: Path) -> Census:
        divides_training = "train" in self.split_keys
        whole = self.train_images if divides_training else self.other_images
        first, second = whole // 2, whole - whole // 2
        if divides_training:
            images = {"train": first, "validation": second, "test": self.other_images}
        else:
            images = {"train": self.train_images, "validation": first, "test": second}
        return Census(images, len(self.classes), self.side)

    @abstractmethod
    def find(self, root: Path, downloads: Path) -> tuple[Labelled, Sources]:
        """Return all images in official order, and where they are from; raises like ``load``."""

    def read_folder(self, folder: Path, remedy: str) -> tuple[Labelled, Sources]:
        """Read the batches in a folder; InputError, with a remedy, if one is missing or changed."""
        parts = []
        for batch in self.batches:
            path = folder / batch.name
            batch.verify(path, remedy)
            with path.open("rb") as handle:
                parts.append(self.decoded(handle, str(path)))
        return joined(parts), tuple(batch.source("data folder") for batch in self.batches)

    def decoded(self, handle: BinaryIO, name: str) -> Labelled:
        """Return the images of a batch, and labels as they are in the file; code in it is refused.

        The file, which messages call ``name``, is a pickled dictionary with ``data``, uint8
        (n, 3 * side * side) in channel order, and integer labels; InputError if it is another.
        """
        key, side = self.label_key, self.side
        # Python 2 wrote these files: its strings come out as text this way, whoever wrote them.
        content = load_plain(handle, name=name, encoding="latin1")
        if not isinstance(content, dict) or "data" not in content or key not in content:
            raise InputError(f"{name}: expected a dictionary with 'data' and {key!r}")
        data = content["data"]
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8:
            raise InputError(f"{name}: 'data' is no array of uint8")
        if data.ndim != 2 or data.shape[1] != 3 * side * side:
            raise InputError(
                f"{name}: 'data' has the shape {data.shape}; expected {side} x {side} RGB images, "
                f"(n, {3 * side * side})"
            )
        try:
            labels = np.asarray(content[key])
        except ValueError:  # lists of different lengths
            labels = np.empty((0, 0))
        if labels.shape != (len(data),) or labels.dtype.kind not in "iu":
            raise InputError(f"{name}: {key!r} is not a list of {len(data)} integers")
        images = data.reshape(-1, 3, side, side).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(images), labels.astype(np.int64)

    def halves(self, count: int, root: Path) -> tuple[np.ndarray, np.ndarray, Sources]:
        """Divide ``0 .. count - 1`` into two parts, by the file or by the seed.

        Return two sorted int64 arrays, and the sources (one where a file was read).
        """
        if self.split_file is None:
            order = np.random.default_rng(self.split_seed).permutation(count)
            return np.sort(order[: count // 2]), np.sort(order[count // 2 :]), ()
        path = user_path(root, self.split_file)
        first, second = read_split(path, self.split_keys, count)
        source = {"file": path.name, "algorithm": "sha256", "how": "split file"}
        return first, second, ({**source, "checksum": checksum(path)},)


def joined(parts: Iterable[Labelled]) -> Labelled:
    """Return several parts as one."""
    images, labels = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def read_split(path: Path, keys: tuple[str, str], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Read a split in the form of NAS-Bench-201, as two sorted int64 arrays.

    A JSON object whose members ``keys`` are each ``["int", ["0", "5", ...]]`` or a plain list of
    integers, and which together hold each of ``0 .. count - 1`` once; InputError for all others.
    """
    hint = "; get it from NAS-Bench-201's repository, or leave out split_file to use split_seed"
    with reading(path, "a split file", hint):
        content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not all(key in content for key in keys):
        raise InputError(
            f"{path}: not a split file: expected {' and '.join(map(repr, keys))} in it"
        )
    first, second = (_indices(content[key], f"{path}: {key!r}") for key in keys)
    if not np.array_equal(np.sort(np.concatenate([first, second])), np.arange(count)):
        raise InputError(
            f"{path}: the indices of {keys[0]!r} and {keys[1]!r} are not 0 to {count - 1}, each "
            "once; is this the split file of another data set?"
        )
    return first, second


def _indices(value: Any, where: str) -> np.ndarray:
    if isinstance(value, list) and len(value) == 2 and value[0] == "int":
        value = value[1]
    if not isinstance(value, list) or not value:
        raise InputError(f"{where} is not a list of indices")
    for entry in value:
        is_number = type(entry) is int or (isinstance(entry, str) and entry.isdecimal())
        if not is_number or len(str(entry)) > 11 or int(entry) < 0:
            raise InputError(f"{where} holds {entry!r}, which is not an index")
    return np.sort(np.array([int(entry) for entry in value], dtype=np.int64))
