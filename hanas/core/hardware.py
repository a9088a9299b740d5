"""What the machine is made of. Standard library only: read while rules are parsed."""

from __future__ import annotations

import platform
from pathlib import Path


def has_nvidia_gpu() -> bool:
    """Return whether the NVIDIA driver is loaded, without importing PyTorch."""
    return Path("/dev/nvidiactl").exists()


def processor() -> str:
    """Return the name of the CPU."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
