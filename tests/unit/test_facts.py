"""Results of other settings, or of other bytes, are told from today's by the facts beside them."""

import json
import shutil
from pathlib import Path

import pytest
from studies import TINY, graph_of, rules, setting

from hanas.core.errors import InputError
from hanas.study import facts, planned
from hanas.study._entries import Job
from hanas.study.results import facts_file, made_by


def outdated(study, graph=None):
    """Return what is outdated of each rule's results, as words."""
    found = {}
    for path, job in (graph or study.graph()).jobs().items():
        made = made_by(path)
        assert made is not None
        rule, names = made
        why = facts.outdated(rule, names, job, study.folder)
        if said := [*why.settings, *why.contents]:
            found[path] = said
    return found


@pytest.fixture
def study(computed_study, tmp_path):
    copied = type(computed_study)(tmp_path / "study")
    shutil.copytree(computed_study.folder, copied.folder)  # the results, and no memory of Snakemake
    return copied


def test_every_rule_has_its_facts_where_they_are_looked_for():
    for rule, sections in rules().items():
        names = {name: f"{{{name}}}" for name in ("dataset", "device", "proxy", "search")}
        names |= {
            name: f"{{{name}}}"
            for name in (
                *("space", "task", "supernet", "retraining", "round", "number"),
                *("lens", "smaller"),
            )
        }
        assert facts_file(rule, **names) == sections["output"]["facts"]


@pytest.mark.slow
def test_results_of_today_are_not_outdated(study):
    assert outdated(study) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edit", "path", "said"),
    [
        (
            setting("supernets", "gdas_toy", "seed", 7),
            "results/supernets/gdas_toy/weights.pt",
            "supernet.seed was 0, is 7",
        ),
        (
            setting("retrainings", "edgegpu_toy", "training", "epochs", 9),
            "results/retrained/edgegpu_toy/metrics.parquet",
            "how.training.epochs was 2, is 9",
        ),
    ],
)
def test_other_settings_are_named(study, edit, path, said):
    config = study.config()
    edit(config)
    study.write(config)
    found = outdated(study)
    assert next(iter(found)) == path
    assert said in found[path]


@pytest.mark.slow
def test_a_picture_that_is_replaced_by_an_older_one(study):
    folder = study.folder / "data" / "toy_images"
    shutil.copy2(folder / "class_0" / "000.png", folder / "class_1" / "000.png")
    (said,) = outdated(study).values()
    assert said[0].startswith("state.folder was ")


@pytest.mark.slow
def test_a_result_that_another_run_has_put_there(study):
    path = "results/supernets/gdas_toy/weights.pt"
    (study.folder / path).write_bytes(b"other weights")
    found = outdated(study)
    assert found[path] == [f"{path} holds something else than what was written"]
    assert [f"{path} holds something else than what was read"] in found.values()


@pytest.mark.slow
def test_a_result_without_facts_is_not_of_today(study):
    """Copied without its JSON, which no other job reads, it would pass for one of any settings."""
    path = Path("results/devices/edgegpu/nb201/toy.parquet")
    (study.folder / path.with_suffix(".json")).unlink()
    assert outdated(study) == {str(path): [f"nothing says how {path} was made"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 200_000,
        '{"settings": {}}',
        '{"settings": {}, "inputs": [], "outputs": {}}',
        '{"settings": {}, "inputs": {"a": 1}, "outputs": {}}',
        '{"settings": {}, "inputs": {}, "outputs": {"a": []}}',
        '{"settings": {"a": 1' + "0" * 5000 + '}, "inputs": {}, "outputs": {}}',
        '{"settings": ' + '{"a": ' * 90 + "1" + "}" * 91 + ', "inputs": {}, "outputs": {}}',
    ],
)
def test_facts_of_another_shape_say_nothing(study, text):
    (study.folder / "results" / "spaces" / "nb201.json").write_text(text)
    (said,) = outdated(study).values()
    assert "results/spaces/nb201.json" in said[0]


def test_differences_are_named_by_path():
    before = {"a": {"b": 1, "gone": 2}, "c": [1, 2], "d": [1], "e": True}
    now = {"a": {"b": 1.5, "new": None}, "c": [1, 3], "d": [1, 2], "e": 1}
    assert facts.compared(before, before) == []
    assert facts.compared(before, now) == [
        "a.b was 1, is 1.5",
        "a.gone was 2, is not there",
        "a.new was not there, is null",
        "c.1 was 2, is 3",
        "d was [1], is [1, 2]",
        "... and 1 more",
    ]


def test_the_file_of_settings_is_new_only_for_what_is_outdated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job, path = Job(seed=1), Path(planned.file_of("space", {"space": "nb201"}))
    for reasons in ([], ["seed was 0, is 1"], []):
        planned.write(str(path), job, reasons)
        assert (path.stat().st_mtime > 1e9) == bool(reasons)


def test_settings_of_jobs_lie_in_folders_of_their_own(tmp_path):
    """Snakemake lists one of these folders, and takes what comes there later for missing."""
    made = [made_by(path) for path in graph_of(TINY, tmp_path).jobs()]
    files = {Path(planned.file_of(*each, prefix)) for each in made if each for prefix in ("", "n/")}
    folders = {file.parent for file in files}
    assert len(folders) == len(files) == 2 * len(made)
    assert not any(above in folders for folder in folders for above in folder.parents)


def test_a_job_sees_that_the_study_was_edited_since_it_was_planned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANAS_PLAN", "")
    planned.require("a.json", {"seed": 2})  # started by nobody who has planned it
    planned.remember({"a.json": Job(seed=1).params})
    planned.write("a.json", Job(seed=2), [])  # by a dry run of another study, meanwhile
    planned.require("a.json", {"seed": 1, "revision": 1})
    planned.require("b.json", {"seed": 3})
    with pytest.raises(InputError, match="edited after this job was planned"):
        planned.require("a.json", {"seed": 2, "revision": 1})


def test_what_is_outdated_twice_holds_what_no_file_held_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = set()
    for _ in range(2):
        planned.write("settings.json", Job(seed=1), ["seed was 0, is 1"])
        texts.add((tmp_path / "settings.json").read_text())
    assert len(texts) == 2
    assert all(json.loads(text)["settings"] == {"revision": 1, "seed": 1} for text in texts)
