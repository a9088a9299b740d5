import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from toy_server import Server

from hanas.core.workers import Here, Workers

MAKE = partial(Server, "toy")
FOLDERS = (Path(__file__).parents[2], Path(__file__).parent)


@pytest.fixture(autouse=True)
def _server_is_found(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("count", [1, 3])
def test_every_request_is_answered_by_processes_that_stay(count):
    with Workers(MAKE, count) as workers:
        first = dict(workers.answers([0.1, 2, 0.3]))
        second = dict(workers.answers([5]))
        running = {answer["process"] for answer in [*first.values(), *second.values()]}
        assert {number: answer["twice"] for number, answer in first.items()} == {
            0: 0.2,
            1: 4,
            2: 0.6,
        }
        assert first[0]["of"] == "toy"
        assert second[0]["twice"] == 10
        assert len(running) <= count
        assert second[0]["process"] in {answer["process"] for answer in first.values()} or count > 1
        assert all(is_running(process) for process in running)
    assert not any(is_running(process) for process in running)


def test_none_is_started_for_nothing():
    with Workers(MAKE, 2) as workers:
        assert list(workers.answers([])) == []
        assert workers._processes == []


def test_a_worker_that_dies_ends_the_work():
    with (
        pytest.raises(RuntimeError, match=r"ended with status 3 \(request die\)"),
        Workers(MAKE, 1) as workers,
    ):
        list(workers.answers(["die", 1, 1]))


def test_a_worker_that_was_killed_is_noticed():
    with (
        pytest.raises(RuntimeError, match="ended with status -9"),
        Workers(MAKE, 1) as workers,
    ):
        _ = list(workers.answers([1])), workers._kill(), list(workers.answers(["x" * 100_000] * 2))


def test_an_error_ends_the_workers_at_once():
    running = []

    def stop_at_the_first_answer():
        with Workers(MAKE, 2) as workers:
            for _, answer in workers.answers([1, "wait", "wait"]):
                running.extend([answer["process"], *(p.pid for p in workers._processes)])
                raise KeyError

    started = time.monotonic()
    with pytest.raises(KeyError):
        stop_at_the_first_answer()
    assert time.monotonic() - started < 50  # nobody waits for what takes a minute
    assert len(set(running)) == 2
    assert not any(is_running(process) for process in running)


def test_what_cannot_be_pickled_is_told():
    with pytest.raises(Exception, match="pickle"), Workers(MAKE, 1) as workers:
        list(workers.answers([lambda: 1]))


def test_here_answers_in_this_process():
    with Here(Server("toy")) as workers:
        answers = dict(workers.answers([1, 2]))
    assert [answers[number]["twice"] for number in (0, 1)] == [2, 4]
    assert answers[0]["process"] == os.getpid()


PARENT = """
import time
from functools import partial
from toy_server import Server
from hanas.core.workers import Workers
with Workers(partial(Server, "toy"), 1) as workers:
    for _, answer in workers.answers([1]):
        print(answer["process"], flush=True)
    time.sleep(60)
"""


def test_workers_end_with_their_parent_and_import_nothing_from_its_folder(tmp_path):
    (tmp_path / "numpy.py").write_text("raise SystemExit('not the real one')")
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", PARENT],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, FOLDERS))},
    )
    worker = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while is_running(worker):
        assert time.monotonic() < deadline
        time.sleep(0.01)
