"""Pictures in files of many kinds: decoded, and as squares of 8 bits a channel.

Pictures of sensors and thermal cameras have more than 8 bits a channel, and use some part of them:
they are scaled by a range of values that is the same for a whole data set.
"""

from __future__ import annotations

import hashlib
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hanas.core.errors import InputError
from hanas.core.files import checksum, reading

if TYPE_CHECKING:
    from PIL import Image, ImageFile

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MAXIMUM_PIXELS = 100_000_000

#: Levels of 256 that nearly all values of deep pictures should be spread over.
FEW_LEVELS = 32

#: Values that become black and white.
Range = tuple[float, float]
#: Files of a data set, each with its label.
Pictures = list[tuple[Path, int]]


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture, upright, transparent pixels on black.

    ``bands`` are one image of mode RGB; of a *deep* picture, with more than 8 bits a channel, one
    (grey) or three of mode F, whose values are those of the file (of 32-bit integers, 24 bits).
    """

    bands: tuple[Image.Image, ...]

    @property
    def is_deep(self) -> bool:
        """Whether it has more than 8 bits a channel."""
        return self.bands[0].mode == "F"

    def digest(self) -> bytes:
        """Return the SHA-256 of its pixels, of equal pictures the same in all formats."""
        hasher = hashlib.sha256(repr((self.is_deep, len(self.bands), self.bands[0].size)).encode())
        for band in self.bands:
            hasher.update(band.tobytes())
        return hasher.digest()

    def extremes(self) -> Range:
        """Return its lowest and its highest value."""
        each = [(band.min(), band.max()) for band in map(np.asarray, self.bands)]
        return float(min(low for low, _ in each)), float(max(high for _, high in each))

    def square(self, resolution: int, values: Range | None) -> np.ndarray:
        """Cut the largest square out of the middle and resize that.

        Same as scaling the shorter side to ``resolution`` and cutting the middle out of the rest.
        Of a deep picture, the ``values`` become 0 and 255, what is beyond them too. Return uint8
        (resolution, resolution, 3).
        """
        from PIL import Image, ImageOps

        size = (resolution, resolution)
        fitted = [ImageOps.fit(band, size, Image.Resampling.BILINEAR) for band in self.bands]
        if not self.is_deep:
            return np.asarray(fitted[0])
        assert values is not None
        low, high = values
        scaled = (np.stack([np.asarray(band, np.float64) for band in fitted], axis=2) - low) * 255
        rounded = np.rint(np.clip(scaled / (high - low), 0, 255)).astype(np.uint8)
        return np.broadcast_to(rounded, (*size, 3))


def read_picture(path: Path) -> Picture:
    """Decode a picture.

    A camera's note on how it was held (EXIF) is obeyed, and of an animation the first picture is
    taken. Raises InputError if the picture is in none of :data:`FORMATS`, damaged, has more than
    :data:`MAXIMUM_PIXELS` pixels, or values that are no numbers.
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
            if _is_deep_colour(picture, path):
                return _deep_colour(path)
            tiles = picture.tile  # gone once it is loaded
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            unsigned = any(_form(tile.args) == "I;32N" for tile in tiles)
    if upright.mode == "F" or upright.mode.startswith("I"):
        values = np.asarray(upright)
        if unsigned:  # Pillow has no such mode and takes them for signed ones
            values = values.view(np.uint32)
        values = values.astype(np.float32)
        if not np.isfinite(values).all():
            raise InputError(
                f"{path}: holds values that are no finite numbers; put others in their place"
            )
        return Picture((Image.fromarray(values),))
    if upright.has_transparency_data:
        transparent = upright.convert("RGBA")
        black = Image.new("RGBA", transparent.size, (0, 0, 0, 255))
        return Picture((Image.alpha_composite(black, transparent).convert("RGB"),))
    return Picture((upright.convert("RGB"),))


# ---- colours of 16 bits -------------------------------------------------------------------------


def _is_deep_colour(picture: ImageFile.ImageFile, path: Path) -> bool:
    """Return whether Pillow would cut the lower 8 of 16 bits off; InputError if it cannot else."""
    if picture.mode.startswith("I"):
        return False
    is_cut = any(";16" in _form(tile.args) for tile in picture.tile)
    # Of a PPM, the second argument is the largest value, by which Pillow divides.
    of_ppm = [tile.args for tile in picture.tile if picture.format == "PPM"]
    largest = [args[-1] for args in of_ppm if isinstance(args, tuple)]
    is_cut |= any(isinstance(most, int) and most > 255 for most in largest)
    if is_cut and not all(_form(tile.args) in _BYTES for tile in picture.tile):
        raise InputError(
            f"{path}: 16 bits a channel in a form that is not read in full; save it as PNG or TIFF "
            "of grey or of three colours"
        )
    return is_cut


#: Pillow's names for colours of 16 bits, and those that yield their upper and their lower bytes.
_BYTES = {
    f"{colours};16{order}": (f"{colours};16{order}", f"{colours};16{other}")
    for colours in ("RGB", "RGBA", "RGBX")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}


def _form(arguments: object) -> str:
    """Return Pillow's name of how the pixels of a tile lie in the file."""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _deep_colour(path: Path) -> Picture:
    """Read colours of 16 bits, of which Pillow decodes 8 at a time."""
    from PIL import Image

    values = _bytes_of(path, 0).astype(np.float32) * 256 + _bytes_of(path, 1)
    if values.shape[2] == 4:
        values = values[..., :3] * (values[..., 3:] / 65535)
    return Picture(tuple(Image.fromarray(np.ascontiguousarray(values[..., c])) for c in range(3)))


def _bytes_of(path: Path, which: int) -> np.ndarray:
    """Return the upper (0) or lower (1) bytes of a picture of 16 bits, uint8 (H, W, C)."""
    from PIL import Image, ImageOps

    with Image.open(path, formats=FORMATS) as picture:
        tiles = []
        for tile in picture.tile:
            name, *others = tile.args if isinstance(tile.args, tuple) else (tile.args,)
            wanted = _BYTES[str(name)][which]
            args = (wanted, *others) if isinstance(tile.args, tuple) else wanted
            tiles.append(tile._replace(args=args))
        picture.tile = tiles
        picture.load()
        return np.asarray(ImageOps.exif_transpose(picture))


# ---- all of a folder ---------------------------------------------------------------------------


class PictureReader:
    """Reads pictures into ``images``, uint8 (N, resolution, resolution, 3), and knows them.

    ``hasher`` has names and contents of the files, ``digests`` are of the pixels of each picture,
    ``deep`` the numbers of those of more than 8 bits, whose ``values`` become black and white.
    """

    def __init__(
        self, folder: Path, resolution: int, images: np.ndarray, values: Sequence[float] | None
    ) -> None:
        self.folder, self.resolution, self.images = folder, resolution, images
        self.values: Range | None = None if values is None else (values[0], values[1])
        self.hasher, self.digests, self.deep = hashlib.sha256(), list[bytes](), list[int]()
        self._lowest, self._highest = np.inf, -np.inf

    def read(self, pictures: Pictures, problems: list[str]) -> None:
        """Read all pictures; those that cannot be read join the ``problems``."""
        top, given = self.folder.resolve(), self.values
        for i, (path, _) in enumerate(pictures):
            try:
                self._read_one(i, path, top)
            except InputError as error:
                if isinstance(error.__cause__, MemoryError):
                    raise error.__cause__ from None
                problems.append(str(error))
        if problems or not self.deep:
            self.values = None if not self.deep else given
            return
        if given is None:
            self.values = (self._lowest, self._highest)
            if self._lowest == self._highest:
                problems.append(
                    f"{self.folder}: all pictures of more than 8 bits hold only {self._lowest:g}"
                )
                return
            for i in self.deep:  # again, since the range is known only now
                self.images[i] = read_picture(pictures[i][0]).square(self.resolution, self.values)

    def _read_one(self, i: int, path: Path, top: Path) -> None:
        if not path.resolve().is_relative_to(top):
            out_of = f"a link that leads out of {self.folder}"
            raise InputError(f"{path}: {out_of}; copy what it points to")
        picture = read_picture(path)
        self.digests.append(picture.digest())
        if picture.is_deep:
            low, high = picture.extremes()
            self.deep.append(i)
            self._lowest, self._highest = min(self._lowest, low), max(self._highest, high)
        if self.values is not None or not picture.is_deep:
            self.images[i] = picture.square(self.resolution, self.values)
        name = path.relative_to(self.folder).as_posix()
        self.hasher.update(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest())
        self.hasher.update(bytes.fromhex(checksum(path)))

    def said(self) -> str:
        """Say how pictures of more than 8 bits were scaled."""
        assert self.values is not None
        low, high = self.values
        beyond = (
            " (what is beyond is cut off)" if (self._lowest, self._highest) != self.values else ""
        )
        return (
            f"{len(self.deep)} of them of more than 8 bits a channel, whose values {low:g} to "
            f"{high:g} became 0 to 255{beyond}; they hold {self._lowest:g} to {self._highest:g}"
        )

    def warnings(self, labels: np.ndarray, classes: Sequence[str]) -> list[str]:
        """Say what of the pictures of more than 8 bits may go wrong."""
        if self.values is None:
            return []
        found, (low, high) = [], self.values
        if len(self.deep) < len(labels):
            deep = np.bincount(labels[self.deep], minlength=len(classes))
            each = zip(classes, deep, np.bincount(labels), strict=True)
            mixed = ", ".join(f"{name} {count} of {all_of}" for name, count, all_of in each)
            found.append(
                f"pictures of 8 bits and of more are mixed, which a network may tell apart (of "
                f"more: {mixed}); save all of them alike"
            )
        counts = np.zeros(256, dtype=np.int64)
        for i in self.deep:
            counts += np.bincount(self.images[i].ravel(), minlength=256)
        parts = counts.cumsum() / counts.sum()
        first, last = int((parts <= 0.01).sum()), int((parts < 0.99).sum())
        if last - first + 1 < FEW_LEVELS:
            ends = [low + level * (high - low) / 255 for level in (first, last)]
            found.append(
                f"98 % of the values of pictures of more than 8 bits became {last - first + 1} of "
                f"256 levels, since few reach {low:g} or {high:g}; set value_range: "
                f"[{ends[0]:.6g}, {ends[1]:.6g}]"
            )
        return found
