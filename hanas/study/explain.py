"""What ``hanas explain`` says about a result: its chain of files, and what an edit would rerun.

Every job of the workflow writes a JSON of facts (:func:`hanas.study.jobs.write_facts`) with the
checksums of the files it read and wrote. Together they are a graph, in which a result is looked up
by its path.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hanas.core import plugins, yaml_files
from hanas.core.contents import content
from hanas.core.errors import InputError
from hanas.study import checks
from hanas.study.facts import compared
from hanas.study.facts import read as facts_in
from hanas.study.graph import Graph
from hanas.study.results import facts_file, made_by

#: The clone that this code is in, if it is in one: a wheel has no rules and no study.
_CLONE = Path(__file__).parents[2]
#: Where a folder has its study; the second is where snakedeploy puts it.
_STUDIES = ("config.yaml", "config/config.yaml")
#: Jobs between a file of the user's and a result, at most.
_DEEPEST = 200
#: Facts that are shown in a line of their own.
_SHOWN_APART = ("settings", "hanas", "hardware", "python", "seconds", "sources")


def explanation(file: str, study: Path, *, configfile: Path | None = None) -> dict[str, Any]:
    """Return the chain that a result came from and whether anything in it has changed since.

    ``study`` is the folder that holds ``results``, ``file`` a result, relative to it or absolute;
    ``configfile`` the study's settings, where they are not in its config.yaml. Returns ``file``;
    ``chain``, see :func:`chain_of`; ``changed``, the files that are missing or changed;
    ``other_settings``, for each result of the chain what its settings were and are today, a line
    each; ``would_run`` and ``settings_check``, see :func:`planned`; and ``up_to_date``. Raises
    InputError if nothing says how the file was made.
    """
    chain = chain_of(file, study)
    changed = sorted({step["file"] for step in chain if step["state"] != "unchanged"})
    other, said = settings_of_today(chain, study, configfile)
    would_run = None
    if not said:
        would_run, said = planned(chain[0]["file"], study, configfile)
    up_to_date = not changed and not other and would_run == {}
    found = {"file": file, "chain": chain, "changed": changed, "other_settings": other}
    return {**found, "would_run": would_run, "settings_check": said, "up_to_date": up_to_date}


def settings_of_today(
    chain: Sequence[Mapping[str, Any]], study: Path, configfile: Path | None = None
) -> tuple[dict[str, list[str]], str]:
    """Compare the settings of the results in a chain with those that the study has now.

    Returns the lines of each file whose settings differ, or whose job the study no longer has; and
    what is wrong with the study's file where it cannot be read.
    """
    path = configfile or study_file(study) or study_file(_CLONE)
    if path is None:
        return {}, f"{study} holds no {' or '.join(_STUDIES)}; name the study with --configfile"
    other: dict[str, list[str]] = {}
    try:
        graph = graph_of(path, study)
    except InputError as error:
        return {}, str(error)
    for step in chain:
        rule, names = made_by(step["file"]) or ("", {})
        if rule and "facts" in step:
            try:
                lines = compared(step["facts"]["settings"], graph.job(rule, **names).params)
            except InputError as error:
                lines = [str(error)]
            other |= {step["file"]: lines} if lines else {}
    return other, ""


def study_file(folder: Path) -> Path | None:
    """Return where a folder has its study; None where it has none."""
    return next((folder / name for name in _STUDIES if (folder / name).is_file()), None)


def graph_of(configfile: Path, study: Path) -> Graph:
    """Return the graph of the study in a file; InputError if it is none."""
    yaml_files.check(configfile)
    text = configfile.read_text(encoding="utf-8")
    try:
        config = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:  # JSON with tabs, as the check has seen
        config = json.loads(text)
    folder = config.get("plugin_folder")
    if isinstance(folder, str) and plugins.FOLDER_VARIABLE not in os.environ:
        os.environ[plugins.FOLDER_VARIABLE] = os.path.abspath(study / folder)
    found = checks.read(config, str(configfile))
    return Graph(found, study / (os.environ.get("HANAS_DATA") or found.data_folder))


def chain_of(file: str, study: Path) -> list[dict[str, Any]]:
    """Return the files that a result came from, itself first, each after what it made.

    Each has its ``file``, as the job that read or wrote it names it; ``depth``, the number of jobs
    between it and the result; ``state``: ``unchanged``, ``changed`` since, or ``missing``; and,
    where a job of the study wrote it and it was not shown before, ``facts_file`` and ``facts``.
    Where these are gone, their file follows, ``missing``.
    """
    written = facts_of_files(study)
    wanted = _in_study(file, study)
    if wanted not in written:
        raise InputError(
            f"{file}: no facts beside the results in {study / 'results'} say how it was made; "
            "name a file that the workflow has written, such as results/tables/edgegpu.csv"
        )
    states: dict[tuple[str, str], str] = {}

    def steps(file: str, sha256: str, depth: int) -> Iterator[dict[str, Any]]:
        key, path = (file, sha256), study / file
        step = {"file": file, "depth": depth}
        if depth > _DEEPEST:
            raise InputError(
                f"{file}: is {depth} jobs away from {wanted}; these are no facts of ours"
            )
        if key in states:
            yield {**step, "state": states[key]}
            return
        same = content(path) == sha256
        states[key] = "unchanged" if same else "changed" if path.exists() else "missing"
        path_of_facts, facts = written.get(file, ("", {}))
        told = {name: facts[name] for name in facts if name not in ("inputs", "outputs")}
        said = {"facts_file": path_of_facts, "facts": told} if facts else {}
        yield {**step, "state": states[key], **said}
        made = made_by(file)
        beside = facts_file(made[0], **made[1]) if made else file
        if beside != file and not (study / beside).exists():
            yield {"file": beside, "depth": depth + 1, "state": "missing"}
        for read in facts.get("inputs", {}).values():
            yield from steps(read["file"], read["sha256"], depth + 1)

    return list(steps(wanted, written[wanted][1]["outputs"][wanted], 0))


def _in_study(file: str, study: Path) -> str:
    """Return the path of a file from the study's folder on, whatever links lead to either."""
    path, folder = Path(file), Path(os.path.abspath(study))
    if not path.is_absolute():
        return os.path.normpath(file)
    # A result may itself be a link, or lie in a folder that is one: only what is above is followed.
    for above in (folder, folder.resolve()):
        for own in (path, path.parent.resolve() / path.name):
            if own.is_relative_to(above):
                return str(own.relative_to(above))
    return file


def facts_of_files(study: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return for each file that a job of the study wrote the JSON of its facts, and these."""
    written: dict[str, tuple[str, dict[str, Any]]] = {}
    for path in sorted((study / "results").rglob("*.json")):
        is_there = path.exists() and not path.is_dir()  # editors mark open files by dead links
        if is_there and "kept" not in path.parts and (facts := facts_in(path)) is not None:
            written |= dict.fromkeys(facts["outputs"], (str(path.relative_to(study)), facts))
    return written


def planned(
    file: str, study: Path, configfile: Path | None = None
) -> tuple[dict[str, int] | None, str]:
    """Return the jobs of each rule that Snakemake would run for a file now, and what it said.

    None where it could not say: a wrong setting, or a file of the user's that is not there.
    """
    snakefile = _CLONE / "Snakefile"
    if not snakefile.is_file():  # installed without rules: files and settings have been compared
        return {}, ""
    # -P: a snakemake.py in the study's folder is none of ours.
    command = [sys.executable, "-P", "-m", "snakemake", "--snakefile", str(snakefile)]
    command += ["--directory", str(study), "--dry-run", "--quiet", "rules", "--nolock", file]
    if configfile is None and not (study / _STUDIES[0]).is_file():
        configfile = study_file(study)
    if configfile is not None:
        command += ["--configfile", str(configfile.resolve())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    printed = done.stdout + done.stderr
    if done.returncode:
        return None, "\n".join(line for line in printed.splitlines() if line.strip())
    jobs = re.findall(r"^(\w+) +(\d+)$", printed, re.MULTILINE)
    return {rule: int(count) for rule, count in jobs if rule != "total"}, ""


def explained_in_words(found: Mapping[str, Any]) -> str:
    """Return what :func:`explanation` found as indented lines."""
    lines: list[str] = []
    shown: set[str] = set()
    for step in found["chain"]:
        file, indent = step["file"], "  " * step["depth"]
        again = " (see above)" if file in shown else ""
        state = "" if step["state"] == "unchanged" else f"  <- {step['state'].upper()}"
        told = _facts_in_words(step["facts"]) if "facts" in step else ()
        lines += [f"{indent}{file}{again}{state}", *(f"{indent}  | {line}" for line in told)]
        shown.add(file)
    for file, differing in found["other_settings"].items():
        lines += ["", f"{file} was made with other settings:", *(f"  {line}" for line in differing)]
    changed = "No file has changed since."
    if found["changed"]:
        changed = f"Changed since, or missing: {', '.join(found['changed'])}."
    rerun = "The settings of today give the same."
    if found["other_settings"]:
        rerun = "The settings of today are others."
    if found["would_run"] is None:
        rerun = f"Whether settings have changed is unknown:\n{found['settings_check']}"
    elif found["would_run"]:
        jobs = ", ".join(f"{rule} ({count})" for rule, count in found["would_run"].items())
        rerun = f"With the settings of today, Snakemake would run: {jobs}."
    return "\n".join([*lines, "", changed, rerun])


def _facts_in_words(facts: Mapping[str, Any]) -> Iterator[str]:
    sources = facts.get("sources", ())
    sources = list(sources.items()) if isinstance(sources, Mapping) else sources
    for source in sources if isinstance(sources, list) else [sources] if sources else ():
        if isinstance(source, Mapping):
            source = ", ".join(f"{key} {value}" for key, value in source.items())
        yield f"source: {': '.join(source) if isinstance(source, tuple) else source}"
    yield "settings: " + ", ".join(_flat(facts["settings"]))
    rest = {key: value for key, value in facts.items() if key not in _SHOWN_APART}
    if rest:
        yield "result: " + ", ".join(_flat(rest))
    code, hardware = _Told(facts.get("hanas")), _Told(facts.get("hardware"))
    python, seconds = (facts.get(key, "unknown") for key in ("python", "seconds"))
    yield (
        f"made by hanas {code['version']} (commit {code['commit']}), Python {python}, "
        f"on {hardware['processor']}, {hardware['cores']} cores, in {seconds} s"
    )


class _Told(dict[str, Any]):
    """What facts tell of something, "unknown" where they do not."""

    def __init__(self, told: Any) -> None:
        super().__init__(told if isinstance(told, Mapping) else {})

    def __getitem__(self, key: str) -> Any:
        return self.get(key) or "unknown"


def _flat(node: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield each dotted key with its value; of a list of mappings, only its length."""
    for key, value in node.items():
        name = f"{path}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield f"{name} ({len(value)} entries)"
        else:
            yield f"{name} {'/'.join(map(str, value)) if isinstance(value, list) else value}"
