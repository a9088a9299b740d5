"""An image data set in memory: all images as one uint8 array, with labels and named splits."""

from __future__ import annotations

import hashlib
import math
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hanas.core.errors import InputError
from hanas.core.files import REMEDY, read_tensors, write_tensors
from hanas.core.memory import free_bytes, in_words
from hanas.core.progress import print_at_once

SPLITS = ("train", "validation", "test")
#: How much of the free memory images may take; a training needs the rest.
MEMORY_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images, their labels and which of them are for what; InputError if they do not fit together.

    ``images`` are uint8 (N, H, W, 3), RGB; ``labels`` int64 (N,), of at least two ``classes``. In
    ``splits``, ``train``, ``validation`` and ``test`` are int64 indices into the images: not empty,
    and no image twice. ``sources`` says ``{"file", "algorithm", "checksum", "how"}`` of each file
    that was read. ``value_range`` are the values of pictures of more than 8 bits that became 0 and
    255, None where there were none; ``warnings`` say what a reader of results has to know.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    splits: Mapping[str, np.ndarray]
    sources: tuple[dict[str, str], ...]
    value_range: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        images, labels, last = self.images, self.labels, len(self.classes) - 1
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not images.size:
            raise InputError(f"images: {_form(images)}; expected uint8 (N, H, W, 3)")
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise InputError(f"labels: {_form(labels)}; expected int64 ({len(images)},)")
        if last < 1:
            raise InputError(f"classes: {len(self.classes)} given; expected at least two")
        if len(wrong := np.flatnonzero((labels < 0) | (labels > last))):
            raise InputError(
                f"labels: image {wrong[0]} has label {labels[wrong[0]]}; expected 0 to {last}"
            )
        if set(self.splits) != set(SPLITS):
            raise InputError(f"splits: {', '.join(self.splits)}; expected {', '.join(SPLITS)}")
        taken = np.zeros(len(images), dtype=bool)
        for name in SPLITS:
            indices = self.splits[name]
            if indices.dtype != np.int64 or indices.ndim != 1 or not len(indices):
                raise InputError(
                    f"splits.{name}: {_form(indices)}; expected at least one int64 index"
                )
            if indices.min() < 0 or indices.max() >= len(taken):
                raise InputError(f"splits.{name}: an index is outside 0 to {len(taken) - 1}")
            if taken[indices].any() or len(np.unique(indices)) != len(indices):
                raise InputError(f"splits.{name}: an image is used twice")
            taken[indices] = True

    def digest(self) -> str:
        """Return the SHA-256 of pixels, labels and splits."""
        hasher = hashlib.sha256()
        for array in (self.images, self.labels, *(self.splits[name] for name in SPLITS)):
            hasher.update(repr(array.shape).encode())
            hasher.update(np.ascontiguousarray(array).data)
        return hasher.hexdigest()


def _form(array: np.ndarray) -> str:
    return f"{array.dtype} of shape {array.shape}"


def save_images(data: ImageData, path: str | Path) -> None:
    """Write images for ``torch.load(path, weights_only=True)``; equal data give equal bytes."""
    import torch

    content = {
        "images": torch.from_numpy(np.ascontiguousarray(data.images)),
        "labels": torch.from_numpy(data.labels),
        "classes": list(data.classes),
        "splits": {name: torch.from_numpy(data.splits[name]) for name in SPLITS},
        "sources": [dict(source) for source in data.sources],
        "sha256": data.digest(),
    }
    if data.value_range is not None:
        content["value_range"] = list(data.value_range)
    if data.warnings:
        content["warnings"] = list(data.warnings)
    write_tensors(content, path)


def load_images(path: str | Path) -> ImageData:
    """Read what :func:`save_images` wrote; InputError if it is missing, damaged or another file.

    Its images stay in the file until they are looked at: they may be more than memory holds.
    """

    def parse(content: dict[str, Any]) -> tuple[ImageData, str]:
        data = ImageData(
            images=content["images"].numpy(),
            labels=content["labels"].numpy(),
            classes=tuple(content["classes"]),
            splits={name: indices.numpy() for name, indices in content["splits"].items()},
            sources=tuple(content["sources"]),
            value_range=tuple(content["value_range"]) if "value_range" in content else None,
            warnings=tuple(content.get("warnings", ())),
        )
        return data, content["sha256"]

    data, expected = read_tensors(path, "images", parse, mapped=True)
    if data.digest() != expected:
        raise InputError(f"{path}: its images or labels were changed after writing; {REMEDY}")
    return data


def blocks_of(count: int, size: int) -> int:
    """Return into how many blocks of about 16 MB so many images of a size (bytes) are divided."""
    return max(1, -(-count * size // 2**24))


def pixels_of_size(count: int, side: int, folder: Path) -> np.ndarray:
    """Return room for images, uint8 (N, side, side, 3).

    In memory, or where that has no room for them, in a file in ``folder`` that has no name and
    goes away with the array.
    """
    shape = (count, side, side, 3)
    if math.prod(shape) <= free_bytes() * MEMORY_SHARE:
        return np.empty(shape, dtype=np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    # Twice: here, and in the file that results from it. A full disk would end the process.
    needed, free = 2 * math.prod(shape), shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{count:,} images of {side} x {side} pixels take {in_words(needed)} on disk while "
            f"they are read; {in_words(free)} are free in {folder}; make room, or take fewer pixels"
        )
    print_at_once(f"that is too much for memory: they are kept on disk, in {folder}")
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, dtype=np.uint8, mode="w+", shape=shape)


def training_statistics(data: ImageData) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each channel over the training split.

    Both float64 (3,), for pixels scaled to 0..1.
    """
    # From counts of the 256 values: exact, whatever the order and number of images.
    counts = np.zeros((3, 256), dtype=np.int64)
    train = data.splits["train"]
    for part in np.array_split(train, blocks_of(len(train), data.images[0].size)):
        block = data.images[part]
        for channel in range(3):
            counts[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    weights = counts / counts.sum(axis=1, keepdims=True)
    mean = weights @ values
    variance = (weights * (values - mean[:, None]) ** 2).sum(axis=1)
    return mean, np.sqrt(variance)
