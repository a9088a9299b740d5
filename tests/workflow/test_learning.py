"""A proxy that is learned from trainings, each of them a job, from images to what to take."""

import json

import pandas as pd
import pytest
from studies import Study, graph_of, make_study, rerun, write_toy_images

from hanas.core.errors import InputError
from hanas.study import checks, plan

LEARNED = {
    "kind": "learned",
    "space": "mobile_i",
    "architectures": 5,
    "first": 3,
    "rounds": 1,
    "trainings": {
        "network": {"width": 0.1},
        "training": {
            "epochs": 2,
            "batch_size": 8,
            "batches_per_epoch": 12,
            "resolution": 8,
            "learning_rate": 0.05,
        },
    },
}
BOARD = {
    "kind": "command",
    "command": "sh -c 'wc -c < {model}'",
    "passes": 2,
    "networks": {"mobile_i": {"width": 0.1}},
    "campaign": {"models": 6, "first": 5, "each_round": 1, "held_out": 3},
}


def learned_study(folder) -> Study:
    study = make_study(folder)
    config = study.config()
    # Enough of them that trainings do not all end with the same number of images right.
    write_toy_images(folder / "data" / "more_images", images_each=80)
    config["datasets"]["toy"]["folder"] = "more_images"
    config["devices"] = {"board": BOARD}
    config["proxies"] = {"learned": LEARNED}
    config["tasks"] = {"toy": {"dataset": "toy", "space": "mobile_i", "proxies": ["learned"]}}
    config["searches"] = {"nsga2": {"searcher": "nsga2", "seeds": 1, "generations": 2}}
    for section in ("benchmarks", "supernets", "retrainings"):
        config.pop(section, None)
    for section in ("evaluation", "tables", "figures", "surrogates"):
        config.pop(section, None)
    study.write(config)
    return study


def test_each_training_is_a_job_of_a_fixed_name(tmp_path):
    jobs = learned_study(tmp_path).graph().jobs(["results/decisions/board.csv"])
    of_proxy = [path for path in jobs if path.startswith("results/learned/")]
    first, last = "results/learned/learned/toy/0", "results/learned/learned/toy/1"
    assert of_proxy == [
        *(f"{first}/{name}.csv" for name in ("chosen", 0, 1, 2)),
        *(f"{last}/{name}.csv" for name in ("chosen", 0, 1)),
    ]
    assert set(jobs[f"{last}/chosen.csv"].files) == {f"{first}/{n}.csv" for n in range(3)}


def test_what_runs_again_after_an_edit(tmp_path):
    study = learned_study(tmp_path)
    before, config = study.graph().jobs(), study.config()

    def again(**changed) -> dict[str, int]:
        edited = {**config, "proxies": {"learned": {**LEARNED, **changed}}}
        return dict(rerun(before, graph_of(edited, tmp_path / "data").jobs()))

    longer = {**LEARNED["trainings"], "training": {"epochs": 3, "batch_size": 8}}
    assert set(again(label="mine")) == {"decisions", "explorer", "lens", "measured_front"}
    trained = again(trainings=longer)
    assert trained["train_chosen"] == 5
    assert trained["choose_architectures"] == 1  # the first ones are chosen without any training
    more = again(architectures=6)  # three and then three: none of the first three anew
    assert more["train_chosen"] == 3


def test_scores_of_others_are_waited_for_after_the_first_round(tmp_path):
    study = learned_study(tmp_path)
    config = study.config()
    config["supernets"] = {"net": {"dataset": "toy", "space": "mobile_i", "trainer": "spos"}}
    config["proxies"]["net"] = {"kind": "supernet", "supernet": "net", "threads": 2}
    config["proxies"]["learned"] = {**LEARNED, "proxies": ["net"]}
    jobs = graph_of(config, tmp_path / "data").jobs(["results/decisions/board.csv"])
    first, last = (jobs[f"results/learned/learned/toy/{n}/chosen.csv"] for n in (0, 1))
    weights = "results/supernets/net/weights.pt"
    assert first.files == []
    assert {weights, "results/learned/learned/toy/0/2.csv"} <= set(last.files)
    assert (last.threads, last.compute) == (2, "auto")
    assert last.params["parts"]["net"]["proxy"]["supernet"] == "net"
    search = jobs["results/searches/toy/board/learned.parquet"]
    assert weights in search.files
    assert "net" in search.params["part"]["parts"]


def test_scores_are_of_the_space_of_the_learned_one(tmp_path):
    config = learned_study(tmp_path).config()
    config["proxies"]["flops"] = {"kind": "flops", "space": "shuffle_i"}
    config["proxies"]["learned"] = {**LEARNED, "proxies": ["flops"]}
    with pytest.raises(InputError, match=r"space is 'mobile_i'; its proxies are of .*'shuffle_i'"):
        checks.read(config, "mine.yaml")


@pytest.mark.slow
def test_from_trainings_to_what_to_take(tmp_path, monkeypatch):
    study = learned_study(tmp_path)
    monkeypatch.setenv("HANAS_DATA", str(study.folder / "data"))
    config = study.config()
    config["proxies"]["depth"] = {"kind": "depth", "space": "mobile_i"}
    config["proxies"]["learned"] = {**LEARNED, "proxies": ["depth"]}
    study.write(config)
    study.compute("results/datasets/toy.pt")
    said = plan.in_words(study.folder, None)
    assert "proxy learned, 3 + 2 architectures in rounds: 5 x 2 epochs" in said
    counts = study.compute("results/decisions/board.csv")
    assert counts["train_chosen"] == 5
    assert counts["choose_architectures"] == 2
    table = pd.read_csv(study.folder / "results/decisions/board.csv")
    assert (table["proxy_objective"] == "error").all()
    assert table["proxy_source"].str.contains("learned from 5 architectures").all()
    facts = json.loads(
        (study.folder / "results/searches/toy/board/learned.json").read_text(encoding="utf-8")
    )
    assert facts["trained_architectures"] == 5
    assert {"loo_spearman", "loo_error_points", "training_minutes"} <= set(facts)
    page = (study.folder / "results/decisions/board.md").read_text(encoding="utf-8")
    assert "learned from 5 networks, 2 epochs each, " in page
    assert "5 more are expected to put right " in page
    # What was trained is there when it is chosen again, though Snakemake deletes results.
    file = study.folder / "results/learned/learned/toy/0/0.csv"
    before = file.read_bytes()
    file.unlink()
    study.compute("results/learned/learned/toy/0/0.csv")
    assert file.read_bytes() == before
    log = study.folder / "logs/train_chosen/learned/toy/0/0.log"
    assert "was trained before" in log.read_text(encoding="utf-8")
    assert "train_chosen" not in plan.in_words(study.folder, None)
