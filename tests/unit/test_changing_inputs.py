"""A user's file that is edited while a job reads it: facts are true, or the job says so."""

import json
import os
import shutil
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nb201_space import nb201
from studies import TINY, JobFailed, graph_of, run_job

from hanas.core.files import checksum
from hanas.devices.table import TableDevice
from hanas.study import runs

NAMES = {"device": "mine", "space": "nb201", "dataset": "toy"}
FACTS = Path("results/devices/mine/nb201/toy.json")


def write(path, add=0.0):
    latencies = np.linspace(3, 5, 15625) + add
    pd.DataFrame({"a": nb201.all_texts(), "ms": latencies}).to_csv(path, index=False)


@pytest.fixture
def table(tmp_path):
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "mine.csv")
    with chdir(tmp_path):
        yield tmp_path / "data" / "mine.csv"


def run(folder):
    of = {"file": "mine.csv", "columns": {"arch": "a", "latency_ms": "ms"}}
    devices = {"mine": {"kind": "table", "datasets": {"toy": of}}}
    config = TINY | {"devices": devices, "retrainings": {}}
    graph = graph_of(config, folder)
    run_job(graph, graph.device_table(**NAMES), "device_table", NAMES)
    return json.loads(FACTS.read_text())["inputs"], pd.read_parquet(FACTS.with_suffix(".parquet"))


def edited(monkeypatch, edit, after=lambda: None):
    """Edit the file after the job has begun and before it is read, and once it was."""
    read = TableDevice.table

    def slow(*arguments):
        edit()
        found = read(*arguments)
        after()
        return found

    monkeypatch.setattr(TableDevice, "table", slow)


def test_a_file_from_the_future_is_told(table):
    assert runs.from_the_future(table) == ""
    os.utime(table, (4e9, 4e9))
    assert runs.from_the_future(table).startswith("2096-10-0")


def test_the_facts_hold_what_was_read(table):
    inputs, found = run(table.parent)
    assert [each["sha256"] for each in inputs.values()] == [checksum(table)]
    assert found["latency_ms"].iloc[0] == 3


def test_an_edit_meanwhile_is_told(table, monkeypatch):
    edited(monkeypatch, lambda: write(table, 1.0))
    with pytest.raises(JobFailed, match=r"mine\.csv was changed while this job was waiting or run"):
        run(table.parent)
    assert not FACTS.exists()


def test_an_edit_after_reading_is_told(table, monkeypatch):
    edited(monkeypatch, lambda: None, after=lambda: write(table, 1.0))
    with pytest.raises(JobFailed, match="was changed while"):
        run(table.parent)


@pytest.mark.parametrize("times", [True, False], ids=["with its old times", "with new times"])
def test_an_edit_that_was_taken_back_is_told(table, monkeypatch, times):
    before, kept = table.stat(), table.with_name("kept.csv")
    shutil.copy2(table, kept)

    def back():
        shutil.copy2(kept, table)
        if times:
            os.utime(table, ns=(before.st_atime_ns, before.st_mtime_ns))

    edited(monkeypatch, lambda: write(table, 1.0), after=back)
    with pytest.raises(JobFailed, match="was changed while"):
        run(table.parent)


def test_a_file_that_goes_and_comes_back_is_told(table, monkeypatch):
    other, kept = table.with_name("other.csv"), table.with_name("kept.csv")
    write(other, 1.0)

    def swap():
        table.rename(kept)
        other.rename(table)

    def back():
        table.unlink()
        kept.rename(table)

    edited(monkeypatch, swap, after=back)
    with pytest.raises(JobFailed, match="was changed while"):
        run(table.parent)
