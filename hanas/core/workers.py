"""Share work between processes of one thread each.

Two processes of one thread compute faster than one of two threads, and what a process of one thread
computes does not depend on how many of them there are.

Python's own pools were no replacement: workers have to end when the process that started them is
killed (each ends with its input), need variables of the environment that are read before Python
starts, and must not import the script that a job runs, as multiprocessing's do.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Generic, TypeVar

from hanas.core import worker

ENVIRONMENT = {
    # PyTorch computes with as many threads.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # The GNU C library then keeps freed memory instead of returning it after each layer, which
    # nearly halves the time of large layers where page faults are dear.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}
Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Workers(Generic[Request, Answer]):
    """Processes that answer requests, to be used in a ``with`` statement, at whose end they end.

    A process is started when there is a request for it, and then kept.

    Parameters
    ----------
    make
        Makes, once in each process, the function from a request to its answer; all of these can be
        pickled. ``functools.partial`` of a class does, whose objects can be called.
    count
        How many, at most.
    """

    def __init__(self, make: Callable[[], Callable[[Request], Answer]], count: int) -> None:
        self._make, self._count = make, max(count, 1)
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Workers[Request, Answer]:
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

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Yield the number of each request and its answer, in the order in which they come.

        Raises
        ------
        RuntimeError
            If a worker ends before it answers; its own error was printed.
        """
        open_: SimpleQueue[tuple[int, Request]] = SimpleQueue()
        for item in enumerate(requests):
            open_.put(item)
        done: SimpleQueue[tuple[int, Answer] | Exception] = SimpleQueue()
        count = min(self._count, len(requests))
        while len(self._processes) < count:
            self._processes.append(self._started())
        with ThreadPoolExecutor(max(count, 1)) as pool:
            try:
                for process in self._processes[:count]:
                    pool.submit(_feed, process, open_, done)
                for _ in requests:
                    answered = done.get()
                    if isinstance(answered, Exception):
                        raise answered
                    yield answered
            except BaseException:  # of who takes the answers, too: nobody waits for the rest
                self._kill()
                raise

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()

    def _started(self) -> subprocess.Popen[bytes]:
        paths = [
            str(Path(__file__).parents[2]),
            *os.environ.get("PYTHONPATH", "").split(os.pathsep),
        ]
        process = subprocess.Popen(
            # -P: a numpy.py in the folder that a job runs in is none of ours.
            [sys.executable, "-P", "-m", worker.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                **ENVIRONMENT,
                "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            },
        )
        assert process.stdin is not None
        worker.send(process.stdin, self._make)
        return process


class Here(Generic[Request, Answer]):
    """In the place of workers: answers requests in this process, as where a GPU computes."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self._answer = answer

    def __enter__(self) -> Here[Request, Answer]:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Yield the number of each request and its answer."""
        return enumerate(map(self._answer, requests))


def _feed(
    process: subprocess.Popen[bytes],
    open_: SimpleQueue[tuple[int, Any]],
    done: SimpleQueue[tuple[int, Any] | Exception],
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
            done.put((number, pickle.load(process.stdout)))
        except (BrokenPipeError, EOFError, pickle.UnpicklingError):
            said = str(request)[:60]
            done.put(
                RuntimeError(
                    f"a worker ended with status {process.wait()} (request {said}); "
                    "its error is above"
                )
            )
            return
        except Exception as error:  # of what cannot be pickled: nobody may wait for it
            done.put(error)
            return
