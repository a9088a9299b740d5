"""Commands that end with the process that started them, and print no more than is kept."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import hanas

#: Bytes at the end of each output that are kept.
KEPT_BYTES = 1 << 22
#: How long outputs are read after the end of a command; what it has left may keep them open.
_READ_ON_SECONDS = 0.5
# The command is a group of processes of its own. Whoever is killed cannot clean up: so a process
# of the group waits for the end of a pipe that closes when the process that holds it dies, however
# it dies, and then kills the group. What was still measured would disturb the next run.
_GUARD = """
exec 3<&0
(read _ <&3; kill -9 0) </dev/null >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"""


def run(
    command: Sequence[str], *, timeout_seconds: float, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program with arguments, without input; whatever it has started is killed at its end.

    ``folder`` is where it runs, if not here. ``returncode`` is None where it was killed after
    ``timeout_seconds``, and negative after another signal.
    """
    process = subprocess.Popen(
        ["sh", "-c", _GUARD, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=_environment(),
        cwd=folder,
    )
    assert process.stdin is not None
    ends = bytearray(), bytearray()
    readers = [
        threading.Thread(target=_read, args=each, daemon=True)
        for each in zip((process.stdout, process.stderr), ends, strict=True)
    ]
    try:
        for reader in readers:
            reader.start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout_seconds)
        status: Any = process.poll()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdin.close()
    for reader in readers:
        reader.join(_READ_ON_SECONDS)
    output, errors = (end.decode("utf-8", "replace") for end in ends)
    return subprocess.CompletedProcess(command, status, output, errors)


class Service:
    """A program that answers every line of its input with one line, until that ends.

    It ends with this process, however that dies: its input does then.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._end, self._was_late, pipe = bytearray(), False, subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, env=_environment()
        )
        arguments = (self._process.stderr, self._end)
        self._reader = threading.Thread(target=_read, args=arguments, daemon=True)
        self._reader.start()

    def ask(self, line: str, *, timeout_seconds: float) -> str | None:
        """Return the answer to a line; None where the program has ended, or is killed for time."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        # Waits for a whole line and no longer: what is late is killed, and its output ends.
        late = threading.Timer(timeout_seconds, self._give_up)
        late.start()
        try:
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        finally:
            late.cancel()
        if answer.endswith(b"\n"):
            return answer.decode("utf-8")
        process.kill()
        process.wait()
        self._reader.join(_READ_ON_SECONDS)
        return None

    def _give_up(self) -> None:
        self._was_late = True
        self._process.kill()

    @property
    def status(self) -> int | None:
        """How it ended; None while it runs, or where it was killed for time."""
        return None if self._was_late else self._process.poll()

    @property
    def errors(self) -> str:
        """The end of what it has printed as errors."""
        return self._end.decode("utf-8", "replace")


def _environment() -> dict[str, str]:
    """Return the environment without what keeps our own interpreters off the user's modules."""
    ours = hanas.SAFE_PATH
    return {k: v for k, v in os.environ.items() if (k, v) != ("PYTHONSAFEPATH", ours)}


def _read(pipe: IO[bytes], end: bytearray) -> None:
    with pipe:
        while part := os.read(pipe.fileno(), 1 << 16):
            end += part
            del end[:-KEPT_BYTES]
