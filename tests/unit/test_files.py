import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hanas.core import files
from hanas.core.errors import InputError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def write_half() -> None:
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_equal_tables_give_equal_bytes(tmp_path):
    frame = pd.DataFrame({"arch": ["a", "b"], "latency_ms": [1.5, np.nan]})
    files.write_parquet(frame, tmp_path / "one.parquet")
    files.write_parquet(frame.copy(), tmp_path / "two.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    pd.testing.assert_frame_equal(files.read_parquet(tmp_path / "one.parquet"), frame)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"{"])
@pytest.mark.parametrize("read", [files.read_parquet, files.read_json])
def test_damaged_files_are_named(tmp_path, content, read):
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read(path)


def test_json_that_is_no_object(tmp_path):
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(InputError, match="expected a JSON object"):
        files.read_json(tmp_path / "list.json")


@pytest.mark.parametrize(
    "module",
    [
        "hanas.core.files",
        "hanas.core.yaml_files",
        "hanas.core.plugins",
        "hanas.study.runs",
    ],
)
def test_what_rules_import_is_light(module):
    code = (
        f"import sys, {module}; heavy = {{'torch', 'pandas', 'numpy', 'pymoo'}} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_tables_of_text_come_back_to_the_last_bit(tmp_path):
    numbers = np.random.default_rng(0).random(1000) * 10.0 ** np.arange(-8, 12).repeat(50)
    frame = pd.DataFrame({"name": ["none", "NA"] * 500, "value": numbers})
    frame.loc[3, "value"] = np.nan
    files.write_csv(frame, tmp_path / "table.csv")
    pd.testing.assert_frame_equal(files.read_csv(tmp_path / "table.csv"), frame, check_exact=True)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a\n1,2\n3\n4,5,6"])
def test_damaged_tables_of_text(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"table\.csv: not readable as CSV"):
        files.read_csv(path)


def test_what_a_killed_write_left_goes_away_with_the_next_or_with_the_file(tmp_path):
    script = (
        "import os, signal, sys\n"
        "from hanas.core.files import replacing\n"
        "with replacing(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path, other = tmp_path / "one.pt", tmp_path / f".two.pt.{os.getpid()}.tmp"
    other.write_text("of a process that lives")
    for clean_up in (lambda: files.write_json(path, {}), lambda: files.discard(path)):
        subprocess.run([sys.executable, "-c", script, str(path)], check=False)
        assert len(list(tmp_path.glob(".one.pt.*.tmp"))) == 1
        clean_up()
        assert not list(tmp_path.glob(".one.pt.*.tmp"))
    assert not path.exists()
    files.discard(tmp_path / "two.pt")
    assert other.exists()
