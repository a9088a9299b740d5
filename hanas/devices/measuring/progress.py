"""How far the measuring of some models is."""

from __future__ import annotations

import threading
import time

from hanas.core.checkpoints import Log
from hanas.training.epochs import duration


class Progress:
    """Counts the models that are done with and says how long the others may take."""

    def __init__(self, done: int, total: int, log: Log) -> None:
        self.done, self.total, self.log = done, total, log
        self._started, self._first, self._lock = time.monotonic(), done, threading.Lock()

    def advance(self, text: str) -> None:
        """Say what was done with one more model."""
        with self._lock:
            self.done += 1
            elapsed = time.monotonic() - self._started
            left = elapsed / (self.done - self._first) * (self.total - self.done)
            self.log(f"{self.done} of {self.total}: {text}; {duration(left)} left")
