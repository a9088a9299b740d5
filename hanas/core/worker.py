"""A process that answers one request after the other, for :class:`hanas.core.workers.Workers`.

It reads lines of JSON: first its task, then a request at a time, and answers each with a line of
JSON. It ends with its input, so also when its parent dies.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import IO, Any

import torch


def send(stream: IO[str], message: Any) -> None:
    """Write a message as one line."""
    stream.write(json.dumps(message) + "\n")
    stream.flush()


def main() -> None:
    """Serve the parent process on standard input and output."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    torch.set_num_threads(1)
    task = json.loads(sys.stdin.readline())
    answer = import_module(task["server"]).serve(task)
    for line in sys.stdin:
        send(answers, answer(json.loads(line)))


if __name__ == "__main__":
    main()
