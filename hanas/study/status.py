"""What ``hanas status`` says: what of a study is done, what runs, what is still to come."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hanas.core.errors import InputError
from hanas.core.progress import duration
from hanas.study import facts, planned, running
from hanas.study.explain import graph_of
from hanas.study.plan import left_to_compute, study_of
from hanas.study.results import facts_file, made_by


def status(folder: Path, configfile: Path | None) -> dict[str, Any]:
    """Return how far the study is whose results lie in a folder, on whatever machines it runs.

    ``done`` and ``total`` count results; ``seconds`` is what those that are there took, in all.
    ``running`` has of each job that is alive ``what`` it is, ``said``, what it told last,
    ``seconds`` so far, ``left_seconds`` (None: unknown) and its ``log``; ``ended`` has of each that
    ended without its result ``what``, ``log`` and ``why``. ``to_come`` counts the other jobs by
    rule, with ``seconds`` each (the median of those of the rule that are there; None: there are
    none). InputError if the settings are wrong.
    """
    jobs = graph_of(study_of(folder, configfile), folder).jobs()
    left = left_to_compute(folder, jobs)
    taken = _seconds(folder, [path for path in jobs if path not in left])
    base, prefix = _base(folder)
    alive, ended, waiting = [], [], Counter[str]()
    for path in left:
        rule, names = made_by(path) or ("", {})
        job = running.read(base / planned.live_file(planned.file_of(rule, names, prefix)))
        if job is None:
            waiting[rule] += 1
        elif job.is_alive:
            alive.append(job.told_now(base))
        else:
            ended.append({"what": job.what, "log": job.log, "why": job.failed or "was killed"})
    return {
        "done": len(jobs) - len(left),
        "total": len(jobs),
        "seconds": sum(map(sum, taken.values())),
        "running": alive,
        "ended": ended,
        "to_come": {
            rule: {
                "jobs": count,
                "seconds": statistics.median(taken[rule]) if taken[rule] else None,
            }
            for rule, count in waiting.most_common()
        },
    }


def in_words(found: Mapping[str, Any]) -> str:
    """Return what :func:`status` found, in lines."""
    took = f", computed in {duration(found['seconds'])}" if found["done"] else ""
    lines = [f"Done: {found['done']} of {found['total']} results{took}."]
    if found["running"]:
        lines += ["", "Running:", *(f"- {job['line']}" for job in found["running"])]
    if found["ended"]:
        lines += ["", "Ended without a result; the same command goes on from there:"]
        lines += [f"- {job['what']}: {job['why']} (see {job['log']})" for job in found["ended"]]
    if found["to_come"]:
        lines += ["", "To come:", *map("- {}".format, _to_come(found["to_come"]))]
    return "\n".join(lines)


def _to_come(found: Mapping[str, Any]) -> Iterator[str]:
    known = 0.0
    for rule, of_rule in found.items():
        each = of_rule["seconds"]
        known += of_rule["jobs"] * (each or 0)
        yield f"{of_rule['jobs']} {rule}" + (f", about {duration(each)} each" if each else "")
    if known:
        yield f"those with times about {duration(known)}, one after the other"


def _seconds(folder: Path, done: list[str]) -> dict[str, list[float]]:
    """Return how long jobs took, by rule, as the facts beside their results say."""
    taken: dict[str, list[float]] = defaultdict(list)
    for path in done:
        rule, names = made_by(path) or ("", {})
        with suppress(InputError):
            found = facts.read(folder / facts_file(rule, **names)) or {}
            if isinstance(seconds := found.get("seconds"), int | float):
                taken[rule].append(float(seconds))
    return taken


def _base(folder: Path) -> tuple[Path, str]:
    """Return the folder that the workflow runs in, and the prefix of the results' in there.

    They differ where another workflow uses this one as a module.
    """
    whole = folder.absolute()
    for base in (whole, *whole.parents):
        if (base / planned.LIVE).is_dir():
            prefix = whole.relative_to(base).as_posix()
            return base, "" if prefix == "." else f"{prefix}/"
    return whole, ""
