"""Do bad things to a small study at random moments and see whether it ends with the same bytes.

``python tests/workflow/faults.py --kills 50 --seed 1`` does so many kills, and every other fault a
few times, and prints how it ended; the README's table is made of that. The tests of
``test_faults.py`` do each once or twice.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # also where this file is run as a script

from studies import Study, make_study, reproducible_bytes

#: What is computed: everything but the figures and judgements, which are many short jobs of a kind.
TARGETS = ("results/tables/edgegpu.csv", "results/retrained/edgegpu_toy/metrics.parquet")
#: Files that jobs keep beside their results to continue from.
SIDE_FILES = ("checkpoint.pt", ".*.unfinished/*")


def start(study: Study) -> subprocess.Popen:
    """Start the study in a process group of its own, its output in a file."""
    with (study.folder / "printed.txt").open("w") as printed:
        return subprocess.Popen(
            study.command(*TARGETS),
            env=study.environment(),
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def printed(study: Study) -> str:
    """Return what the last started run printed."""
    return (study.folder / "printed.txt").read_text(encoding="utf-8", errors="replace")


def jobs_of(process: subprocess.Popen) -> list[int]:
    """Return the process IDs of the scripts that run in the process's group."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == process.pid:
            continue
        try:
            in_group = os.getpgid(int(entry.name)) == process.pid
            command = (entry / "cmdline").read_bytes()
        except OSError:  # it has just ended
            continue
        if in_group and b".snakemake/scripts/" in command:
            found.append(int(entry.name))
    return found


def kill_until_done(study: Study, chance: random.Random, *, kills: int, longest: float) -> int:
    """Kill the study, or one of its jobs, at random moments; return how often that was possible.

    The same command is repeated after each kill. When the study is done before all kills are, a
    part of its results is deleted, so that there is something to kill again.
    """
    done = 0
    while done < kills:
        process = start(study)
        try:
            process.wait(timeout=chance.uniform(0.5, longest))
        except subprocess.TimeoutExpired:
            jobs = jobs_of(process)
            if jobs and chance.random() < 0.4:
                os.kill(chance.choice(jobs), signal.SIGKILL)
                process.wait(timeout=300)
                # The job may have been at its very end, so that it could not fail any more.
                assert process.returncode in (0, 1), printed(study)
            else:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            done += 1
        else:
            assert process.returncode == 0, printed(study)
            forget(study, chance)
    return done


def forget(study: Study, chance: random.Random) -> None:
    """Delete the results of one stage."""
    stages = sorted(path for path in (study.folder / "results").iterdir() if path.is_dir())
    shutil.rmtree(chance.choice(stages))


def side_files(study: Study) -> list[Path]:
    """Return what unfinished jobs have left."""
    results = study.folder / "results"
    return sorted(path for form in SIDE_FILES for path in results.rglob(form) if path.is_file())


def damage(path: Path, chance: random.Random) -> None:
    """Truncate a file, or change some of its bytes."""
    content = bytearray(path.read_bytes())
    if chance.random() < 0.5 or not content:
        path.write_bytes(content[: chance.randrange(len(content) + 1)])
        return
    for _ in range(chance.randint(1, 20)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    path.write_bytes(content)


def damage_side_files(study: Study, chance: random.Random) -> int:
    """Kill the study where a job has left a side file, damage all of these; return their number."""
    found: list[Path] = []
    while not found:  # a job may remove its file at the last moment
        process = start(study)
        while not side_files(study):
            if process.poll() is not None:
                assert process.returncode == 0, printed(study)
                forget(study, chance)
                process = start(study)
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.1))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        found = side_files(study)
    for path in found:
        damage(path, chance)
    return len(found)


def run_twice_at_once(study: Study, chance: random.Random) -> tuple[int, int]:
    """Start the study twice, a moment apart; return both exit statuses."""
    first = start(study)
    time.sleep(chance.uniform(1.5, 4))
    second = subprocess.run(
        study.command(*TARGETS),
        env=study.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    first.wait(timeout=600)
    if second.returncode:
        assert "lock" in second.stdout.lower(), second.stdout
    return first.returncode, second.returncode


def turn_the_clock(study: Study, chance: random.Random) -> None:
    """Run a part, as if the clock had been a day fast at the time, and then was set right."""
    process = start(study)
    try:
        process.wait(timeout=chance.uniform(6, 12))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    tomorrow = time.time() + 86_400
    for path in (study.folder / "results").rglob("*"):
        os.utime(path, (tomorrow, tomorrow))


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Callable[[str], None]]:
    """Mount a file system in memory; yields a function that mounts it anew with other options."""
    folder.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "hanas", str(folder)], check=True
    )

    def remount(options: str) -> None:
        command = ["mount", "-o", f"remount,{options}", str(folder)]
        for _ in range(300):  # killed processes hold their files for a moment
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        subprocess.run(command, check=True)

    try:
        yield remount
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def can_mount() -> bool:
    """Say whether this user may mount a file system."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=1m", "hanas", folder]
        if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            return False
        subprocess.run(["umount", folder], check=True)
    return True


def fill_the_disk(folder: Path, megabytes: int) -> tuple[str, Study, dict[str, bytes]]:
    """Run a study on a disk that is too small, then on a larger one.

    Returns what the first run printed, the study and its bytes in the end.
    """
    with small_disk(folder, megabytes) as remount:
        study = make_study(folder / "study")
        said = study.run(*TARGETS, check=False)
        remount("size=500m")
        study.run(*TARGETS)
        return said, study, reproducible_bytes(study)


def make_read_only(folder: Path, chance: random.Random) -> tuple[str, dict[str, bytes]]:
    """Run a study on a disk that becomes read-only in the middle and is mended after.

    Returns what the run on the read-only disk printed, and the study's bytes in the end.
    """
    with small_disk(folder, 500) as remount:
        study = make_study(folder / "study")
        process = start(study)
        try:
            process.wait(timeout=chance.uniform(4, 8))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        remount("ro")
        said = study.run(*TARGETS, check=False)
        remount("rw")
        study.run(*TARGETS)
        return said, reproducible_bytes(study)


def main() -> None:
    """Do every fault and print a table of how it ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--times", type=int, default=5, help="of every other fault")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        undisturbed = make_study(folder / "undisturbed")
        started = time.monotonic()
        undisturbed.run(*TARGETS)
        longest = 0.4 * (time.monotonic() - started)
        expected = reproducible_bytes(undisturbed)

        def report(fault: str, count: int, same: int, of: int) -> None:
            print(f"| {fault} | {count} | {same} of {of} |", flush=True)

        print("| fault | times | runs that ended with the same bytes |\n|---|--:|--:|", flush=True)
        study = make_study(folder / "killed")
        kill_until_done(study, chance, kills=options.kills, longest=longest)
        study.run(*TARGETS)
        same = int(reproducible_bytes(study) == expected)
        report("SIGKILL at a random moment", options.kills, same, 1)
        faults = {
            "side files truncated or changed": damage_side_files,
            "two runs in one folder at once": run_twice_at_once,
            "clock a day fast, then set right": turn_the_clock,
        }
        for fault, do in faults.items():
            same = 0
            for time_ in range(options.times):
                study = make_study(folder / f"{do.__name__}{time_}")
                do(study, chance)
                study.run(*TARGETS)
                same += reproducible_bytes(study) == expected
                shutil.rmtree(study.folder)
            report(fault, options.times, same, options.times)
        if not can_mount():
            print("This user may not mount file systems: no faults of disks.")
            return
        ends = [
            fill_the_disk(folder / f"full{time_}", chance.choice((1, 2)))[2]
            for time_ in range(options.times)
        ]
        report("disk full", options.times, ends.count(expected), options.times)
        ends = [make_read_only(folder / f"read{t}", chance)[1] for t in range(options.times)]
        report("disk read-only", options.times, ends.count(expected), options.times)


if __name__ == "__main__":
    main()
