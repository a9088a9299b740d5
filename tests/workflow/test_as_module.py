"""The workflow as a part of others: as a module with a prefix, from a repository, deployed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from sources import repository_in
from studies import REPOSITORY, TINY, make_study

MODULE = f"""
configfile: "study.yaml"


module hanas:
    snakefile:
        "{REPOSITORY / "Snakefile"}"
    config:
        config["nas"]
    prefix:
        "nas"


use rule * from hanas as hanas_*


rule mine:
    default_target: True
    input:
        "nas/results/searches/toy/edgegpu/params.parquet",
    output:
        "mine.txt",
    shell:
        "ls {{input}} > {{output}}"
"""
# What snakedeploy 0.17.1 writes for a repository on GitHub.
DEPLOYED = """\
from snakemake.utils import min_version


min_version("6.10.0")


configfile: "config/config.yaml"


# declare https://github.com/example/hanas as a module
module hanas:
    snakefile: 
        github("example/hanas", path="workflow/Snakefile", tag="v1")
    config:
        config


# use all rules from https://github.com/example/hanas
use rule * from hanas
"""


def snakemake(study, *arguments, fails=False, **variables):
    """Run Snakemake in a folder, and return all that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", *arguments],
        cwd=study.folder,
        env=study.environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


@pytest.fixture
def importing(tmp_path):
    """A folder of another workflow, which uses this one for a part."""
    study = make_study(tmp_path / "importing")
    (study.folder / "config.yaml").unlink()
    text = yaml.safe_dump({"nas": TINY, "mine": {"other": "1:30"}})  # 90 to YAML, none of ours
    (study.folder / "study.yaml").write_text(text, encoding="utf-8")
    (study.folder / "Snakefile").write_text(MODULE, encoding="utf-8")
    return study


@pytest.mark.slow
def test_a_module_with_a_prefix(importing, computed_study):
    snakemake(importing)
    nas, plain = importing.folder / "nas", computed_study.folder
    for result in (
        "results/proxies/params/toy.parquet",
        "results/devices/edgegpu/nb201/toy.parquet",
        "results/searches/toy/edgegpu/params.parquet",
    ):
        assert (nas / result).read_bytes() == (plain / result).read_bytes()
        # The facts name files as the study does, so that a result can be moved.
        facts = json.loads((nas / result).with_suffix(".json").read_text(encoding="utf-8"))
        expected = json.loads((plain / result).with_suffix(".json").read_text(encoding="utf-8"))
        assert facts["inputs"] == expected["inputs"]
        assert facts["outputs"] == expected["outputs"]
    assert not (importing.folder / "results").exists()
    assert not (importing.folder / "logs").exists()
    assert "Nothing to be done" in snakemake(importing)

    # What was made of other settings, or of other bytes, is made again.
    result = nas / "results/devices/edgegpu/nb201/toy.json"
    facts = json.loads(result.read_text(encoding="utf-8"))
    facts["settings"]["device"]["device"] = "edgetpu"
    result.write_text(json.dumps(facts), encoding="utf-8")
    said = snakemake(importing, "--dry-run")
    assert "Made again: nas/results/devices/edgegpu/nb201/toy.json: device.device was" in said

    said = snakemake(importing, "-n", "nas/results/tables/gone.csv", fails=True)
    assert "study.yaml: devices has no 'gone'; it has: edgegpu, edgetpu" in said


@pytest.mark.slow
def test_a_module_without_a_study_says_so(importing):
    text = MODULE.replace('    config:\n        config["nas"]\n', "")
    assert text != MODULE
    (importing.folder / "Snakefile").write_text(text, encoding="utf-8")
    said = snakemake(importing, "-n", fails=True)
    assert "the module of hanas has no study; give it one: `config: config`" in said


@pytest.mark.slow
def test_what_snakedeploy_writes_works(tmp_path):
    source = repository_in(tmp_path / "source", tag="v1")
    # Snakemake clones it from GitHub, which Git is told to be that folder.
    github = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{source}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/example/hanas",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    study = make_study(tmp_path / "deployed")
    (study.folder / "config.yaml").unlink()
    for part in ("config", "profiles"):  # what it copies
        subprocess.run(["cp", "-rL", source / part, study.folder], check=True)
    assert (study.folder / "config" / "config.yaml").read_bytes() == (
        REPOSITORY / "config.yaml"
    ).read_bytes()
    (study.folder / "workflow").mkdir()
    (study.folder / "workflow" / "Snakefile").write_text(DEPLOYED, encoding="utf-8")

    planned = snakemake(study, "-n", "--quiet", "rules", **github)
    assert "figure_front_spaces" not in planned
    assert "train_supernet          3" in planned  # the study of config/config.yaml
    space = "results/spaces/nb201.parquet"
    snakemake(study, space, **github)
    assert (study.folder / space).exists()
    # Jobs have the hanas that the rules are of.
    (environment,) = (study.folder / ".snakemake" / "hanas").glob("environment-*.yaml")
    (*_, packages) = yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"]
    assert "hanas @ git+https://github.com/example/hanas@v1" in packages["pip"]
    # Captions come with the rules, too.
    snakemake(study, "--report", "report.html", space, **github)
    report = (study.folder / "report.html").read_text(encoding="utf-8")
    assert "small image classifiers that are accurate" in report


def test_the_entry_of_the_catalogue():
    text = (REPOSITORY / "workflow" / "Snakefile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(lines) == 6
    assert (REPOSITORY / "config" / "config.yaml").resolve() == REPOSITORY / "config.yaml"
    usage = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"] == {"conda": True, "none": True}
    assert Path(REPOSITORY / "config" / "README.md").exists()
