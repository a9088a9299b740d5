"""The jobs that run now, and a line for each of them on the terminal of the run that started them.

What they are at stands in a small file of each (:mod:`hanas.core.live`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hanas.core import escape, live
from hanas.core.progress import duration
from hanas.study import planned

#: A file that was not written for so long is of a job that was killed; file servers take a while.
_DEAD_AFTER_SECONDS = 60.0
#: Jobs that are shorter have no line.
_SHORT_SECONDS = 3.0
_SECONDS_BETWEEN_LOOKS = 1.0
#: Between two lines of a job, where what is written cannot be replaced.
_SECONDS_BETWEEN_LINES = 60.0
_MOST_LINES = 10


@dataclass(frozen=True)
class Running:
    """A job that has begun and not ended well; times are those of ``time.time()``."""

    what: str
    log: str
    run: str | None
    began: float
    written: float
    said: str = ""
    told: float = 0.0
    left_seconds: float | None = None
    failed: str | None = None

    @property
    def is_alive(self) -> bool:
        """Whether its process still writes."""
        return self.failed is None and time.time() - self.written < _DEAD_AFTER_SECONDS

    def left(self) -> float | None:
        """Return how many seconds it may still take, counted down since it told; None: unknown."""
        if self.left_seconds is None:
            return None
        return max(self.left_seconds - (time.time() - self.told), 0.0)

    def told_now(self, folder: Path = Path()) -> dict[str, Any]:
        """Return what it is at: the last line of its log in ``folder``, if it told nothing."""
        seconds, left = time.time() - self.began, self.left()
        said = self.said or _last_line(folder / self.log)
        times = duration(seconds) if left is None else f"{duration(seconds)}, {duration(left)} left"
        line = f"{self.what}: {'; '.join(filter(None, (said, times)))}"
        found = {"what": self.what, "said": said, "seconds": seconds, "left_seconds": left}
        return {**found, "log": self.log, "line": escape.terminal(line)}


def read(path: Path) -> Running | None:
    """Return what the file of a job says; None where there is none, or one that says nothing."""
    try:
        return Running(written=path.stat().st_mtime, **json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as handle:
            handle.seek(max(log.stat().st_size - 1000, 0))
            lines = handle.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    said = [line.strip() for line in lines[:-1] if line.strip()]
    return said[-1] if said and not said[-1].startswith("Started ") else ""


@contextlib.contextmanager
def told(snakemake: Any, settings_file: str | None) -> Iterator[None]:
    """Let those who watch know what a job of the workflow is at while the block runs."""
    if not settings_file:  # it is run by hand
        yield
        return
    names = " ".join(value for _, value in snakemake.wildcards.items())
    about = {"what": f"{snakemake.rule} {names}".strip(), "log": str(snakemake.log[0])}
    with live.told_in(planned.live_file(settings_file), {**about, "run": planned.run()}):
        yield


class Watch(threading.Thread):
    """Shows a line for each job of this run on standard error until it is stopped.

    On a terminal the lines stand below what Snakemake says and change in place; elsewhere, and
    where another logger writes, each job has a line a minute.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        super().__init__(daemon=True)
        self._stream = sys.stderr if stream is None else stream
        self._over, self._shown, self._said = threading.Event(), list[str](), dict[str, float]()
        self._handler: logging.Handler | None = None

    def start(self) -> None:
        """Begin, and let what Snakemake says stand above the lines."""
        self._handler = _handler_of(self._stream)
        if self._handler is not None:
            self._emit, self._handler.emit = self._handler.emit, self._emit_above
        super().start()

    def run(self) -> None:
        """Look every second."""
        while not self._over.wait(_SECONDS_BETWEEN_LOOKS):
            self.look()

    def stop(self) -> None:
        """Take the lines away, since nothing runs any more."""
        self._over.set()
        if self._handler is not None:
            self._replace([])

    def look(self) -> None:
        """Show what there is to show now."""
        files = planned.LIVE.glob("*.json")
        of_all = [job for path in sorted(files) if (job := read(path)) is not None]
        now = time.time()
        jobs = [
            job
            for job in sorted(of_all, key=lambda job: job.began)
            if job.run == planned.run() and job.is_alive and now - job.began > _SHORT_SECONDS
        ]
        if self._handler is not None:
            self._replace([job.told_now()["line"] for job in jobs])
            return
        for job in jobs:
            if now - max(self._said.get(job.what, 0), job.began) >= _SECONDS_BETWEEN_LINES:
                self._said[job.what] = now
                print(job.told_now()["line"], file=sys.stderr, flush=True)

    def _emit_above(self, record: logging.LogRecord) -> None:
        """Let Snakemake say something above the lines; its handler holds the lock."""
        lines = self._shown
        self._replace([])
        self._emit(record)
        self._replace(lines)

    def _replace(self, lines: list[str]) -> None:
        assert self._handler is not None
        size = shutil.get_terminal_size()
        most = max(1, min(_MOST_LINES, size.lines - 2))
        if len(lines) > most:
            lines = [*lines[: most - 1], f"... and {len(lines) - most + 1} more jobs"]
        with self._handler.lock or contextlib.nullcontext():
            above = f"\x1b[{len(self._shown)}F\x1b[J" if self._shown else ""
            shown = "".join(f"{line[: size.columns - 1]}\n" for line in lines)
            if above or shown:
                self._stream.write(above + shown)
                self._stream.flush()
            self._shown = lines


def _handler_of(stream: IO[str]) -> logging.Handler | None:
    """Return what writes Snakemake's messages to the terminal; None where they go elsewhere."""
    if not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    from snakemake.logging import logger

    return next((each for each in logger.handlers if getattr(each, "stream", None) is stream), None)
