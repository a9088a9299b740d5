import os
import time
from pathlib import Path

import pytest

from hanas.core.workers import Workers

TASK = {"server": "toy_server", "name": "toy"}


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
    with Workers(TASK, count) as workers:
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
    with Workers(TASK, 2) as workers:
        assert list(workers.answers([])) == []
        assert workers._processes == []


def test_a_worker_that_dies_ends_the_work():
    with (
        pytest.raises(RuntimeError, match=r"ended with status 3 \(request die\)"),
        Workers(TASK, 1) as workers,
    ):
        list(workers.answers(["die", 1, 1]))


def test_a_worker_that_was_killed_is_noticed():
    with (
        pytest.raises(RuntimeError, match="ended with status -9"),
        Workers(TASK, 1) as workers,
    ):
        _ = list(workers.answers([1])), workers._kill(), list(workers.answers(["x" * 100_000] * 2))


def test_an_error_ends_the_workers_at_once():
    running = []

    def stop_at_the_first_answer():
        with Workers(TASK, 2) as workers:
            for _, answer in workers.answers([1, "wait", "wait"]):
                running.extend([answer["process"], *(p.pid for p in workers._processes)])
                raise KeyError

    started = time.monotonic()
    with pytest.raises(KeyError):
        stop_at_the_first_answer()
    assert time.monotonic() - started < 50  # nobody waits for what takes a minute
    assert len(set(running)) == 2
    assert not any(is_running(process) for process in running)
