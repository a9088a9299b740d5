import copy
import hashlib
import json
from dataclasses import replace

import jsonschema
import numpy as np
import pandas as pd
import pytest
from nb201_space import nb201
from toy_pictures import toy_images

import hanas
from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import RESOURCES
from hanas.core.settings import Settings
from hanas.data.images import save_images
from hanas.deploy.model_cards import Made, readable, write_cards
from hanas.deploy.quantisation import Quantisation
from hanas.fronts.trust import Trust

SCHEMA = json.loads((RESOURCES / "model_card.schema.json").read_text("utf-8"))
CELL = nb201.to_text([3, 0, 4, 1, 2, 1])


class Training(Settings):
    epochs: int = 7
    resolution: int | None = 8


def _made(space="nb201", **training) -> Made:
    chosen = plugins.space(space)
    network = {"channels": 8} if space == "nb201" else {"width": 0.5}
    return Made(
        space=space,
        network=chosen.deployed.read(network),
        training=Training(**training),
        seed=3,
        precision="float32",
        quantisation=Quantisation(method="percentile", calibration_images=100),
    )


MEASURED = {
    "feasible": True,
    "reason": "",
    "latency_ms": 1.25,
    "latency_mean_ms": 1.25,
    "latency_median_ms": 1.2,
    "latency_q25_ms": 1.1,
    "latency_q75_ms": 1.3,
    "passes": 400,
    "batch": 1,
    "threads": 2,
    "precision": "int8",
    "runtime": "onnxruntime 1.32.0",
    "board": "kitchen",
    "repeats": 1,
    "stable": True,
    "source": "measured: ONNX Runtime, mean of 400 passes",
}
PREDICTED = {
    "feasible": True,
    "latency_ms": 1.5,
    "latency_ms_deviation": 0.1,
    "energy_mj": 4.5,
    "energy_mj_deviation": 0.2,
    "source": "predicted: fitted to 50 measured models",
}


def _exports(*archs):
    return pd.DataFrame(
        {
            "number": range(1, len(archs) + 1),
            "arch": archs,
            "test_accuracy_percent": 81.0,
            "seeds": 1,
            "test_accuracy_percent_mean": 81.0,
            "test_accuracy_percent_std": np.nan,
            "float32_accuracy_percent": 80.5,
            "int8_accuracy_percent": 79.25,
            "int8_loss_percent": 1.25,
            "largest_difference": 2e-6,
            "agreement_percent": 97.0,
            "test_images": 24,
            "params": 1234,
            "multiply_accumulates": 56789,
            "convolutions": 9,
            "int8_convolutions": 9,
            "float32_bytes": 1,
            "int8_bytes": 1,
            "train_images": 48,
            "sources": "measured: ONNX Runtime",
            "float32_balanced_percent": 70.5,
            "int8_balanced_percent": 70.25,
            "float32_class_percent": '{"class 0": 90.0, "class 1": 60.5, "class 2": 61}',
            "int8_class_percent": '{"class 0": 90.0, "class 1": 60.25, "class 2": 60.5}',
            "largest_class_percent": 100 / 3,
            "warning": "",
        }
    )


@pytest.fixture
def study(tmp_path):
    data = toy_images(side=16)
    save_images(data, tmp_path / "images.pt")
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "model.onnx").write_bytes(b"float32")
        (tmp_path / str(number) / "model.safetensors").write_bytes(b"weights")
        (tmp_path / str(number) / "model.int8.onnx").write_bytes(b"int8 %d" % number)
    return tmp_path, data


def _table(*rows):
    return pd.DataFrame([{"arch": arch, **row} for arch, row in rows])


def _card(study, latencies=(), archs=(CELL,), exports=None, trust=None, **how):
    folder, _ = study
    exports = _exports(*archs) if exports is None else exports
    given = {"made": _made(**how), "folder": folder, "trust": trust}
    write_cards(exports, latencies, folder / "images.pt", **given)
    paths = [folder / str(number) / "model.json" for number in range(1, len(archs) + 1)]
    assert all(path.is_file() for path in paths)
    card = json.loads(paths[-1].read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(card)
    return card


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_it_says_how_a_picture_becomes_the_input(study):
    card, (_, data) = _card(study), study
    train = data.images[data.splits["train"]].reshape(-1, 3) / 255
    how = card["input"]
    assert how["name"] == "images"
    assert how["shape"] == ["batch", 3, 8, 8]
    assert how["resize"] == [16, 16]
    assert how["blocks"] == [8, 2, 8, 2, 3]
    np.testing.assert_allclose(how["mean"], train.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(how["deviation"], train.std(axis=0), rtol=1e-12)
    whole = _card(study, resolution=None)["input"]
    assert (whole["shape"], whole["blocks"]) == (["batch", 3, 16, 16], [16, 1, 16, 1, 3])


def test_it_says_what_the_network_is_and_how_good(study):
    card = _card(study)
    architecture = card["architecture"]
    assert (architecture["space"], architecture["text"]) == ("nb201", CELL)
    assert (architecture["parameters"], architecture["multiply_accumulates"]) == (1234, 56789)
    assert architecture["network"] == {
        **{"skeleton": "standard", "channels": 8, "cells": 5, "batch_norm": "running"}
    }
    assert card["classes"] == ["class 0", "class 1", "class 2"]
    assert card["output"]["shape"] == ["batch", 3]
    accuracy = card["accuracy"]
    assert (accuracy["float32_percent"], accuracy["int8_percent"]) == (80.5, 79.25)
    assert (accuracy["int8_loss_points"], accuracy["test_images"]) == (1.25, 24)
    assert card["training"] == {
        **{"images": 48, "seed": 3, "seeds": 1, "precision": "float32"},
        "settings": {"epochs": 7, "resolution": 8},
    }
    quantisation = card["quantisation"]
    assert (quantisation["method"], quantisation["per_channel"]) == ("percentile", True)
    assert quantisation["calibration_images"] == 24  # the training images there are


def test_it_says_how_far_seeds_differ(study):
    assert "over_seeds" not in _card(study)["accuracy"]
    several = {"seeds": 3, "test_accuracy_percent_mean": 80.25, "test_accuracy_percent_std": 0.75}
    card = _card(study, exports=_exports(CELL).assign(**several))
    assert card["accuracy"]["over_seeds"] == {
        **{"seeds": 3, "mean_percent": 80.25, "deviation_points": 0.75}
    }
    assert card["training"]["seeds"] == 3


def test_it_says_which_weights_training_started_from(study):
    exports = _exports(CELL).assign(started_from="supernet s", started_from_sha256="ab" * 32)
    card = _card(study, exports=exports)
    assert card["training"]["started_from"] == {"weights": "supernet s", "sha256": "ab" * 32}
    page = study[0] / "1" / "README.md"
    assert ", started from supernet s." in page.read_text("utf-8")
    assert "started_from" not in _card(study)["training"]
    assert "started from" not in page.read_text("utf-8")


def test_it_begins_with_how_far_to_trust_it(study):
    found = Trust(("a is so",), ("nothing is stable",))
    card = _card(study, trust={1: found.about})
    assert next(iter(card)) == "about"
    assert card["about"] == {"do_not_trust": ["nothing is stable"], "how_well_known": ["a is so"]}


def test_it_says_how_well_each_class_is_known(study):
    card = _card(study)
    accuracy = card["accuracy"]
    assert (accuracy["float32_balanced_percent"], accuracy["int8_balanced_percent"]) == (
        70.5,
        70.25,
    )
    assert accuracy["classes"][1] == {
        **{"class": "class 1", "test_images": 8},
        **{"float32_percent": 60.5, "int8_percent": 60.25},
    }
    assert "validation" not in accuracy
    assert card["warnings"] == []


def test_warnings_and_validation_are_in_the_card(study):
    folder, data = study
    save_images(replace(data, warnings=("copies",), value_range=(7, 12.5)), folder / "images.pt")
    exports = _exports(CELL).assign(
        warning="the largest class",
        validation_warning=np.nan,
        validation_images=24,
        validation_accuracy_percent=90.0,
        validation_balanced_percent=80.0,
        validation_class_percent='{"class 0": 70.0, "class 1": 90.0, "class 2": null}',
    )
    write_cards(exports, [], folder / "images.pt", made=_made(), folder=folder)
    card = json.loads((folder / "1" / "model.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(card)
    assert card["warnings"] == ["the largest class", "copies"]
    assert card["input"]["value_range"] == [7, 12.5]
    assert any("more than 8 bits" in step for step in card["input"]["steps"])
    assert card["accuracy"]["validation"] == {
        **{"images": 24, "pytorch_percent": 90, "balanced_percent": 80},
        "classes": {"class 0": 70, "class 1": 90},
    }


def test_files_and_data_are_named_by_their_checksums(study):
    card, (folder, _) = _card(study, archs=(CELL, CELL)), study
    files = card["files"]
    assert files["model.onnx"]["sha256"] == hashlib.sha256(b"float32").hexdigest()
    assert files["model.int8.onnx"]["sha256"] == hashlib.sha256(b"int8 2").hexdigest()
    assert files["model.int8.onnx"]["bytes"] == 6
    images = card["provenance"]["images"]
    assert images["sha256"] == hashlib.sha256((folder / "images.pt").read_bytes()).hexdigest()
    assert card["provenance"]["hanas"]["version"] == hanas.__version__


def test_devices_come_with_conditions_and_sources(study):
    infeasible = {"feasible": False, "reason": "no such operator", "source": "measured: a board"}
    card = _card(
        study,
        [
            ("host", _table(("other", PREDICTED), (CELL, PREDICTED))),
            ("host", _table((CELL, MEASURED), ("other", infeasible))),
            ("npu", _table(("other", MEASURED), (CELL, infeasible))),
            ("mine", _table((CELL, {**PREDICTED, "source": "my own stopwatch"}))),
        ],
    )
    predicted, measured, refused, mine = card["devices"]
    assert [each["device"] for each in card["devices"]] == ["host", "host", "npu", "mine"]
    assert [each["kind"] for each in card["devices"]] == [
        *("predicted", "measured", "measured", "table")
    ]
    assert predicted["latency"] == {"value": 1.5, "unit": "ms", "deviation": 0.1}
    assert predicted["energy"] == {"value": 4.5, "unit": "mJ", "deviation": 0.2}
    assert predicted["conditions"] == {}
    assert measured["latency"] == {
        **{"value": 1.25, "unit": "ms", "mean": 1.25, "median": 1.2},
        **{"lower_quartile": 1.1, "upper_quartile": 1.3},
    }
    assert "energy" not in measured
    assert measured["conditions"] == {
        **{"board": "kitchen", "runtime": "onnxruntime 1.32.0", "precision": "int8"},
        **{"threads": 2, "batch": 1, "passes": 400, "repeats": 1, "stable": True},
    }
    assert isinstance(measured["conditions"]["passes"], int)  # beside a row without any
    assert measured["source"] == MEASURED["source"]
    assert refused["feasible"] is False
    assert refused["reason"] == "no such operator"
    assert "latency" not in refused
    assert mine["source"] == "my own stopwatch"


@pytest.mark.parametrize("count", [0, 2])
def test_a_device_without_a_row_of_its_own_is_named(study, count):
    table = _table(("other", MEASURED), *[(CELL, MEASURED)] * count)
    with pytest.raises(InputError, match=f"device host: {count} rows of"):
        _card(study, [("host", table)])


def test_a_missing_file_is_named(study):
    (study[0] / "1" / "model.int8.onnx").unlink()
    with pytest.raises(InputError, match=r"model\.int8\.onnx: there is no such file"):
        _card(study)


def test_equal_input_gives_equal_bytes(study):
    _card(study, [("host", _table((CELL, MEASURED)))])
    first = (study[0] / "1" / "model.json").read_bytes()
    _card(study, [("host", _table((CELL, MEASURED)))])
    assert (study[0] / "1" / "model.json").read_bytes() == first


def test_a_cell_is_readable():
    assert readable(CELL, "nb201") == {
        "cell": [
            {"from": 0, "to": 1, "operation": "nor_conv_3x3"},
            {"from": 0, "to": 2, "operation": "none"},
            {"from": 1, "to": 2, "operation": "avg_pool_3x3"},
            {"from": 0, "to": 3, "operation": "skip_connect"},
            {"from": 1, "to": 3, "operation": "nor_conv_1x1"},
            {"from": 2, "to": 3, "operation": "skip_connect"},
        ]
    }


def test_a_chain_is_readable(study):
    space = plugins.space("mobile_i")
    text = space.to_text(space.smallest)
    layers = readable(text, "mobile_i")["layers"]
    assert len(layers) == 20
    assert layers[:2] == [name for stage in text.split("+") for name in stage[1:-1].split("|")][:2]
    assert _card(study, archs=(text,), space="mobile_i")["architecture"]["layers"] == layers


def test_a_published_network_is_readable(study):
    # Units of the stages of ShuffleNetV2 (its table 5), bottlenecks of MobileNetV2 (its table 2).
    assert readable("shufflenet_v2", "shuffle") == {"layers": ["shuffle_3x3"] * 16}
    assert len(readable("mobilenet_v2", "shuffle")["layers"]) == 2 + 3 + 4 + 3 + 3 + 1
    _card(study, archs=("efficientnet_b0",), space="shuffle")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda card: card.pop("classes"),
        lambda card: card.update(schema_version=2),
        lambda card: card.update(more=1),
        lambda card: card["accuracy"].update(int8_percent=101),
        lambda card: card["architecture"].pop("cell"),
        lambda card: card["devices"][0].pop("latency"),
        lambda card: card["devices"][0]["latency"].update(unit="s"),
        lambda card: card["devices"][0].update(kind="guessed"),
        lambda card: card["files"]["model.onnx"].update(sha256="0"),
        lambda card: card["input"].update(mean=[0.5]),
    ],
)
def test_the_schema_refuses_other_cards(study, spoil):
    card = copy.deepcopy(_card(study, [("host", _table((CELL, MEASURED)))]))
    spoil(card)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(card)


def test_it_says_where_int8_does_not_pay(study):
    slow = {**MEASURED, "runtime": "ONNX Runtime 1, exact sums (no VNNI)"}
    told = _card(study, [("old_pc", _table((CELL, slow)))])["warnings"]
    assert any("INT8 does not pay on old_pc" in text for text in told)
    assert not _card(study, [("pc", _table((CELL, MEASURED)))])["warnings"]
