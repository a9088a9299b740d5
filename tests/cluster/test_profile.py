"""The SLURM profile knows all rules, and no others."""

import subprocess
import sys

import yaml
from studies import REPOSITORY


def read(profile: str) -> dict:
    return yaml.safe_load((REPOSITORY / "profiles" / profile / "config.yaml").read_text("utf-8"))


def test_each_rule_shares_a_job_or_says_what_it_takes():
    listed = subprocess.run(
        [sys.executable, "-m", "snakemake", "--list-rules", "--quiet"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    profile = read("slurm")
    known = [*profile["groups"], *profile["set-resources"]]
    assert set(listed.stdout.split()) - {"all"} == set(known)
    assert set(profile["group-components"]) == set(profile["groups"].values())


def test_lines_of_the_default_profile_are_repeated():
    profile, default = read("slurm"), read("default")
    # GPUs of a cluster are many.
    del default["resources"]
    assert {key: profile.get(key) for key in default} == default
