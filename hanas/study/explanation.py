"""What ``hanas explain`` says about a result: its chain of files, and what an edit would rerun."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hanas.study import provenance
from hanas.study.provenance import Step

_SNAKEFILE = Path(__file__).parents[2] / "Snakefile"
#: Facts that are shown in a line of their own.
_SHOWN_APART = ("settings", "hanas", "hardware", "python", "seconds", "sources")


def explanation(file: str, study: Path, *, configfile: Path | None = None) -> dict[str, Any]:
    """Return the chain that a result came from and whether anything in it has changed since.

    Parameters
    ----------
    file
        A result, relative to the study's folder.
    study
        The folder that holds ``results``.
    configfile
        The study's settings, where they are not in its config.yaml.

    Returns
    -------
    dict
        ``file``; ``chain``, a list of files, each with ``depth``, ``state`` and, where a job of
        the study wrote it and it was not shown before, the facts of that job; ``changed``, the
        files that are missing or changed; ``would_run``, what Snakemake would run for the file
        with the settings of today; ``up_to_date``, whether nothing of these is the case.

    Raises
    ------
    InputError
        If nothing says how the file was made.
    """
    chain = provenance.explain(file, study)
    changed = sorted({step.file for step in chain if step.state != "unchanged"})
    would_run, said = planned(file, study, configfile)
    return {
        "file": file,
        "chain": [_as_mapping(step) for step in chain],
        "changed": changed,
        "would_run": would_run,
        "settings_check": said,
        "up_to_date": not changed and would_run == {},
    }


def planned(
    file: str, study: Path, configfile: Path | None = None
) -> tuple[dict[str, int] | None, str]:
    """Return the jobs of each rule that Snakemake would run for a file now, and what it said.

    None where it could not say: a wrong setting, or a file of the user's that is not there.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(_SNAKEFILE)]
    command += ["--directory", str(study), "--dry-run", "--quiet", "rules", "--nolock", file]
    if configfile is not None:
        command += ["--configfile", str(configfile.resolve())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    printed = done.stdout + done.stderr
    if done.returncode:
        return None, "\n".join(line for line in printed.splitlines() if line.strip())
    return dict(_job_counts(printed)), ""


def _job_counts(printed: str) -> Iterator[tuple[str, int]]:
    in_table = False
    for words in map(str.split, printed.splitlines()):
        if words == ["job", "count"]:
            in_table = True
        elif not words:
            in_table = False
        elif in_table and len(words) == 2 and words[1].isdigit() and words[0] != "total":
            yield words[0], int(words[1])


def _as_mapping(step: Step) -> dict[str, Any]:
    said: dict[str, Any] = {"file": step.file, "depth": step.depth, "state": step.state}
    if step.record is not None and not step.shown:
        said["facts_file"] = step.record.file
        said["facts"] = dict(step.record.facts)
    return said


def explained_in_words(found: Mapping[str, Any]) -> str:
    """Return what :func:`explanation` found as indented lines."""
    lines: list[str] = []
    shown: set[str] = set()
    for step in found["chain"]:
        indent = "  " * step["depth"]
        again = "" if step["file"] not in shown else " (see above)"
        state = "" if step["state"] == "unchanged" else f"  <- {step['state'].upper()}"
        lines.append(f"{indent}{step['file']}{again}{state}")
        shown.add(step["file"])
        if "facts" in step:
            lines += [f"{indent}  | {line}" for line in _facts_in_words(step["facts"])]
    lines.append("")
    if found["changed"]:
        lines.append(f"Changed since, or missing: {', '.join(found['changed'])}.")
    else:
        lines.append("No file has changed since.")
    if found["would_run"] is None:
        lines.append(f"Whether settings have changed is unknown:\n{found['settings_check']}")
    elif found["would_run"]:
        jobs = ", ".join(f"{rule} ({count})" for rule, count in found["would_run"].items())
        lines.append(f"With the settings of today, Snakemake would run: {jobs}.")
    else:
        lines.append("The settings of today give the same.")
    return "\n".join(lines)


def _facts_in_words(facts: Mapping[str, Any]) -> Iterator[str]:
    sources = facts.get("sources", ())
    for source in sources.items() if isinstance(sources, Mapping) else sources:
        yield f"source: {_source_in_words(source)}"
    settings = ", ".join(f"{key} {value}" for key, value in _flat(facts["settings"]))
    yield f"settings: {settings}"
    rest = {key: value for key, value in facts.items() if key not in _SHOWN_APART}
    if rest:
        yield "result: " + ", ".join(f"{key} {value}" for key, value in _flat(rest))
    code, hardware = facts["hanas"], facts["hardware"]
    yield (
        f"made by hanas {code['version']} (commit {code['commit'] or 'unknown'}), Python "
        f"{facts['python']}, on {hardware['processor']}, {hardware['cores']} cores, in "
        f"{facts['seconds']:g} s"
    )


def _source_in_words(source: Any) -> str:
    if isinstance(source, Mapping):
        return ", ".join(f"{key} {value}" for key, value in source.items())
    return ": ".join(source) if isinstance(source, tuple) else str(source)


def _flat(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted key, value); of a list of mappings, only its length."""
    for key, value in node.items():
        name = f"{path}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield name, f"({len(value)} entries)"
        else:
            yield name, "/".join(map(str, value)) if isinstance(value, list) else str(value)
