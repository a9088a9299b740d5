"""A run that is killed ends, when the command is repeated, with the bytes of an undisturbed run."""

import os
import signal
import subprocess
import time

import pytest
from studies import reproducible_bytes

pytestmark = pytest.mark.slow


def run_and_kill(study, *, log: str, shows: str) -> None:
    """Start the study and kill all its processes as soon as a job's log shows a text."""
    process = subprocess.Popen(
        study.command(),
        env=study.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    path = study.folder / log
    deadline = time.monotonic() + 300
    while not (path.exists() and shows in path.read_text(encoding="utf-8")):
        assert process.poll() is None, f"the study ended before {log} showed {shows!r}"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


MOMENTS = {
    "training": ("logs/train_supernet/gdas_toy.log", "epoch 1/"),
    "proxy table": ("logs/proxy_table/gdas_toy/toy.log", "cells"),
    "search": ("logs/search/toy/edgegpu/gdas_toy.log", ""),
    "retraining": ("logs/retrain/edgegpu_toy.log", "epoch 1/"),
}


def test_a_study_killed_at_every_stage_ends_with_the_same_bytes(computed_study, fresh_study):
    # Each command goes on from where the last one was killed, and is killed a stage later.
    for log, shows in MOMENTS.values():
        run_and_kill(fresh_study, log=log, shows=shows)
    fresh_study.run()
    assert reproducible_bytes(fresh_study) == reproducible_bytes(computed_study)
