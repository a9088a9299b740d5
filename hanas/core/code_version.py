"""Which code made a result."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit() -> str | None:
    """Return the Git commit of the code, with ``+changes`` where files differ; None outside Git."""
    folder = Path(__file__).parents[2]

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        head = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+changes" if changed else "")
