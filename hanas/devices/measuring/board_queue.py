"""Models shared by several boards of one kind, a thread each, of which any may fail at any time.

A failure tells nothing yet: the board may have been unplugged, or the model may be one that it
cannot run. So the model goes back to the others, and the board is asked for another one, or for one
that it has measured before. If it can (once after the first failure of a model, more often after
further ones) the failure was the model's; if it cannot even run what it has run before, the
failures were the board's, which is asked again after longer and longer pauses and then given up.

A model is given up when every board that is still there has tried it and it has failed so often
that chance is no explanation: where boards now and then fail with any model, because of a loose
cable, that takes more failures. So no model is given up because a board was unplugged.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from hanas.core.errors import InputError
from hanas.core.progress import Log, duration
from hanas.devices._device import BoardLost, Measuring

#: A model is given up when its boards would fail so often by chance in one of so many cases.
_CHANCE = 2e-3
#: Failures of a model after which the job ends, where boards may be at fault for them.
_MOST_FAILURES = 30
#: Successes in a row after which a board was not at fault, at most.
_MOST_PROOFS = 3


class NoBoardLeft(InputError):  # noqa: N818 - says what happened
    """All boards were given up while ``left`` models were; the text says how each failed."""

    def __init__(self, text: str, left: int) -> None:
        super().__init__(text)
        self.left = left


def share(
    models: Sequence[str],
    boards: Sequence[str],
    measure: Callable[[str, str], bool],
    *,
    proven: Mapping[str, str],
    settings: Measuring,
    give_up: Callable[[str, str], None],
    alone_on: Callable[[str, Callable[[], bool]], AbstractContextManager],
    log: Log,
) -> None:
    """Measure models on boards until none is left, the first first, one thread a board.

    ``measure(model, board)`` measures and keeps what it finds; it returns False where the device
    refuses the model, and raises BoardLost. ``proven`` has, for boards that have measured before, a
    model that they can run; ``settings`` says how often what fails is tried again.
    ``give_up(model, reason)`` is told of models that are given up, ``log`` of boards that fail.
    ``alone_on(board, stopped)`` gives a context in which a board belongs to this process; whether
    nothing more shall be measured, ``stopped`` tells those who wait for it.

    NoBoardLeft if all boards were given up; InputError if a model has failed very often and boards
    may be at fault for it.
    """
    queue = _Queue(models, boards, proven, settings, give_up)
    errors: list[BaseException] = []

    def serve(board: str) -> None:
        try:
            with alone_on(board, lambda: queue.stopped):
                _serve(queue, board, measure, log)
        except BaseException as error:  # a fault of ours or a wrong setting ends the whole job
            errors.append(error)
            queue.stop()

    # Daemons: a job that is interrupted does not wait for what its boards are doing.
    threads = [threading.Thread(target=serve, args=(board,), daemon=True) for board in boards]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        queue.stop()
    if errors:
        raise errors[0]
    if queue.left:
        raise NoBoardLeft(queue.how_boards_failed(), queue.left)


def _serve(queue: _Queue, board: str, measure: Callable[[str, str], bool], log: Log) -> None:
    while (model := queue.take(board)) is not None:
        try:
            measured = measure(model, board)
        except BoardLost as error:
            pause = queue.failed(board, model, error)
            if pause is None:
                log(f"{board} failed with {model}: {error}; it is given up")
                return
            when = f"in {duration(pause)}" if pause else "at once"
            log(f"{board} failed with {model}: {error}; it is asked again {when}")
            queue.pause(pause)
        else:
            if measured:
                queue.succeeded(board, model)
            else:
                queue.refused(model)


@dataclass
class _Board:
    #: A model that this board has measured.
    proven: str | None = None
    #: Models that it failed with, and why, for which it is not clear yet who was at fault.
    unclear: dict[str, str] = field(default_factory=dict)
    successes_in_a_row: int = 0
    failures_in_a_row: int = 0
    last_reason: str = ""
    #: Measurements of models that can be measured, and how many of them failed.
    attempts: int = 0
    faults: int = 0
    given_up: bool = False

    def fault_rate(self) -> float:
        """Return how often it fails with models that it can run, by Laplace's rule."""
        return (self.faults + 1) / (self.attempts + 2)


@dataclass
class _Model:
    #: Failures on each board; and those of them that the board was not at fault for.
    failures: Counter[str] = field(default_factory=Counter)
    own: Counter[str] = field(default_factory=Counter)
    reason: str = ""


class _Queue:
    """Hands models to boards."""

    def __init__(
        self,
        models: Sequence[str],
        boards: Sequence[str],
        proven: Mapping[str, str],
        settings: Measuring,
        give_up: Callable[[str, str], None],
    ) -> None:
        self._settings, self._give_up = settings, give_up
        self._waiting, self._busy = list(models), set[str]()
        self._models = {name: _Model() for name in models}
        self._boards = {name: _Board(proven.get(name)) for name in boards}
        self._changed = threading.Condition()
        self.stopped = False

    @property
    def left(self) -> int:
        """Number of models that are neither measured nor given up."""
        return len(self._waiting) + len(self._busy)

    def stop(self) -> None:
        with self._changed:
            self.stopped = True
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than there is something to do."""
        with self._changed:
            self._changed.wait_for(lambda: self.stopped or not self.left, seconds)

    def take(self, board: str) -> str | None:
        """Return what the board shall measure next, waiting for it; None where nothing is left.

        After a failure it may be a model that the board has measured before.
        """
        with self._changed:
            while self.left and not self.stopped and not self._boards[board].given_up:
                model = self._choice(board)
                if model is not None:
                    if model in self._waiting:
                        self._waiting.remove(model)
                        self._busy.add(model)
                    return model
                self._changed.wait()
        return None

    def _choice(self, name: str) -> str | None:
        board = self._boards[name]
        untried = [m for m in self._waiting if not self._models[m].failures]
        if board.unclear and self._waiting and board.proven is not None:
            # What can be measured tells more than what may fail; but it takes time for nothing.
            return untried[0] if untried and board.failures_in_a_row < 2 else board.proven
        of_others = [m for m in self._waiting if name not in self._models[m].failures]
        # Once more only what all boards have failed with: else it is for those that have not.
        again = [m for m in self._waiting if self._was_tried_everywhere(m)]
        again.sort(key=lambda m: self._models[m].failures.total())
        return next(iter([*untried, *of_others, *again]), None)

    def _was_tried_everywhere(self, model: str) -> bool:
        failures = self._models[model].failures
        return all(b.given_up or name in failures for name, b in self._boards.items())

    def succeeded(self, board: str, model: str) -> None:
        with self._changed:
            state = self._boards[board]
            state.proven, state.failures_in_a_row = model, 0
            state.successes_in_a_row += 1
            state.attempts += 1
            if model in self._busy:
                self._busy.remove(model)
                # It can be measured after all: all failures with it were the boards'.
                for name, count in self._models[model].failures.items():
                    at_fault = self._boards[name]
                    at_fault.attempts += count
                    at_fault.faults += count
                    at_fault.unclear.pop(model, None)
            before = [self._models[failed].own.total() for failed in state.unclear]
            needed = min(1 + max(before, default=0), _MOST_PROOFS)
            if state.successes_in_a_row >= needed:  # a board that works: its failures were theirs
                for failed, reason in state.unclear.items():
                    self._models[failed].own[board] += 1
                    self._models[failed].reason = reason
                state.unclear.clear()
                self._give_up_models()
            self._changed.notify_all()

    def _give_up_models(self) -> None:
        for name in list(self._waiting):
            own = self._models[name].own
            chance = math.prod(self._boards[b].fault_rate() ** n for b, n in own.items())
            often = own.total() >= self._settings.model_tries
            if often and chance < _CHANCE and self._was_tried_everywhere(name):
                self._waiting.remove(name)
                times = f"failed {own.total()} times while others could be measured"
                self._give_up(name, f"{times}, at last: {self._models[name].reason}")

    def refused(self, model: str) -> None:
        with self._changed:
            self._busy.discard(model)
            self._changed.notify_all()

    def failed(self, board: str, model: str, error: BoardLost) -> float | None:
        """Return the seconds after which a board may be asked again; None where it is given up."""
        with self._changed:
            state = self._boards[board]
            state.last_reason = str(error)
            state.successes_in_a_row = 0
            state.failures_in_a_row += 1
            if model in self._busy:
                self._busy.remove(model)
                self._waiting.append(model)
                self._models[model].failures[board] += 1
                state.unclear[model] = str(error)
            else:
                state.unclear.clear()  # the board was at fault
                state.attempts += 1
                state.faults += 1
            state.given_up = error.for_good or state.failures_in_a_row >= self._settings.board_tries
            self._changed.notify_all()
            if model in self._models and self._models[model].failures.total() >= _MOST_FAILURES:
                raise InputError(
                    f"{model} has failed {_MOST_FAILURES} times, and boards fail with other models "
                    f"too, so that it is not clear who is at fault: {error}"
                )
            pauses = state.failures_in_a_row - 2  # none after the first failure
            pause = self._settings.pause_seconds * 3**pauses if pauses >= 0 else 0.0
            return None if state.given_up else pause

    def how_boards_failed(self) -> str:
        ways = []
        for name, state in self._boards.items():
            count = state.failures_in_a_row
            often = f"failed {count} times in a row, at last" if count > 1 else "failed"
            ways.append(f"{name} {often}: {state.last_reason}")
        return "; ".join(ways)
