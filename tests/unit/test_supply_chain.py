"""What is installed is what the lock file pins, under licences that are listed."""

import re
import sys
import tomllib
from importlib.metadata import distributions
from itertools import chain
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "envs"))

import licences  # noqa: E402

#: What Python's own venv brings, and the project itself.
NOT_LOCKED = {"pip", "setuptools", "hanas"}


def test_every_line_of_the_lock_file_pins_one_version():
    for line in (REPOSITORY / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if line and not line.lstrip().startswith("#"):
            assert re.match(r"[a-z0-9-]+==[^\s;*]+( ;|$)", line), line


def test_everything_that_is_installed_is_pinned():
    pinned = licences.locked()
    if "snakemake" not in {licences.normal(d.metadata["Name"]) for d in distributions()}:
        pytest.skip("not the project's environment")
    for package in distributions():
        name = licences.normal(package.metadata["Name"])
        if name not in NOT_LOCKED:
            assert package.version.split("+")[0] == pinned.get(name), name


def test_direct_dependencies_are_in_the_lock_file():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {licences.normal(re.split(r"[<>=\[;~! ]", line)[0]) for line in wanted}
    assert names - {"hanas"} <= set(licences.locked())


def test_licences_are_compatible_and_listed():
    listed = (REPOSITORY / "docs" / "licences.md").read_text(encoding="utf-8")
    for line in licences.table().splitlines():
        if line.startswith("| ") and sys.version_info[:2] == (3, 11):
            assert line in listed


@pytest.mark.parametrize(
    ("said", "compatible"),
    [
        ("MIT", True),
        ("BSD-3-Clause AND MIT", True),
        ("LGPL-2.1-or-later", True),
        ("GPL-3.0-only", False),
        ("AGPL-3.0", False),
        ("Proprietary", False),
        ("", False),
    ],
)
def test_which_licences_are_compatible(said, compatible):
    assert licences.compatible(said) == compatible
