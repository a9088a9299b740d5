"""The environment of jobs can be created from its file, as Snakemake and conda do."""

import subprocess
import sys

import conda
import pytest
import yaml
from sources import copied_to, plain_environment, wheel_in
from studies import REPOSITORY

import hanas
from hanas.study import environments

FILE = REPOSITORY / "envs" / "hanas.yaml"

#: In the place of conda: what it does with a pip section, in a virtual environment. What is
#: installed here is known in it, so that pins are found without an index, or else are not.
FAKE_CONDA = """\
#!{python}
import json, subprocess, sys
from pathlib import Path
import yaml

sys.path[:0] = {paths}
from sources import environment_in

words = sys.argv[1:]
if words == ["--version"]:
    print("conda 26.1.0")
elif words[0] == "info":
    print(json.dumps({{"conda_prefix": {prefix!r}, "platform": "linux-64"}}))
elif words[0] == "config":
    print(json.dumps({{"get": {{"channel_priority": "strict"}}}}))
elif words[:2] == ["env", "create"]:
    file, folder = (Path(words[words.index(name) + 1]) for name in ("--file", "--prefix"))
    *_, packages = yaml.safe_load(file.read_text())["dependencies"]
    listed = file.parent / "condaenv.requirements.txt"  # beside the file, where conda writes it
    listed.write_text("\\n".join(packages["pip"]) + "\\n")
    pip = [sys.executable, "-m", "pip", "--python", environment_in(folder), "install"]
    subprocess.run([*pip, "--no-index", "--no-build-isolation", "-r", listed], check=True)
elif words[0] != "clean":
    sys.exit(f"not known here: {{words}}")
"""


def test_the_environment_holds_hanas_and_the_lock_and_nothing_relative():
    text = FILE.read_text(encoding="utf-8")
    assert text == conda.environment(), "make it anew: python envs/conda.py"
    *_, packages = yaml.safe_load(text)["dependencies"]
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lock if line and not line.startswith("#")]
    assert packages["pip"] == [f"hanas=={hanas.__version__}", *pins]


def test_hanas_is_taken_from_where_the_rules_are(tmp_path):
    text = FILE.read_text(encoding="utf-8")
    place = environments.from_folder(REPOSITORY)
    before, after = (
        yaml.safe_load(each)["dependencies"][-1]["pip"]
        for each in (text, environments.with_hanas_from(text, place))
    )
    assert after == [f"--editable {REPOSITORY.as_uri()}", *before[1:]]
    assert environments.from_folder(tmp_path) is None
    assert environments.with_hanas_from(text, None) == text


@pytest.mark.slow
def test_pip_reads_a_copy_of_the_file_elsewhere(tmp_path):
    wheel = wheel_in(tmp_path / "index")
    copied = tmp_path / "elsewhere" / "0123.yaml"
    copied.parent.mkdir()
    copied.write_bytes(FILE.read_bytes())
    *_, packages = yaml.safe_load(copied.read_text(encoding="utf-8"))["dependencies"]
    listed = copied.with_suffix(".txt")
    listed.write_text("\n".join(packages["pip"]) + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index"]
    subprocess.run(
        [*pip, "--find-links", wheel.parent, "--requirement", listed],
        cwd=copied.parent,
        env=plain_environment(),
        check=True,
    )


@pytest.mark.slow
def test_jobs_run_in_the_environment(tmp_path, fresh_study):
    clone = copied_to(tmp_path / "clone")
    programs = tmp_path / "programs"
    (programs / "bin").mkdir(parents=True)
    fake = FAKE_CONDA.format(
        python=sys.executable,
        paths=[str(REPOSITORY / "tests"), str(REPOSITORY / "tests" / "workflow"), str(REPOSITORY)],
        prefix=str(programs),
    )
    (programs / "bin" / "conda").write_text(fake, encoding="utf-8")
    (programs / "bin" / "conda").chmod(0o755)
    (programs / "bin" / "activate").write_text('export PATH="$1/bin:$PATH"\n', encoding="utf-8")
    # Says from where jobs have hanas.
    script = clone / "workflow_scripts" / "space.py"
    text = script.read_text(encoding="utf-8")
    told = "import sys, hanas\nfrom pathlib import Path\n"
    told += f"Path({str(tmp_path / 'told')!r}).write_text(sys.prefix + '\\n' + hanas.__file__)\n"
    script.write_text(told + text, encoding="utf-8")
    study = fresh_study.folder
    arguments = ["--snakefile", clone / "Snakefile", "--directory", study, "--cores", "1"]
    arguments += ["--software-deployment-method", "conda"]
    path = f"{programs / 'bin'}:{plain_environment()['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "results/spaces/nb201.parquet", *arguments],
        cwd=clone,
        env=plain_environment(PATH=path, PYTHONPATH=str(clone), HANAS_DATA=str(study / "data")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    prefix, package = (tmp_path / "told").read_text(encoding="utf-8").splitlines()
    assert prefix.startswith(str(study / ".snakemake" / "conda"))
    assert package == str(clone / "hanas" / "__init__.py")
