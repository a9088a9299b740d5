import json

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from nb201_space import nb201
from torch import nn

from hanas.core.errors import InputError
from hanas.data.batches import load_split
from hanas.data.class_accuracy import ClassAccuracy, class_sizes, told_sizes
from hanas.fronts.trust import Trust
from hanas.report.models import models_page
from hanas.training import epochs
from hanas.training.retraining import retrain
from hanas.training.settings import FromScratch, RetrainingTraining, TrainingSettings


def of(images, right, classes="abcdefgh"):
    return ClassAccuracy(tuple(classes[: len(images)]), np.array(images), np.array(right))


def test_300_good_and_9_defect_parts_of_which_no_defect_is_found():
    found = of([60, 2], [60, 0])
    assert found.percent == pytest.approx(96.7742, abs=1e-4)
    assert found.balanced_percent == 50
    assert found.of_classes == {"a": 100, "b": 0}
    assert "always answering 'a', the largest class, would score 96.77 %" in str(
        found.warning("test")
    )


@pytest.mark.parametrize(
    ("images", "right", "is_warned"),
    [
        ([50, 50], [52 // 2, 52 // 2], True),  # 52 %: 2 points above 50
        ([50, 50], [27, 26], False),  # 53 %
        ([90, 10], [85, 0], True),  # below
        ([90, 10], [88, 5], False),  # 93 %
        ([90, 10], [87, 5], True),  # 92 %
    ],
)
def test_a_warning_within_two_points_of_the_largest_class(images, right, is_warned):
    assert (of(images, right).warning("test") is not None) == is_warned


@given(st.lists(st.integers(0, 30), min_size=2, max_size=8), st.integers(0, 2**32 - 1))
def test_balanced_accuracy_is_the_mean_recall(images, seed):
    images[0] += 1
    right = np.random.default_rng(seed).integers(0, np.array(images) + 1)
    found = of(images, right)
    recalls = [r / n for r, n in zip(right, images, strict=True) if n]
    assert found.balanced_percent == pytest.approx(100 * np.mean(recalls))
    assert json.loads(found.columns("x_")["x_class_percent"]) == found.of_classes
    if len(set(images)) == 1:
        assert found.balanced_percent == pytest.approx(found.percent)


def test_sizes_of_classes_are_told(toy_data):
    even = class_sizes(toy_data)
    assert even["test"] == {"class 0": 8, "class 1": 8, "class 2": 8}
    assert "uneven" not in told_sizes(even)
    told = told_sizes({"train": {"good": 180, "defect": 5}, "test": {"good": 60, "defect": 2}})
    assert "train: 185 images (good 180, defect 5)" in told
    assert "always answering 'good' would be right for 97.3 %" in told


# ---- weights of classes -------------------------------------------------------------------------


def test_balanced_weights_are_those_of_scikit_learn():
    # compute_class_weight("balanced", classes=[0, 1, 2], y=[0] * 6 + [1] * 3 + [2]), by its manual:
    # n_samples / (n_classes * np.bincount(y))
    found = TrainingSettings(class_weights="balanced").weights_of("abc", [6, 3, 1])
    assert found == pytest.approx([10 / 18, 10 / 9, 10 / 3])


def test_named_weights_and_names_that_are_no_classes():
    named = TrainingSettings(class_weights={"b": 4.0})
    assert named.weights_of("ab", [6, 3]) == [1, 4]
    assert TrainingSettings().weights_of("ab", [6, 3]) is None
    with pytest.raises(InputError, match=r"class_weights\.b: no such class; expected some of x, y"):
        named.weights_of("xy", [6, 3])


@pytest.mark.parametrize("value", ["even", {"a": 0.0}, {"a": -1.0}, 3])
def test_other_weights_are_refused(value):
    with pytest.raises(InputError, match="class_weights"):
        RetrainingTraining.read({"class_weights": value})


def test_a_weighted_step_goes_along_the_weighted_mean(toy_data):
    split, weights = load_split(toy_data, "train"), torch.tensor([0.5, 2.0, 1.0])
    batch = split.batch(torch.tensor([0, 1, 9, 20]))
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 3))
    loss, logits = epochs.loss_and_logits(network, batch, "float32", weights)
    each = F.cross_entropy(logits, batch.labels, reduction="none")
    of_images = weights[batch.labels]
    torch.testing.assert_close(loss, (of_images * each).sum() / of_images.sum())
    stepper = epochs.WeightStepper([*network.parameters()], TrainingSettings(), "float32", weights)
    torch.testing.assert_close(stepper.step(batch, network).loss, loss.detach())


def test_classes_are_judged_one_by_one(toy_data):
    class Always(nn.Module):
        def forward(self, images):
            return torch.tensor([[0.0, 1.0, 0.0]]).expand(len(images), 3)

    split = load_split(toy_data, "test")
    loss, right = epochs.judged(Always(), Always(), split, batch_size=5)
    assert right.tolist() == [0, 8, 0]
    assert epochs.evaluate(Always(), Always(), split) == (pytest.approx(loss), 1 - 8 / 24)


ARCH = nb201.to_text([3, 1, 2, 4, 1, 1])


def test_weights_decide_which_class_is_found(toy_file, tmp_path):
    recalls = []
    for weight in (1e-6, 1e6):
        settings = {
            "images": "train",
            "network": {"channels": 4, "cells": 1},
            "training": {"epochs": 4, "batch_size": 24, "class_weights": {"class 0": weight}},
            "train_on": "cpu",
        }
        how = {"checkpoints": tmp_path / str(weight), "log": lambda line: None}
        metrics, _, _ = retrain([ARCH], FromScratch.read(settings), toy_file, **how)
        (row,) = metrics.to_dict("records")
        recalls.append(json.loads(row["test_class_percent"])["class 0"])
        for split in ("validation", "test"):
            of_classes = json.loads(row[f"{split}_class_percent"]).values()
            assert row[f"{split}_balanced_percent"] == pytest.approx(sum(of_classes) / 3)
            # 8 images of each class: both are the same.
            assert row[f"{split}_accuracy_percent"] == pytest.approx(sum(of_classes) / 3)
    assert recalls == [0, 100]


# ---- the page -----------------------------------------------------------------------------------


NONE = '{"go|od": 100.0, "defect": 0.0}'


def exports(**columns):
    return pd.DataFrame(
        {
            "number": [1, 2],
            "arch": ["a", "b"],
            "float32_accuracy_percent": [96.774, 95.0],
            "float32_balanced_percent": [50.0, 72.5],
            "int8_accuracy_percent": [96.774, 94.0],
            "int8_balanced_percent": [50.0, 72.0],
            "float32_class_percent": [NONE, '{"go|od": 95, "defect": 50}'],
            "int8_class_percent": [NONE, '{"go|od": 94, "defect": 50}'],
            "largest_class_percent": 96.774,
            "test_images": 62,
            "seeds": 1,
            "role": ["pick", "random"],
            "params": [1234, 99],
            **columns,
        }
    )  # fmt: skip


def page(of_exports, table=None, trust=None):
    table = of_exports.assign(device="") if table is None else table
    how = {"retraining": "mine", "test_images": {"go|od": 60, "defect": 2}}
    return models_page(of_exports, table, **how, trust=trust or {})


def test_the_page_begins_with_doubts_in_red():
    of_both = ("2 pictures are in two splits",)
    one = Trust(("a **mean**",), ("always answering 'go|od' <would>", *of_both))
    lines = page(exports(), trust={1: one, 2: Trust(("x",), of_both)}).split("\n")
    title, _, first, _, second, *_ = lines
    assert title == "# Trained models: mine"
    assert first.startswith('<p style="color: #b00000">')
    assert "Model 1: always answering 'go|od' &lt;would>.</p>" in first
    assert "</strong> 2 pictures are in two splits.</p>" in second
    start = lines.index("## How well things are known")
    assert lines[start + 2 : start + 4] == ["- Model 1: a **mean**.", "- Model 2: x."]


def test_the_page_shows_the_spread_between_seeds_where_there_are_several():
    assert "seeds" not in page(exports())
    spread = {"test_accuracy_percent_mean": [95.5, 94.0], "test_accuracy_percent_std": [0.25, 1.5]}
    found = page(exports(seeds=[2, 3], **spread))
    assert "| model | what | seeds | over seeds (%) | float32 (%) |" in found
    assert "| 1 | pick | 2 | 95.50 ± 0.25 | 96.77 |" in found
    assert "| 2 | random | 3 | 94.00 ± 1.50 | 95.00 |" in found


def test_the_page_shows_all_files_side_by_side():
    of_onnx = {"float32_bytes": 2_000_000, "int8_bytes": 600_000, "largest_difference": 1e-6}
    of_litert = {f"litert_{name}": value for name, value in of_onnx.items()}
    percents = {"litert_float32_accuracy_percent": 96.774, "litert_int8_accuracy_percent": 93.5}
    found = exports(**of_onnx, **of_litert, **percents)
    measured = {"latency_ms": [3.25, 1.5], "precision": "int8", "format": [float("nan"), "litert"]}
    table = pd.concat(found.assign(device=d, **measured) for d in ("pc",))
    lines = page(found, table).split("\n")
    assert "| 1 | model.onnx | onnx | float32 | 96.77 | 1.0e-06 | 2.000 |  |" in lines
    assert "| 1 | model.int8.onnx | onnx | int8 | 96.77 |  | 0.600 | pc 3.25 |" in lines
    assert "| 2 | model.int8.tflite | litert | int8 | 93.50 |  | 0.600 | pc 1.5 |" in lines
    assert "| 2 | model.int8.onnx | onnx | int8 | 94.00 |  | 0.600 |  |" in lines


def test_the_page_names_published_networks():
    found = page(exports(arch=["mobilenet_v2@0.5", "b"], role=["published", "published"]))
    assert "| 1 | mobilenet_v2@0.5 | 96.77 |" in found


def test_the_page_shows_each_class_the_least_known_first():
    lines = page(exports()).split("\n")
    start = lines.index("## Each class")
    assert lines[start + 2 : start + 6] == [
        "| class | test images | model 1, float32 | model 2, float32 "
        "| model 1, int8 | model 2, int8 |",
        "|:--|--:|--:|--:|--:|--:|",
        "| defect | 2 | 0.00 | 50.00 | 0.00 | 50.00 |",
        r"| go\|od | 60 | 100.00 | 95.00 | 100.00 | 94.00 |",
    ]  # fmt: skip


def test_the_page_shows_latencies_and_validation_where_they_are_known():
    plain = page(exports())
    assert "latency (" not in plain
    assert "were trained on" in plain
    validated = exports(
        validation_accuracy_percent=90.0, validation_balanced_percent=80.0, validation_images=31
    )
    timed = pd.DataFrame(
        {"number": [1, 1, 2], "device": list("xyx"), "latency_ms": [1.25, 2, 3], "batch": [1, 4, 1]}
    )
    found = page(validated, timed)
    percents = "96.77 | 50.00 | 96.77 | 50.00 | 90.00 | 80.00"
    assert f"| 1 | pick | {percents} | x 1.25, y 2 (batch 4) | 1,234 |" in found
    assert "PyTorch's, of 31 images" in found
