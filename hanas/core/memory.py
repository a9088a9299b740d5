"""How much memory there is, and what to do where it was not enough."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hanas.core.errors import InputError, one_line

T = TypeVar("T")
#: What PyTorch, ONNX Runtime and the C++ library say where memory is short.
_SAID = (
    *("allocate memory", "out of memory", "not enough memory", "bad_alloc", "bad allocation"),
    *("memoryerror", "unable to allocate", "could not create a primitive"),
)


def in_words(count: float) -> str:
    """Return a number of bytes in words.

    >>> in_words(2_500), in_words(1.5e9)
    ('2.5 kB', '1.5 GB')
    """
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB" if count < 1000 else f"{count:,.0f} GB"


def free_bytes() -> int:
    """Return how many bytes this process can still take.

    The least of what the machine has, what the control groups of this process leave (a container,
    a job of a cluster) and what its limit of address space leaves. Where none of them is known,
    4 GB.
    """
    known = [_of_machine(), *_of_groups(), _of_process()]
    return max(0, min((count for count in known if count is not None), default=4 * 10**9))


def _of_machine() -> int | None:
    facts = Path("/proc/meminfo")
    for line in facts.read_text(encoding="utf-8").splitlines() if facts.exists() else ():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _of_groups() -> Iterator[int]:
    """Yield what each control group (version 2) around this process leaves."""
    own, top = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
    names = own.read_text(encoding="utf-8").splitlines() if own.exists() else []
    for name in (line.removeprefix("0::/") for line in names if line.startswith("0::/")):
        for folder in (top / name, *(top / name).parents):
            limit, used = folder / "memory.max", folder / "memory.current"
            if limit.exists() and used.exists() and (most := limit.read_text().strip()) != "max":
                # Pages of files are given back when memory is short.
                cached = _file_pages(folder / "memory.stat")
                yield int(most) - int(used.read_text()) + cached
            if folder == top:
                break


def _file_pages(statistics: Path) -> int:
    for line in statistics.read_text(encoding="utf-8").splitlines() if statistics.exists() else ():
        if line.startswith("inactive_file "):
            return int(line.split()[1])
    return 0


def _of_process() -> int | None:
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    used = Path("/proc/self/statm")
    if most == resource.RLIM_INFINITY or not used.exists():
        return None
    return most - int(used.read_text().split()[0]) * resource.getpagesize()


def short_of_memory(said: str) -> bool:
    """Return whether what a program said of its failure is that memory was short."""
    return any(each in said.lower() for each in _SAID)


def in_halves(function: Callable[[Any], T], batch: Any) -> list[T]:
    """Return what a function makes of a batch; where memory is short, of its halves, in order.

    Errors of the function pass through, and that memory is short even for one of the batch.
    """
    try:
        return [function(batch)]
    except Exception as error:  # of PyTorch and ONNX Runtime, classes of their own
        short = isinstance(error, MemoryError) or short_of_memory(one_line(error))
        if not short or len(batch) < 2:
            raise
    # Not while the error is handled: it holds on to what had been computed.
    half = len(batch) // 2
    return in_halves(function, batch[:half]) + in_halves(function, batch[half:])


@contextmanager
def enough_memory(what: str, remedy: str) -> Iterator[None]:
    """Say of a block that ran out of memory what it was doing, and what to set (InputError)."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, MemoryError) or short_of_memory(one_line(error)):
            free = in_words(free_bytes())
            raise InputError(
                f"{what}: out of memory ({one_line(error)[:200]}; {free} are free); {remedy}"
            ) from error
        raise
