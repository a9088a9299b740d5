"""Say why SLURM ended a job. Its own log of the job tells, but Snakemake may not show it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

#: What SLURM writes when it ends a job, the surest sign first, and what that means. Some versions
#: and settings only leave the shell's word for a process that was killed.
SIGNS = (
    (r"exceeded \w*\s?memory limit|oom.?kill|out.of.memory", "ran out of memory; raise its mem_mb"),
    (r"DUE TO TIME LIMIT", "ran out of time; raise its runtime"),
    (r"DUE TO NODE FAILURE", "was on a node that failed"),
    (r"DUE TO PREEMPTION", "had to make room for another job"),
    (r"CANCELLED AT", "was cancelled"),
    (r"task \d+: (Killed|Terminated)", "was killed"),
)
RULE = re.compile(r"^\s*rule (\w+):$", re.MULTILINE)
WILDCARDS = re.compile(r"^\s*wildcards: (.+)$", re.MULTILINE)


def reasons(folder: Path, *, since: float) -> Iterator[str]:
    """Yield a line for each job that SLURM ended.

    ``folder`` holds the logs, a file for each job that did not succeed, named by its number; only
    those that were written ``since`` a time, in seconds as of ``time.time()``, are read.
    """
    for path in sorted(folder.rglob("*.log")):
        if path.stat().st_mtime >= since:
            text = path.read_text(encoding="utf-8", errors="replace")
            if reason := _reason(text):
                yield f"SLURM job {path.stem}{reason}"


def _reason(text: str) -> str | None:
    for sign, meaning in SIGNS:
        if found := re.search(sign, text, re.IGNORECASE):
            # The jobs of a group run one after another: the last that was announced is meant.
            announced = list(RULE.finditer(before := text[: found.start()]))
            if not announced:
                return f" {meaning}"
            wildcards = WILDCARDS.search(before, announced[-1].end())
            of_what = f" of {wildcards[1]}" if wildcards else ""
            return f" ({announced[-1][1]}{of_what}) {meaning}"
    return None
