"""Why SLURM ended a job is read from its log."""

import os
from pathlib import Path

import pytest

from hanas.study.cluster_logs import reasons

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
    (line,) = reasons(tmp_path, since=0)
    assert line.startswith("SLURM job 5 (train_supernet of supernet=gdas) ")
    assert meaning in line


def test_reason_names_the_job_of_a_group_that_ran(tmp_path):
    killed = "srun: error: n1: task 0: Killed\n"
    write_log(tmp_path, ANNOUNCED.format(name="a") + ANNOUNCED.format(name="b") + killed)
    (line,) = reasons(tmp_path, since=0)
    assert line == "SLURM job 5 (train_supernet of supernet=b) was killed"


def test_reason_without_an_announced_rule(tmp_path):
    write_log(tmp_path, "slurmstepd: error: *** JOB 5 ON n1 CANCELLED AT now ***\n")
    assert list(reasons(tmp_path, since=0)) == ["SLURM job 5 was cancelled"]


def test_jobs_that_failed_by_themselves_and_old_logs_are_left_out(tmp_path):
    write_log(tmp_path, ANNOUNCED.format(name="a") + "Error in rule train_supernet:\n", job=6)
    old = write_log(tmp_path, "srun: error: n1: task 0: Killed\n", job=7)
    os.utime(old, (1000, 1000))
    assert list(reasons(tmp_path, since=2000)) == []
    assert list(reasons(tmp_path / "missing", since=0)) == []
