"""Reading the user's own CSV and Parquet files: what is wrong is named by row and column."""

import contextlib
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nb201_space import nb201
from pyarrow import parquet

from hanas.core.errors import InputError
from hanas.data.tables import user_tables

TEXTS = nb201.all_texts()
ARCHS = TEXTS[:6]
#: A space of its first cells only.
SPACE = SimpleNamespace(all_texts=lambda: ARCHS, from_text=nb201.from_text)
COLUMNS = {"arch": "cell", "latency_ms": "ms"}


class Latencies(user_tables.Columns):
    latency_ms: str


def csv_text(archs=ARCHS, cells=None) -> str:
    cells = cells or [f"{number + 0.5}" for number in range(len(archs))]
    return "\n".join(["cell,ms", *map(",".join, zip(archs, cells, strict=True))]) + "\n"


def read(folder, content, columns=COLUMNS, name="mine.csv"):
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    else:
        parquet.write_table(pa.table(content), path)
    return user_tables.read(path, Latencies.read(columns), space=SPACE)


def refusal(*arguments, **keywords) -> str:
    with pytest.raises(InputError) as caught:
        read(*arguments, **keywords)
    return str(caught.value)


def test_rows_come_in_the_order_asked_for(tmp_path):
    order = [4, 0, 5, 2, 1, 3]
    text = csv_text([ARCHS[i] for i in order], [str(10.0 * i) for i in order])
    table = read(tmp_path, text)
    np.testing.assert_array_equal(table.values["latency_ms"], [0, 10, 20, 30, 40, 50])
    lines = [table.place(number, "latency_ms").split(", ")[1] for number in range(6)]
    assert lines == ["line 3", "line 6", "line 5", "line 7", "line 2", "line 4"]
    assert table.place(2, "latency_ms").endswith(f"mine.csv, line 5, column 'ms' ({ARCHS[2]})")


def test_forms_of_csv_that_mean_the_same(tmp_path):
    expected = read(tmp_path, csv_text()).values["latency_ms"]
    for text in (
        "\ufeff" + csv_text(),  # what a spreadsheet writes
        csv_text().replace("\n", "\r\n"),
        csv_text().rstrip("\n"),
        csv_text().replace("cell,ms", '"cell","ms"'),
        csv_text(cells=[f" {number + 0.5} " for number in range(6)]),
    ):
        np.testing.assert_array_equal(read(tmp_path, text).values["latency_ms"], expected)


def test_line_numbers_are_those_of_an_editor(tmp_path):
    lines = csv_text().splitlines()
    lines[1:1] = ["", ""]
    assert ", line 4," in read(tmp_path, "\n".join(lines)).place(0, "latency_ms")
    text = '"ce\nll",ms\n' + "\n".join(lines[3:])
    table = read(tmp_path, text, {"arch": "ce\nll", "latency_ms": "ms"})
    assert ", line 3," in table.place(0, "latency_ms")


def test_rows_may_be_named_by_their_official_index(tmp_path):
    columns = {"index": "number", "latency_ms": "ms"}
    lines = ["number,ms", *(f"{number},{number + 1}" for number in reversed(range(6)))]
    table = read(tmp_path, "\n".join(lines), columns)
    np.testing.assert_array_equal(table.values["latency_ms"], [1, 2, 3, 4, 5, 6])
    content = {"number": [0.0, 1, 2, 3, 4, 5], "ms": [1, 2, 3, 4, 5, 6]}
    table = read(tmp_path, content, columns, "mine.parquet")
    np.testing.assert_array_equal(table.values["latency_ms"], [1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3, 4, 5, 6],
        pa.array([1, 2, 3, 4, 5, 6], pa.float32()),
        [Decimal(number) for number in range(1, 7)],
        ["1", "2.0", "3e0", "4", "5", "6"],
    ],
    ids=["integers", "float32", "decimals", "texts"],
)
def test_numbers_in_a_parquet_file_may_have_any_type(tmp_path, values):
    table = read(tmp_path, {"cell": ARCHS, "ms": values}, name="mine.parquet")
    np.testing.assert_array_equal(table.values["latency_ms"], [1, 2, 3, 4, 5, 6])
    assert table.values["latency_ms"].dtype == np.float64


def test_a_parquet_file_with_an_index_of_pandas(tmp_path):
    frame = pd.DataFrame({"cell": ARCHS, "ms": np.arange(6.0)}).set_index("cell")
    frame.to_parquet(tmp_path / "mine.parquet")
    columns = Latencies.read(COLUMNS)
    table = user_tables.read(tmp_path / "mine.parquet", columns, space=SPACE)
    np.testing.assert_array_equal(table.values["latency_ms"], np.arange(6.0))


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("fast", "'fast'"),
        ("", "is empty"),
        ("  ", "is empty"),
        ("1_000", "'1_000'"),
        ("1.5 ms", "'1.5 ms'"),
        ('"1,5"', "'1,5'"),
        ("True", "'True'"),
    ],
)
def test_a_cell_that_is_no_number(tmp_path, cell, said):
    message = refusal(tmp_path, csv_text(cells=["1", "1", "1", cell, "1", "1"]))
    for part in ("mine.csv, line 5, column 'ms'", ARCHS[3], "latency_ms", said):
        assert part in message


@pytest.mark.parametrize("values", [[True] * 6, [b"1"] * 6], ids=str)
def test_a_parquet_column_that_holds_no_numbers(tmp_path, values):
    message = refusal(tmp_path, {"cell": ARCHS, "ms": values}, name="mine.parquet")
    assert "mine.parquet, row 1, column 'ms'" in message
    assert "expected a number" in message


@pytest.mark.parametrize("value", [[1.0], {"ms": 1.0}], ids=str)
def test_a_parquet_column_that_holds_many_values_a_row(tmp_path, value):
    message = refusal(tmp_path, {"cell": ARCHS, "ms": [value] * 6}, name="mine.parquet")
    assert "mine.parquet: column 'ms' holds" in message
    assert "expected one value" in message


def test_what_a_parquet_file_lacks_is_nan(tmp_path):
    values = [1.0, None, 1.0, 1.0, 1.0, 1.0]
    table = read(tmp_path, {"cell": ARCHS, "ms": values}, name="mine.parquet")
    assert np.isnan(table.values["latency_ms"]).tolist() == [False, True] + [False] * 4
    assert table.place(1, "latency_ms").endswith(f"row 2, column 'ms' ({ARCHS[1]})")


def test_missing_architectures_are_counted_and_named(tmp_path):
    archs = [ARCHS[0], ARCHS[2], ARCHS[3], ARCHS[5]]
    message = refusal(tmp_path, csv_text(archs))
    assert "2 of 6 architectures are missing" in message
    assert ARCHS[1] in message


def test_an_architecture_given_twice_is_named_with_both_places(tmp_path):
    message = refusal(tmp_path, csv_text([*ARCHS, ARCHS[2]]))
    for part in ("mine.csv, line 8", ARCHS[2], "line 4"):
        assert part in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXTS[3].replace("~0|+", "~1|+", 1), "expected the form"),
        ("|nor_conv_5x5~0|+|none~0|none~1|+|none~0|none~1|none~2|", "'nor_conv_5x5'"),
        ("", "expected the form"),
        ("3", "expected the form"),
        (TEXTS[3] + " ", "expected the form"),
        ("x" * 10_000, "a text of 10,000 characters"),
    ],
)
def test_a_text_that_is_no_architecture(tmp_path, text, said):
    message = refusal(tmp_path, csv_text([*ARCHS[:3], text, *ARCHS[4:]]))
    assert "mine.csv, line 5, column 'cell'" in message
    assert said in message
    assert len(message) < 1000


def test_an_architecture_column_without_texts(tmp_path):
    message = refusal(tmp_path, {"cell": [1, 2, 3], "ms": [1, 2, 3]}, name="mine.parquet")
    assert "row 1, column 'cell': no text" in message


@pytest.mark.parametrize("index", ["-1", "15625", "1.5", "nan", "inf", "one", ""])
def test_an_index_outside_the_space(tmp_path, index):
    columns = {"index": "number", "latency_ms": "ms"}
    message = refusal(tmp_path, f"number,ms\n0,1\n{index},1\n", columns)
    assert "mine.csv, line 3, column 'number': index" in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"cell;ms\na;1\n", "separated by semicolons"),
        (b"cell,ms,ms\n", "more than one column 'ms'"),
        (b"cell,ms\n\xff,1\n", "not UTF-8"),
        (b'cell,ms\n"a" b,1\n', "line 2: no CSV"),
        (b'cell,ms\n"a,1\n', "line 2: no CSV"),
        (b"cell,ms\n" + ARCHS[0].encode() + b",1,2\n", "line 2: 3 cells, but the header has 2"),
        (b"cell,ms\n" + b"x" * 200_000 + b",1\n", "line 2: no CSV"),
    ],
)
def test_a_file_that_is_no_table(tmp_path, content, said):
    assert said in refusal(tmp_path, content)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" * 100, b"cell,ms\n"])
def test_a_damaged_parquet_file(tmp_path, content):
    message = refusal(tmp_path, content, name="mine.parquet")
    assert "mine.parquet: not readable as Parquet" in message


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"latency_ms": "ms"}, "neither arch nor index is given"),
        ({"arch": "cell", "index": "number", "latency_ms": "ms"}, "arch and index are both given"),
        ({"arch": "cel", "latency_ms": "ms"}, "has no column 'cel'; it has: 'cell', 'ms'"),
        ({"arch": "cell", "latency_ms": "mz"}, "has no column 'mz'; it has: 'cell', 'ms'"),
    ],
)
def test_columns_that_cannot_be_found(tmp_path, columns, said):
    assert said in refusal(tmp_path, csv_text(), columns)


def test_a_file_that_is_not_there_or_of_another_form(tmp_path):
    for name, said in (("gone.csv", "no such file"), (".", "no such file")):
        with pytest.raises(InputError, match=said):
            user_tables.read(tmp_path / name, Latencies.read(COLUMNS), space=SPACE)
    assert "unknown form '.xlsx'" in refusal(tmp_path, csv_text(), name="mine.xlsx")


VALID_CSV = csv_text().encode()
VALID_PARQUET = pa.BufferOutputStream()
parquet.write_table(pa.table({"cell": ARCHS, "ms": [1.5] * 6}), VALID_PARQUET)
VALID_PARQUET = VALID_PARQUET.getvalue().to_pybytes()
fuzzing = settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _read_or_refused(folder, content, name):
    """Any other exception than InputError fails the test; what is read is whole."""
    with contextlib.suppress(InputError):
        table = read(folder, content, name=name)
        assert len(table.values["latency_ms"]) == len(ARCHS)


@pytest.mark.slow
@fuzzing
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_garbage_is_refused(tmp_path, content):
    for text in (content, b"cell,ms\n" + content):
        assert "mine.csv" in refusal(tmp_path, text)
    assert "mine.parquet" in refusal(tmp_path, content, name="mine.parquet")


@pytest.mark.slow
@fuzzing
@given(st.data())
def test_changed_bytes_give_numbers_or_an_input_error(tmp_path, data):
    for valid, name in ((VALID_CSV, "mine.csv"), (VALID_PARQUET, "mine.parquet")):
        content = bytearray(valid)
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        _read_or_refused(tmp_path, bytes(content), name)


@pytest.mark.slow
@fuzzing
@given(st.integers(0, len(VALID_PARQUET) - 1))
def test_truncated_files_are_refused(tmp_path, size):
    assert "mine.parquet" in refusal(tmp_path, VALID_PARQUET[:size], name="mine.parquet")
    shorter = VALID_CSV[: min(size, VALID_CSV.rindex(b",") + 1)]
    assert "mine.csv" in refusal(tmp_path, shorter)


@pytest.mark.slow
@fuzzing
@given(st.lists(st.floats(allow_nan=False), min_size=6, max_size=6))
def test_numbers_are_read_as_they_were_written(tmp_path, numbers):
    table = read(tmp_path, csv_text(cells=[repr(number) for number in numbers]))
    np.testing.assert_array_equal(table.values["latency_ms"], numbers)
    table = read(tmp_path, {"cell": ARCHS, "ms": numbers}, name="mine.parquet")
    np.testing.assert_array_equal(table.values["latency_ms"], numbers)
