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
from queue import SimpleQueue
from typing import IO, Any, Generic, TypeVar

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
    """At most ``count`` processes that answer requests, until the end of a ``with`` statement.

    A process is started when there is a request for it, and then kept. ``make`` makes, once in
    each, the function from a request to its answer; all of these can be pickled.
    """

    def __init__(self, make: Callable[[], Callable[[Request], Answer]], count: int) -> None:
        self._make, self._count = make, max(count, 1)
        self._processes: list[Any] = []  # of subprocess.Popen

    def __enter__(self) -> Workers[Request, Answer]:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is not None:
            self._kill()
        for process in self._processes:
            with suppress(BrokenPipeError):  # it may be dead
                process.stdin.close()  # the end of its input is its end
        for process in self._processes:
            process.__exit__(kind, error, traceback)
        self._processes = []

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Yield the number of each request and its answer, in the order in which they come.

        Raises RuntimeError if a worker ends before it answers; its own error was printed.
        """
        waiting = enumerate(requests)
        done: SimpleQueue[tuple[int, Answer] | Exception] = SimpleQueue()
        count = min(self._count, len(requests))
        while len(self._processes) < count:
            self._processes.append(self._started())
        with ThreadPoolExecutor(max(count, 1)) as pool:
            try:
                for process in self._processes[:count]:
                    pool.submit(_feed, process, waiting, done)
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

    def _started(self) -> Any:
        given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        paths = [path for path in (str(Path(__file__).parents[2]), *given) if path]
        process: Any = subprocess.Popen(
            # -P: a numpy.py in the folder that a job runs in is none of ours.
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths)},
        )
        _send(process.stdin, self._make)
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
    process: Any,
    waiting: Iterator[tuple[int, Any]],
    done: SimpleQueue[tuple[int, Any] | Exception],
) -> None:
    """Give a worker one waiting request after the other; other threads take of them too."""
    for number, request in waiting:
        try:
            _send(process.stdin, request)
            done.put((number, pickle.load(process.stdout)))
        except (BrokenPipeError, EOFError, pickle.UnpicklingError):
            said = f"status {process.wait()} (request {str(request)[:60]})"
            done.put(RuntimeError(f"a worker ended with {said}; its error is above"))
            return
        except Exception as error:  # of what cannot be pickled: nobody may wait for it
            done.put(error)
            return


def _send(stream: IO[bytes], message: Any) -> None:
    pickle.dump(message, stream)
    stream.flush()


def _serve() -> None:
    """Be a worker: answer the parent's requests, until they or the parent end."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    answer = pickle.load(sys.stdin.buffer)()
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        _send(answers, answer(request))


if __name__ == "__main__":
    _serve()
