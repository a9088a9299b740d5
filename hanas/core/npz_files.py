"""Small models as ``.npz`` files without pickles: a header in JSON and arrays."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from hanas.core.errors import InputError, one_line
from hanas.core.files import replacing

_LARGEST_BYTES = 2**24
#: What numpy, zipfile and json raise on missing, truncated and altered files.
UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    MemoryError,  # an array that claims to be larger than it is
    TypeError,
    AttributeError,
    RuntimeError,  # a member that claims to be encrypted, or packed in an unknown way
    BadZipFile,
    zlib.error,
)


def read(path: Path, *, what: str, hint: str = "") -> tuple[Any, dict[str, np.ndarray]]:
    """Return the header and the arrays of a file.

    Parameters
    ----------
    path
        The file.
    what
        What it should hold, in the plural, for messages.
    hint
        What to do about a damaged file, such as ``"; fit it again"``.

    Raises
    ------
    InputError
        If the file is missing, damaged or far too large.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InputError(f"{path}: {path.stat().st_size} bytes; too many for {what}")
        with ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > _LARGEST_BYTES:
            raise InputError(f"{path}: {unpacked:,} bytes unpacked; too many for {what}")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        return json.loads(arrays.pop("header").tobytes().decode()), arrays
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{path}: not readable as {what}: {one_line(error)}{hint}") from error


def write(path: str | Path, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a header and arrays; equal ones in the same order give equal bytes."""
    text = json.dumps(header, sort_keys=True, allow_nan=False).encode()
    with replacing(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(
            handle, allow_pickle=False, header=np.frombuffer(text, np.uint8), **arrays
        )
