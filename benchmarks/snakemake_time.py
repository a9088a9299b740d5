"""How long Snakemake takes to plan the thesis study, and to find that nothing is to be done.

``HANAS_DATA=... python benchmarks/snakemake_time.py [--runs 3]``

The thesis study needs the official files (they are not read here, only looked for). For the run
that has nothing to do, every output is made as an empty file and touched.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
STUDY = REPOSITORY / "config" / "thesis.yaml"


def snakemake(folder: Path, *arguments: str) -> tuple[float, str]:
    """Return the seconds of a run, and what it printed."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--directory", str(folder), "--cores", "2", *arguments]
    command += ["--configfile", str(STUDY)]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - started
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return taken, done.stdout + done.stderr


def median(runs: list[tuple[float, str]]) -> float:
    """Return the median of the seconds of runs."""
    return statistics.median(seconds for seconds, _ in runs)


def main() -> None:
    """Print the seconds of each, the median of the runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="of each")
    options = parser.parse_args()
    if "HANAS_DATA" not in os.environ:
        sys.exit("Set HANAS_DATA to the folder that holds the official files.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = [snakemake(folder, "--dry-run") for _ in range(options.runs)]
        jobs = re.search(r"^total\s+(\d+)", runs[0][1], re.MULTILINE)
        said = jobs[1] if jobs else "?"
        print(f"snakemake -n, {said} jobs: {median(runs):.1f} s")
        for line in re.findall(r"^    output: (.*)$", runs[0][1], re.MULTILINE):
            for output in line.split(", "):
                path = folder / output
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        snakemake(folder, "--touch")
        runs = [snakemake(folder) for _ in range(options.runs)]
        assert "Nothing to be done" in runs[-1][1], runs[-1][1]
        print(f"nothing to be done: {median(runs):.1f} s")


if __name__ == "__main__":
    main()
