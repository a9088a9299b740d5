"""Facts beside results: what was read and written, and what of that has changed since."""

import json
import time
from pathlib import Path

import pytest

from hanas.core.errors import InputError
from hanas.core.files import checksum
from hanas.study import explain, jobs


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Images -> supernet -> proxy table, and a table of the images and the proxy table."""
    monkeypatch.chdir(tmp_path)
    chain = {
        "images.pt": [],
        "weights.pt": ["images.pt"],
        "proxy.parquet": ["weights.pt", "images.pt"],
        "table.csv": ["images.pt", "proxy.parquet"],
    }
    (tmp_path / "results").mkdir()
    for name, read in chain.items():
        output = f"results/{name}"
        (tmp_path / output).write_text(f"content of {name}")
        jobs.write_facts(
            f"results/{name}.json",
            settings={"revision": 1, "rows": [{"a": 1}, {"a": 2}], "part": {"rate": 0.1}},
            inputs={f"role {number}": f"results/{file}" for number, file in enumerate(read)},
            outputs=[output, f"results/{name}.json"],
            started=time.monotonic(),
            sources=[f"made up: {name}"],
        )
    return tmp_path


def test_facts_hold_checksums_of_what_was_read_and_written(study):
    facts = json.loads((study / "results" / "weights.pt.json").read_text())
    sha256 = checksum(study / "results" / "images.pt")
    assert facts["inputs"] == {"role 0": {"file": "results/images.pt", "sha256": sha256}}
    assert list(facts["outputs"]) == ["results/weights.pt"]


def test_the_chain_names_every_file_that_a_result_came_from(study):
    steps = explain.chain_of("results/table.csv", study)
    said = [(step["file"].removeprefix("results/"), step["depth"]) for step in steps]
    shown = ["facts" not in step for step in steps]
    assert [(*each, again) for each, again in zip(said, shown, strict=True)] == [
        ("table.csv", 0, False),
        ("images.pt", 1, False),
        ("proxy.parquet", 1, False),
        ("weights.pt", 2, False),
        ("images.pt", 3, True),
        ("images.pt", 2, True),
    ]
    assert {step["state"] for step in steps} == {"unchanged"}
    assert steps[2]["facts_file"] == "results/proxy.parquet.json"
    assert set(steps[2]["facts"]).isdisjoint({"inputs", "outputs"})


def test_an_absolute_path_is_a_result_too(study):
    steps = explain.chain_of(str(study / "results" / "weights.pt"), study)
    assert [step["file"] for step in steps] == ["results/weights.pt", "results/images.pt"]


def test_a_changed_byte_and_a_missing_file_are_seen(study):
    (study / "results" / "weights.pt").write_text("content of weights.pT")
    (study / "results" / "images.pt").unlink()
    states = {step["file"]: step["state"] for step in explain.chain_of("results/table.csv", study)}
    assert states == {
        "results/table.csv": "unchanged",
        "results/images.pt": "missing",
        "results/proxy.parquet": "unchanged",
        "results/weights.pt": "changed",
    }


def test_facts_that_are_gone_are_missing(study):
    cells = Path("results/devices/board/nb201/toy.parquet")
    cells.parent.mkdir(parents=True)
    cells.write_text("cells")
    settings = {"settings": {}, "started": time.monotonic()}
    jobs.write_facts(
        "results/table.json",
        inputs={"cells": str(cells)},
        outputs=["results/table.csv"],
        **settings,
    )
    (study / "results" / "table.csv.json").unlink()
    steps = explain.chain_of("results/table.csv", study)
    assert [(step["file"], step["state"]) for step in steps[1:]] == [
        (str(cells), "unchanged"),
        (str(cells.with_suffix(".json")), "missing"),
    ]


def test_an_input_that_was_made_anew_has_changed(study):
    """The new file and its own facts agree; the facts of what read the old one do not."""
    (study / "results" / "images.pt").write_text("others")
    jobs.write_facts(
        "results/images.pt.json",
        settings={},
        inputs={},
        outputs=["results/images.pt"],
        started=time.monotonic(),
    )
    steps = explain.chain_of("results/weights.pt", study)
    assert [step["state"] for step in steps] == ["unchanged", "changed"]


def test_what_no_job_wrote_has_no_chain(study):
    with pytest.raises(InputError, match="no facts beside the results"):
        explain.chain_of("results/other.csv", study)


def test_damaged_facts_are_named(study):
    (study / "results" / "weights.pt.json").write_text("{")
    with pytest.raises(
        InputError, match=r"weights\.pt\.json: not readable as JSON: .*delete it and run"
    ):
        explain.chain_of("results/table.csv", study)


def test_words_show_settings_sources_and_changes(study, monkeypatch):
    monkeypatch.setattr(explain, "planned", lambda *_: ({"search": 3}, ""))
    (study / "results" / "weights.pt").unlink()
    found = explain.explanation("results/table.csv", study)
    said = explain.explained_in_words(found)
    assert not found["up_to_date"]
    for part in (
        "results/images.pt (see above)",
        "    results/weights.pt  <- MISSING",
        "| source: made up: proxy.parquet",
        "settings: part.rate 0.1, revision 1, rows (2 entries)",
        "Changed since, or missing: results/weights.pt.",
        "Snakemake would run: search (3)",
    ):
        assert part in said
