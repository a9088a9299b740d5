"""What lies in a study's folder is data: no file of it is run, whatever its name."""

import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hanas.core import processes
from hanas.core.workers import Workers
from hanas.study import explain

COMMANDS = (
    ["pick", "--device", "edgegpu", "--dataset", "toy"],
    ["explain", "results/tables/edgegpu.csv"],
    ["schema"],
    ["--version"],
)


def litter(folder):
    """Write a module of each name of Python's and of all that is installed; return their trace."""
    names = {*sys.stdlib_module_names, *importlib.metadata.packages_distributions()} - {"hanas"}
    assert {"json", "random", "numpy", "torch", "snakemake", "__future__"} <= names
    trace = folder / "was_run"
    for name in filter(str.isidentifier, names):
        text = f"open({str(trace)!r}, 'a').write({name + chr(10)!r})\nraise SystemExit(9)\n"
        (folder / f"{name}.py").write_text(text)
    return trace


def test_workers_run_nothing_of_the_folder(tmp_path, monkeypatch):
    trace = litter(tmp_path)
    monkeypatch.chdir(tmp_path)
    with Workers(abs_of, 1) as workers:
        assert list(workers.answers([-2])) == [(0, 2)]
    assert not trace.exists()


def abs_of():
    return abs


def test_commands_of_devices_do_not_inherit_the_safe_path(monkeypatch):
    for value, kept in (("hanas", "no"), ("1", "yes")):
        monkeypatch.setenv("PYTHONSAFEPATH", value)
        command = ["sh", "-c", 'test -n "$PYTHONSAFEPATH" && echo yes || echo no']
        assert processes.run(command, timeout_seconds=20).stdout.strip() == kept


@pytest.mark.slow
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda each: each[0])
def test_hanas_runs_nothing_of_the_folder(computed_study, arguments):
    trace = litter(computed_study.folder)
    # As the installed command does it, with an empty part of the path, which is the folder.
    code = f"import sys; sys.argv = {['hanas', *arguments]!r}; from hanas.cli import main; main()"
    path = os.pathsep.join([*filter(None, sys.path[1:]), ""])
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=computed_study.folder,
        env={**computed_study.environment(), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert not trace.exists(), trace.read_text()


@pytest.mark.slow
def test_the_workflow_runs_nothing_of_the_folder(fresh_study, monkeypatch):
    trace = litter(fresh_study.folder)
    command = fresh_study.command("results/tables/edgegpu.csv")
    (snakemake,) = (command.index(each) for each in command if each == "-m")
    command = [command[0], "-P", *command[snakemake:]]
    environment = fresh_study.environment()
    monkeypatch.setenv("HANAS_DATA", environment["HANAS_DATA"])
    subprocess.run(command, cwd=fresh_study.folder, env=environment, check=True)
    assert not trace.exists(), trace.read_text()
    assert explain.explanation("results/tables/edgegpu.csv", fresh_study.folder)["up_to_date"]


@pytest.mark.slow
def test_the_end_of_the_terminal_ends_the_jobs(fresh_study):
    config = fresh_study.config()
    config["supernets"]["gdas_toy"]["training"]["epochs"] = 100_000
    fresh_study.write(config)
    command = fresh_study.command("results/supernets/gdas_toy/weights.pt")
    log = fresh_study.folder / "logs" / "train_supernet" / "gdas_toy.log"
    # These tests may run under nohup, whose children a closed terminal does not end.
    usual = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    command = [sys.executable, "-c", usual + "os.execv(sys.argv[1], sys.argv[1:])", *command]
    with subprocess.Popen(command, env=fresh_study.environment(), start_new_session=True) as run:
        try:
            deadline = time.monotonic() + 120
            while not (log.exists() and "Started" in log.read_text()):
                assert run.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
            listed = Path("/proc", str(run.pid), "task").glob("*/children")
            jobs = [int(pid) for each in listed for pid in each.read_text().split()]
            assert jobs
            run.send_signal(signal.SIGHUP)
            assert run.wait(60) != 0
        except BaseException:  # the training would go on for ever
            os.killpg(run.pid, signal.SIGKILL)
            raise
    time.sleep(0.5)
    assert not [pid for pid in jobs if Path(f"/proc/{pid}").exists()]
