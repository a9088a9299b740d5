"""Images of one's own: a folder for each class, of any size, resized to a square.

Either ``train/``, ``validation/`` (or ``val/``) and ``test/`` with class folders in each, or class
folders alone. What no folder gives is drawn from the training images, class by class, by a seed.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError
from hanas.core.files import checksum, reading, user_path
from hanas.core.settings import Count, Fraction, Seed, UserFile
from hanas.data.datasets._dataset import Dataset
from hanas.data.images import SPLITS, ImageData

if TYPE_CHECKING:
    from PIL import Image

FOLDERS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
IGNORED = ("desktop.ini", "Thumbs.db")  # left by file managers, like names that begin with a dot
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MAXIMUM_PIXELS = 100_000_000

#: Files of a data set, each with its label.
Pictures = list[tuple[Path, int]]


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

    def load(self, root: Path, downloads: Path) -> ImageData:
        """Return the images of the folder, in the order of the names of splits, classes and files.

        InputError if the folder is not of this form, a class is empty, or a file no readable image.
        """
        folder = user_path(root, self.folder)
        if not folder.is_dir():
            raise InputError(f"{folder}: there is no such folder; set `folder` to your images")
        classes, parts = _survey(folder)
        pictures = [picture for part in parts.values() for picture in part]
        images, sha256 = _read(folder, pictures, self.resolution)
        labels = np.array([label for _, label in pictures], dtype=np.int64)
        ends = np.cumsum([len(part) for part in parts.values()])
        splits = dict(zip(parts, np.split(np.arange(len(labels)), ends[:-1]), strict=True))
        fractions = {"validation": self.validation_fraction, "test": self.test_fraction}
        if drawn := {name: part for name, part in fractions.items() if name not in splits}:
            random, of_train = np.random.default_rng(self.split_seed), labels[splits["train"]]
            splits |= stratified(of_train, drawn, classes, random, str(folder))
        how = f"{len(images)} images, resized to {self.resolution} x {self.resolution}"
        source = {"file": folder.name, "algorithm": "sha256 of names and contents"}
        sources = ({**source, "checksum": sha256, "how": how},)
        return ImageData(images, labels, classes, splits, sources)


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


def _survey(folder: Path) -> tuple[tuple[str, ...], dict[str, Pictures]]:
    """Return the names of the classes and the pictures of each split that has a folder."""
    subfolders = _subfolders(folder)
    given = {FOLDERS[name]: name for name in subfolders if name in FOLDERS}
    if not given:
        return tuple(subfolders), {"train": _pictures(subfolders)}
    if "train" not in given or len(given) < len(subfolders):
        raise InputError(
            f"{folder}: has {', '.join(subfolders)}; expected train, validation (or val) and test, "
            "or else class folders none of which has such a name"
        )
    found = {split: _subfolders(folder / given[split]) for split in SPLITS if split in given}
    for split, classes in found.items():
        if odd := sorted(set(classes) ^ set(found["train"])):
            raise InputError(
                f"{folder / given[split]}: its classes are not those of train: {', '.join(odd)} is "
                "in only one of them"
            )
    return tuple(found["train"]), {name: _pictures(part) for name, part in found.items()}


def _subfolders(folder: Path) -> dict[str, Path]:
    """Return the folders in ``folder`` by name, sorted; images beside them are refused."""
    found = {}
    for path in _entries(folder):
        if path.is_dir():
            found[path.name] = path
        elif path.suffix.lower() in SUFFIXES:
            raise InputError(f"{path}: this image is in no class folder; move it into one")
    if not found:
        raise InputError(f"{folder}: no class folders in it; expected a folder for each class")
    if len(found) == 1 and not set(found) & set(FOLDERS):
        raise InputError(f"{folder}: only one class, {min(found)!r}; expected at least two folders")
    return found


def _pictures(classes: Mapping[str, Path]) -> Pictures:
    """Return the images of the class folders, sorted by class and name."""
    pictures = []
    for label, folder in enumerate(classes.values()):
        entries = _entries(folder)
        if not entries:
            raise InputError(f"{folder}: class {folder.name!r} is empty; fill it or remove it")
        for path in entries:
            if path.is_dir():
                raise InputError(f"{path}: a folder in a class folder; only images belong there")
            if not path.is_file() or path.suffix.lower() not in SUFFIXES:
                raise InputError(f"{path}: not an image; expected one of {', '.join(SUFFIXES)}")
            pictures.append((path, label))
    return pictures


def _entries(folder: Path) -> list[Path]:
    """List a folder by name, without what file managers leave there."""
    names = sorted(path.name for path in folder.iterdir())
    return [folder / name for name in names if name[0] != "." and name not in IGNORED]


def _read(folder: Path, pictures: Pictures, resolution: int) -> tuple[np.ndarray, str]:
    """Return uint8 (N, resolution, resolution, 3) and a digest of the files."""
    images = np.empty((len(pictures), resolution, resolution, 3), dtype=np.uint8)
    hasher, top = hashlib.sha256(), folder.resolve()
    for i, (path, _) in enumerate(pictures):
        if not path.resolve().is_relative_to(top):
            raise InputError(f"{path}: a link that leads out of {folder}; copy what it points to")
        images[i] = read_square(path, resolution)
        name = path.relative_to(folder).as_posix()
        hasher.update(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest())
        hasher.update(bytes.fromhex(checksum(path)))
    return images, hasher.hexdigest()


def read_square(path: Path, resolution: int) -> np.ndarray:
    """Read a picture, cut the largest square out of its middle and resize that.

    Same as scaling the shorter side to ``resolution`` and cutting the middle out of the rest. A
    camera's note on how it was held (EXIF) is obeyed, transparent pixels are laid on black, 16-bit
    greys are scaled to 8 bits, and of an animation the first picture is taken.

    Return uint8 (resolution, resolution, 3). Raises InputError if the picture is in none of
    :data:`FORMATS`, damaged, or has more than :data:`MAXIMUM_PIXELS` pixels.
    """
    from PIL import Image, ImageOps

    hint = f"; expected one of {', '.join(FORMATS)}: remove it or replace it"
    with reading(path, "a picture", hint), warnings.catch_warnings():
        # Pillow's own, lower limit on size only warns.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path, formats=FORMATS) as picture:
            width, height = picture.size  # from the header: nothing is decoded yet
            if width * height > MAXIMUM_PIXELS:
                most = f"at most {MAXIMUM_PIXELS:,}; make the picture smaller"
                raise InputError(f"{path}: {width} x {height} pixels are too many; {most}")
            picture.load()
            upright = _to_rgb(ImageOps.exif_transpose(picture), path)
            size = (resolution, resolution)
            return np.asarray(ImageOps.fit(upright, size, Image.Resampling.BILINEAR))


def _to_rgb(picture: Image.Image, path: Path) -> Image.Image:
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits a pixel, or 32 in which a format keeps 16
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"{path}: grey values beyond 16 bits; save it with 8 bits a channel")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise InputError(f"{path}: grey values are not integers; save it with 8 bits a channel")
    if picture.has_transparency_data:
        transparent = picture.convert("RGBA")
        black = Image.new("RGBA", transparent.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, transparent).convert("RGB")
    return picture.convert("RGB")
