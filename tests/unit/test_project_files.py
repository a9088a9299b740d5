"""What others read of the project before its code: how to cite it, what runs, what to tell."""

import pytest
import yaml
from studies import REPOSITORY

import hanas


def _read(name):
    return yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))


def test_the_citation_is_of_this_version():
    cited = _read("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(cited)  # what the format requires
    assert cited["version"] == hanas.__version__


def test_github_runs_what_must_hold():
    (job,) = _read(".github/workflows/ci.yml")["jobs"].values()
    assert job["steps"][-1] == {"run": ".ci/run"}
    assert (REPOSITORY / ".ci" / "run").stat().st_mode & 0o100


@pytest.mark.parametrize("name", ["bug", "idea"])
def test_forms_of_issues_have_what_github_requires(name):
    form = _read(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert {"name", "description", "body"} <= set(form)
    for part in form["body"]:
        assert part["type"] in ("textarea", "input")
        assert part["attributes"]["label"]
    assert len({part["id"] for part in form["body"]}) == len(form["body"])
