"""What one may mistype, and files of ours that others have changed: a sentence, and no harm."""

import os
import signal
from pathlib import Path

import pytest
from judged_study import write_search

from hanas import cli
from hanas.core.contents import content
from hanas.core.errors import InputError
from hanas.core.files import read_csv, read_parquet, write_csv, write_json
from hanas.devices.measuring.forget import forget
from hanas.fronts.decisions import decision_table
from hanas.study import explain

LONG = "x" * 5000


@pytest.fixture
def results(tmp_path):
    rows = [write_search(tmp_path, [[0, 1, 2, 3, 5]])]
    table = tmp_path / "results" / "decisions" / "mine.csv"
    write_csv(decision_table(rows), table)
    outputs = {"results/decisions/mine.csv": content(table)}
    facts = {"settings": {}, "inputs": {}, "outputs": outputs}
    write_json(table.with_suffix(".json"), facts)
    return tmp_path / "results"


PICK = ("pick", "--device", "mine", "--dataset", "cifar10", "--results")


@pytest.mark.parametrize(
    "arguments",
    [
        ("pick", "--device", "a", "--dataset", "b", "--results", LONG),
        ("plan", "--configfile", LONG),
        ("plan", "--study", LONG),
        ("explain", "results/tables/a.csv", "--study", LONG),
        ("forget", "--device", LONG),
        ("forget", "--device", "a", "--results", LONG),
    ],
    ids=lambda each: " ".join(each)[:30],
)
def test_a_name_that_no_file_can_have(capsys, arguments):
    assert cli.main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("hanas: ")
    assert len(said) < 6000


@pytest.mark.parametrize(
    "arguments",
    [("pick", "--device", "a", "--dataset", "b", "--results"), ("plan", "--configfile")],
    ids=lambda each: each[0],
)
def test_a_null_character(capsys, arguments):
    with pytest.raises(SystemExit, match="2"):
        cli.main([*arguments, "a\0b"])
    assert "holds a null character" in capsys.readouterr().err


@pytest.mark.parametrize("device", ["", ".", "..", "../../mine", "{outside}", "*", "a b"])
def test_nothing_outside_the_results_is_forgotten(tmp_path, device):
    kept = tmp_path / "outside" / "kept"
    kept.mkdir(parents=True)
    (kept / "mine.json").write_text("{}")
    device = device.replace("{outside}", str(kept.parent))
    (tmp_path / "results" / "measurements" / "x").mkdir(parents=True)
    with pytest.raises(InputError, match="no name of a device"):
        forget(tmp_path / "results", device)
    assert (kept / "mine.json").exists()


def _cut(text):
    return text[: len(text) // 2]


CHANGES = {
    "cut": _cut,
    "Windows lines": lambda text: text.replace("\n", "\r\n"),
    "a column twice": lambda text: text.replace("task,", "task,task,", 1),
    "a null": lambda text: text.replace("mine", "mi\0ne", 1),
    "rounded": lambda text: text.replace("70.0", "7.0"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_picked_from_a_table_that_was_changed(capsys, results, change):
    assert cli.main([*PICK, str(results)]) == 0
    table = results / "decisions" / "mine.csv"
    table.write_text(CHANGES[change](table.read_text()))
    assert cli.main([*PICK, str(results)]) == 1
    assert "mine.csv holds something else than what was written; delete" in capsys.readouterr().err


def test_text_in_the_place_of_numbers_is_told_where_no_facts_are(capsys, results):
    table = results / "decisions" / "mine.csv"
    table.with_suffix(".json").unlink()
    table.write_text(table.read_text().replace("0.", "x."))
    assert cli.main([*PICK, str(results), "--max-latency-ms", "3"]) == 1
    assert "mine.csv: holds text in the place of numbers" in capsys.readouterr().err


@pytest.mark.parametrize("read", [read_csv, read_parquet])
def test_a_pipe_in_the_place_of_a_table_is_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    signal.alarm(20)
    try:
        with pytest.raises(InputError, match="is no file; remove it"):
            read(tmp_path / "pipe")
    finally:
        signal.alarm(0)


def test_links_that_lead_nowhere_and_folders_are_no_facts(results):
    (results / ".#mine.json").symlink_to("somebody@there.1:2")  # of an editor
    (results / "folder.json").mkdir()
    assert explain.facts_of_files(results.parent)


def test_facts_in_a_chain_without_end_are_told(tmp_path):
    for number in range(250):
        read = {"a": {"file": f"results/{number + 1}.csv", "sha256": "x"}}
        facts = {"settings": {}, "inputs": read, "outputs": {f"results/{number}.csv": "x"}}
        write_json(tmp_path / "results" / f"{number}.json", facts)
    with pytest.raises(InputError, match="201 jobs away"):
        explain.chain_of("results/0.csv", Path(tmp_path))
