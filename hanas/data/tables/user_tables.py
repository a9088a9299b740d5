"""Read numbers of architectures from a CSV or Parquet file of the user's.

The settings say which column holds what; every architecture must be there exactly once.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from hanas.core.errors import InputError, one_line
from hanas.core.files import checksum, reading
from hanas.core.settings import Settings
from hanas.data.tables.metric_tables import Place

if TYPE_CHECKING:
    from hanas.spaces._space import Space

_LONGEST_TEXT = 300  # that an error message quotes
_LONGEST_CELL, _MOST_ROWS = 10_000, 1_000_000


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

    def names(self) -> dict[str, str]:
        """Return the file's name of each column that it has, the key first."""
        return self.model_dump(exclude_none=True)  # arch and index are the first fields


class UserTable(NamedTuple):
    """Numbers of a file, one row for each architecture of a space, in its order.

    ``values`` holds each column that is no key, float64 (N,); NaN where a Parquet file has nothing.
    ``place`` names where a number stands, ``sha256`` is the first 12 digits of the checksum.
    """

    values: Mapping[str, np.ndarray]
    place: Place
    sha256: str


def read(
    path: Path, columns: Columns, *, space: Space, missing_hint: str = "", gaps: bool = False
) -> UserTable:
    """Read the columns that settings name of a ``.csv`` (UTF-8, commas) or ``.parquet`` file.

    InputError if the file cannot be read, lacks a column or an architecture of the space, has one
    twice, or has a cell that is no architecture or no number. It names the line of a CSV file (the
    header is line 1) or the row of a Parquet file (from 1). ``missing_hint`` says what else can be
    done where architectures are missing; with ``gaps``, empty cells of a CSV file are NaN.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; put it there or mend the setting `file`")
    if path.suffix.lower() not in _READERS:
        raise InputError(f"{path}: unknown form {path.suffix!r}; expected .csv or .parquet")
    names, archs = columns.names(), space.all_texts()
    key, *others = names
    numbers, rows = {arch: number for number, arch in enumerate(archs)}, [""] * len(archs)
    values = {name: np.full(len(archs), np.nan) for name in others}
    for row, (key_cell, *cells) in _READERS[path.suffix.lower()](path, list(names.values())):
        where = f"{path}, {row}, column {names[key]!r}"
        if key == "index":
            index, last = _number(key_cell, f"{where}: index"), len(archs) - 1
            if not (index.is_integer() and 0 <= index <= last):
                raise InputError(f"{where}: index {index:g}; expected an integer in 0..{last}")
            number = int(index)
        elif isinstance(key_cell, str) and key_cell in numbers:
            number = numbers[key_cell]
        else:
            raise InputError(f"{where}: {_no_architecture(key_cell, space)}")
        if rows[number]:
            twice = f"gives {archs[number]} again, which {rows[number]} gives already; leave one"
            raise InputError(f"{path}, {row}: {twice}")
        rows[number] = row
        for name, cell in zip(others, cells, strict=True):
            where = f"{path}, {row}, column {names[name]!r} ({archs[number]}): {name}"
            values[name][number] = _number(cell, where, gaps=gaps)
    missing = [arch for arch, row in zip(archs, rows, strict=True) if not row]
    if missing:
        raise InputError(
            f"{path}: {len(missing):,} of {len(archs):,} architectures are missing, the first of "
            f"them {missing[0]}{missing_hint}"
        )

    def place(number: int, column: str) -> str:
        return f"{path}, {rows[number]}, column {names[column]!r} ({archs[number]})"

    return UserTable(values, place, checksum(path)[:12])


class SomeRows(NamedTuple):
    """Numbers of some architectures of a space, canonical texts (N), in the order of a file.

    ``values``, ``place`` and ``sha256`` are those of :class:`UserTable`.
    """

    archs: list[str]
    values: Mapping[str, np.ndarray]
    place: Place
    sha256: str


def read_some(path: Path, columns: Columns, *, space: Space, gaps: bool = False) -> SomeRows:
    """Read numbers of some architectures, as :func:`read` does those of all, of any space."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; put it there or mend the setting `file`")
    if path.suffix.lower() not in _READERS:
        raise InputError(f"{path}: unknown form {path.suffix!r}; expected .csv or .parquet")
    names = columns.names()
    key, *others = names
    rows: dict[str, str] = {}
    values: dict[str, list[float]] = {name: [] for name in others}
    for row, (key_cell, *cells) in _READERS[path.suffix.lower()](path, list(names.values())):
        where = f"{path}, {row}, column {names[key]!r}"
        if key == "index":
            if not space.enumerable:
                raise InputError(f"{where}: {space.name} has no indices; name a column `arch`")
            index, last = _number(key_cell, f"{where}: index"), len(space.all_texts()) - 1
            if not (index.is_integer() and 0 <= index <= last):
                raise InputError(f"{where}: index {index:g}; expected an integer in 0..{last}")
            arch = space.all_texts()[int(index)]
        else:
            try:
                arch = space.to_text(space.from_text(key_cell))
            except (InputError, TypeError, AttributeError):
                raise InputError(f"{where}: {_no_architecture(key_cell, space)}") from None
        if arch in rows:
            twice = f"gives {arch} again, which {rows[arch]} gives already; leave one"
            raise InputError(f"{path}, {row}: {twice}")
        rows[arch] = row
        for name, cell in zip(others, cells, strict=True):
            where = f"{path}, {row}, column {names[name]!r} ({arch}): {name}"
            values[name].append(_number(cell, where, gaps=gaps))
    archs = list(rows)

    def place(number: int, column: str) -> str:
        return f"{path}, {rows[archs[number]]}, column {names[column]!r} ({archs[number]})"

    found = {name: np.array(column, dtype=np.float64) for name, column in values.items()}
    return SomeRows(archs, found, place, checksum(path)[:12])


def numbers(path: Path, column: str) -> np.ndarray:
    """Return the numbers in a column of a CSV or Parquet file, whatever they are about, float64.

    What is none is NaN; there are none where the file cannot be read.
    """
    found = []
    with contextlib.suppress(InputError, KeyError):
        for _, (cell,) in _READERS[path.suffix.lower()](path, [column]):
            try:
                found.append(_number(cell, ""))
            except InputError:
                found.append(float("nan"))
    return np.array(found, dtype=np.float64)


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


def _number(cell: Any, place: str, *, gaps: bool = False) -> float:
    """Return a cell as a number; one that is missing in a Parquet file is NaN, or any ``gaps``."""
    if cell is None or (gaps and isinstance(cell, str) and not cell.strip()):
        return float("nan")
    if isinstance(cell, str) and not cell.strip():
        raise InputError(f"{place} is empty; expected a number")
    is_number = isinstance(cell, str | int | float | Decimal) and not isinstance(cell, bool)
    if is_number and "_" not in str(cell):  # Python would read 1_000
        with contextlib.suppress(ValueError):
            return float(cell)
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

    with reading(path, "Parquet"):
        with parquet.ParquetFile(path) as file:
            schema, count = file.schema_arrow, file.metadata.num_rows
        _check_header(path, schema.names, wanted)
        if count > _MOST_ROWS:
            raise InputError(f"{path}: {count:,} rows; expected at most {_MOST_ROWS:,}")
        texts = []
        for name in wanted:
            kind = schema.field(name).type
            if types.is_nested(kind):
                raise InputError(f"{path}: column {name!r} holds {kind}; expected one value")
            kind = kind.value_type if types.is_dictionary(kind) else kind
            if types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind):
                texts.append(name)
        # Texts that repeat are kept once, so that a small file cannot unpack to a huge one.
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            table = file.read(columns=list(wanted))
        for name in texts:
            kept = [text for chunk in table.column(name).chunks for text in chunk.dictionary]
            longest = max((len(text.as_buffer() or b"") for text in kept), default=0)
            if longest > _LONGEST_CELL:
                raise InputError(
                    f"{path}: column {name!r} holds a text of {longest:,} bytes; expected at most "
                    f"{_LONGEST_CELL:,}"
                )
        columns = [table.column(name).to_pylist() for name in wanted]
    for number, cells in enumerate(zip(*columns, strict=True), start=1):
        yield f"row {number}", list(cells)


_READERS = {".csv": _csv_rows, ".parquet": _parquet_rows}


def _check_header(path: Path, header: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in header:
            known = ", ".join(map(repr, header))[:500]
            raise InputError(f"{path}: has no column {name!r}; it has: {known}")
        if list(header).count(name) > 1:
            raise InputError(f"{path}: has more than one column {name!r}")
