"""Read numbers of architectures from a CSV or Parquet file of the user's.

The settings say which column holds what; every architecture must be there exactly once.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hanas.core import plugins
from hanas.core.errors import InputError, one_line
from hanas.core.files import checksum

if TYPE_CHECKING:
    import pyarrow as pa

KEYS = ("arch", "index")  # columns that say which architecture a row is about
_LONGEST_TEXT = 300  # that an error message quotes
_LONGEST_CELL = 10_000
_MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class UserTable:
    """Numbers of a file, one row for each architecture that was asked for.

    Parameters
    ----------
    path
        The file.
    sha256
        The first 12 hexadecimal digits of its checksum.
    columns
        The file's name of each column.
    rows
        How a person finds each row: ``line 17`` or ``row 16``.
    archs
        The architectures, in the order that they were asked for.
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


def read(root: Path, settings: Mapping[str, Any], archs: Sequence[str], *, space: str) -> UserTable:
    """Read the columns that settings name.

    Parameters
    ----------
    root
        Folder that a relative path starts from.
    settings
        ``file``: path of a ``.csv`` (UTF-8, commas, a header) or ``.parquet`` file. ``columns``:
        the file's name of ``arch`` (canonical text) or ``index`` (official index), and of each
        column with numbers.
    archs
        Canonical texts that must be there; other architectures of the space may be too.
    space
        Name of the space.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column or an architecture, has one twice, or has a cell
        that is no architecture or no number. The message names the line of a CSV file (the header
        is line 1) or the row of a Parquet file (the first row is row 1).
    """
    path, columns = root / Path(settings["file"]).expanduser(), dict(settings["columns"])
    keys = [key for key in KEYS if key in columns]
    if len(keys) != 1:
        given = "arch and index are both" if keys else "neither arch nor index is"
        raise InputError(
            f"columns of {path}: {given} given; name one column that says which architecture a "
            "row is about"
        )
    if not path.is_file():
        raise InputError(f"{path}: no such file; put it there or mend the setting `file`")
    readers = {".csv": _csv_rows, ".parquet": _parquet_rows}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: unknown form {path.suffix!r}; expected .csv or .parquet")
    names = [*keys, *(name for name in columns if name not in KEYS)]
    found = readers[path.suffix.lower()](path, [columns[name] for name in names])
    rows, values = _arranged(found, names, archs, path=path, columns=columns, space=space)
    return UserTable(path, checksum(path)[:12], columns, rows, archs, values)


def _arranged(
    found: Iterator[tuple[str, list[Any]]],
    names: Sequence[str],
    archs: Sequence[str],
    *,
    path: Path,
    columns: Mapping[str, str],
    space: str,
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Bring the rows of a file, key first, into the order of the architectures."""
    key, *numbers = names
    identify = _Identify(key, space)
    number_of_arch = {arch: number for number, arch in enumerate(archs)}
    rows = [""] * len(archs)
    values = {name: np.full(len(archs), np.nan) for name in numbers}
    for row, (key_cell, *cells) in found:
        try:
            arch = identify(key_cell)
        except InputError as error:
            raise InputError(f"{path}, {row}, column {columns[key]!r}: {error}") from error
        number = number_of_arch.get(arch)
        if number is None:  # an architecture of the space that nobody asked for
            continue
        if rows[number]:
            raise InputError(
                f"{path}, {row}: gives {arch} again, which {rows[number]} gives already; leave one"
            )
        rows[number] = row
        for name, cell in zip(numbers, cells, strict=True):
            try:
                values[name][number] = _number(cell)
            except InputError as error:
                place = f"{path}, {row}, column {columns[name]!r} ({arch})"
                raise InputError(f"{place}: {name} {error}") from error
    missing = [arch for arch, row in zip(archs, rows, strict=True) if not row]
    if missing:
        raise InputError(
            f"{path}: {len(missing):,} of {len(archs):,} architectures are missing, the first of "
            f"them {missing[0]}"
        )
    return rows, values


class _Identify:
    """Find the architecture that the key of a row means."""

    def __init__(self, key: str, space: str):
        self._space = plugins.space(space)
        self._key = key
        self._known: tuple[str, ...] = self._space.all_texts()
        self._texts = frozenset(self._known)

    def __call__(self, cell: Any) -> str:
        if self._key == "index":
            return self._of_index(cell)
        if not isinstance(cell, str):
            raise InputError("no text of an architecture")
        if cell not in self._texts:
            if len(cell) > _LONGEST_TEXT:
                raise InputError(f"no architecture: a text of {len(cell):,} characters")
            self._space.from_text(cell)  # says what is wrong with it
            raise InputError(f"no architecture of the space: {cell!r}")
        return cell

    def _of_index(self, cell: Any) -> str:
        try:
            number = _number(cell)
        except InputError as error:
            raise InputError(f"index {error}") from error
        if not (number.is_integer() and 0 <= number < len(self._known)):
            raise InputError(f"index {number:g}; expected an integer in 0..{len(self._known) - 1}")
        return self._known[int(number)]


def _number(cell: Any) -> float:
    """Return a cell as a number; one that is missing in a Parquet file is NaN."""
    if cell is None:
        return float("nan")
    if isinstance(cell, str):
        if not cell.strip():
            raise InputError("is empty; expected a number")
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
    raise InputError(f"is {shown[:60]}; expected a number")


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
            for name in wanted:
                if types.is_nested(schema.field(name).type):
                    kind = schema.field(name).type
                    raise InputError(f"{path}: column {name!r} holds {kind}; expected one value")
        # Texts that repeat are kept once, so that a small file cannot unpack to a huge one.
        texts = [name for name in wanted if _is_text(schema.field(name).type)]
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            table = file.read(columns=list(dict.fromkeys(wanted)))
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
