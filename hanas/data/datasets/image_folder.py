"""Images of one's own: a folder for each class, of any size, resized to a square.

Either ``train/``, ``validation/`` (or ``val/``) and ``test/`` with class folders in each, or class
folders alone. What no folder gives is drawn from the training images, class by class, by a seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator
from typing_extensions import override

from hanas.core import escape
from hanas.core.errors import InputError
from hanas.core.files import user_path
from hanas.core.memory import enough_memory, free_bytes, in_words
from hanas.core.progress import print_at_once
from hanas.core.settings import Count, Fraction, Seed, UserFile
from hanas.data.copies import find_copies, without_copies
from hanas.data.datasets._dataset import Census, Dataset
from hanas.data.images import SPLITS, ImageData, pixels_of_size
from hanas.data.pictures import SUFFIXES, PictureReader, Pictures

FOLDERS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
IGNORED = ("desktop.ini", "Thumbs.db")  # left by file managers, like names that begin with a dot


class ImageFolder(Dataset):
    """A folder of the user's own images."""

    kind: Literal["image_folder"] = Field(description="Images of your own, a folder a class.")
    folder: Annotated[str, UserFile()] = Field(
        description="Folder of class folders, or of train/, validation/ and test/ with class "
        "folders in each; relative to the data folder."
    )
    resolution: Count = Field(description="Side in pixels that images are resized and cropped to.")
    split_seed: Seed = Field(0, description="Seed of the split where none is given by folders.")
    validation_fraction: Fraction = Field(
        0.2, description="Part of each class for validation where no folder gives it."
    )
    test_fraction: Fraction = Field(
        0.2, description="Part of each class for testing where no folder gives it."
    )

    value_range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        None,
        description="Values that become black and white in pictures of more than 8 bits a channel "
        "(sensors, thermal cameras); the lowest and the highest of them all where absent.",
    )
    copies: Literal["keep", "leave_out"] = Field(
        "keep",
        description="Pictures that are in two splits, pixel by pixel, are named; leave_out trains "
        "without those that validate or test, and validates without those that test.",
    )

    revision: ClassVar[int] = 3

    @field_validator("value_range")
    @classmethod
    def _rises(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and not value[0] < value[1]:
            raise InputError(f"is {value}; expected a lower and then a higher value")
        return value

    def load(self, root: Path, downloads: Path) -> ImageData:
        """Return the images of the folder, in the order of the names of splits, classes and files.

        InputError if the folder is not of this form, a class is empty, or files are no readable
        images, all of which are named. Where the images take more memory than there is, they are
        kept in a file in ``downloads`` that has no name.
        """
        problems: list[str] = []
        folder, classes, parts = self._survey(root, problems)
        pictures = [picture for part in parts.values() for picture in part]
        where = (
            f"{folder}: {len(pictures):,} pictures of {self.resolution} x {self.resolution} pixels"
        )
        with enough_memory(where, "set `resolution` lower, or give the job more memory"):
            if pictures:
                needed = len(pictures) * 3 * self.resolution**2
                print_at_once(
                    f"{where} take {in_words(needed)}, about as much again in the memory of a "
                    f"training; {in_words(free_bytes())} are free"
                )
            images = pixels_of_size(len(pictures), self.resolution, downloads)
            found = PictureReader(folder, self.resolution, images, self.value_range)
            found.read(pictures, problems)
        if problems:
            count = "1 thing" if len(problems) == 1 else f"{len(problems)} things"
            raise InputError(f"{folder}: {count} to mend\n" + "\n".join(problems))
        labels, splits = self._split(folder, classes, parts)
        names = [path.relative_to(folder).as_posix() for path, _ in pictures]
        warnings = found.warnings(labels, classes)
        copies = find_copies(found.digests, labels, splits)
        for line in copies.lines(names):
            print_at_once(line)
        warnings += copies.warnings(names, left_out=self.copies == "leave_out")
        how = f"{len(images)} images, resized to {self.resolution} x {self.resolution}"
        if self.copies == "leave_out":
            splits = without_copies(found.digests, labels, splits, classes)
            count = len(images) - sum(len(part) for part in splits.values())
            how += f", {count} of them left out as copies of what validates or tests"
        if found.values is not None:
            how += f", {found.said()}"
        source = {"file": folder.name, "algorithm": "sha256 of names and contents"}
        sources = ({**source, "checksum": found.hasher.hexdigest(), "how": how},)
        return ImageData(images, labels, classes, splits, sources, found.values, tuple(warnings))

    @override
    def census(self, root: Path) -> Census:
        folder, classes, parts = self._survey(root, [])
        _, splits = self._split(folder, classes, parts)
        images = {name: len(split) for name, split in splits.items()}
        return Census(images, len(classes), self.resolution)

    def _survey(
        self, root: Path, problems: list[str]
    ) -> tuple[Path, tuple[str, ...], dict[str, Pictures]]:
        """Return the folder, and what :func:`_survey` finds there."""
        folder = user_path(root, self.folder)
        if not folder.is_dir():
            raise InputError(f"{folder}: there is no such folder; set `folder` to your images")
        return folder, *_survey(folder, problems)

    def _split(
        self, folder: Path, classes: Sequence[str], parts: Mapping[str, Pictures]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the label of each picture, int64 (N,), and the indices of each split."""
        labels = np.array([label for part in parts.values() for _, label in part], dtype=np.int64)
        ends = np.cumsum([len(part) for part in parts.values()])
        splits = dict(zip(parts, np.split(np.arange(len(labels)), ends[:-1]), strict=True))
        fractions = {"validation": self.validation_fraction, "test": self.test_fraction}
        if drawn := {name: part for name, part in fractions.items() if name not in splits}:
            random, of_train = np.random.default_rng(self.split_seed), labels[splits["train"]]
            splits |= stratified(of_train, drawn, classes, random, str(folder))
        return labels, splits


def stratified(
    labels: np.ndarray,
    fractions: Mapping[str, float],
    classes: Sequence[str],
    random: np.random.Generator,
    where: str,
) -> dict[str, np.ndarray]:
    """Draw named fractions from each class, at least one image each; the rest is ``train``.

    Return sorted int64 arrays of indices that together hold every image. Raises InputError, naming
    ``where``, if a class has too few images to give every part one.

    >>> labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> parts = stratified(labels, {"test": 0.25}, ["a", "b"], np.random.default_rng(0), "pets")
    >>> {name: labels[part].tolist() for name, part in parts.items()}
    {'test': [0, 1], 'train': [0, 0, 0, 1, 1, 1]}
    """
    if sum(fractions.values()) >= 1:
        raise InputError(f"{where}: fractions {fractions} leave nothing; make their sum below 1")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in (*fractions, "train")}
    for label, name in enumerate(classes):
        members = random.permutation(np.flatnonzero(labels == label))
        sizes = [max(1, round(len(members) * fraction)) for fraction in fractions.values()]
        if sum(sizes) >= len(members):
            raise InputError(
                f"{where}: class {name!r} has {len(members)} image(s) and {len(parts)} parts to "
                "fill; add images to it or give the parts in folders"
            )
        for part, piece in zip(parts.values(), np.split(members, np.cumsum(sizes)), strict=True):
            part.append(piece)
    return {name: np.sort(np.concatenate(part)) for name, part in parts.items()}


def _survey(folder: Path, problems: list[str]) -> tuple[tuple[str, ...], dict[str, Pictures]]:
    """Return the names of the classes and the pictures of each split that has a folder.

    What is wrong with single files and classes joins the ``problems``; InputError where no split
    or class can be told from another.
    """
    subfolders = _subfolders(folder, problems)
    given = {FOLDERS[name]: name for name in subfolders if name in FOLDERS}
    if not given:
        return tuple(subfolders), {"train": _pictures(subfolders, problems)}
    if "train" not in given or len(given) < len(subfolders):
        raise InputError(
            f"{folder}: has {', '.join(subfolders)}; expected train, validation (or val) and test, "
            "or else class folders none of which has such a name"
        )
    found = {s: _subfolders(folder / given[s], problems) for s in SPLITS if s in given}
    for split, classes in found.items():
        if odd := sorted(set(classes) ^ set(found["train"])):
            raise InputError(
                f"{folder / given[split]}: its classes are not those of train: {', '.join(odd)} is "
                "in only one of them"
            )
    return tuple(found["train"]), {name: _pictures(c, problems) for name, c in found.items()}


def _subfolders(folder: Path, problems: list[str]) -> dict[str, Path]:
    """Return the folders in ``folder`` by name, sorted; images beside them are a problem."""
    found = {}
    for path in _entries(folder):
        if path.is_dir():
            found[path.name] = path
            if any(escape.is_control(character) for character in path.name):
                problems.append(f"{path}: a class of that name cannot be shown; rename the folder")
        elif path.suffix.lower() in SUFFIXES:
            problems.append(f"{path}: this image is in no class folder; move it into one")
    if not found:
        raise InputError(f"{folder}: no class folders in it; expected a folder for each class")
    if len(found) == 1 and not set(found) & set(FOLDERS):
        raise InputError(f"{folder}: only one class, {min(found)!r}; expected at least two folders")
    return found


def _pictures(classes: Mapping[str, Path], problems: list[str]) -> Pictures:
    """Return the images of the class folders, sorted by class and name."""
    pictures = []
    for label, folder in enumerate(classes.values()):
        entries = _entries(folder)
        if not entries:
            problems.append(f"{folder}: class {folder.name!r} is empty; fill it or remove it")
        for path in entries:
            if path.is_dir():
                problems.append(f"{path}: a folder in a class folder; only images belong there")
            elif not path.is_file() or path.suffix.lower() not in SUFFIXES:
                problems.append(f"{path}: not an image; expected one of {', '.join(SUFFIXES)}")
            else:
                pictures.append((path, label))
    return pictures


def _entries(folder: Path) -> list[Path]:
    """List a folder by name, without what file managers leave there."""
    names = sorted(path.name for path in folder.iterdir())
    return [folder / name for name in names if name[0] != "." and name not in IGNORED]
