"""A study of cell spaces of its own: one that is listed, and one too large for a table."""

import json

import numpy as np
import pandas as pd
import pytest
from studies import TINY, Study, write_toy_images

from hanas.core import plugins
from hanas.core.files import read_parquet

pytestmark = pytest.mark.slow  # a whole study each

#: Three nodes, 4 x 4 x 4 cells; one edge has operations of its own.
MINE = {
    "kind": "cell",
    "nodes": 3,
    "operations": ["none", "skip_connect", "nor_conv_3x3", "avg_pool_3x3"],
    "edges": {"2<-1": ["sep_conv_3x3", "dil_conv_3x3", "max_pool_3x3", "group_conv_3x3_g2"]},
    "channels": 4,
    "cells": 1,
    "skeleton": "pooled",
}
#: Five nodes, 4^10 cells.
LARGE = {**MINE, "nodes": 5, "edges": {}, "operations": [*MINE["operations"][:3], "sep_conv_3x3"]}
SUPERNET = {"kind": "supernet", "supernet": "shared", "images": 16, "batch_size": 8}
CAMPAIGN = {"models": 6, "first": 6, "each_round": 1, "held_out": 3}
HOST = {"kind": "host", "passes": 5, "warmup": 1, "again": 1, "repeats": 1, "campaign": CAMPAIGN}
TRAINING = {"epochs": 2, "batch_size": 8, "crop_padding": 1, "learning_rate": 0.1}


@pytest.fixture
def study(tmp_path, monkeypatch) -> Study:
    monkeypatch.setenv(plugins.SPACES_VARIABLE, "{}")  # the environment is put back afterwards
    made = Study(tmp_path / "study")
    write_toy_images(made.folder / "data" / "toy_images")
    return made


def settings(space: str, declared: dict, proxies: dict, shown: list[str]) -> dict:
    shared = {"dataset": "toy", "space": space, "must_learn": False, "training": TRAINING}
    trainers = {"shared": {"trainer": "rsps", "candidates": 3}, "learned": {"trainer": "gdas"}}
    return {
        "spaces": {space: declared},
        "datasets": TINY["datasets"],
        "supernets": {name: {**shared, **given} for name, given in trainers.items()},
        "proxies": proxies,
        "tasks": {
            "toy": {
                **{"dataset": "toy", "space": space, "supernets": [*trainers]},
                "proxies": shown,
            }
        },
        "devices": {"host": HOST},
        "searches": TINY["searches"],
        "retrainings": {
            "pick": {
                **{"task": "toy", "device": "host", "proxy": shown[0], "search": "nsga2"},
                **{"picks": 1, "training": {"epochs": 1, "batch_size": 8}},
            }
        },
    }


def test_a_space_of_cells_that_is_listed(study):
    network = {"skeleton": "pooled", "channels": 2, "cells": 1}
    counts = ("params", "flops", "live_params", "residual", "pooled_shortcuts")
    untrained = {
        "naswot": {"resolution": 8, "images": 8},
        "az_nas": {"resolution": 8, "images": 4},
        "synflow": {"resolution": 8},
    }
    proxies = {
        **{kind: {"kind": kind, "space": "mine"} for kind in counts},
        **{
            kind: {"kind": kind, "space": "mine", "network": network, **given}
            for kind, given in untrained.items()
        },
        "shared": SUPERNET,
        "other": {**SUPERNET, "images": 8},
        "both": {"kind": "fused", "proxies": ["live_params", "shared", "naswot"]},
        "mean": {"kind": "ensemble", "proxies": ["shared", "other"]},
        "told": {
            **{"kind": "learned", "space": "mine", "proxies": ["flops", "shared"]},
            **{"architectures": 12, "first": 8, "rounds": 2},
        },
    }
    given = settings("mine", MINE, proxies, ["both", "mean", "told"])
    given["devices"]["macs"] = {"kind": "ideal"}
    truth = {"kind": "table", "file": "truth.csv"}
    truth["columns"] = {"arch": "net", "accuracy_percent": "percent"}
    given["benchmarks"] = {"mine": {"toy": truth}}
    given["evaluation"] = {"proxies": [*counts, *untrained, "shared"]}
    study.write(given)
    graph = study.graph()  # and the space is known
    space = plugins.space("mine")
    genes, luck = space.all_genes(), np.random.default_rng(0).uniform(size=64)
    accuracy = 60 + 10 * space.connected(genes) + space.params(genes) / 500 + luck
    table = pd.DataFrame({"net": space.all_texts(), "percent": accuracy})
    table.to_csv(study.folder / "data" / "truth.csv", index=False)
    study.compute()
    results = study.folder / "results"

    listed = read_parquet(results / "spaces/mine.parquet")
    assert tuple(listed["arch"]) == space.all_texts()
    assert len(listed) == 64
    device = read_parquet(results / "devices/macs/mine/toy.parquet")
    np.testing.assert_allclose(device["latency_ms"], space.flops(genes) / 1e6)
    host = read_parquet(results / "devices/host/mine/toy.parquet")
    assert tuple(host["arch"]) == space.all_texts()
    assert host["feasible"].tolist() == space.connected(genes).tolist()
    for proxy in proxies:
        scores = read_parquet(results / f"proxies/{proxy}/toy.parquet")
        assert np.isfinite(scores[scores.columns[1]]).all()
    assert read_parquet(results / "proxies/told/toy.parquet")["looked_up"].sum() == 12
    # Every job that is about the space hangs on its declaration.
    about = {path for path, job in graph.jobs().items() if "declared_spaces" in job.params}
    assert {"results/spaces/mine.parquet", "results/retrained/pick/0.onnx"} & about
    assert "results/datasets/toy.pt" not in about
    page = (results / "explorer.html").read_text()
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    shown = data["spaces"]["mine"]
    assert shown["edges"] == [[1, 0], [2, 0], [2, 1]]
    assert shown["operations"] == list(space.operations)
    assert len(space.operations) == 8


def test_a_space_of_cells_that_is_too_large_for_a_table(study):
    proxies = {
        "live": {"kind": "live_params", "space": "large"},
        "shared": SUPERNET,
        "both": {"kind": "fused", "proxies": ["live", "shared"], "sample": 20},
    }
    study.write(settings("large", LARGE, proxies, ["both", "shared"]))
    study.compute()
    space, results = plugins.space("large"), study.folder / "results"
    assert not space.enumerable
    history = read_parquet(results / "searches/toy/host/shared.parquet")
    genes = np.array([space.from_text(arch) for arch in history["arch"]])
    assert genes.shape[1] == 10
    assert len(np.unique(genes, axis=0)) > 20
    log = (study.folder / "logs/search/toy/host/both.log").read_text()
    assert "are scored anew" in log or "were scored before" in log
    picks = pd.read_csv(results / "models/pick.csv")
    assert picks["arch"].str.count("~").eq(10).all()
