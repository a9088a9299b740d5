"""What disturbs a run of the workflow: a kill, a wrong clock, a cluster that ends its jobs."""

import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from hanas.study import runs

HOLD = """
import sys, time
from pathlib import Path
from hanas.study import runs
handle = runs.hold_lock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def _mark(folder: Path) -> Path:
    mark = folder / "locks" / "0.input.lock"
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text("results/x\n")
    return mark


def test_marks_of_a_killed_run_are_removed_and_those_of_a_live_one_stay(tmp_path):
    mark = _mark(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert not mark.exists()
        mark = _mark(tmp_path)
        handle = runs.hold_lock(tmp_path)
        assert handle is not None
        assert mark.exists()
        handle.close()
        other.kill()
    handle = runs.hold_lock(tmp_path)
    assert handle is not None
    assert not mark.exists()
    handle.close()


def test_a_folder_that_cannot_be_written_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("")
    assert runs.hold_lock(tmp_path / "file") is None


def test_only_what_is_of_the_future_gets_the_time_of_now(tmp_path):
    now = time.time()
    times = {"old": now - 100, "soon": now + 1, "tomorrow": now + 86_400, "a/next_year": now + 3e7}
    for name, changed in times.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        os.utime(path, (changed, changed))
    runs.bring_to_the_present(tmp_path)
    for name, changed in times.items():
        found = (tmp_path / name).stat().st_mtime
        assert abs(found - (changed if name in ("old", "soon") else now)) < 1
        assert (tmp_path / name).read_text() == name


def test_a_folder_that_is_not_there_has_no_files_of_the_future(tmp_path):
    runs.bring_to_the_present(tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


ANNOUNCED = """
[Wed Nov 25 09:58:21 2026]
rule train_supernet:
    input: results/datasets/toy.pt
    wildcards: supernet={name}
    resources: mem_mb=300
"""


def write_log(folder: Path, text: str, job: int = 5) -> Path:
    path = folder / "rule_train_supernet" / "gdas" / f"{job}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("sign", "meaning"),
    [
        ("slurmstepd-vm: error: Exceeded job memory limit", "out of memory"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=5.0.", "out of memory"),
        ("slurmstepd: error: *** STEP 5.0 ON n1 CANCELLED AT T DUE TO TIME LIMIT ***", "of time"),
        ("slurmstepd: error: *** JOB 5 ON n1 CANCELLED AT T DUE TO NODE FAILURE ***", "a node"),
        ("slurmstepd: error: *** JOB 5 ON n1 CANCELLED AT 2026-11-25T09:57:45 ***", "cancelled"),
        ("srun: error: n1: task 0: Killed", "was killed"),
    ],
)
def test_reason_names_the_job_and_what_ended_it(tmp_path, sign, meaning):
    text = f"{ANNOUNCED.format(name='gdas')}{sign}\nsrun: error: n1: task 0: Killed\n"
    write_log(tmp_path, text)
    (line,) = runs.ended_by_slurm(tmp_path, since=0)
    assert line.startswith("SLURM job 5 (train_supernet of supernet=gdas) ")
    assert meaning in line


def test_reason_names_the_job_of_a_group_that_ran(tmp_path):
    killed = "srun: error: n1: task 0: Killed\n"
    write_log(tmp_path, ANNOUNCED.format(name="a") + ANNOUNCED.format(name="b") + killed)
    (line,) = runs.ended_by_slurm(tmp_path, since=0)
    assert line == "SLURM job 5 (train_supernet of supernet=b) was killed"


def test_reason_without_an_announced_rule(tmp_path):
    write_log(tmp_path, "slurmstepd: error: *** JOB 5 ON n1 CANCELLED AT now ***\n")
    assert list(runs.ended_by_slurm(tmp_path, since=0)) == ["SLURM job 5 was cancelled"]


def test_jobs_that_failed_by_themselves_and_old_logs_are_left_out(tmp_path):
    write_log(tmp_path, ANNOUNCED.format(name="a") + "Error in rule train_supernet:\n", job=6)
    old = write_log(tmp_path, "srun: error: n1: task 0: Killed\n", job=7)
    os.utime(old, (1000, 1000))
    assert list(runs.ended_by_slurm(tmp_path, since=2000)) == []
    assert list(runs.ended_by_slurm(tmp_path / "missing", since=0)) == []


def test_doubts_of_the_devices_that_are_decided(tmp_path):
    (tmp_path / "board.json").write_text('{"doubts": ["nothing is stable", "all is far off"]}')
    os.utime(tmp_path / "board.json", (1e9, 1e9))
    (tmp_path / "other.json").write_text('{"doubts": []}')
    (tmp_path / "gone.json").write_text('{"doubts": ["an entry that the study has no more"]}')
    (tmp_path / "odd.json").write_text("[1]")
    (tmp_path / "cut.json").write_text("{")
    devices = ["board", "other", "odd", "cut", "not_yet"]
    page = f"{tmp_path}/board.md (of {datetime.fromtimestamp(1e9):%Y-%m-%d %H:%M:%S})"
    assert list(runs.doubts(tmp_path, devices)) == [
        f"Do not trust {page}: nothing is stable",
        f"Do not trust {page}: all is far off",
    ]


def test_the_end_of_the_terminal_ends_a_run_that_a_script_started_in_the_background():
    program = (
        "import os, signal, time\n"
        "from hanas.study import runs\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"  # as a shell does for `snakemake &`
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "runs.end_with_the_terminal()\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    time.sleep(20)\n"
        "except KeyboardInterrupt:\n"
        "    print('ended')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "ended\n", done.stderr
