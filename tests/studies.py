"""Small studies in folders of their own: computed in this process, or by the real command."""

import os
import re
import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml
from PIL import Image

from hanas.study import checks as studies
from hanas.study._entries import Job
from hanas.study.graph import Graph
from hanas.study.results import made_by, result

REPOSITORY = Path(__file__).parents[1]

#: The tiny study, as plain settings.
TINY = yaml.safe_load((REPOSITORY / "config" / "tiny.yaml").read_text(encoding="utf-8"))
#: What holds wall-clock times, and so differs between any two runs.
TIMED = ("history.parquet", ".json", ".snakemake_timestamp")


class JobFailed(Exception):  # noqa: N818 - says what happened
    """A job that was run in this process failed; says what its log does."""


@dataclass(frozen=True)
class Study:
    """A folder with a ``config.yaml``, a data folder and what snakemake writes there."""

    folder: Path

    def config(self) -> dict:
        return yaml.safe_load((self.folder / "config.yaml").read_text(encoding="utf-8"))

    def write(self, config: dict) -> None:
        text = yaml.safe_dump(config, sort_keys=False)
        (self.folder / "config.yaml").write_text(text, encoding="utf-8")

    def graph(self) -> Graph:
        """Return the study's graph of jobs."""
        return graph_of(self.config(), self.folder / "data")

    @contextmanager
    def edited(self) -> Iterator[dict]:
        """Give the settings to a block, which writes other ones; put back what was there after."""
        before = self.config()
        try:
            yield self.config()
        finally:
            self.write(before)

    def compute(self, *targets: str) -> dict[str, int]:
        """Compute results that are missing, without Snakemake; return the number of jobs by rule.

        Each job's script runs in this process, so that what they import is imported once.
        """
        graph, counts = self.graph(), {}
        with chdir(self.folder):
            for path, job in graph.jobs(targets or None).items():
                made = made_by(path)
                assert made is not None
                if not Path(path).exists():
                    run_job(graph, job, *made)
                    counts[made[0]] = counts.get(made[0], 0) + 1
        return counts

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        return [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")),
            *("--directory", str(self.folder), "--cores", str(cores), *arguments),
        ]

    def environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
        return {**inherited, "HANAS_DATA": str(self.folder / "data"), "COLUMNS": "200"}

    def run(
        self,
        *arguments: str,
        cores: int = 2,
        check: bool = True,
        environment: dict[str, str] | None = None,
    ) -> str:
        """Run snakemake and return all it printed; with ``check``, it must succeed."""
        done = subprocess.run(
            self.command(*arguments, cores=cores),
            env={**self.environment(), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1200,  # no study of the tests takes so long, even on a slow machine
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout
        else:
            assert done.returncode != 0, done.stdout
        return done.stdout

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return the number of jobs of each rule that snakemake would run now."""
        printed = self.run("--dry-run", "--quiet", "rules", *arguments)
        return _job_counts(printed)


class _Files(dict[str, Any]):
    """Files by name, as Snakemake gives them to a script."""

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __iter__(self) -> Iterator[str]:
        for files in self.values():
            yield from [files] if isinstance(files, str) else files


@cache
def rules() -> dict[str, dict[str, Any]]:
    """Return the script, the log and the outputs of each rule, as its file has them."""
    found = {}
    for file in sorted((REPOSITORY / "rules").glob("*.smk")):
        for text in re.split(r"^rule ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            sections = dict(re.findall(r"^    (\w+):\n((?: {8}.*\n|\n)+)", text, re.MULTILINE))
            outputs = re.findall(r'(\w+)=(?:\w+\(\s*)?"([^"]+)"', sections["output"])
            drawn = r'drawn\(\s*"([^"]+)",\s*"\w+"(?:,\s*"(\w+)")?'
            for path, name in re.findall(drawn, sections["output"]):
                outputs += [(f"{name}{form}", f"{path}.{form}") for form in ("pdf", "svg", "png")]
            found[text.split(":")[0]] = {
                "script": REPOSITORY / "rules" / sections["script"].split('"')[1],
                "log": sections["log"].split('"')[1],
                "output": dict(outputs),
            }
    return found


def run_job(graph: Graph, job: Job, rule: str, wildcards: dict[str, str]) -> None:
    """Run the script of a job in this process, in the folder of its study.

    Raises JobFailed if it fails, as the real command does.
    """
    known = rules()[rule]
    log = Path(known["log"].format(**wildcards))
    output = {name: path.format(**wildcards) for name, path in known["output"].items()}
    for path in (log, *map(Path, output.values())):
        path.parent.mkdir(parents=True, exist_ok=True)
    snakemake = SimpleNamespace(
        input=_Files(job.inputs),
        output=_Files(output),
        params=SimpleNamespace(cfg=job.params),
        wildcards=SimpleNamespace(**wildcards),
        resources=SimpleNamespace(data_folder=str(graph.data)),
        log=[str(log)],
        threads=min(job.threads, 2),
    )
    with _own_output():
        try:
            runpy.run_path(str(known["script"]), {"snakemake": snakemake})
        except SystemExit:
            raise JobFailed(log.read_text(encoding="utf-8")) from None


@contextmanager
def _own_output() -> Iterator[None]:
    """Give this process its output back when a job, which sends all to its log, has ended."""
    sys.stdout.flush()
    sys.stderr.flush()
    before = os.dup(1), os.dup(2)
    try:
        # Not pytest's, which do not write to the descriptors that a job redirects.
        with (
            open(1, "w", buffering=1, closefd=False) as stdout,
            open(2, "w", buffering=1, closefd=False) as stderr,
            redirect_stdout(stdout),
            redirect_stderr(stderr),
        ):
            yield
    finally:
        for kept, stream in zip(before, (1, 2), strict=True):
            os.dup2(kept, stream)
            os.close(kept)


def graph_of(config: dict, data: Path) -> Graph:
    """Return the graph of a study's plain settings."""
    return Graph(studies.read(config, "config.yaml"), data)


def rerun(before: Mapping[str, Job], after: Mapping[str, Job]) -> Counter[str]:
    """Return how many jobs of each rule run again: what changed, and all that reads of it."""
    again: set[str] = set()
    for path, job in after.items():  # each before those that read it
        old = before.get(path)
        same = old is not None and (repr(old.params), old.inputs) == (repr(job.params), job.inputs)
        read = {result(made[0], **made[1]) for made in map(made_by, job.files) if made}
        if not same or read & again:
            again.add(path)
    return Counter(made[0] for made in map(made_by, again) if made)


def setting(*path_and_value: Any) -> Callable[[dict], None]:
    """Return an edit of plain settings: the keys to a value, and the value."""
    *path, last, value = path_and_value

    def edit(config: dict) -> None:
        for key in path:
            config = config.setdefault(key, {})
        config[last] = value

    return edit


def _job_counts(printed: str) -> dict[str, int]:
    counts = {}
    in_table = False
    for line in printed.splitlines():
        words = line.split()
        if words[:2] == ["job", "count"]:
            in_table = True
        elif in_table and len(words) == 2 and words[1].isdigit():
            if words[0] not in ("total", "all"):
                counts[words[0]] = int(words[1])
        elif in_table and not words:
            in_table = False
    return counts


def write_toy_images(folder: Path, *, classes: int = 3, images_each: int = 20) -> None:
    """Write small pictures, a folder a class; the classes differ in their mean colour."""
    rng = np.random.default_rng(0)
    for label in range(classes):
        of_class = folder / f"class_{label}"
        of_class.mkdir(parents=True)
        for number in range(images_each):
            noise = rng.integers(0, 120, size=(10, 12, 3))
            noise[..., label % 3] += 100
            Image.fromarray(noise.astype(np.uint8)).save(of_class / f"{number:03d}.png")


def make_study(folder: Path) -> Study:
    """Make a folder with the tiny study and its images."""
    folder.mkdir(parents=True, exist_ok=True)
    write_toy_images(folder / "data" / "toy_images")
    tiny = (REPOSITORY / "config" / "tiny.yaml").read_text(encoding="utf-8")
    (folder / "config.yaml").write_text(tiny, encoding="utf-8")
    return Study(folder)


def reproducible_bytes(study: Study) -> dict[str, bytes]:
    """Return what a study computed and any other run of it computes to the byte."""
    results = study.folder / "results"
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.rglob("*"))
        if path.is_file() and not path.name.endswith(TIMED)
    } | {"found": b"".join(p.read_bytes() for p in sorted(results.rglob("found.json")))}


def differing(found: dict[str, bytes], computed: Study) -> list[str]:
    """Return which of the files found hold other bytes than those of a study computed whole."""
    expected = reproducible_bytes(computed)
    return [name for name, content in found.items() if expected.get(name) != content]
