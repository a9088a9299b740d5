"""Compare the time of the default study between two checkouts, from computed supernets on.

    python benchmarks/whole_study.py OTHER [--cores 2] [--runs 2]

Each checkout computes its supernets and proxy tables once, in a folder of its own. From copies of
that state the rest of the study is then computed by the one and by the other in turn, and the
ratio of the times (this checkout's over the other's) is printed for each pair.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parents[1]


def run(checkout: Path, folder: Path, *arguments: str) -> float:
    """Run a checkout's workflow in a folder and return the seconds it took."""
    python = checkout / ".venv" / "bin" / "python"
    command = [str(python if python.exists() else sys.executable), "-m", "snakemake"]
    command += ["--snakefile", str(checkout / "Snakefile"), "--directory", str(folder)]
    started = time.monotonic()
    with (folder / "log.txt").open("w") as log:
        subprocess.run([*command, *arguments], stdout=log, stderr=log, check=True)
    return time.monotonic() - started


def main() -> None:
    """Print the times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="another checkout, with a .venv of its own")
    parser.add_argument("--cores", default="2")
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    checkouts = {"this": HERE, "other": options.other.resolve()}
    with tempfile.TemporaryDirectory() as temporary:
        states = {}
        for name, checkout in checkouts.items():
            states[name] = Path(temporary, name)
            states[name].mkdir()
            until = ("--until", "train_supernet", "proxy_table")
            seconds = run(checkout, states[name], "--cores", options.cores, *until)
            print(f"{name}: supernets and proxy tables in {seconds:.0f} s", flush=True)
        ratios = []
        for number in range(options.runs):
            taken = {}
            for name, checkout in checkouts.items():
                folder = Path(temporary, f"{name}_{number}")
                shutil.copytree(states[name], folder)
                taken[name] = run(checkout, folder, "--cores", options.cores)
                shutil.rmtree(folder)
            ratios.append(taken["this"] / taken["other"])
            print(f"this {taken['this']:.0f} s, other {taken['other']:.0f} s: {ratios[-1]:.3f}")
    print(f"ratio {statistics.median(ratios):.3f} (median of {len(ratios)} pairs)")


if __name__ == "__main__":
    main()
