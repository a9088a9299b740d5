"""Models shared by several boards of one kind, of which any may fail at any time.

A failure tells nothing yet: the board may have been unplugged, or the model may be one that it
cannot run. So the model goes back to the others, and the board, after a pause, is asked for a model
that it has measured before (else for one that nobody has failed with). If it can, the failure was
the model's; if it cannot, the failures were the board's, which is given up after some in a row. A
model is given up when it has failed several times in this way and every board that is still there
has tried it. So no model is ever given up because a board was unplugged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from hanas.checkpoints import Log
from hanas.epochs import duration
from hanas.errors import InputError
from hanas.settings import check_number
from hanas.timings import BoardLost


@dataclass(frozen=True)
class Patience:
    """How often what fails is tried again.

    Parameters
    ----------
    board_tries
        Failures in a row after which a board is given up.
    model_tries
        Failures of boards that worked before and afterwards, after which a model is given up.
    pause_seconds
        Before a board is asked again after a failure; three times as long after each further one.
    """

    board_tries: int = 4
    model_tries: int = 3
    pause_seconds: float = 10.0

    def __post_init__(self) -> None:
        check_number("board_tries", self.board_tries, at_least=1, whole=True)
        check_number("model_tries", self.model_tries, at_least=2, whole=True)
        check_number("pause_seconds", self.pause_seconds, at_least=0)


class NoBoardLeft(InputError):  # noqa: N818 - says what happened
    """All boards were given up while there still were models; the text says how each failed."""


@dataclass
class _Board:
    #: A model that this board has measured.
    proven: str | None = None
    #: What it was asked for since its last success, each with the reason of the failure.
    failures: list[tuple[str, str]] = field(default_factory=list)
    given_up: bool = False


@dataclass
class _Model:
    tried_on: set[str] = field(default_factory=set)
    own_failures: int = 0
    reason: str = ""


class BoardQueue:
    """Hands models to boards.

    Parameters
    ----------
    models
        Names of the models to measure, the first first.
    boards
        Names of the boards.
    proven
        For boards that have measured before, a model that they can run.
    patience
        How often what fails is tried again.
    give_up
        Is told the name of a model that is given up, and the reason.
    """

    def __init__(
        self,
        models: Sequence[str],
        boards: Sequence[str],
        *,
        proven: Mapping[str, str],
        patience: Patience,
        give_up: Callable[[str, str], None],
    ) -> None:
        self._patience, self._give_up = patience, give_up
        self._waiting = list(models)
        self._models = {name: _Model() for name in models}
        self._boards = {name: _Board(proven=proven.get(name)) for name in boards}
        self._busy: set[str] = set()
        self._changed = threading.Condition()
        self._stopped = False

    @property
    def left(self) -> int:
        """Number of models that are neither measured nor given up."""
        return len(self._waiting) + len(self._busy)

    @property
    def stopped(self) -> bool:
        """Whether nothing more shall be measured."""
        return self._stopped

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than there is something to do."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not self.left, seconds)

    def take(self, board: str) -> str | None:
        """Return what the board shall measure next, waiting for it; None where nothing is left.

        After a failure it may be a model that the board has measured before.
        """
        with self._changed:
            while self.left and not self._stopped and not self._boards[board].given_up:
                model = self._choice(board)
                if model is not None:
                    if model in self._waiting:
                        self._waiting.remove(model)
                        self._busy.add(model)
                    return model
                self._changed.wait()
        return None

    def _choice(self, name: str) -> str | None:
        board, alive = self._boards[name], self._alive()
        if board.failures and board.proven is not None and self._waiting:
            return board.proven
        untried = [m for m in self._waiting if not self._models[m].tried_on]
        of_others = [m for m in self._waiting if name not in self._models[m].tried_on]
        # Once more only what all boards have failed with: else it is for those that have not.
        again = [m for m in self._waiting if alive <= self._models[m].tried_on]
        again.sort(key=lambda m: self._models[m].own_failures)
        return next(iter([*untried, *of_others, *again]), None)

    def succeeded(self, board: str, model: str) -> None:
        """Note that a board has measured a model."""
        with self._changed:
            state = self._boards[board]
            # Where it failed with a model that it can run, the board was at fault.
            if state.proven not in [failed for failed, _ in state.failures]:
                for failed, reason in state.failures:
                    self._models[failed].own_failures += 1
                    self._models[failed].reason = reason
            state.failures.clear()
            state.proven = model
            self._busy.discard(model)
            self._look_for_hopeless()

    def refused(self, model: str) -> None:
        """Note that the device says that it cannot run a model."""
        with self._changed:
            self._busy.discard(model)
            self._changed.notify_all()

    def failed(self, board: str, model: str, error: BoardLost) -> float | None:
        """Note that a board has failed with a model.

        Returns
        -------
        float or None
            Seconds after which the board may be asked again; None where it is given up.
        """
        with self._changed:
            state = self._boards[board]
            state.failures.append((model, str(error)))
            if model in self._busy:
                self._busy.remove(model)
                self._waiting.append(model)
                self._models[model].tried_on.add(board)
            failures = len(state.failures)
            state.given_up = error.for_good or failures >= self._patience.board_tries
            self._look_for_hopeless()
            return None if state.given_up else self._patience.pause_seconds * 3 ** (failures - 1)

    def _alive(self) -> set[str]:
        return {name for name, state in self._boards.items() if not state.given_up}

    def _look_for_hopeless(self) -> None:
        alive = self._alive()
        for name in list(self._waiting):
            model = self._models[name]
            tried = bool(alive) and alive <= model.tried_on
            if tried and model.own_failures >= self._patience.model_tries:
                self._waiting.remove(name)
                self._give_up(name, model.reason)
        self._changed.notify_all()

    def check_that_all_is_done(self) -> None:
        """Raise NoBoardLeft where models are left, saying how each board failed."""
        if self.left:
            ways = []
            for name, state in self._boards.items():
                last = state.failures[-1][1]
                count = len(state.failures)
                often = f"failed {count} times in a row, at last: " if count > 1 else "failed: "
                ways.append(f"{name} {often}{last}")
            raise NoBoardLeft("; ".join(ways))


def share(
    queue: BoardQueue,
    boards: Sequence[str],
    measure: Callable[[str, str], bool],
    *,
    alone_on: Callable[[str], AbstractContextManager],
    log: Log,
) -> None:
    """Measure models on boards until none is left, one thread a board.

    Parameters
    ----------
    queue
        The models.
    boards
        The boards.
    measure
        ``measure(model, board)`` measures and keeps what it finds; it returns False where the
        device refuses the model, and raises BoardLost.
    alone_on
        Gives a context in which a board belongs to this process.
    log
        Is told of boards that fail.

    Raises
    ------
    NoBoardLeft
        If all boards were given up.
    """
    errors: list[BaseException] = []

    def serve(board: str) -> None:
        try:
            with alone_on(board):
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
    queue.check_that_all_is_done()


def _serve(queue: BoardQueue, board: str, measure: Callable[[str, str], bool], log: Log) -> None:
    while (model := queue.take(board)) is not None:
        try:
            measured = measure(model, board)
        except BoardLost as error:
            pause = queue.failed(board, model, error)
            if pause is None:
                log(f"{board} failed with {model}: {error}; it is given up")
                return
            log(f"{board} failed with {model}: {error}; it is asked again in {duration(pause)}")
            queue.pause(pause)
        else:
            if measured:
                queue.succeeded(board, model)
            else:
                queue.refused(model)
