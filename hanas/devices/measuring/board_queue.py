"""Models shared by several boards of one kind, a thread each, of which any may fail at any time.

A failure tells nothing yet: the board may have been unplugged, or the model may be one that it
cannot run. So the model goes back to the others, and the board is asked for another one, or for one
that it has measured before. If it can (once after the first failure of a model, more often after
further ones) the failure was the model's; if it cannot even run what it has run before, the
failures were the board's, which is asked again after longer and longer pauses and then given up.

A model is given up when every board that is still there has tried it and it has failed so often
that chance is no explanation: where boards now and then fail with any model, because of a loose
cable, that takes more failures. So no model is given up because a board was unplugged.

Between processes of a user, a board is locked on the machine that drives it, by a file that is open
for as long as the process lives: a killed process leaves no lock behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from hanas.core.errors import InputError, one_line
from hanas.core.files import digest
from hanas.core.progress import Log, duration
from hanas.devices._device import BoardLost, Measuring

#: The folder of locks, which all of a user's processes on a machine see, whatever their ``TMPDIR``;
#: nobody else can put anything there.
FOLDER = Path(f"/tmp/hanas-{os.getuid()}")
_ASK_AGAIN_SECONDS = 0.2
#: A model is given up when its boards would fail so often by chance in one of so many cases.
_CHANCE = 2e-3
#: Failures of a model after which the job ends, where boards may be at fault for them.
_MOST_FAILURES = 30
#: Successes in a row after which a board was not at fault, at most.
_MOST_PROOFS = 3


@dataclass
class _Board:
    #: A model that this board has measured.
    proven: str | None
    #: Models that it failed with, and why, for which it is not clear yet who was at fault.
    unclear: dict[str, str] = field(default_factory=dict)
    successes_in_a_row: int = 0
    failures_in_a_row: int = 0
    last_reason: str = ""
    #: Measurements of models that can be measured: those that succeeded, and those that failed.
    successes: int = 0
    faults: int = 0
    given_up: bool = False

    def fault_rate(self) -> float:
        """Return how often it fails with models that it can run, by Laplace's rule."""
        return (self.faults + 1) / (self.faults + self.successes + 2)


class BoardQueue:
    """Measures models on boards until none is left, the first first, one thread a board.

    ``measure(model, board)`` measures and keeps what it finds; it returns False where the device
    refuses the model, and raises BoardLost. ``proven`` has, for boards that have measured before, a
    model that they can run; ``settings`` says how often what fails is tried again.
    ``give_up(model, reason)`` is told of models that are given up, ``log`` of boards that fail.
    """

    def __init__(
        self,
        models: Sequence[str],
        boards: Sequence[str],
        measure: Callable[[str, str], bool],
        *,
        proven: Mapping[str, str],
        settings: Measuring,
        give_up: Callable[[str, str], None],
        log: Log,
    ) -> None:
        self._measure, self._settings, self._give_up, self._log = measure, settings, give_up, log
        self._waiting, self._busy = list(models), set[str]()
        self._boards = {name: _Board(proven.get(name)) for name in boards}
        #: How often each model failed on each board, and how often that was not the board's fault.
        self._failures = {model: Counter[str]() for model in models}
        self._own = {model: Counter[str]() for model in models}
        self._reasons: dict[str, str] = {}
        self._changed = threading.Condition()
        self._errors: list[BaseException] = []
        self.stopped = False

    def run(self, alone_on: Callable[[str], AbstractContextManager]) -> str | None:
        """Measure; ``alone_on(board)`` gives a context in which a board belongs to this process.

        Whether nothing more shall be measured, ``stopped`` tells those who wait for it. Returns how
        each board failed if all were given up while models were ``left``. InputError if a model has
        failed very often and boards may be at fault for it.
        """

        def serve(board: str) -> None:
            try:
                with alone_on(board):
                    self._serve(board)
            except BaseException as error:  # a fault of ours or a wrong setting ends the whole job
                self._errors.append(error)
                self._stop()

        # Daemons: a job that is interrupted does not wait for what its boards are doing.
        threads = [threading.Thread(target=serve, args=(b,), daemon=True) for b in self._boards]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            self._stop()
        if self._errors:
            raise self._errors[0]
        ways = []
        for name, board in self._boards.items():
            count = board.failures_in_a_row
            often = f" {count} times in a row, at last" if count > 1 else ""
            ways.append(f"{name} failed{often}: {board.last_reason}")
        return "; ".join(ways) if self.left else None

    @property
    def left(self) -> int:
        """Number of models that are neither measured nor given up."""
        return len(self._waiting) + len(self._busy)

    def _stop(self) -> None:
        with self._changed:
            self.stopped = True
            self._changed.notify_all()

    def _serve(self, board: str) -> None:
        """Measure on a board until nothing is left for it, or it is given up."""
        while (model := self._taken(board)) is not None:
            try:
                measured = self._measure(model, board)
            except BoardLost as error:
                with self._changed:
                    self._failed(board, model, error)
                continue
            with self._changed:
                if measured:
                    self._succeeded(board, model)
                self._busy.discard(model)
                self._changed.notify_all()

    def _taken(self, board: str) -> str | None:
        """Return what the board shall measure next, waiting for it; None where nothing is left."""
        with self._changed:
            while self.left and not self.stopped and not self._boards[board].given_up:
                if (model := self._choice(board)) is None:
                    self._changed.wait()
                    continue
                if model in self._waiting:  # and none that the board has measured before
                    self._waiting.remove(model)
                    self._busy.add(model)
                return model
        return None

    def _choice(self, name: str) -> str | None:
        board = self._boards[name]
        untried = [m for m in self._waiting if not self._failures[m]]
        if board.unclear and self._waiting and board.proven is not None:
            # What can be measured tells more than what may fail; but it takes time for nothing.
            return untried[0] if untried and board.failures_in_a_row < 2 else board.proven
        of_others = [m for m in self._waiting if name not in self._failures[m]]
        # Once more only what all boards have failed with: else it is for those that have not.
        again = [m for m in self._waiting if self._was_tried_everywhere(m)]
        again.sort(key=lambda m: self._failures[m].total())
        return next(iter([*untried, *of_others, *again]), None)

    def _was_tried_everywhere(self, model: str) -> bool:
        failures = self._failures[model]
        return all(b.given_up or name in failures for name, b in self._boards.items())

    def _succeeded(self, name: str, model: str) -> None:
        board = self._boards[name]
        board.proven, board.failures_in_a_row = model, 0
        board.successes_in_a_row += 1
        board.successes += 1
        if model in self._busy:
            # It can be measured after all: all failures with it were the boards'.
            for other, count in self._failures[model].items():
                self._boards[other].faults += count
                self._boards[other].unclear.pop(model, None)
        before = [self._own[failed].total() for failed in board.unclear]
        if board.successes_in_a_row < min(1 + max(before, default=0), _MOST_PROOFS):
            return
        # A board that works: what it failed with was at fault.
        for failed in board.unclear:
            self._own[failed][name] += 1
        self._reasons |= board.unclear
        board.unclear.clear()
        for waiting in list(self._waiting):
            own = self._own[waiting]
            chance = math.prod(self._boards[b].fault_rate() ** n for b, n in own.items())
            often = own.total() >= self._settings.model_tries
            if often and chance < _CHANCE and self._was_tried_everywhere(waiting):
                self._waiting.remove(waiting)
                times = f"failed {own.total()} times while others could be measured"
                self._give_up(waiting, f"{times}, at last: {self._reasons[waiting]}")

    def _failed(self, name: str, model: str, error: BoardLost) -> None:
        """Note whose fault it may be, and wait until the board may be asked again."""
        board = self._boards[name]
        board.last_reason, board.successes_in_a_row = str(error), 0
        board.failures_in_a_row += 1
        if model in self._busy:
            self._busy.remove(model)
            self._waiting.append(model)
            self._failures[model][name] += 1
            board.unclear[model] = str(error)
            if self._failures[model].total() >= _MOST_FAILURES:
                raise InputError(
                    f"{model} has failed {_MOST_FAILURES} times, and boards fail with other models "
                    f"too, so that it is not clear who is at fault: {error}"
                )
        else:
            board.unclear.clear()  # the board was at fault
            board.faults += 1
        board.given_up = error.for_good or board.failures_in_a_row >= self._settings.board_tries
        self._changed.notify_all()
        said = f"{name} failed with {model}: {error}; it is"
        if board.given_up:
            self._log(f"{said} given up")
            return
        tries = board.failures_in_a_row  # there is no pause after the first
        waits = tries > 1 and not error.answered
        pause = self._settings.pause_seconds * 3 ** (tries - 2) if waits else 0.0
        self._log(f"{said} asked again {f'in {duration(pause)}' if pause else 'at once'}")
        self._changed.wait_for(lambda: self.stopped or not self.left, pause)


@contextlib.contextmanager
def alone_on(device: str, *, log: Log, stopped: Callable[[], bool]) -> Iterator[bool]:
    """Wait until no other process measures on a device, and keep others waiting meanwhile.

    Yields whether that is so.
    ``log`` is told when there is something to wait for; ``stopped`` is asked while waiting: when it
    says True, the block runs without the lock and is expected to do nothing. InputError if the file
    that is locked cannot be made.
    """
    path = FOLDER / f"hanas-device-{digest(device)[:16]}.lock"
    handle = _locked(path)
    if handle is None:
        log(f"another process measures on {device}; waiting until it has finished ({path})")
    while handle is None and not stopped():
        time.sleep(_ASK_AGAIN_SECONDS)
        handle = _locked(path)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def _locked(path: Path) -> int | None:
    """Return the open and locked file, or None where another process has locked it."""
    try:
        handle = _open(path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be made, so that nothing keeps two processes from measuring on one "
            f"device: {one_line(error)}"
        ) from error
    with contextlib.suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Somebody who cleans up may have removed the file: a lock on it would exclude nobody.
        if os.stat(path).st_ino == os.fstat(handle).st_ino:
            return handle
    os.close(handle)
    return None


def _open(path: Path) -> int:
    """Open a file in a folder that only this user can write; OSError where that cannot be."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    folder = path.parent.lstat()
    if not stat.S_ISDIR(folder.st_mode) or folder.st_uid != os.getuid() or folder.st_mode & 0o022:
        raise PermissionError(f"{path.parent} is no folder that only you can write; remove it")
    # A pipe would be waited for without O_NONBLOCK.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise FileExistsError("it is there and no file; remove it")
