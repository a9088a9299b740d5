"""The commands that the pages tell are commands, and what they ask for can be planned."""

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec

import pytest
from studies import REPOSITORY, write_toy_images

from hanas import cli

PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
]


def commands():
    """Yield the page and what may be a command: each line of a block, and each `one` in a text."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                yield page.name, line
        for inline in re.findall(
            r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
        ):
            yield page.name, inline


def told(program):
    """Return the commands of a program, each once; a name alone is none."""
    found = {}
    for page, line in commands():
        if line.split()[:1] == [program] and len(line.split()) > 1:
            found.setdefault(line.strip(), page)
    assert found, program
    return [pytest.param(line, id=f"{page}: {line}"[:90]) for line, page in found.items()]


def words(line):
    # What a user puts in the place of a word in capitals has no spaces.
    return shlex.split(line, comments=True)[1:]


@pytest.mark.parametrize("line", told("make"))
def test_what_make_is_told_is_a_target(line):
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in words(line):
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("line", told("hanas"))
def test_hanas_takes_what_it_is_told(line):
    given = words(line.split(">")[0])
    if given[:1] == ["pick"] and "--device" not in given:  # in the middle of a sentence
        given += ["--device", "edgegpu", "--dataset", "cifar10"]
    if given == ["forget"]:
        given += ["--device", "board"]
    if given == ["explain"]:
        given += ["FILE"]
    assert cli._parser().parse_args(given)


@pytest.fixture(scope="module")
def parsed():
    """Returns the function from the words of a command to what Snakemake makes of them."""
    from snakemake.cli import get_argument_parser

    return get_argument_parser().parse_args


def needs_what_is_not_here(given):
    return any(
        word in given and find_spec(f"snakemake_{module}") is None
        for word, module in (
            ("rich", "logger_plugin_rich"),
            ("kubernetes", "executor_plugin_kubernetes"),
            ("profiles/slurm", "executor_plugin_slurm"),
        )
    )


@pytest.mark.parametrize("line", told("snakemake"))
def test_snakemake_takes_what_it_is_told(line, parsed):
    given = [word for word in words(line) if word != "..."]
    if needs_what_is_not_here(given):
        pytest.skip("its plugin is not installed")
    found = parsed(given)
    for file in found.configfile or ():
        assert (REPOSITORY / file).is_file() or str(file) == "FILE", file


def quickly_planned():
    """Return what needs no official files, no results and no cluster, each once."""
    special = {"--report", "--executor", "--workflow-profile", "--logger", "FILE", "IMAGE"}
    special.add("results/tables/board.csv")  # of a device that the reader adds
    found = {}
    for line in map(str, (param.values[0] for param in told("snakemake"))):
        given = words(line)
        configs = {word for word in given if word.startswith("config/")}
        if not special & set(given) and configs <= {"config/own.yaml"}:
            asked = frozenset(given) - {"--dry-run", "--cores", "2", "8"}
            found.setdefault(asked, pytest.param(line, id=line))
    return list(found.values())


@pytest.mark.slow
@pytest.mark.parametrize("line", quickly_planned())
def test_snakemake_plans_what_the_pages_tell(line, tmp_path):
    write_toy_images(tmp_path / "data" / "pictures")
    command = [sys.executable, "-m", "snakemake", *words(line), "--directory", str(tmp_path)]
    done = subprocess.run(
        [*command, "--dry-run", "--quiet", "rules", "--cores", "1"],
        cwd=REPOSITORY,
        env={**os.environ, "HANAS_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
