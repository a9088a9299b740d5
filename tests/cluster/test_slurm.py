"""The small study on a real SLURM: the same bytes as at home, whatever happens to its jobs."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from slurm import Slurm, missing_packages
from studies import REPOSITORY, Study, make_study, reproducible_bytes

pytestmark = pytest.mark.slow

PROFILE = REPOSITORY / "profiles" / "slurm"
SUPERNETS = ("darts_toy", "gdas_toy")
#: Results that need a job of every kind, alone or in a group.
TARGETS = (
    "results/tables/edgegpu.csv",
    "results/evaluations/edgegpu/indicators.csv",
    "results/figures/fronts/edgegpu/toy.svg",
    "results/retrained/edgegpu_toy/metrics.parquet",
)
OVER_THE_LIMITS = (
    "results/supernets/darts_toy/weights.pt",
    "results/retrained/edgegpu_toy/metrics.parquet",
)


@dataclass(frozen=True)
class ClusterStudy(Study):
    """A study whose jobs run on the cluster."""

    slurm: Slurm

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        # SLURM is asked for the state of the jobs sooner than the profile does it.
        asked = ("--slurm-init-seconds-before-status-checks", "1")
        profile = ("--workflow-profile", str(PROFILE))
        return super().command(*profile, *asked, *arguments, cores=cores)

    def environment(self) -> dict[str, str]:
        return self.slurm.environment(super().environment())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def without(self, *folders: str) -> None:
        """Remove results, so that they are to be computed again."""
        for folder in folders:
            shutil.rmtree(self.folder / "results" / folder)


def copy_of(study: Study, folder: Path, slurm: Slurm) -> ClusterStudy:
    shutil.copytree(study.folder, folder)
    for log in (folder / "logs").rglob("*.log"):
        log.unlink()
    return ClusterStudy(folder, slurm)


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 200
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def output_of(process: subprocess.Popen[str]) -> str:
    try:
        return process.communicate(timeout=300)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"it did not end\n{process.communicate()[0]}")


def jobs_of(printed: str, slurm: Slurm) -> list[dict[str, str]]:
    """Return what the accounting knows of the jobs of a run of Snakemake."""
    (run,) = re.findall(r"SLURM run ID: (\S+)", printed)
    return [job for job in slurm.accounts() if job["JobName"] == run]


def runs(study: ClusterStudy, log: str) -> bool:
    path = study.folder / "logs" / log
    return path.exists() and "Started" in path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    """A cluster with the partition and the account that the profile names."""
    if missing := missing_packages():
        pytest.skip(f"no SLURM here: apt-get install {' '.join(missing)}")
    named = yaml.safe_load((PROFILE / "config.yaml").read_text(encoding="utf-8"))
    named = named["default-resources"]
    cluster = Slurm(partition=named["slurm_partition"], account=named["slurm_account"])
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
    assert not cluster.processes()
    assert not cluster.folder.exists()


# One minute is SLURM's shortest limit. It passes while the other tests run, so this begins first.
@pytest.fixture(scope="module", autouse=True)
def over_the_limits(
    slurm: Slurm, snakemake_study: Study, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ClusterStudy, subprocess.Popen[str]]]:
    """A study of which one job runs out of memory and one stands still until its time is over."""
    folder = tmp_path_factory.mktemp("limits") / "study"
    study = copy_of(snakemake_study, folder, slurm)
    study.without("supernets/darts_toy", "retrained")
    limits = ("--set-resources", "train_supernet:mem_mb=300", "retrain:runtime=1")
    process = study.start(*OVER_THE_LIMITS, *limits)
    try:
        wait_until(lambda: runs(study, "retrain/edgegpu_toy.log"), process)
        (training,) = (
            pid
            for pid in slurm.processes()
            if b"retrain.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        os.kill(training, signal.SIGSTOP)
        yield study, process
    finally:
        process.kill()
        process.wait()


def test_study_on_the_cluster_has_the_bytes_of_one_at_home(slurm, snakemake_study, tmp_path):
    study = ClusterStudy(make_study(tmp_path / "study").folder, slurm)
    printed = study.run(*TARGETS)
    jobs = jobs_of(printed, slurm)
    for job in jobs:
        assert job["State"] == "COMPLETED"
        assert (job["Partition"], job["Account"]) == (slurm.partition, slurm.account)
        assert job["NodeList"] == slurm.node
    # Single jobs and groups of jobs: their rule's or group's name is the second word.
    assert Counter(job["Comment"].split("_")[1] for job in jobs) == {
        **{"prepare": 1, "train": 2, "proxy": 2, "search": 1},
        **{"report": 1, "figures": 1, "retrain": 1},
    }
    there, here = reproducible_bytes(study), reproducible_bytes(snakemake_study)
    assert set(TARGETS) <= {f"results/{file}" for file in there}
    assert there == {file: here[file] for file in there}
    assert "Nothing to be done" in Study(study.folder).run(*TARGETS)


def test_cancelled_job_is_reported_and_the_next_call_finishes(slurm, snakemake_study, tmp_path):
    study = copy_of(snakemake_study, tmp_path / "study", slurm)
    study.without("supernets/gdas_toy")
    target = "results/supernets/gdas_toy/weights.pt"
    process = study.start(target)
    wait_until(lambda: runs(study, "train_supernet/gdas_toy.log"), process)
    (job,) = (job for job in slurm.queue() if job["comment"].endswith("wildcards_gdas_toy"))
    slurm.ask("scancel", job["id"])
    printed = output_of(process)
    assert process.returncode != 0
    assert f"SLURM job {job['id']} (train_supernet of supernet=gdas_toy) was cancelled" in printed
    study.run(target)
    assert reproducible_bytes(study) == reproducible_bytes(snakemake_study)


def test_run_with_gpu_jobs_goes_on_after_the_node_was_drained(slurm, snakemake_study, tmp_path):
    study = copy_of(snakemake_study, tmp_path / "study", slurm)
    study.without(*(f"supernets/{name}" for name in SUPERNETS))
    targets = [f"results/supernets/{name}/weights.pt" for name in SUPERNETS]
    process = study.start(*targets, "--jobs", "1", "--set-resources", "train_supernet:gpu=1")
    mine = {f"rule_train_supernet_wildcards_{name}" for name in SUPERNETS}
    wait_until(
        lambda: any(job["comment"] in mine and job["state"] == "RUNNING" for job in slurm.queue()),
        process,
    )
    slurm.set_node("drain")
    try:
        # The first job ends, and the second waits for a node.
        wait_until(lambda: any("DRAINED" in job["reason"] for job in slurm.queue()), process)
    finally:
        slurm.set_node("resume")
    printed = output_of(process)
    assert process.returncode == 0, printed
    jobs = jobs_of(printed, slurm)
    assert [job["State"] for job in jobs] == ["COMPLETED"] * 2
    assert all("gres/gpu=1" in job["AllocTRES"] for job in jobs)
    assert reproducible_bytes(study) == reproducible_bytes(snakemake_study)


def test_jobs_over_their_limits_are_reported_and_the_next_call_finishes(
    slurm, snakemake_study, over_the_limits
):
    study, process = over_the_limits
    printed = output_of(process)
    assert process.returncode != 0
    assert "(train_supernet of supernet=darts_toy) ran out of memory; raise its mem_mb" in printed
    assert "(retrain of retraining=edgegpu_toy) ran out of time; raise its runtime" in printed
    assert {job["Comment"]: job["State"] for job in jobs_of(printed, slurm)} == {
        "rule_train_supernet_wildcards_darts_toy": "FAILED",
        "rule_retrain_wildcards_edgegpu_toy": "TIMEOUT",
    }
    study.run(*OVER_THE_LIMITS)
    assert reproducible_bytes(study) == reproducible_bytes(snakemake_study)
