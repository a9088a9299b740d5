"""Studies of spaces that they declare, in which channels and numbers of layers are searched."""

import json

import numpy as np
import pandas as pd
import pytest
from studies import TINY, Study, write_toy_images

from hanas.core import plugins

SMALL = {
    "kind": "layerwise",
    "stem": 8,
    "stages": [
        {"channels": [8, 12], "layers": 1, "stride": 1},
        {"channels": [16, 24], "layers": [1, 2], "stride": 2},
    ],
    "operations": ["mb2_3x3", "separable_5x5", "identity"],
    "last": 16,
}
LARGE = {
    **{"kind": "layerwise", "stem": {"channels": 8, "stride": 1}, "last": 16},
    "stages": [
        {"channels": 8, "layers": 2, "stride": 1},
        {"channels": [8, 12, 16], "layers": [2, 3, 5], "stride": 2},
        {
            **{"channels": [16, 32], "layers": [1, 4], "stride": 2},
            "operations": ["fused_mb2_3x3", "mb3_5x5_se", "conv_3x3_g2", "identity"],
        },
    ],
    "operations": ["mb2_3x3", "shuffle_3x3", "max_pool_3x3", "identity"],
}
#: Prints a latency that grows with the model.
BOARD = """#!/bin/sh
printf '{"latency_ms": [%d]}\\n' "$(wc -c < "$1")"
"""


@pytest.fixture
def study(tmp_path, monkeypatch) -> Study:
    monkeypatch.setenv(plugins.SPACES_VARIABLE, "{}")  # as it was, after the test
    made = Study(tmp_path / "study")
    write_toy_images(made.folder / "data" / "toy_images")
    return made


def settings(space: str, declaration: dict) -> dict:
    return {
        "spaces": {space: declaration},
        "datasets": TINY["datasets"],
        "supernets": {
            "spos": {
                **{"dataset": "toy", "space": space, "trainer": "spos", "candidates": 3},
                "training": {"epochs": 1, "batch_size": 8, "crop_padding": 1},
            }
        },
        "proxies": {
            **{kind: {"kind": kind, "space": space} for kind in ("params", "flops", "depth")},
            "spos": {"kind": "supernet", "supernet": "spos", "images": 16, "batch_size": 8},
        },
        "tasks": {"toy": {"dataset": "toy", "space": space, "proxies": ["params", "spos"]}},
        "searches": TINY["searches"],
    }


@pytest.mark.slow
def test_a_declared_space_that_is_listed(study):
    given = settings("small", SMALL)
    given["tasks"]["toy"]["supernets"] = ["spos"]
    given["devices"] = {"macs": {"kind": "ideal", "gmacs_per_second": 0.5}}
    columns = {"arch": "net", "accuracy_percent": "percent"}
    given["benchmarks"] = {"small": {"toy": {"kind": "table", "file": "t.csv", "columns": columns}}}
    study.write(given)
    study.graph()  # which declares the space
    space = plugins.space("small")
    # Of a stage of two channels: 2 x 2 operations; 2 x (2 + 2 x 3): 64 networks.
    assert space.count == 2 * 2 * 2 * (2 + 2 * 3)
    genes = space.all_genes()
    truth = pd.DataFrame({"net": space.all_texts(), "percent": 50 + 1e-3 * space.params(genes)})
    truth.to_csv(study.folder / "data/t.csv", index=False)
    study.compute()
    results = study.folder / "results"

    device = pd.read_parquet(results / "devices/macs/small/toy.parquet")
    np.testing.assert_allclose(device["latency_ms"], space.flops(genes) / 0.5e6)
    history = pd.read_parquet(results / "searches/toy/macs/params.parquet")
    assert set(history["arch"]) <= set(space.all_texts())
    nsga2 = history[(history["search"] == "nsga2") & (history["seed"] == 0)]
    assert not nsga2["arch"].duplicated().any()
    page = (results / "explorer.html").read_text()
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert set(data["spaces"]["small"]["texts"]) <= set(space.all_texts())
    # Every job of the space has its declaration among what it depends on, and facts record it.
    for facts in ("searches/toy/macs/params.json", "devices/macs/small/toy.json"):
        found = json.loads((results / facts).read_text())["settings"]["declared_spaces"]
        assert found["small"]["stages"][0]["channels"] == [8, 12]


@pytest.mark.slow
def test_a_declared_space_is_searched_trained_measured_and_exported(study, tmp_path):
    given = settings("large", LARGE)
    given["tasks"]["toy"]["proxies"] = ["params"]
    board = tmp_path / "board.sh"
    board.write_text(BOARD)
    board.chmod(0o755)
    campaign = {"models": 8, "first": 8, "each_round": 1, "held_out": 3}
    given["devices"] = {
        "board": {
            **{"kind": "command", "command": f"{board} {{model}}", "passes": 1, "again": 1},
            "campaign": campaign,
        }
    }
    given["retrainings"] = {
        "pick": {
            **{"task": "toy", "device": "board", "proxy": "params", "search": "nsga2"},
            **{"training": {"epochs": 1, "batch_size": 8}},
            "quantisation": {"calibration_images": 8},
        }
    }
    study.write(given)
    study.compute()
    space, results = plugins.space("large"), study.folder / "results"
    history = pd.read_parquet(results / "searches/toy/board/params.parquet")
    genes = np.array([space.from_text(arch) for arch in history["arch"]])
    assert (space.tidy(genes) == genes).all()
    assert space.params(genes).tolist() == (-history["proxy_score"]).tolist()
    one = history[(history["search"] == "nsga2") & (history["seed"] == 0)]
    assert not one["arch"].duplicated().any()
    log = (study.folder / "logs/search/toy/board/params.log").read_text()
    assert f"space large holds {space.count:,} architectures" in log
    shown = json.loads((results / "models/pick/1/model.json").read_text())["architecture"]
    stages = space.skeleton_of(space.from_text(shown["text"])).stages
    assert [stage["channels"] for stage in shown["stages"]] == [one.channels for one in stages]
    assert len(shown["layers"]) == sum(stage["layers"] for stage in shown["stages"])
    assert shown["parameters"] == space.params(space.from_text(shown["text"])[None], 3)[0]


def test_an_edit_of_a_declaration_reruns_the_jobs_of_its_space_alone(study):
    both = settings("small", SMALL)
    both["spaces"]["other"] = SMALL
    both["devices"] = {"macs": {"kind": "ideal", "gmacs_per_second": 0.5}}
    both["proxies"]["other"] = {"kind": "params", "space": "other"}
    both["tasks"]["others"] = {"dataset": "toy", "space": "other", "proxies": ["other"]}
    study.write(both)
    before = {path: job.params for path, job in study.graph().jobs().items()}
    both["spaces"]["other"] = {**SMALL, "last": 24}
    study.write(both)
    after = {path: job.params for path, job in study.graph().jobs().items()}
    edited = {path for path in before if before[path] != after[path]}
    named = {path for path in before if "other" in path}
    assert named
    # These two are about both tasks.
    assert edited == named | {"results/decisions/macs.csv", "results/explorer.html"}


def test_a_space_of_the_users_folder_is_recorded_too(study, tmp_path, monkeypatch):
    folder = tmp_path / "plugins" / "spaces"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(json.dumps(SMALL))
    monkeypatch.setenv(plugins.FOLDER_VARIABLE, str(folder.parent))
    given = settings("mine", SMALL)
    del given["spaces"]
    given["devices"] = {"macs": {"kind": "ideal", "gmacs_per_second": 0.5}}
    study.write(given)
    params = study.graph().job("search", task="toy", device="macs", proxy="params").params
    assert params["declared_spaces"]["mine"]["last"] == 16
