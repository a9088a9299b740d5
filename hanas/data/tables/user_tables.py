"""Read numbers of architectures from a CSV or Parquet file of the user's.

The settings say which column holds what; every architecture must be there exactly once.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, model_validator

from hanas.core.errors import InputError, one_line
from hanas.core.files import checksum
from hanas.core.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

    from hanas.spaces._space import Space

_LONGEST_TEXT = 300  # that an error message quotes
_LONGEST_CELL = 10_000
_MOST_ROWS = 1_000_000


class Columns(Settings):
    """A file's name of its columns; those with numbers are fields of a class for each kind."""

    arch: str | None = Field(None, description="Column of the canonical texts.")
    index: str | None = Field(None, description="Column of the official indices; instead of arch.")

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if (self.arch is None) == (self.index is None):
            given = "neither arch nor index is" if self.arch is None else "arch and index are both"
            raise InputError(
                f"{given} given; name one column that says which architecture a row is about"
            )
        return self

    @property
    def key(self) -> str:
        """What says which architecture a row is about: arch or index."""
        return "index" if self.arch is None else "arch"

    def names(self) -> dict[str, str]:
        """Return the file's name of each column that it has, the key first."""
        return self.model_dump(exclude_none=True)  # arch and index are the first fields


@dataclass(frozen=True)
class UserTable:
    """Numbers of a file, one row for each architecture that was asked for, in that order.

    Parameters
    ----------
    path, sha256
        The file, and the first 12 hexadecimal digits of its checksum.
    columns
        The file's name of each column.
    rows
        How a person finds each row: ``line 17`` or ``row 16``.
    archs
        The architectures.
    values
        For each column that is no key a float64 array (N,); NaN where a Parquet file has nothing.
    """

    path: Path
    sha256: str
    columns: Mapping[str, str]
    rows: Sequence[str]
    archs: Sequence[str]
    values: Mapping[str, np.ndarray]

    def place(self, number: int, column: str) -> str:
        """Name the place of a value, for an error message."""
        row = f"{self.path}, {self.rows[number]}, column {self.columns[column]!r}"
        return f"{row} ({self.archs[number]})"


def read(path: Path, columns: Columns, archs: Sequence[str], *, space: Space) -> UserTable:
    """Read the columns that settings name of a ``.csv`` (UTF-8, commas) or ``.parquet`` file.

    Parameters
    ----------
    archs
        Canonical texts that must be there; other architectures of the space may be too.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column or an architecture, has one twice, or has a cell
        that is no architecture or no number. The message names the line of a CSV file (the header
        is line 1) or the row of a Parquet file (the first row is row 1).
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; put it there or mend the setting `file`")
    readers = {".csv": _csv_rows, ".parquet": _parquet_rows}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: unknown form {path.suffix!r}; expected .csv or .parquet")
    names, key, known = columns.names(), columns.key, space.all_texts()
    is_text, number_of_arch = frozenset(known).__contains__, {a: n for n, a in enumerate(archs)}
    rows = [""] * len(archs)
    values = {name: np.full(len(archs), np.nan) for name in names if name != key}
    for row, (key_cell, *cells) in readers[path.suffix.lower()](path, list(names.values())):
        place = f"{path}, {row}, column {names[key]!r}"
        if key == "index":
            arch = known[_index(key_cell, len(known), place)]
        elif isinstance(key_cell, str) and is_text(key_cell):
            arch = key_cell
        else:
            raise InputError(f"{place}: {_no_architecture(key_cell, space)}")
        number = number_of_arch.get(arch)
        if number is None:  # an architecture of the space that nobody asked for
            continue
        if rows[number]:
            raise InputError(
                f"{path}, {row}: gives {arch} again, which {rows[number]} gives already; leave one"
            )
        rows[number] = row
        for name, cell in zip(values, cells, strict=True):
            place = f"{path}, {row}, column {names[name]!r} ({arch}): {name}"
            values[name][number] = _number(cell, place)
    missing = [arch for arch, row in zip(archs, rows, strict=True) if not row]
    if missing:
        raise InputError(
            f"{path}: {len(missing):,} of {len(archs):,} architectures are missing, the first of "
            f"them {missing[0]}"
        )
    return UserTable(path, checksum(path)[:12], names, rows, archs, values)


def _no_architecture(cell: Any, space: Space) -> str:
    """Say what is wrong with a cell that is no text of the space."""
    if not isinstance(cell, str):
        return "no text of an architecture"
    if len(cell) > _LONGEST_TEXT:
        return f"no architecture: a text of {len(cell):,} characters"
    try:
        space.from_text(cell)
    except InputError as error:
        return str(error)
    return f"no architecture of the space: {cell!r}"


def _index(cell: Any, count: int, place: str) -> int:
    number = _number(cell, f"{place}: index")
    if not (number.is_integer() and 0 <= number < count):
        raise InputError(f"{place}: index {number:g}; expected an integer in 0..{count - 1}")
    return int(number)


def _number(cell: Any, place: str) -> float:
    """Return a cell as a number; one that is missing in a Parquet file is NaN."""
    if cell is None:
        return float("nan")
    if isinstance(cell, str):
        if not cell.strip():
            raise InputError(f"{place} is empty; expected a number")
        try:
            if "_" not in cell:  # Python would read 1_000
                return float(cell)
        except ValueError:
            pass
    elif isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
        try:
            return float(cell)
        except OverflowError:
            return float("inf")
    shown = repr(cell) if isinstance(cell, str | bool) else f"a {type(cell).__name__}"
    raise InputError(f"{place} is {shown[:60]}; expected a number")


def _csv_rows(path: Path, wanted: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    line = 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle, strict=True)
            header = next(reader, None)
            if header is None:
                raise InputError(f"{path}: empty; expected a header and a line an architecture")
            if len(header) == 1 and ";" in header[0] and header[0] not in wanted:
                raise InputError(
                    f"{path}: its columns are separated by semicolons; save it with commas"
                )
            _check_header(path, header, wanted)
            positions = [header.index(name) for name in wanted]
            line = reader.line_num + 1
            for cells in reader:
                if cells and len(cells) != len(header):
                    raise InputError(
                        f"{path}, line {line}: {len(cells)} cells, but the header has {len(header)}"
                    )
                if cells:  # a blank line has none
                    yield f"line {line}", [cells[position] for position in positions]
                line = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text: {one_line(error)}") from error
    except csv.Error as error:
        raise InputError(f"{path}, line {line}: no CSV: {one_line(error)}") from error


def _parquet_rows(path: Path, wanted: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    from pyarrow import parquet, types

    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            _check_header(path, schema.names, wanted)
            if file.metadata.num_rows > _MOST_ROWS:
                raise InputError(
                    f"{path}: {file.metadata.num_rows:,} rows; expected at most {_MOST_ROWS:,}"
                )
        kinds = {name: schema.field(name).type for name in wanted}
        for name, kind in kinds.items():
            if types.is_nested(kind):
                raise InputError(f"{path}: column {name!r} holds {kind}; expected one value")
        # Texts that repeat are kept once, so that a small file cannot unpack to a huge one.
        texts = [name for name, kind in kinds.items() if _is_text(kind)]
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            table = file.read(columns=list(kinds))
        for name in texts:
            _check_lengths(path, name, table.column(name))
        columns = [table.column(name).to_pylist() for name in wanted]
    except InputError:
        raise
    except Exception as error:  # a damaged file can raise nearly anything
        raise InputError(f"{path}: not readable as Parquet: {one_line(error)}") from error
    for number, cells in enumerate(zip(*columns, strict=True), start=1):
        yield f"row {number}", list(cells)


def _is_text(kind: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind)


def _check_lengths(path: Path, name: str, column: pa.ChunkedArray) -> None:
    for chunk in column.chunks:
        for text in chunk.dictionary:
            length = len(text.as_buffer() or b"")
            if length > _LONGEST_CELL:
                raise InputError(
                    f"{path}: column {name!r} holds a text of {length:,} bytes; expected at most "
                    f"{_LONGEST_CELL:,}"
                )


def _check_header(path: Path, header: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in header:
            known = ", ".join(map(repr, header))[:500]
            raise InputError(f"{path}: has no column {name!r}; it has: {known}")
        if list(header).count(name) > 1:
            raise InputError(f"{path}: has more than one column {name!r}")
