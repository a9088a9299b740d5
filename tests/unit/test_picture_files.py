import io
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from hanas.core.errors import InputError
from hanas.data.pictures import read_picture


def encode(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def read(content, name="f"):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return read_picture(path)


def read_square(content, resolution, name, values=None):
    return read(content, name).square(resolution, values)


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


def chunk(kind, body):
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + checksum


def png_of_16_bits(values):
    """Write values, uint16 (H, W, C), by the PNG specification; which C is grey, colour, alpha."""
    height, width, channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(values, order="<", unsigned=True):
    """Write whole numbers (H, W, C), uncompressed, by the TIFF 6.0 specification."""
    height, width, channels = values.shape
    bits = 8 * values.dtype.itemsize
    body = values.astype(values.dtype.newbyteorder(order)).tobytes()
    short, long = 3, 4
    tags = [
        (256, long, 1, width), (257, long, 1, height), (259, short, 1, 1),
        (262, short, 1, 2 if channels == 3 else 1), (273, long, 1, 8),
        (277, short, 1, channels), (278, long, 1, height), (279, long, 1, len(body)),
        (339, short, 1, 1 if unsigned else 2),
    ]  # fmt: skip
    start = 8 + len(body)
    after = start + 2 + 12 * (len(tags) + 1) + 4
    tags.append((258, short, channels, after if channels > 2 else bits))
    content = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, start) + body
    content += struct.pack(order + "H", len(tags))
    for tag, kind, count, value in sorted(tags):
        inline = kind == short and count < 3
        form = order + ("HHIHH" if inline else "HHII")
        content += struct.pack(form, tag, kind, count, value, *([0] if inline else []))
    return (
        content
        + struct.pack(order + "I", 0)
        + struct.pack(f"{order}{channels}H", *[bits] * channels)
    )


def values_of(picture):
    return np.stack([np.asarray(band) for band in picture.bands], axis=2)


#: Of a sensor with 12 bits, of a thermal camera, and all that 16 bits hold.
RANGES = [(0, 4096), (7000, 8500), (0, 65536)]


@pytest.mark.parametrize("limits", RANGES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("write", [png_of_16_bits, tiff, lambda values: tiff(values, ">")])
def test_all_16_bits_are_read(limits, channels, write):
    low, high = limits
    values = np.random.default_rng(0).integers(low, high, (9, 7, channels)).astype(np.uint16)
    picture = read(write(values))
    assert picture.is_deep
    np.testing.assert_array_equal(values_of(picture), values)
    assert picture.extremes() == (values.min(), values.max())


def test_transparent_pixels_of_16_bits_are_laid_on_black():
    values = np.random.default_rng(0).integers(0, 65536, (9, 7, 4)).astype(np.uint16)
    found = values_of(read(png_of_16_bits(values)))
    np.testing.assert_allclose(found, values[..., :3] * (values[..., 3:] / 65535), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint32])
def test_whole_numbers_of_tiff_are_read(dtype):
    limits = {np.int16: (-300, 900), np.int32: (-(2**20), 2**20), np.uint32: (0, 2**32)}[dtype]
    values = np.random.default_rng(0).integers(*limits, (9, 7, 1)).astype(dtype)
    found = values_of(read(tiff(values, unsigned=dtype is np.uint32)))
    np.testing.assert_array_equal(found, values.astype(np.float32))


def test_floats_of_tiff_are_read_and_scaled_by_the_range():
    values = np.random.default_rng(0).normal(20, 5, (8, 8)).astype(np.float32)
    picture = read(encode(Image.fromarray(values), "TIFF"))
    square = picture.square(8, (15.0, 25.0))
    expected = np.clip((values.astype(float) - 15) / 10 * 255, 0, 255)
    assert np.abs(square[..., 0] - expected).max() <= 0.5 + 1e-4
    assert (square[..., :1] == square).all()


@given(st.integers(-(2**24), 2**24), st.integers(1, 2**24), st.integers(1, 12))
def test_a_range_becomes_all_levels(low, width, resolution):
    assume(low + width <= 2**24)  # what float32 tells apart
    values = np.array([[low, low + width]] * 2, dtype=np.int32)
    picture = read(encode(Image.fromarray(values), "TIFF"))
    square = picture.square(2, picture.extremes())
    assert (square[:, 0] == 0).all()
    assert (square[:, 1] == 255).all()
    assert picture.square(resolution, picture.extremes()).shape == (resolution, resolution, 3)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(png_of_16_bits(np.zeros((4, 4, 2), np.uint16)), id="grey and alpha"),
        pytest.param(b"P6 2 2 4095\n" + bytes(24), id="ppm"),
    ],
)
def test_16_bits_that_pillow_cuts_are_refused(content):
    with pytest.raises(InputError, match=r"f\.ppm: 16 bits a channel .*; save it as PNG or TIFF"):
        read(content, "f.ppm")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(value):
    values = np.full((4, 4), value, dtype=np.float32)
    with pytest.raises(InputError, match="no finite numbers"):
        read(encode(Image.fromarray(values), "TIFF"))


def test_equal_pixels_have_one_digest_whatever_the_file():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    same = [encode(picture, kind) for kind in ("PNG", "BMP", "TIFF", "PPM")]
    same.append(encode(picture.convert("RGBA")))
    same.append(encode(picture, "WEBP", lossless=True))
    assert len({read(content).digest() for content in same}) == 1
    other = [pixels[::-1], pixels.transpose(1, 0, 2), np.clip(pixels, 1, 255), pixels[:5]]
    contents = [encode(Image.fromarray(np.ascontiguousarray(each))) for each in other]
    assert len({read(content).digest() for content in (*contents, same[0])}) == 5


@pytest.mark.parametrize("channels", [1, 3])
def test_deep_pictures_are_turned_too(channels):
    values = np.random.default_rng(0).integers(0, 4096, (5, 7, channels)).astype(np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6  # held sideways: turned by a quarter, clockwise
    content = png_of_16_bits(values)
    note = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    turned = values_of(read(content[:33] + note + content[33:]))
    np.testing.assert_array_equal(turned, np.rot90(values, -1))


def test_bomb_is_refused_before_it_is_decoded():
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
