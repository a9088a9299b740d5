"""Images of one's own: a folder for each class, of any size, resized to a square.

Either ``train/``, ``validation/`` (or ``val/``) and ``test/`` with class folders in each, or class
folders alone. What no folder gives is drawn from the training images, class by class, by a seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hanas.core.errors import InputError
from hanas.data import splits
from hanas.data.images import SPLITS, ImageData
from hanas.data.readers.picture_files import SUFFIXES, read_square

FOLDERS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
IGNORED = ("desktop.ini", "Thumbs.db")  # left by file managers, like names that begin with a dot


@dataclass(frozen=True)
class Picture:
    """A file of the data set."""

    path: Path
    label: int


def load(root: Path, settings: Mapping[str, Any], *, downloads: Path) -> ImageData:
    """Return the images of a folder, in the order of the names of splits, classes and files.

    Parameters
    ----------
    root
        The data folder.
    settings
        ``folder`` (relative to ``root``, or absolute), ``resolution`` (side in pixels that images
        are resized and cropped to), and for what no folder gives: ``validation_fraction`` and
        ``test_fraction`` (of each class, 0.2 by default) and ``split_seed`` (0).
    downloads
        Not used.

    Raises
    ------
    InputError
        If the folder is missing or not of this form, a class is empty, or a file is no readable
        image.
    """
    folder, resolution = root / settings["folder"], settings["resolution"]
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; set `folder` to that of your images")
    classes, pictures = _survey(folder)
    images, digest = _read(folder, [p for part in pictures.values() for p in part], resolution)
    labels = np.array([p.label for part in pictures.values() for p in part], dtype=np.int64)
    return ImageData(
        images=images,
        labels=labels,
        classes=classes,
        splits=_divide(folder, pictures, labels, classes, settings),
        sources=(
            {
                "file": folder.name,
                "algorithm": "sha256 of names and contents",
                "checksum": digest,
                "how": f"{len(images)} images, resized to {resolution} x {resolution}",
            },
        ),
    )


def _survey(folder: Path) -> tuple[tuple[str, ...], dict[str, list[Picture]]]:
    """Return the names of the classes and the pictures of each split that has a folder."""
    subfolders = _subfolders(folder, folder)
    given = {name: FOLDERS[name] for name in subfolders if name in FOLDERS}
    if not given:
        return tuple(subfolders), {"train": _pictures(folder, subfolders)}
    others = [name for name in subfolders if name not in given]
    if others or "train" not in given or len(set(given.values())) < len(given):
        raise InputError(
            f"{folder}: has {', '.join(subfolders)}; expected train, validation (or val) and test, "
            "or else class folders none of which has such a name"
        )
    classes = None
    pictures = {}
    for name in sorted(given, key=lambda name: SPLITS.index(given[name])):
        found = _subfolders(folder, folder / name)
        if classes is not None and list(found) != list(classes):
            odd = sorted(set(found) ^ set(classes))
            raise InputError(
                f"{folder / name}: its classes are not those of train: {', '.join(odd)} is in only "
                "one of them"
            )
        classes = tuple(found)
        pictures[given[name]] = _pictures(folder, found)
    assert classes is not None  # there is a train folder
    return classes, pictures


def _subfolders(top: Path, folder: Path) -> dict[str, Path]:
    """Return the folders in ``folder`` by name, sorted; images beside them are refused."""
    found = {}
    for path in _entries(top, folder):
        if path.is_dir():
            found[path.name] = path
        elif path.suffix.lower() in SUFFIXES:
            raise InputError(f"{path}: this image is in no class folder; move it into one")
    if not found:
        raise InputError(f"{folder}: no class folders in it; expected a folder for each class")
    if len(found) == 1 and not set(found) & set(FOLDERS):
        raise InputError(
            f"{folder}: only one class, {next(iter(found))!r}; expected at least two folders"
        )
    return found


def _pictures(top: Path, classes: Mapping[str, Path]) -> list[Picture]:
    """Return the images of the class folders, sorted by class and name."""
    pictures = []
    for label, folder in enumerate(classes.values()):
        entries = _entries(top, folder)
        if not entries:
            raise InputError(
                f"{folder}: class {folder.name!r} is empty; put images into it or remove it"
            )
        for path in entries:
            if path.is_dir():
                raise InputError(f"{path}: a folder in a class folder; only images belong there")
            if not path.is_file() or path.suffix.lower() not in SUFFIXES:
                raise InputError(f"{path}: not an image; expected one of {', '.join(SUFFIXES)}")
            pictures.append(Picture(path, label))
    return pictures


def _entries(top: Path, folder: Path) -> list[Path]:
    """List a folder by name; a symbolic link that leads out of ``top`` is refused."""
    inside = top.resolve()
    entries = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.startswith(".") or path.name in IGNORED:
            continue
        try:
            leads_out = not path.resolve().is_relative_to(inside)
        except (OSError, RuntimeError):  # a link to itself
            leads_out = True
        if leads_out:
            raise InputError(f"{path}: a link that leads out of {top}; copy what it points to")
        entries.append(path)
    return entries


def _read(folder: Path, pictures: list[Picture], resolution: int) -> tuple[np.ndarray, str]:
    """Return uint8 (N, resolution, resolution, 3) and a digest of the files."""
    images = np.empty((len(pictures), resolution, resolution, 3), dtype=np.uint8)
    hasher = hashlib.sha256()
    for i, picture in enumerate(pictures):
        try:
            content = picture.path.read_bytes()
        except OSError as error:
            raise InputError(f"{picture.path}: not readable: {error.strerror}") from error
        images[i] = read_square(content, resolution, str(picture.path))
        name = picture.path.relative_to(folder).as_posix()
        hasher.update(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest())
        hasher.update(hashlib.sha256(content).digest())
    return images, hasher.hexdigest()


def _divide(
    folder: Path,
    pictures: Mapping[str, list[Picture]],
    labels: np.ndarray,
    classes: tuple[str, ...],
    settings: Mapping[str, Any],
) -> dict[str, np.ndarray]:
    """Return the indices of each split: of its folder, else drawn from the training images."""
    starts = np.cumsum([0, *(len(part) for part in pictures.values())])
    indices = {
        name: np.arange(start, end, dtype=np.int64)
        for name, start, end in zip(pictures, starts[:-1], starts[1:], strict=True)
    }
    drawn = [name for name in ("validation", "test") if name not in indices]
    if not drawn:
        return indices
    fractions = [settings.get(f"{name}_fraction", 0.2) for name in drawn]
    generator = np.random.default_rng(settings.get("split_seed", 0))
    try:
        train, *others = splits.stratified(labels[indices["train"]], fractions, classes, generator)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    return {**indices, "train": train, **dict(zip(drawn, others, strict=True))}
