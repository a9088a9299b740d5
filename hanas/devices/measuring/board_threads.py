"""One thread for each board, which measures what the queue of models hands it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from hanas.core.checkpoints import Log
from hanas.devices.measuring.board_queue import BoardQueue
from hanas.devices.measuring.timings import BoardLost
from hanas.training.epochs import duration


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
            when = f"in {duration(pause)}" if pause else "at once"
            log(f"{board} failed with {model}: {error}; it is asked again {when}")
            queue.pause(pause)
        else:
            if measured:
                queue.succeeded(board, model)
            else:
                queue.refused(model)
