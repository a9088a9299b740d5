import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from some_devices import device

from hanas.core.errors import InputError
from hanas.devices.measuring import board_queue
from hanas.devices.measuring.measure import Model, measure_models
from hanas.devices.measuring.records import COLUMNS

ROOT = Path(__file__).parents[2]
#: Each model file holds its name; models are measured as often as their name is in this file.
NOTE = 'echo "$(cat {model})" >> noted; '


#: How often a model is written to be run on this host, to compare; the fake ones cannot be.
COMPARED = 1


class Writer:
    """Writes the name of a model into its file and counts how often."""

    def __init__(self, name: str) -> None:
        self.name, self.calls = name, 0

    def __call__(self, file: Path) -> None:
        self.calls += 1
        file.write_text(self.name)


def models(*names: str, key: bool = True) -> dict[str, Model]:
    return {name: Model(Writer(name), f"model {name}" if key else None) for name in names}


def measure(which, workspace: Path, log=None, **settings):
    """Measure in a row, one model after the other; in rounds with ``statistic="low_quantile"``."""
    in_a_row = {"statistic": "mean", "pause_seconds": 0.01, "again": 0, "timeout_seconds": 20}
    settings = {**in_a_row, **settings}
    log = log or (lambda line: None)
    return measure_models(which, device("command", **settings), workspace=workspace, log=log)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    """Commands write their notes into a folder of their own; locks disturb no other test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(board_queue, "FOLDER", tmp_path)


def noted(file: str = "noted") -> list[str]:
    return Path(file).read_text().split() if Path(file).exists() else []


def test_a_table_of_measured_models(tmp_path):
    table = measure(
        models("a", "b"),
        tmp_path / "kept",
        command=""": {model} {passes}; echo '{"latency_ms": [1, 2, 2, 2, 3], "runtime": "R 2"}'""",
        statistic="median",
        spread_limit=5,
        batch=2,
        threads=3,
    )
    assert list(table.columns) == [name for name in COLUMNS if name != "energy_mj"]
    assert table["arch"].tolist() == ["a", "b"]
    row = table.iloc[0]
    assert row["feasible"]
    assert row["latency_ms"] == 1  # of an image: half of a pass
    assert row["latency_mean_ms"] == row["latency_median_ms"] == 1
    assert (row["latency_q25_ms"], row["latency_q75_ms"]) == (1, 1)
    assert (row["passes"], row["batch"], row["threads"]) == (5, 2, 3)
    assert row["source"] == (
        "measured: R 2, 3 threads, float32, per image of batch 2, median of 5 passes, the board"
    )
    assert table["again_latency_ms"].isna().all()


def test_energy_is_a_column_where_the_device_tells_it(tmp_path):
    command = """: {model}; echo '{"latency_ms": 1, "energy_mj": 7}'"""
    table = measure(models("a"), tmp_path / "kept", command=command)
    assert table["energy_mj"].tolist() == [7]
    table = measure(models("a"), tmp_path / "kept", command=command, batch=2)
    assert table["energy_mj"].tolist() == [3.5]


def test_the_statistic_is_the_mean_unless_asked_otherwise(tmp_path):
    command = ": {model}; echo '[1, 1, 4]'"
    table = measure(models("a"), tmp_path / "kept", command=command, spread_limit=9)
    assert table["latency_ms"].tolist() == [2]
    assert table["latency_median_ms"].tolist() == [1]


@pytest.mark.parametrize("key", [True, False])
def test_nothing_is_measured_twice(tmp_path, key):
    settings = {"command": NOTE + "echo 1"}
    first = models("a", "b", key=key)
    before = measure(first, tmp_path / "kept", **settings)
    again = models("b", "c", "a", key=key)
    after = measure(again, tmp_path / "kept", **settings)
    assert noted() == ["a", "b", "c"]
    assert after["arch"].tolist() == ["b", "c", "a"]
    assert after.iloc[2].to_dict() == before.iloc[0].to_dict() | {
        "again_latency_ms": pytest.approx(float("nan"), nan_ok=True)
    }
    if key:
        written: list = [model.write for model in again.values()]
        assert [write.calls for write in written] == [0, 1 + COMPARED, 0]


@pytest.mark.parametrize(
    ("changed", "measured_anew"),
    [
        ({"threads": 2}, True),
        ({"batch": 2}, True),
        ({"precision": "int8"}, True),
        ({"command": ": other; " + NOTE + "echo 1"}, True),
        ({"passes": 3}, False),  # the command is not told
        ({"statistic": "median"}, False),
        ({"timeout_seconds": 30}, False),
        ({"pause_seconds": 0.02}, False),
    ],
)
def test_measured_again_is_what_was_measured_otherwise(tmp_path, changed, measured_anew):
    settings = {"command": NOTE + "echo 1"}
    measure(models("a"), tmp_path / "kept", **settings)
    measure(models("a"), tmp_path / "kept", **(settings | changed))
    assert len(noted()) == 1 + measured_anew


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-40], lambda text: text.replace("1.0", "2.0")]
)
def test_a_damaged_file_is_not_believed(tmp_path, damage):
    measure(models("a"), tmp_path / "kept", command=NOTE + "echo 1")
    (file,) = (tmp_path / "kept").iterdir()
    file.write_text(damage(file.read_text()))
    table = measure(models("a"), tmp_path / "kept", command=NOTE + "echo 1")
    assert noted() == ["a", "a"]
    assert table["latency_ms"].tolist() == [1]


def test_boards_share_the_models_and_each_measures_one_at_a_time(tmp_path):
    # A board that is used twice at once finds its folder there and fails.
    command = "mkdir {board} && sleep 0.05 && rmdir {board} && echo 1; : {model}"
    boards = {name: command for name in ("x", "y", "z")}
    names = [str(number) for number in range(12)]
    table = measure(models(*names), tmp_path / "kept", boards=boards, board_tries=1)
    assert table["arch"].tolist() == names
    assert table["feasible"].all()
    assert set(table["board"]) == {"x", "y", "z"}


def test_boards_measure_at_the_same_time(tmp_path):
    # Each board waits until the other has begun.
    wait = "touch {board}; while ! test -e %s; do sleep 0.01; done; echo 1; : {model}"
    boards = {"x": wait % "y", "y": wait % "x"}
    table = measure(models("a", "b"), tmp_path / "kept", boards=boards)
    assert set(table["board"]) == {"x", "y"}


def test_a_board_that_vanishes_gives_its_model_to_the_others(tmp_path):
    # x measures two models and is unplugged; y begins after that.
    boards = {
        "x": NOTE + "test $(wc -l < noted) -le 2 && echo 1 || { touch dead; exit 1; }",
        "y": "while ! test -e dead; do sleep 0.01; done; echo 2; : {model}",
    }
    lines: list[str] = []
    table = measure(models(*"abcde"), tmp_path / "kept", lines.append, boards=boards, board_tries=2)
    assert table["feasible"].all()
    assert sorted(table["board"]) == ["x", "x", "y", "y", "y"]
    assert any("x failed with" in line and "it is given up" in line for line in lines)


def test_a_board_that_comes_back_goes_on(tmp_path):
    # Unplugged at the second model, for two tries.
    tries = NOTE + "n=$(wc -l < noted); test $n -eq 1 -o $n -ge 4 && echo 1"
    table = measure(models(*"abc"), tmp_path / "kept", command=tries)
    assert table["feasible"].all()
    assert table["board"].tolist() == ["the board"] * 3


def test_when_all_boards_are_gone_the_next_run_measures_the_rest(tmp_path):
    plugged, cut = Path("plugged"), Path("cut")
    plugged.touch()
    cut.touch()
    command = (
        "test -e plugged || { echo unreachable {board} >&2; exit 1; }; "
        + NOTE
        + "test -e cut && test $(wc -l < noted) -ge 3 && rm -f plugged; echo 1"
    )
    settings = {"boards": {"x": command, "y": command}, "board_tries": 2}
    with pytest.raises(InputError, match="no board is left to measure on") as error:
        measure(models(*"abcdefgh"), tmp_path / "kept", **settings)
    done = noted()
    assert 3 <= len(done) <= 4
    for name in "xy":
        reason = f"ended with exit status 1: unreachable {name}"
        assert f"{name} failed 2 times in a row, at last: the command {reason}" in str(error.value)
    assert f"{len(done)} of 8 models are measured and kept; run it again" in str(error.value)
    plugged.touch()
    cut.unlink()
    table = measure(models(*"abcdefgh"), tmp_path / "kept", **settings)
    assert sorted(noted()) == list("abcdefgh")
    assert table["feasible"].all()


def test_a_missing_tool_ends_the_job_at_once(tmp_path):
    with pytest.raises(InputError, match=r"the board failed: a command was not found.*0 of 2"):
        measure(models("a", "b"), tmp_path / "kept", command="nosuch {model}", pause_seconds=60)


def test_a_model_that_no_board_can_run_is_infeasible(tmp_path):
    command = NOTE + "grep -q bad {model} && { echo no kernel >&2; exit 9; }; echo 1"
    names = ["bad 1", "a", "b", "bad 2"]
    lines: list[str] = []
    table = measure(models(*names), tmp_path / "kept", lines.append, command=command)
    assert table["feasible"].tolist() == [False, True, True, False]
    reason = "times while others could be measured, at last: the command ended with exit status 9"
    assert re.fullmatch(rf"failed \d {reason}: no kernel", table["reason"][0])
    row = table.iloc[0]
    assert np.isnan(row[["latency_ms", "latency_q25_ms", "again_latency_ms"]].astype(float)).all()
    assert (row["passes"], row["repeats"], row["stable"]) == (0, 0, False)
    assert any("bad 2 is infeasible: failed" in line for line in lines)
    Path("noted").unlink()
    lines.clear()
    again = measure(models(*names), tmp_path / "kept", lines.append, command=command)
    assert again.equals(table)
    assert not noted()
    found = re.findall(
        r"bad \d is infeasible: .*found before; delete (.*) to try again", "\n".join(lines)
    )
    assert len(found) == 2
    assert all(Path(file).is_file() for file in found)


def test_a_model_that_one_of_two_boards_cannot_run_is_measured_on_the_other(tmp_path):
    boards = {
        "small": "grep -q big {model} && exit 1; sleep 0.02; echo 1",
        "large": "sleep 0.05; echo 2; : {model}",
    }
    table = measure(models("big 1", "big 2", *"abcdefgh"), tmp_path / "kept", boards=boards)
    assert table["feasible"].all()
    assert table["board"].tolist()[:2] == ["large", "large"]
    assert "small" in set(table["board"])


def test_a_board_that_was_never_there_makes_no_model_infeasible(tmp_path):
    with pytest.raises(InputError, match="0 of 3"):
        measure(models(*"abc"), tmp_path / "kept", command="exit 1; : {model}")
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("period", [2, 3, 4, 5, 7])
def test_a_loose_cable_makes_no_model_infeasible(tmp_path, period):
    # Every second (and so on) measurement fails, whatever the model.
    command = NOTE + f"test $(($(wc -l < noted) % {period})) -ne 0 && echo 1"
    table = measure(models(*"abcdefghij"), tmp_path / "kept", command=command)
    assert table["feasible"].all()


def test_a_model_that_the_device_refuses_is_not_tried_again(tmp_path):
    command = NOTE + """grep -q b {model} && echo '{"infeasible": "too large"}' || echo 1"""
    table = measure(models("a", "b"), tmp_path / "kept", command=command, again=5)
    assert table["feasible"].tolist() == [True, False]
    assert table["reason"].tolist() == ["", "too large"]
    assert noted() == ["a", "b", "a"]
    measure(models("a", "b"), tmp_path / "kept", command=command, again=5)
    assert len(noted()) == 3


def test_all_models_may_be_infeasible(tmp_path):
    command = """: {model}; echo '{"infeasible": "no"}'"""
    table = measure(models("a", "b"), tmp_path / "kept", command=command, again=5)
    assert not table["feasible"].any()


def test_some_models_are_measured_twice_at_the_end(tmp_path):
    # The first round takes 1 ms, the second 1.05 ms.
    command = NOTE + "test $(wc -l < noted) -le 6 && echo 1 || echo 1.05"
    lines: list[str] = []
    settings = {"command": command, "again": 2}
    table = measure(models(*"abcdef"), tmp_path / "kept", lines.append, **settings)
    assert noted()[:6] == list("abcdef")
    twice = table["again_latency_ms"].notna()
    assert sorted(noted()[6:]) == table["arch"][twice].tolist()
    assert twice.sum() == 2
    assert table["again_latency_ms"][twice].tolist() == [1.05, 1.05]
    assert table["again_board"].tolist() == ["the board" if t else "" for t in twice]
    assert table["repeats"].tolist() == [2 if t else 1 for t in twice]
    assert table["stable"].all()
    assert "latencies differ by 4.9% in the median and 4.9% at most" in lines[-1]
    assert measure(models(*"abcdef"), tmp_path / "kept", **settings).equals(table)
    assert len(noted()) == 8


@pytest.mark.parametrize(
    ("later", "stable", "latency", "measured"),
    [
        ([2, 2, 2], False, 1, 4),  # another speed at another time
        ([2, 1.01, 5], True, 1, 3),  # the second measurement was disturbed
        ([1.05, 5, 5], True, 1, 2),
    ],
)
def test_a_model_that_differs_at_the_second_time_is_measured_again_then_flagged(
    tmp_path, later, stable, latency, measured
):
    Path("answers").write_text("\n".join(map(str, [1, *later])))
    command = NOTE + "sed -n $(wc -l < noted)p answers"
    table = measure(models("a"), tmp_path / "kept", command=command, again=1)
    assert table["stable"].tolist() == [stable]
    assert table["latency_ms"].tolist() == [latency]
    assert table["repeats"].tolist() == [measured]
    assert len(noted()) == measured


@pytest.mark.parametrize(
    ("answers", "made", "stable", "mean"),
    [
        (["[1, 2, 3]", "[1, 2, 4]", "[1, 2, 5]"], 3, False, 2),  # the calmest counts
        (["[1, 2, 3]", "[2, 2, 2]", "[9]"], 2, True, 2),
        (["[2, 2, 2, 2, 9]", "[2, 2, 2]", "[9]"], 2, True, 2),  # one pass disturbed the mean
        (["[2, 2.1]", "[9]", "[9]"], 1, True, 2.05),
    ],
)
def test_what_is_unstable_is_repeated_then_flagged(tmp_path, answers, made, stable, mean):
    Path("answers").write_text("\n".join(answers))
    command = NOTE + "sed -n $(wc -l < noted)p answers"
    lines: list[str] = []
    table = measure(models("a"), tmp_path / "kept", lines.append, command=command)
    assert table["stable"].tolist() == [stable]
    assert table["latency_mean_ms"].tolist() == [mean]
    assert table["repeats"].tolist() == [len(noted())]
    assert len(noted()) == made
    assert ("unstable" in lines[0]) is not stable


JOB = """
import sys
from pathlib import Path
from hanas.devices.measuring import board_queue
from hanas.devices.command import CommandDevice
from hanas.devices.measuring.measure import Model, measure_models
board_queue.FOLDER = Path.cwd()

def writer(name):
    def write(file):
        file.write_text(name)
    return Model(write, f"model {name}")

measure_models(
    {name: writer(name) for name in sys.argv[2]},
    CommandDevice(kind="command", command=sys.argv[1], again=1, statistic="mean"),
    workspace=Path("kept"),
    log=lambda line: print(line, flush=True),
)
"""


def job(command: str, names: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(Path.cwd())}
    return subprocess.Popen(
        [sys.executable, "-c", JOB, command, names],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_killed_job_goes_on_where_it_was(tmp_path):
    # The third model takes for ever until the job is killed.
    command = NOTE + "test -e go -o $(wc -l < noted) -ne 3 || sleep 60; echo 1"
    with job(command, "abcd") as killed:
        wait_for(lambda: len(noted()) == 3)
        killed.send_signal(signal.SIGKILL)
    Path("go").touch()
    table = measure(models(*"abcd"), tmp_path / "kept", command=command, again=1)
    assert noted()[:5] == ["a", "b", "c", "c", "d"]
    assert len(noted()) == 6  # one is measured twice
    assert table["feasible"].all()


def test_two_jobs_never_measure_on_one_device_at_once(tmp_path):
    command = (
        "mkdir busy || exit 1; touch begun; while ! test -e go; do sleep 0.01; done; "
        "rmdir busy; echo 1; : {model}"
    )
    with job(command, "a") as other:
        wait_for(Path("begun").exists)
        lines: list[str] = []

        def log(line: str) -> None:
            lines.append(line)
            Path("go").touch()

        table = measure(models("b"), tmp_path / "kept", log, command=command, board_tries=1)
        assert other.wait() == 0
    assert table["feasible"].all()
    assert lines[0].startswith("another process measures on command mkdir busy")


def test_a_wrong_model_file_ends_the_job_with_its_error(tmp_path):
    def write(file: Path) -> None:
        raise InputError("this architecture cannot be built")

    with pytest.raises(InputError, match="cannot be built"):
        measure({"a": Model(write)}, tmp_path / "kept", command="echo 1; : {model}")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"statistic": "mode"}, "device.statistic is 'mode'"),
        ({"repeats": 0}, "device.repeats is 0"),
        ({"spread_limit": 0}, "device.spread_limit is 0"),
        ({"again": -1}, "device.again is -1"),
        ({"board_tries": 0}, "device.board_tries is 0"),
        ({"model_tries": 1}, "device.model_tries is 1"),
        ({"pause_seconds": -1}, "device.pause_seconds is -1"),
    ],
)
def test_wrong_settings_are_named(tmp_path, settings, said):
    with pytest.raises(InputError, match=said):
        measure(models("a"), tmp_path / "kept", command="echo 1; : {model}", **settings)


def test_what_is_kept_is_plain_json(tmp_path):
    measure(models("a"), tmp_path / "kept", command="echo 1.25; : {model}")
    (file,) = (tmp_path / "kept").iterdir()
    kept = json.loads(file.read_text())
    assert kept["key"]["model"] == "model a"
    assert kept["record"]["first"][0]["mean_ms"] == 1.25
