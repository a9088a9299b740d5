"""The wheel in an environment without this clone: a library, and a command that works."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile

import pytest
from sources import environment_in, plain_environment, wheel_in
from studies import REPOSITORY

import hanas

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]

#: A search as one would write it: the shipped surrogates of a device and of true accuracies.
SEARCH = """
import json, sys
from pathlib import Path
import hanas
from hanas.core import plugins
from hanas.search.run import objectives_of, search_tables

space = plugins.space("nb201")
device = plugins.plugin("devices", "surrogate").read({"kind": "surrogate", "device": "edgegpu"})
known = plugins.plugin("benchmarks", "surrogate").read({"kind": "surrogate"})
metrics = device.table(space, "cifar10", Path())
accuracies = known.accuracies(space, "cifar10", Path())
proxy = accuracies.assign(error=1 - accuracies["accuracy_percent"] / 100)
searcher = plugins.plugin("searchers", "nsga2").read({"searcher": "nsga2", "seeds": 1}, "search")
objectives, sources = objectives_of(proxy, metrics, "error", None)
found = search_tables(space, objectives, {"mine": searcher}, print)
best = found[found["feasible"]].nsmallest(1, "error").iloc[0]
report = {"file": hanas.__file__, "evaluations": len(found), "arch": best["arch"]}
json.dump({**report, "error": best["error"], "source": sources["error"]}, open("found.json", "w"))
"""


def test_dependencies_are_ranges_and_only_the_lock_pins():
    pinned = [line for line in PROJECT["dependencies"] if "==" in line]
    assert pinned == []
    assert not [
        line
        for lines in PROJECT["optional-dependencies"].values()
        for line in lines
        if "==" in line
    ]
    assert PROJECT["dynamic"] == ["version"]  # it stands in hanas/__init__.py alone


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return wheel_in(tmp_path_factory.mktemp("wheel"))


@pytest.mark.slow
def test_the_wheel_holds_all_that_is_shipped(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    for path in (REPOSITORY / "hanas").rglob("*"):
        if path.is_file() and path.suffix not in (".pyc", ".pyo"):
            assert str(path.relative_to(REPOSITORY)) in held
    assert "hanas/py.typed" in held
    assert not [name for name in held if name.startswith(("tests", "benchmarks", "envs"))]
    assert wheel.name.startswith(f"hanas-{hanas.__version__}-py3")


@pytest.mark.slow
def test_the_wheel_in_an_environment_of_its_own(wheel, tmp_path):
    python = environment_in(tmp_path / "environment")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def run(*command):
        done = subprocess.run(
            command, cwd=elsewhere, env=plain_environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    without = [python, "-c", "import hanas"]
    assert subprocess.run(
        without, cwd=elsewhere, env=plain_environment(), capture_output=True
    ).returncode
    # All that it asks for must be there: what the lock pins is within its ranges.
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index"]
    run(*pip, f"{wheel}[all]")
    command = python.with_name("hanas")
    assert run(command, "--version") == f"hanas {hanas.__version__}\n"
    schema = (REPOSITORY / "config.schema.yaml").read_text(encoding="utf-8")
    assert run(command, "schema") == schema
    run(python, "-c", SEARCH)
    found = json.loads((elsewhere / "found.json").read_text(encoding="utf-8"))
    assert found["file"].startswith(str(tmp_path / "environment"))
    assert 100 < found["evaluations"] <= 15_625
    assert found["source"].startswith("surrogate: NAS-Bench-201")
    # The best cells of CIFAR-10 in NAS-Bench-201 reach 94.37 % (X. Dong and Y. Yang, ICLR 2020).
    assert 0.055 < found["error"] < 0.065
    (elsewhere / "config.yaml").write_text((REPOSITORY / "config" / "tiny.yaml").read_text())
    assert re.match(r"\d+ of \d+ results are not there yet", run(command, "plan"))
