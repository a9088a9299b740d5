"""A process that answers one request after the other, for :class:`hanas.core.workers.Workers`.

It is given the function that makes its answers, then a request at a time, all of them pickled by
the process that started it. It ends with its input, so also when its parent dies.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import IO, Any


def send(stream: IO[bytes], message: Any) -> None:
    """Write a message."""
    pickle.dump(message, stream)
    stream.flush()


def main() -> None:
    """Serve the parent process on standard input and output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    answer = pickle.load(sys.stdin.buffer)()
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        send(answers, answer(request))


if __name__ == "__main__":
    main()
