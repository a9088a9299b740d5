"""Small files that unpack to huge ones. Run as a script: make each and give it to its reader.

``python bombs.py FOLDER`` prints what each reader said. It runs under limits of memory and time,
which would not be safe in the process of the tests.
"""

from __future__ import annotations

import bz2
import gzip
import io
import pickle
import resource
import shutil
import signal
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from nb201_space import nb201
from pyarrow import parquet

from hanas.benchmarks import nats_bench
from hanas.benchmarks.surrogates import models as surrogates
from hanas.core import pickles, yaml_files
from hanas.core.errors import InputError
from hanas.data import pictures
from hanas.data.datasets import cifar10
from hanas.data.published_files import read_members
from hanas.data.tables import user_tables

MEMORY_BYTES = 3 * 2**30
SECONDS = 60
TEXTS = nb201.all_texts()


def png_header(width: int, height: int, body: bytes = b"") -> bytes:
    """Return a PNG of these sides whose pixels are ``body``, whatever that is."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tar_of_zeros(folder: Path) -> None:
    """An archive whose wanted member claims, and has, 8 GB."""
    path = folder / "bomb.tar.gz"
    header = bytearray(512)
    header[:5] = b"batch"
    header[100:108] = b"0000644\0"
    header[124:136] = b"%011o\0" % (8 * 2**30 - 1)
    header[156:157] = b"0"
    header[257:265] = b"ustar\x0000"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with gzip.open(path, "wb", compresslevel=1) as handle:
        handle.write(header)
        for _ in range(64):
            handle.write(bytes(2**20))
    list(read_members(path, ["batch"], 2**20))


def bzipped_pickle(folder: Path) -> None:
    """A cell of NATS-Bench that unpacks to 4 GB."""
    path = folder / "000000.pickle.pbz2"
    path.write_bytes(bz2.compress(bytes(2**26)) * 64)
    nats_bench.read_cells(folder, TEXTS[:1])


def array_in_a_pickle(folder: Path) -> None:
    """A pickle whose array claims a thousand million numbers."""
    content = pickle.dumps(np.zeros(3), protocol=2).replace(b"K\x03\x85", b"J\x00\xca\x9a\x3b\x85")
    pickles.load_plain(io.BytesIO(content), name="bomb.pickle")


def lists_in_a_pickle(folder: Path) -> None:
    """A pickle of lists that each hold the one before twice, thirty deep."""
    content = b"\x80\x02]q\x00K\x01a" + b"".join(
        b"]q" + bytes([n + 1]) + b"(h" + bytes([n]) + b"h" + bytes([n]) + b"e" for n in range(60)
    )
    found = pickles.load_plain(io.BytesIO(content + b"."), name="bomb.pickle")
    # Shared, so small; whoever asks for a table of numbers sees a nested list.
    raise InputError(f"bomb.pickle: read as {type(found).__name__} of {len(found)}")


def wide_png(folder: Path) -> None:
    """A picture of 60,000 x 60,000 pixels in a hundred bytes."""
    path = folder / "bomb.png"
    path.write_bytes(png_header(60_000, 60_000))
    pictures.read_picture(path)


def npm_png(folder: Path) -> None:
    """A page of images with more rows than it may have."""
    cifar10._rows_of_png(png_header(1024, 2_000_000), 10_000, "bomb.png")


def zip_of_zeros(folder: Path) -> None:
    """A bundle of surrogates with an array of 256 MB, all zero."""
    import zipfile

    path = folder / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("header.npy", "w", force_zip64=True) as handle,
    ):
        for _ in range(2**8):
            handle.write(bytes(2**20))
    surrogates.load(path)


def array_in_a_zip(folder: Path) -> None:
    """A bundle of surrogates whose array claims 10^15 numbers and has none."""
    import zipfile

    path = folder / "bomb.npz"
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }"
    header = header.ljust(118) + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.npy", content)
    surrogates.load(path)


class OneNumber(user_tables.Columns):
    """Columns of a table with one number a row."""

    number: str


def _user_table(path: Path) -> None:
    user_tables.read(path, OneNumber.read({"arch": "cell", "number": "ms"}), space=nb201)


def rows_of_parquet(folder: Path) -> None:
    """A Parquet file of 50 million rows that are all the same."""
    path = folder / "bomb.parquet"
    part = pa.table(
        {
            "cell": pa.DictionaryArray.from_arrays(np.zeros(10**6, np.int8), [TEXTS[0]]),
            "ms": np.ones(10**6),
        }
    )
    with parquet.ParquetWriter(path, part.schema) as writer:
        for _ in range(50):
            writer.write_table(part)
    _user_table(path)


def texts_of_parquet(folder: Path) -> None:
    """A Parquet file whose text of ten million characters stands in a hundred thousand rows."""
    path = folder / "bomb.parquet"
    texts = pa.DictionaryArray.from_arrays(np.zeros(100_000, np.int32), ["x" * 10**7])
    table = pa.table({"cell": texts, "ms": np.ones(100_000)})
    parquet.write_table(table, path, use_dictionary=True, dictionary_pagesize_limit=2**30)
    _user_table(path)


def lists_of_parquet(folder: Path) -> None:
    """A Parquet file in which one row holds a million numbers."""
    path = folder / "bomb.parquet"
    parquet.write_table(pa.table({"cell": [TEXTS[0]], "ms": [[1.0] * 10**6]}), path)
    _user_table(path)


def cell_of_csv(folder: Path) -> None:
    """A CSV file with a cell of a hundred million characters."""
    path = folder / "bomb.csv"
    path.write_text("cell,ms\n" + "x" * 10**8 + ",1\n")
    _user_table(path)


def aliases_of_yaml(folder: Path) -> None:
    """Settings that aliases make a thousand million."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    path = folder / "bomb.yaml"
    path.write_text("\n".join([*lines, "datasets: {cifar10: {kind: *a8}}"]))
    yaml_files.check(path)


def alias_of_itself(folder: Path) -> None:
    """Settings that hold themselves."""
    path = folder / "bomb.yaml"
    path.write_text("datasets: &a {cifar10: *a}")
    yaml_files.check(path)


BOMBS: dict[str, Callable[[Path], None]] = {
    made.__name__: made
    for made in (
        *(tar_of_zeros, bzipped_pickle, array_in_a_pickle, lists_in_a_pickle, wide_png, npm_png),
        *(zip_of_zeros, array_in_a_zip, rows_of_parquet, texts_of_parquet, lists_of_parquet),
        *(cell_of_csv, aliases_of_yaml, alias_of_itself),
    )
}

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for name, bomb in BOMBS.items():
        signal.alarm(SECONDS)  # ends this process
        where = Path(sys.argv[1]) / name
        where.mkdir()
        try:
            bomb(where)
            print(f"{name}: read")
        except InputError as error:
            print(f"{name}: refused: {error}", flush=True)
        except MemoryError:
            print(f"{name}: took all memory", flush=True)
        shutil.rmtree(where)
