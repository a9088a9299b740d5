"""Where PyTorch computes: the device, its precision, the number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from hanas.core.errors import InputError


def choose_device(name: str, precision: str = "float32") -> torch.device:
    """Return the device for a setting: ``cpu``, ``cuda``, or ``auto`` (CUDA where there is one).

    Raises
    ------
    InputError
        If CUDA is asked for, or needed for the precision, and there is none.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"device is {name!r}; expected one of: auto, cpu, cuda")
    if precision not in ("float32", "mixed"):
        raise InputError(f"precision is {precision!r}; expected one of: float32, mixed")
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise InputError(
            "device is 'cuda', but PyTorch finds no CUDA device; set it to auto or cpu"
        )
    device = torch.device("cuda" if name != "cpu" and has_cuda else "cpu")
    if precision == "mixed" and device.type == "cpu":
        raise InputError("precision is 'mixed', which needs CUDA, but this runs on the CPU")
    return device


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Return a context in which ``mixed`` precision computes in bfloat16 where that is safe."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "mixed")


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let PyTorch use ``count`` CPU threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
