"""Studies of layer-wise spaces: one that is listed, whose fronts are judged, and a larger one."""

import json

import numpy as np
import pandas as pd
import pytest
from studies import TINY, Study, write_toy_images

from hanas.core import plugins
from hanas.core.ranking import kendall_tau

pytestmark = pytest.mark.slow  # a whole study each

SPACE = """
from hanas.spaces._layerwise import IDENTITY, LayerwiseSpace
from hanas.spaces.networks.operations import operation
from hanas.spaces.networks.skeletons import Skeleton, stages

LAYERS = (IDENTITY, operation("mb1_3x3"), operation("mb2_5x5"))
SKELETON = Skeleton(stem=8, stages=stages((8, {first}), (16, 2)), last=16, identity_projects=True)
SPACE = LayerwiseSpace("{name}", SKELETON, LAYERS)
"""
SUPERNET = {"kind": "supernet", "supernet": "spos", "images": 16, "batch_size": 8}
CENTRED = {**SUPERNET, "objective": "centred_cross_entropy"}


@pytest.fixture
def study(tmp_path, monkeypatch) -> Study:
    """The tiny study, but of two small spaces of layers: 81 networks, and 59,049."""
    folder = tmp_path / "plugins" / "spaces"
    folder.mkdir(parents=True)
    for name, first in (("small_chain", 2), ("long_chain", 8)):
        (folder / f"{name}.py").write_text(SPACE.format(name=name, first=first))
    monkeypatch.setenv(plugins.FOLDER_VARIABLE, str(folder.parent))
    made = Study(tmp_path / "study")
    write_toy_images(made.folder / "data" / "toy_images")
    return made


def settings(space: str) -> dict:
    counts = {kind: {"kind": kind, "space": space} for kind in ("depth", "flops", "params")}
    training = {"epochs": 2, "batch_size": 8, "crop_padding": 1, "learning_rate": 0.1}
    return {
        "datasets": TINY["datasets"],
        "supernets": {
            "spos": {
                **{"dataset": "toy", "space": space, "trainer": "spos", "snapshots": 2},
                **{"training": training, "candidates": 3},
            }
        },
        "proxies": {
            **counts,
            "spos": CENTRED,
            "other": {**CENTRED, "images": 8},
            "both": {"kind": "fused", "proxies": ["depth", "spos"]},
            "mean": {
                **{"kind": "ensemble", "proxies": ["spos", "other"]},
                "objective": "cross_entropy",
            },
        },
        "tasks": {"toy": {"dataset": "toy", "space": space, "proxies": ["both", "mean"]}},
        "searches": TINY["searches"],
    }


def write_truth(study: Study, space: str) -> pd.DataFrame:
    """Deeper is better, and so is a little luck."""
    genes = plugins.space(space).all_genes()
    luck = np.random.default_rng(0).uniform(size=len(genes))
    accuracy = 60 + 5 * (genes > 0).sum(axis=1) + 3 * luck
    table = pd.DataFrame({"net": plugins.space(space).all_texts(), "percent": accuracy})
    table.to_csv(study.folder / "data" / "truth.csv", index=False)
    return table.set_index("net")["percent"]


def test_everything_works_on_layers_as_on_cells(study):
    space, given = plugins.space("small_chain"), settings("small_chain")
    given["tasks"]["toy"] |= {"supernets": ["spos"], "accuracy_floor_percent": 62}
    truth = {"kind": "table", "file": "truth.csv"}
    truth["columns"] = {"arch": "net", "accuracy_percent": "percent"}
    given["benchmarks"] = {"small_chain": {"toy": truth}}
    campaign = {"models": 6, "first": 6, "each_round": 1, "held_out": 3}
    host = {"kind": "host", "passes": 5, "warmup": 1, "again": 1, "repeats": 1}
    given["devices"] = {
        "macs": {"kind": "ideal", "gmacs_per_second": 0.5},
        "host": {**host, "campaign": campaign},
    }
    given["retrainings"] = {
        "pick": {
            **{"task": "toy", "device": "macs", "proxy": "both", "search": "nsga2"},
            **{"measure_on": ["host"], "training": {"epochs": 1, "batch_size": 8}},
        }
    }
    given["evaluation"] = {"proxies": ["depth", "flops", "params", "spos"]}
    study.write(given)
    accuracy = write_truth(study, "small_chain")
    assert study.compute()["proxy_table"] == 7
    results = study.folder / "results"

    device = pd.read_parquet(results / "devices/macs/small_chain/toy.parquet")
    macs = space.flops(space.all_genes())
    np.testing.assert_allclose(device["latency_ms"], macs / 0.5e6)
    assert device["source"].str.startswith("computed, not measured").all()

    table = pd.read_parquet(results / "proxies/spos/toy.parquet")
    assert table["source"].str.endswith("means over 2 snapshots of its training").all()
    depth = pd.read_parquet(results / "proxies/depth/toy.parquet")["score"]
    assert depth.tolist() == (-(space.all_genes() > 0).sum(axis=1)).tolist()
    panel = pd.read_csv(results / "evaluations/ranking.csv")
    whole = panel[panel["cells"] == "all"].set_index("proxy")
    assert whole.loc["depth", "kendall_tau"] == pytest.approx(kendall_tau(depth, 1 - accuracy))

    budget = pd.read_csv(results / "evaluations/macs/budget.csv", keep_default_na=False)
    by_flops = budget[budget["proxy"] == "flops"].iloc[0]
    assert by_flops["ceiling"] == 1
    assert by_flops["exact_front_points"] == len(np.unique(macs))
    assert by_flops["note"].startswith("the proxy orders by latency_ms")
    assert (budget.loc[budget["proxy"] == "depth", "note"] == "").all()

    measured = pd.read_parquet(results / "devices/host/small_chain/toy.parquet")
    assert tuple(measured["arch"]) == space.all_texts()
    assert measured["source"].str.startswith("predicted: ").all()
    assert (results / "evaluations/host/budget.csv").exists()
    models = pd.read_csv(results / "models/pick.csv")
    assert set(models["device"]) == {"host", "macs"}
    benchmark = pd.read_parquet(results / "retrained/pick/metrics.parquet")
    known = accuracy[benchmark["arch"]].to_numpy()
    np.testing.assert_allclose(benchmark["benchmark_accuracy_percent"], known)

    words = (results / "decisions/macs.md").read_text()
    assert "computed, not measured" in words
    page = (results / "explorer.html").read_text()
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    shown = data["spaces"]["small_chain"]
    assert shown["stages"] == [2, 2]
    assert set(shown["texts"]) <= set(space.all_texts())
    assert (results / "tables/macs.md").exists()


#: Prints a latency that grows with the model.
BOARD = """#!/bin/sh
printf '{"latency_ms": [%d]}\\n' "$(wc -c < "$1")"
"""


def test_what_is_combined_is_searched_on_demand(study, tmp_path):
    space, given = plugins.space("long_chain"), settings("long_chain")
    board = tmp_path / "board.sh"
    board.write_text(BOARD)
    board.chmod(0o755)
    campaign = {"models": 6, "first": 6, "each_round": 1, "held_out": 3}
    given["devices"] = {
        "board": {
            **{"kind": "command", "command": f"{board} {{model}}", "passes": 1, "again": 1},
            "campaign": campaign,
        }
    }
    given["proxies"]["both"]["sample"] = 40
    study.write(given)
    study.compute()
    results = study.folder / "results"
    history = pd.read_parquet(results / "searches/toy/board/both.parquet")
    facts = json.loads((results / "searches/toy/board/both.json").read_text())
    assert facts["sources"]["score"] == (
        "mean rank of depth, spos, among 40 random architectures (seed 0)"
    )
    # What the fused proxy had scored by the supernet is kept with that, for the ensemble too.
    mean = (study.folder / "logs/search/toy/board/mean.log").read_text()
    assert "architectures of this supernet were scored before" in mean
    genes = np.array([space.from_text(arch) for arch in history["arch"]])
    assert kendall_tau(history["proxy_score"], -(genes > 0).sum(axis=1)) > 0.3
    assert (results / "decisions/board.md").exists()
