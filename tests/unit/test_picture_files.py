import io
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hanas.core.errors import InputError
from hanas.data.datasets import image_folder


def encode(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def read_square(content, resolution, name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return image_folder.read_square(path, resolution)


def stripes(width, height):
    """Red in the left third, green in the middle, blue in the right."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    for channel in range(3):
        pixels[:, channel * width // 3 : (channel + 1) * width // 3, channel] = 255
    return Image.fromarray(pixels)


def test_square_of_the_wanted_size_is_kept_to_the_bit():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read_square(encode(Image.fromarray(pixels)), 8, "f"), pixels)


@pytest.mark.parametrize("size", [(90, 30), (900, 300)])
def test_the_middle_is_cut_out_of_a_wide_picture(size):
    square = read_square(encode(stripes(*size)), 10, "f")
    assert square.shape == (10, 10, 3)
    assert square.dtype == np.uint8
    assert (square[:, 1:-1] == [0, 255, 0]).all()
    scaled = np.asarray(stripes(*size).resize((30, 10), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(square.astype(int), scaled[:, 10:20].astype(int), atol=1)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 20))
def test_any_size_gives_a_square_and_one_colour_stays(width, height, resolution):
    picture = Image.new("RGB", (width, height), (10, 200, 30))
    square = read_square(encode(picture), resolution, "f")
    assert square.shape == (resolution, resolution, 3)
    assert (square == [10, 200, 30]).all()


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 100, [100, 100, 100]),
        ("1", 1, [255, 255, 255]),
        ("LA", (100, 255), [100, 100, 100]),
        ("RGBA", (10, 20, 30, 255), [10, 20, 30]),
        ("RGBA", (10, 20, 30, 0), [0, 0, 0]),  # transparent: on black
        ("I;16", 0x6400, [100, 100, 100]),  # 16 bits: scaled, not cut off
    ],
)
def test_modes_become_rgb(mode, colour, expected):
    picture = Image.new(mode, (5, 4), colour)
    assert (read_square(encode(picture), 2, "f") == expected).all()


def test_palette_and_cmyk_become_rgb():
    palette = Image.new("RGB", (4, 4), (255, 0, 0)).convert("P")
    assert (read_square(encode(palette, "GIF"), 4, "f") == [255, 0, 0]).all()
    cmyk = Image.new("CMYK", (4, 4), (0, 0, 0, 0))
    assert (read_square(encode(cmyk, "TIFF"), 4, "f") == 255).all()


def test_note_on_how_the_camera_was_held_is_obeyed():
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    pixels[:2] = 255
    content = encode(Image.fromarray(pixels), "PNG", exif=exif)
    square = read_square(content, 4, "f")
    assert (square[:2] == 0).all()
    assert (square[2:] == 255).all()


def test_bomb_is_refused_before_it_is_decoded():
    def chunk(kind, body):
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = struct.pack(">IIBBBBB", 11_000, 10_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(InputError, match="f: 11000 x 10000 pixels are too many"):
        read_square(bomb, 8, "f")
    larger = bomb.replace(chunk(b"IHDR", header), chunk(b"IHDR", b"\x00\x01" * 4 + header[8:]))
    with pytest.raises(InputError, match=r"f: (not readable as a picture|\d+ x \d+ pixels)"):
        read_square(larger, 8, "f")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        encode(stripes(60, 60))[:100],
        encode(stripes(60, 60), "JPEG")[:-100],
        encode(stripes(60, 60), "ICO"),  # a kind of image that is not admitted
    ],
)
def test_unreadable_picture_is_named(content):
    with pytest.raises(InputError, match=r"cat\.png: not readable as a picture"):
        read_square(content, 8, "cat.png")


def test_greys_that_are_no_integers_are_refused():
    with pytest.raises(InputError, match="not integers"):
        read_square(encode(Image.new("F", (4, 4), 0.5), "TIFF"), 4, "f")
