"""Say how far a job is: in its log now and then, to those who watch it at any time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hanas.core import escape, live

#: Takes a line of text.
Log = Callable[[str], None]


def print_at_once(line: str) -> None:
    """Print a line that can be read in the log while the job runs."""
    print(escape.terminal(line), flush=True)


def duration(seconds: float) -> str:
    """Return a length of time in words.

    >>> duration(7.25), duration(125), duration(7300)
    ('7.2 s', '2 min 5 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


class Progress:
    """Counts parts of a job, ``done`` of ``total``, and says how long the others may take.

    For any number of threads; ``lines`` is about how many lines there are, None: one a part.
    """

    def __init__(self, done: int, total: int, log: Log, *, lines: int | None = None) -> None:
        self.done, self.total, self._log = done, total, log
        self._every = 1 if lines is None else max(1, total // lines)
        self._started, self._first, self._lock = time.monotonic(), done, threading.Lock()

    def advance(self, said: str) -> None:
        """Count one more part, and say so: ``3 of 9{said}; 10.0 s, 20.0 s left``."""
        with self._lock:
            self.done += 1
            taken = time.monotonic() - self._started
            left = taken / (self.done - self._first) * (self.total - self.done)
            line = f"{self.done} of {self.total}{said}"
            live.tell(line, left, taken + left)
            if self.done % self._every == 0 or self.done == self.total:
                self._log(f"{line}; {duration(taken)}, {duration(left)} left")


class Pace:
    """Says how fast the steps of a long loop are and how long the others may take.

    The first line comes after ``SOON`` seconds, or with the first step if that takes longer, later
    ones after ``SELDOM`` seconds without any.
    """

    SOON, SELDOM = 5.0, 60.0

    def __init__(self, done: int, total: int, log: Log) -> None:
        self.done, self.total, self._log, self._images = done, total, log, 0
        self._first, self._started = done, time.monotonic()
        self._due = self._started + self.SOON

    def advance(self, images: int, wait: Callable[[], object]) -> None:
        """Count one more step; if a line is due: ``step 30 of 900; 310 images/s, 2 min 9 s left``.

        ``wait`` is called before, and returns when the step is really done (on a GPU, later).
        """
        self.done += 1
        self._images += images
        is_due = time.monotonic() >= self._due
        if is_due:
            wait()
        taken = max(time.monotonic() - self._started, 1e-9)
        left = taken / (self.done - self._first) * (self.total - self.done)
        line = f"step {self.done} of {self.total}"
        live.tell(line, left, taken + left)
        if is_due:
            self._log(f"{line}; {self._images / taken:.3g} images/s, {duration(left)} left")
            self.said()

    def said(self) -> None:
        """Wait until the next line, since something else was said."""
        self._due = time.monotonic() + self.SELDOM
