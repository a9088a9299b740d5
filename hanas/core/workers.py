"""Share work between processes of one thread each.

Two processes of one thread compute faster than one of two threads, and what a process of one thread
computes does not depend on how many of them there are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

from hanas.core import worker

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # The GNU C library then keeps freed memory instead of returning it after each layer, which
    # nearly halves the time of large layers where page faults are dear.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}


class Workers:
    """Processes that answer requests, to be used in a ``with`` statement, at whose end they end.

    A process is started when there is a request for it, and then kept.

    Parameters
    ----------
    task
        What every worker is made from, plain values only. ``server`` names a module whose
        ``serve(task)`` returns the function from requests to answers, both plain values.
    count
        How many, at most.
    """

    def __init__(self, task: Mapping[str, Any], count: int) -> None:
        self._task, self._count = dict(task), max(count, 1)
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._kill()
        for process in self._processes:
            assert process.stdin is not None
            with suppress(BrokenPipeError):  # it may be dead
                process.stdin.close()  # the end of its input is its end
        for process in self._processes:
            process.__exit__(kind, error, traceback)
        self._processes = []

    def answers(self, requests: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield the number of each request and its answer, in the order in which they come.

        Raises
        ------
        RuntimeError
            If a worker ends before it answers; its own error was printed.
        """
        open_: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        for item in enumerate(requests):
            open_.put(item)
        done: SimpleQueue[tuple[int, Any] | RuntimeError] = SimpleQueue()
        count = min(self._count, len(requests))
        while len(self._processes) < count:
            self._processes.append(self._started())
        with ThreadPoolExecutor(max(count, 1)) as pool:
            try:
                for process in self._processes[:count]:
                    pool.submit(_feed, process, open_, done)
                for _ in requests:
                    answered = done.get()
                    if isinstance(answered, RuntimeError):
                        raise answered
                    yield answered
            except BaseException:  # of who takes the answers, too: nobody waits for the rest
                self._kill()
                raise

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()

    def _started(self) -> subprocess.Popen[str]:
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]
        process = subprocess.Popen(
            [sys.executable, "-m", worker.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                **ENVIRONMENT,
                "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            },
        )
        assert process.stdin is not None
        worker.send(process.stdin, self._task)
        return process


def _feed(
    process: subprocess.Popen[str],
    open_: SimpleQueue[tuple[int, Any]],
    done: SimpleQueue[tuple[int, Any] | RuntimeError],
) -> None:
    """Give a worker one open request after the other."""
    assert process.stdin is not None
    assert process.stdout is not None
    while True:
        try:
            number, request = open_.get_nowait()
        except Empty:
            return
        try:
            worker.send(process.stdin, request)
            done.put((number, json.loads(process.stdout.readline())))
        except (BrokenPipeError, json.JSONDecodeError):
            said = str(request)[:60]
            done.put(
                RuntimeError(
                    f"a worker ended with status {process.wait()} (request {said}); "
                    "its error is above"
                )
            )
            return
