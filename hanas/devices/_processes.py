"""Commands that end with the process that started them, and print no more than is kept."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

#: Bytes at the end of each output that are kept.
KEPT_BYTES = 1 << 22
_CHUNK = 1 << 16
_ASK_AGAIN_SECONDS = 0.05
# The command is a group of processes of its own. Whoever is killed cannot clean up: so a process
# of the group waits for the end of a pipe that closes when the process that holds it dies, however
# it dies, and then kills the group. What was still measured would disturb the next run.
_GUARD = """
exec 3<&0
(read _ <&3; kill -9 0) </dev/null >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"""


class Finished(NamedTuple):
    """How a command ended; ``status`` is None after a timeout and negative after a signal."""

    status: int | None
    output: str
    errors: str


def run(command: Sequence[str], *, timeout_seconds: float, folder: Path | None = None) -> Finished:
    """Run a program with arguments, without input; whatever it has started is killed at its end.

    ``folder`` is where it runs, if not here; it is killed after ``timeout_seconds``.
    """
    process = subprocess.Popen(
        ["sh", "-c", _GUARD, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd=folder,
    )
    try:
        output, errors = _read(process, time.monotonic() + timeout_seconds)
        status = process.poll()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
    return Finished(status, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace"))


def _read(process: subprocess.Popen, deadline: float) -> tuple[bytearray, bytearray]:
    """Return the ends of both outputs, read until the command has ended or its time is over."""
    kept = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as selector:
        for pipe in kept:
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ, kept[pipe])
        # What a command leaves behind may keep its outputs open: its own end counts, not theirs.
        while (running := process.poll() is None) and time.monotonic() < deadline:
            for key, _ in selector.select(_ASK_AGAIN_SECONDS):
                _take(selector, key)
        if not running:
            for _ in range(KEPT_BYTES // _CHUNK):
                ready = selector.select(0)
                for key, _ in ready:
                    _take(selector, key)
                if not ready:
                    break
    return kept[process.stdout], kept[process.stderr]


def _take(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    with contextlib.suppress(BlockingIOError):
        part = os.read(key.fd, _CHUNK)
        if not part:
            selector.unregister(key.fileobj)
        key.data.extend(part)
        del key.data[:-KEPT_BYTES]
