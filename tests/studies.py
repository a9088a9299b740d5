"""Run the real snakemake command on small studies in folders of their own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

REPOSITORY = Path(__file__).parents[1]

#: What holds wall-clock times, and so differs between any two runs.
TIMED = ("history.parquet", ".json")


@dataclass(frozen=True)
class Study:
    """A folder with a ``config.yaml``, a data folder and what snakemake writes there."""

    folder: Path

    def config(self) -> dict:
        return yaml.safe_load((self.folder / "config.yaml").read_text(encoding="utf-8"))

    def write(self, config: dict) -> None:
        text = yaml.safe_dump(config, sort_keys=False)
        (self.folder / "config.yaml").write_text(text, encoding="utf-8")

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
