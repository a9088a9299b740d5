"""The SLURM profile knows all rules, and no others."""

import yaml
from studies import REPOSITORY, rules


def read(profile: str) -> dict:
    return yaml.safe_load((REPOSITORY / "profiles" / profile / "config.yaml").read_text("utf-8"))


def test_each_rule_shares_a_job_or_says_what_it_takes():
    profile = read("slurm")
    known = [*profile["groups"], *profile["set-resources"]]
    assert set(rules()) == set(known)
    assert set(profile["group-components"]) == set(profile["groups"].values())


def test_lines_of_the_default_profile_are_repeated():
    profile, default = read("slurm"), read("default")
    # GPUs of a cluster are many.
    del default["resources"]
    assert {key: profile.get(key) for key in default} == default
