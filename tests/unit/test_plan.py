"""What a study costs, told before anything starts."""

from pathlib import Path

import pytest
from toy_pictures import toy_images

from hanas.core import contents, plugins
from hanas.core.files import write_json
from hanas.data.images import save_images
from hanas.study import explain, plan
from hanas.study.facts import by_name
from hanas.study.results import facts_file, made_by, result

OWN = Path(__file__).parents[2] / "config" / "own.yaml"


@pytest.fixture
def study(tmp_path):
    save_images(
        toy_images(images_each=128, classes=2), tmp_path / "results" / "datasets" / "mine.pt"
    )
    return tmp_path


@pytest.fixture
def told(study, monkeypatch):
    monkeypatch.setattr(plan, "seconds_per_step", lambda *training: 0.1)
    return plan.in_words(study, OWN).splitlines()


def line(told, start):
    (found,) = (one for one in told if one.startswith(f"- {start}"))
    return found


def test_trainings_of_an_accuracy_model_and_their_minutes_are_told(told):
    # 128 images are two steps of 64: 15 epochs take 3 s at .1 s a step.
    said = line(told, "proxy own, 16 + 4 architectures")
    assert "20 x 15 epochs of 128 images" in said
    assert said.endswith("about 3.0 s each, 1 min 0 s one after the other")


def test_retrainings_count_random_members_and_seeds_and_all_their_images(told):
    # 3 picks and 2 random members, two seeds each, on training and validation images.
    said = line(told, "retraining own")
    assert "10 x 20 epochs of 256 images" in said
    assert said.endswith("about 8.0 s each, 1 min 20 s one after the other")
    assert "12 x 20 epochs of 256 images" in line(told, "retraining published")


def test_a_folder_of_images_that_is_not_read_yet_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "seconds_per_step", lambda *training: 0.1)
    monkeypatch.setenv("HANAS_DATA", str(tmp_path / "data"))
    (said,) = (one for one in plan.in_words(tmp_path, OWN).splitlines() if "retraining own" in one)
    assert "data/pictures: there is no such folder" in said
    for name in ("apples", "pears"):
        for number in range(100):
            file = tmp_path / "data" / "pictures" / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()  # none is opened
    told = plan.in_words(tmp_path, OWN).splitlines()
    # Of 100 pictures of each class, 20 validate and 20 test.
    assert "20 x 15 epochs of 120 images" in line(told, "proxy own")
    assert "10 x 20 epochs of 160 images" in line(told, "retraining own")


@pytest.mark.parametrize("kind", ["cifar10", "cifar100", "imagenet16_120"])
def test_official_images_are_counted_before_they_are_there(kind, tmp_path):
    census = plugins.plugin("datasets", kind).read({"kind": kind}).census(tmp_path)
    expected = {
        "cifar10": ({"train": 25_000, "validation": 25_000, "test": 10_000}, 10, 32),
        "cifar100": ({"train": 50_000, "validation": 5_000, "test": 5_000}, 100, 32),
        "imagenet16_120": ({"train": 151_700, "validation": 3_000, "test": 3_000}, 120, 16),
    }
    assert (census.images, census.classes, census.side) == expected[kind]


def write_with_facts(study, files):
    """Write results that hold nothing, with the facts of a job of today."""
    jobs = explain.graph_of(OWN, study).jobs()
    for file in files:
        (study / file).parent.mkdir(parents=True, exist_ok=True)
        (study / file).touch()
    for file in files:
        rule, names = made_by(file) or ("", {})
        read = {
            name: {"file": each, "sha256": contents.content(study / each) or "not there"}
            for name, each in by_name(jobs[file].inputs).items()
        }
        told = {"settings": jobs[file].params, "inputs": read, "outputs": {}}
        write_json(study / facts_file(rule, **names), told)


def test_what_is_there_is_not_counted(study, monkeypatch):
    monkeypatch.setattr(plan, "seconds_per_step", lambda *training: 0.1)
    names = {"proxy": "own", "dataset": "mine"}
    chosen = [result("choose_architectures", **names, round=number) for number in (0, 1)]
    trained = [
        result("train_chosen", **names, round=number, number=each)
        for number, count in ((0, 16), (1, 4))
        for each in range(count)
    ]
    write_with_facts(study, (result("dataset", dataset="mine"), *chosen, *trained[:-1]))
    assert "1 x 15 epochs" in line(plan.in_words(study, OWN).splitlines(), "proxy own")
    (study / chosen[1]).unlink()  # then all that was chosen is trained again
    assert "4 x 15 epochs" in line(plan.in_words(study, OWN).splitlines(), "proxy own")


@pytest.mark.slow
def test_what_an_edit_outdates_is_counted_with_all_that_reads_of_it(computed_study, monkeypatch):
    monkeypatch.setenv("HANAS_DATA", str(computed_study.folder / "data"))
    monkeypatch.setattr(plan, "seconds_per_step", lambda *training: 0.1)
    file = computed_study.folder / "config.yaml"
    told = plan.in_words(computed_study.folder, file).splitlines()
    assert told[0] == "0 of 28 results are not there yet: nothing to do."
    assert told[2:] == ["Space nb201 holds 15,625 architectures."]
    with computed_study.edited() as config:
        config["supernets"]["darts_toy"]["training"] = {"epochs": 3, "batch_size": 8}
        computed_study.write(config)
        told = plan.in_words(computed_study.folder, file)
    assert "or are of other settings or files (" in told
    assert "1 train_supernet" in told
    assert "1 x 3 epochs" in line(told.splitlines(), "supernet darts_toy")
