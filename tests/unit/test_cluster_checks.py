"""SLURM is asked before jobs are submitted: what is missing is said, and nothing waits for ever."""

import pytest

from hanas.core.errors import InputError
from hanas.study import slurm

ANSWERS = {
    "sbatch": "exit 0",
    "squeue": 'echo "17|run-a|rule_train"; echo "18|run-b|other"; echo odd',
    "scancel": "exit 0",
    "scontrol": "echo Slurmctld is UP",
    "sacctmgr": "echo hanas",
    "sshare": "echo hanas",
}


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """The folder of SLURM's commands, the only one where commands are looked for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name, text in ANSWERS.items():
        answer(folder, name, text)
    return folder


def answer(folder, name, text):
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def log(folder, run):
    (folder / "log").mkdir(exist_ok=True)
    (folder / "log" / f"{run}.snakemake.log").write_text(f"a\nSLURM run ID: {run}\nb\n")


def test_a_cluster_that_answers_is_used(commands, tmp_path):
    slurm.require(tmp_path)


@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "sshare"])
def test_a_missing_command_is_named(commands, tmp_path, name):
    (commands / name).unlink()
    with pytest.raises(InputError, match=f"SLURM's command {name} is not here"):
        slurm.require(tmp_path)


def test_a_controller_that_is_down_is_named(commands, tmp_path):
    answer(commands, "scontrol", "echo no controller >&2; exit 1")
    with pytest.raises(InputError, match="`scontrol ping` failed: no controller; is its"):
        slurm.require(tmp_path)


def test_a_command_that_never_ends_is_named(commands, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "_SECONDS", 0.2)
    answer(commands, "scontrol", "while :; do :; done")
    with pytest.raises(InputError, match=r"did not end within 0\.2 s"):
        slurm.require(tmp_path)


def test_without_accounting_the_shares_are_asked(commands, tmp_path):
    answer(commands, "sacctmgr", "exit 1")
    slurm.require(tmp_path)
    answer(commands, "sshare", "exit 1")
    with pytest.raises(InputError, match="`sshare"):
        slurm.require(tmp_path)
    (commands / "sshare").unlink()
    with pytest.raises(InputError, match="`sacctmgr"):
        slurm.require(tmp_path)


def test_jobs_that_a_killed_run_has_left_are_named(commands, tmp_path):
    log(tmp_path, "run-c")
    slurm.require(tmp_path)  # those in the queue are of other studies
    log(tmp_path, "run-a")
    with pytest.raises(InputError, match=r"17 \(rule_train\); cancel them with: scancel 17$"):
        slurm.require(tmp_path)


def test_a_run_on_this_machine_does_not_repeat_what_waits_there(commands, tmp_path, capsys):
    log(tmp_path, "run-a")
    with pytest.raises(InputError, match=r"scancel 17$"):
        slurm.require(tmp_path, submits=False)
    answer(commands, "squeue", "echo no controller >&2; exit 1")
    slurm.require(tmp_path, submits=False)  # what is down starts nothing
    assert "is unknown: SLURM does not answer" in capsys.readouterr().err
    (commands / "squeue").unlink()
    slurm.require(tmp_path, submits=False)
    assert capsys.readouterr().err == ""
