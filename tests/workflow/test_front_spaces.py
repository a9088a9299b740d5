"""The study of three layer-wise spaces on a measured device, at its smallest scale."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from snakemake.utils import update_config
from studies import REPOSITORY, Study, write_toy_images

from hanas.core import plugins
from hanas.fronts.picks import found_front
from hanas.fronts.rows import read_history

pytestmark = pytest.mark.slow

SPACES = ("shuffle", "shuffle_i", "mobile_i")
FILES = ("config/rk3588.yaml", "config/scales/rk3588_tiny.yaml")
FIGURE = "results/figures/front_spaces.svg"


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("spaces") / "study"
    write_toy_images(folder / "data" / "toy_images")
    study, config = Study(folder), {}
    for file in FILES:
        update_config(config, yaml.safe_load((REPOSITORY / file).read_text(encoding="utf-8")))
    study.write(config)
    study.compute(FIGURE)
    return study


def test_figure_shows_every_trained_model(study):
    results = study.folder / "results"
    shown = pd.read_parquet(results / "figures/front_spaces.parquet")
    assert set(shown["group"]) == {*SPACES, "published"}
    assert shown.loc[shown["published"], "arch"].tolist() == [
        "shufflenet_v2",
        "efficientnet_b0",
        "mobilenet_v2@0.15",
    ]
    for name in (*SPACES, "published"):
        models = pd.read_csv(results / f"models/{name}.csv")
        of_group = shown[shown["group"] == name]
        assert of_group["arch"].tolist() == models["arch"].tolist()
        # The mean of two trainings, less what the exported network loses in INT8.
        assert (models["seeds"] == 2).all()
        loss = models["float32_accuracy_percent"] - models["int8_accuracy_percent"]
        error = 1 - (models["test_accuracy_percent_mean"] - loss) / 100
        assert of_group["true_error"].tolist() == pytest.approx(error.tolist())
        assert of_group["latency_ms"].tolist() == pytest.approx(models["latency_ms"].tolist())
    assert (shown["latency_ms"] > 0).all()
    assert Image.open(results / "figures/front_spaces.png").size[0] > 500


@pytest.mark.parametrize("space", SPACES)
def test_picks_are_of_the_front(study, space):
    results = study.folder / "results"
    history = read_history(str(results / f"searches/{space}/npu/{space}.parquet"), "nsga2")
    models = pd.read_csv(results / f"models/{space}.csv")
    assert models["role"].value_counts().to_dict() == {"pick": 2, "random": 1}
    picks = models.loc[models["role"] == "pick", "arch"]
    assert set(picks) <= set(found_front(history, plugins.space(space))["arch"])
    shelf = pd.read_csv(results / "models/published.csv")
    assert set(models["otherwise"]) <= set(shelf["arch"])
    assert models["otherwise_verdict"].notna().all()
    assert models["random"].notna().tolist() == (models["role"] == "pick").tolist()
    module = plugins.space(space)
    for arch in history["arch"]:
        assert module.to_text(module.from_text(arch)) == arch


@pytest.mark.parametrize("space", SPACES)
def test_device_is_measured_and_the_rest_predicted(study, space):
    folder = study.folder / f"results/measurements/npu/{space}"
    measured = pd.read_parquet(folder / "cifar10.parquet")
    assert measured["purpose"].value_counts().to_dict() == {"fit": 6, "held_out": 3}
    assert (measured["rounds"] >= 2).all()
    assert (measured["precision"] == "int8").all()
    assert measured["source"].str.startswith("measured: ").all()
    assert not measured["arch"].duplicated().any()
    facts = json.loads((folder / "cifar10.json").read_text())
    assert any(source.startswith("predicted: ") for source in facts["sources"])


def test_every_model_has_a_card_and_its_files(study):
    results = study.folder / "results"
    for name in (*SPACES, "published"):
        models = pd.read_csv(results / f"models/{name}.csv")
        for number in models["number"]:
            folder = results / f"models/{name}/{number}"
            assert {path.name for path in folder.iterdir()} == {
                *("model.onnx", "model.int8.onnx", "model.safetensors", "model.json"),
                *("README.md", "labels.txt", "predict.py"),
            }
            card = json.loads((folder / "model.json").read_text())
            assert len(card["classes"]) == 3


def test_decisions_do_without_true_accuracies(study):
    assert study.compute("results/decisions/npu.csv")["decisions"] == 1
    table = pd.read_csv(study.folder / "results/decisions/npu.csv")
    assert set(table["task"]) == set(SPACES)
    assert table["accuracy_percent"].isna().all()
    assert table["accuracy_source"].str.contains("not known").all()
    assert np.isfinite(table["latency_ms"]).all()
    words = (study.folder / "results/decisions/npu.md").read_text()
    assert "true accuracies are **not known**" in words
    assert "trained picks, and what one would take otherwise" in words
    assert "  - Otherwise: `" in words
    assert set(table["otherwise"]) <= {"shufflenet_v2", "efficientnet_b0", "mobilenet_v2@0.15"}
    assert table["otherwise_verdict"].notna().any()
    assert " nan" not in words


def test_front_is_measured_for_real(study):
    target = "results/measured_fronts/mobile_i/npu/mobile_i/nsga2.csv"
    study.compute(target)
    table = pd.read_csv(study.folder / target)
    file = study.folder / "results/searches/mobile_i/npu/mobile_i.parquet"
    history = read_history(str(file), "nsga2")
    assert set(table["arch"]) == set(found_front(history, plugins.space("mobile_i"))["arch"])
    assert (table["measured_latency_ms"] > 0).all()
    assert table["predicted_source"].str.startswith("predicted: ").all()
    assert table["measured_source"].str.startswith("measured: ").all()
    assert Path(study.folder / target).with_suffix(".svg").stat().st_size > 1000
