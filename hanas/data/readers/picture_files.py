"""Read a picture of any size and mode as a square of RGB pixels."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np

from hanas.core.errors import InputError, one_line

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MAXIMUM_PIXELS = 100_000_000


def read_square(content: bytes, resolution: int, where: str) -> np.ndarray:
    """Decode a picture, cut the largest square out of its middle and resize that.

    Same as scaling the shorter side to ``resolution`` and cutting the middle out of the rest. A
    camera's note on how it was held (EXIF) is obeyed, transparent pixels are laid on black, 16-bit
    greys are scaled to 8 bits, and of an animation the first picture is taken.

    ``content`` is a file in one of :data:`FORMATS`, which messages call ``where``. Return uint8
    (resolution, resolution, 3). Raises InputError if the picture cannot be decoded, or has more
    than :data:`MAXIMUM_PIXELS` pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow's own, lower limit on size only warns.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                width, height = picture.size  # from the header: nothing is decoded yet
                if width * height > MAXIMUM_PIXELS:
                    raise InputError(
                        f"{where}: {width} x {height} pixels are too many (at most "
                        f"{MAXIMUM_PIXELS:,}); make the picture smaller"
                    )
                picture.load()
                upright = ImageOps.exif_transpose(picture)
                square = _to_rgb(upright, where).resize(
                    (resolution, resolution),
                    resample=Image.Resampling.BILINEAR,
                    box=middle_square(*upright.size),
                )
                return np.asarray(square)
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        # Pillow's own words would name the memory that it read from.
        unknown = isinstance(error, UnidentifiedImageError)
        reason = f"no {', '.join(FORMATS)}" if unknown else one_line(error)
        raise InputError(
            f"{where}: not readable as a picture ({reason if content else 'it is empty'}); "
            "remove it or replace it"
        ) from error


def middle_square(width: int, height: int) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the largest square in the middle, in pixels.

    >>> middle_square(4, 3)
    (0.5, 0.0, 3.5, 3.0)
    """
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _to_rgb(picture: Image.Image, where: str) -> Image.Image:
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits a pixel, or 32 in which a format keeps 16
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"{where}: grey values beyond 16 bits; save it with 8 bits a channel")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise InputError(f"{where}: grey values are not integers; save it with 8 bits a channel")
    if picture.has_transparency_data:
        transparent = picture.convert("RGBA")
        black = Image.new("RGBA", transparent.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, transparent).convert("RGB")
    return picture.convert("RGB")
