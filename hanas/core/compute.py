"""What computes: the code, the processor, and PyTorch's device, precision, threads and randomness.

PyTorch is imported where it is used: rules use this module while they are parsed.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hanas.core.errors import InputError

if TYPE_CHECKING:
    import torch

#: What sources say of such a processor; see :func:`lacks_vnni`.
NO_VNNI = "no VNNI"


def commit() -> str | None:
    """Return the Git commit of the code, with ``+changes`` where files differ; None outside Git."""
    clone = Path(__file__).parents[2]
    if not (clone / "pyproject.toml").is_file():  # installed, perhaps inside of another repository
        return None
    git = ["git", "-C", str(clone)]
    try:
        head, changed = (
            subprocess.run([*git, *words], capture_output=True, text=True, check=True).stdout
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.strip() + ("+changes" if changed.strip() else "")


def processor() -> str:
    """Return the name of the CPU."""
    facts = Path("/proc/cpuinfo")
    for line in facts.read_text(encoding="utf-8").splitlines() if facts.exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def lacks_vnni() -> bool:
    """Return whether this is an x86 processor without VNNI, on which 8-bit products overflow."""
    facts = Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "AMD64") or not facts.exists():
        return False
    return not {"avx512_vnni", "avx_vnni"} & set(facts.read_text(encoding="utf-8").split())


def has_nvidia_gpu() -> bool:
    """Return whether the NVIDIA driver is loaded, without importing PyTorch."""
    return Path("/dev/nvidiactl").exists()


def choose_device(name: str, precision: str = "float32") -> torch.device:
    """Return the device for ``cpu``, ``cuda``, or ``auto``: CUDA where there is one.

    InputError if CUDA is asked for, or needed for the precision, and there is none.
    """
    import torch

    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise InputError("device is 'cuda', but PyTorch finds no CUDA device; set auto or cpu")
    device = torch.device("cuda" if name != "cpu" and has_cuda else "cpu")
    if precision == "mixed" and device.type == "cpu":
        raise InputError("precision is 'mixed', which needs CUDA, but this runs on the CPU")
    return device


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Return a context in which ``mixed`` precision computes in bfloat16 where that is safe."""
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "mixed")


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let PyTorch use ``count`` CPU threads inside the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a CPU generator for one purpose, such as ``"batches", epoch``, of a run with a seed.

    Numbers drawn for an epoch or a use do not depend on what was drawn before, so that a training
    can go on anywhere, and a trainer can draw more without changing what others draw.
    """
    import torch

    digest = hashlib.sha256(repr((int(seed), *purpose)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
