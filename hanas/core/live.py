"""What the job of this process is at, in a small file for those who watch: is it alive, how far.

A log tells what was; this file is written every few seconds for as long as the job lives, and
removed when it ends well. So a file that grows old is of a job that was killed, wherever it ran:
who reads it need not be on the same machine.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hanas.core.errors import one_line

#: Between two writings.
SECONDS = 2.0


@dataclass
class _Now:
    """What was told last: in words, and the seconds that the job may still take."""

    among: str = ""
    more: int = 0
    told: dict[str, Any] = field(default_factory=dict)


_now = _Now()


def among(said: str, more: int) -> None:
    """Say that what is told from now on is one of several alike, after which come so many more."""
    _now.among, _now.more, _now.told = said, more, {}
    tell("", None)


def tell(said: str, left_seconds: float | None, whole_seconds: float = 0.0) -> None:
    """Say how far the job is; ``whole_seconds`` is what this one of several may take in all."""
    said = "; ".join(filter(None, (_now.among, said)))
    left = None if left_seconds is None else left_seconds + _now.more * whole_seconds
    _now.told = {"said": said, "left_seconds": left, "told": time.time()}


@contextmanager
def told_in(path: Path, about: Mapping[str, Any]) -> Iterator[None]:
    """Keep a JSON file of what this process tells, and ``about`` it, while the block runs.

    Where the block raises, the file stays and says what (``failed``). Nothing ends because the file
    cannot be written.
    """
    global _now
    _now, over, began = _Now(), threading.Event(), time.time()

    def write(**more: Any) -> None:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.tmp")
            temporary.write_text(json.dumps({**about, "began": began, **_now.told, **more}))
            os.replace(temporary, path)

    def keep() -> None:
        write()
        while not over.wait(SECONDS):
            write()

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield
    except BaseException as error:
        over.set()
        thread.join()
        write(failed=one_line(error))
        raise
    over.set()
    thread.join()
    with suppress(OSError):
        path.unlink(missing_ok=True)
