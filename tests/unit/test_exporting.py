import json

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from nb201_space import nb201
from torch import nn
from toy_pictures import toy_images

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.data.batches import load_split
from hanas.data.images import ImageData, load_images, save_images
from hanas.deploy import exporting, further_formats, onnx_models
from hanas.deploy.exporting import export_retrained
from hanas.deploy.quantisation import Quantisation
from hanas.training.retraining import retrain
from hanas.training.settings import FromScratch

SETTINGS = {
    "space": "nb201",
    "seed": 0,
    "images": "train_and_validation",
    "network": {"skeleton": "pooled", "channels": 4, "cells": 1, "batch_norm": "running"},
    "training": {"epochs": 6, "batch_size": 16, "learning_rate": 0.1, "resolution": 8},
    "train_on": "cpu",
    "precision": "float32",
    "threads": 1,
    "quantisation": {"calibration_images": 64},
}
ARCHS = [nb201.to_text(genes) for genes in ([3, 3, 4, 1, 2, 1], [1, 0, 2, 4, 3, 1])]


def how(settings) -> dict:
    """Return how networks are exported that were trained so."""
    space = plugins.space(settings["space"])
    return {
        "space": space.name,
        "network": space.deployed.read(settings["network"]),
        "resolution": settings["training"].get("resolution"),
        "quantisation": Quantisation.read(settings["quantisation"]),
    }


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Pictures of which a small network gets most and not all right."""
    data = toy_images(images_each=150, classes=3, side=16)
    rng = np.random.default_rng(0)
    colours = rng.integers(-60, 60, size=(len(data.images), 1, 1, 3))
    colours[np.arange(len(colours)), 0, 0, data.labels] += 30
    pixels = np.clip(rng.integers(60, 180, size=data.images.shape) + colours, 0, 255)
    path = tmp_path_factory.mktemp("data") / "images.pt"
    save_images(
        ImageData(pixels.astype(np.uint8), data.labels, data.classes, data.splits, ()), path
    )
    return path


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    training = {**SETTINGS["training"], "gradient_clip": 5}
    of_training = {name: SETTINGS[name] for name in FromScratch.model_fields}
    settings = FromScratch.read({**of_training, "training": training})
    metrics, _, states = retrain(
        ARCHS, settings, images, checkpoints=folder / "checkpoints", log=lambda line: None
    )
    torch.save(states, folder / "weights.pt")
    return folder / "weights.pt", metrics


@pytest.fixture(scope="module")
def exported(images, trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    lines = []
    table = export_retrained(
        trained[0], trained[1], images, **how(SETTINGS), folder=folder, threads=1, log=lines.append
    )
    return folder, table, lines


def _inputs(images):
    """Average-pooled to 8x8 and normalised, computed here: (N, 3, 8, 8), labels."""
    data = load_images(images)
    train = data.images[data.splits["train"]].reshape(-1, 3) / 255
    pixels = data.images[data.splits["test"]].reshape(-1, 8, 2, 8, 2, 3).mean(axis=(2, 4)) / 255
    inputs = (pixels - train.mean(axis=0)) / train.std(axis=0)
    return inputs.transpose(0, 3, 1, 2).astype(np.float32), data.labels[data.splits["test"]]


def test_files_and_rows_follow_the_order_of_the_metrics(exported):
    folder, table, lines = exported
    assert list(table["arch"]) == ARCHS
    assert list(table["number"]) == [1, 2]
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == [
        f"{number}/{name}"
        for number in (1, 2)
        for name in ("labels.txt", "model.int8.onnx", "model.onnx", "model.safetensors")
    ]
    for number, row in table.set_index("number").iterrows():
        place = folder / str(number)
        assert row["float32_bytes"] == (place / "model.onnx").stat().st_size
        assert row["int8_bytes"] == (place / "model.int8.onnx").stat().st_size
    assert len(lines) == 2


def test_onnx_runtime_computes_what_the_trained_network_does(exported, trained, images):
    folder, table, _ = exported
    inputs, _ = _inputs(images)
    states = torch.load(trained[0], weights_only=True)
    for number, arch in enumerate(ARCHS, start=1):
        network = nb201.build(nb201.from_text(arch), 3, SETTINGS["network"])
        network.load_state_dict(states[arch])
        with torch.inference_mode():
            expected = network.eval()(torch.from_numpy(inputs)).numpy()
        found = onnx_models.logits(folder / str(number) / "model.onnx", inputs)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert (table["largest_difference"] < 1e-4).all()
    assert (table["largest_difference"] > 0).any()


def test_classes_are_those_of_the_files_on_all_test_images(exported, images):
    folder, table, _ = exported
    inputs, labels = _inputs(images)
    for row in table.to_dict("records"):
        for precision, file in (("float32", "model.onnx"), ("int8", "model.int8.onnx")):
            logits = onnx_models.logits(folder / str(row["number"]) / file, inputs)
            right = logits.argmax(axis=1) == labels
            recalls = [100 * right[labels == label].mean() for label in range(3)]
            of_classes = json.loads(row[f"{precision}_class_percent"])
            assert list(of_classes) == ["class 0", "class 1", "class 2"]
            assert list(of_classes.values()) == pytest.approx(recalls, abs=1)  # of 50 images: 2
            assert row[f"{precision}_balanced_percent"] == pytest.approx(np.mean(recalls), abs=1)
        assert row["largest_class_percent"] == pytest.approx(100 / 3)
        assert row["warning"] == ""


def test_a_network_that_always_answers_the_same_is_told(trained, images, tmp_path):
    weights, metrics = trained
    states = torch.load(weights, weights_only=True)
    state = dict(states[ARCHS[0]])
    last = [name for name in state if name.endswith("bias")][-1]
    state[last] = torch.tensor([0.0, 1000.0, 0.0])
    torch.save({ARCHS[0]: state}, tmp_path / "weights.pt")
    lines = []
    table = export_retrained(
        tmp_path / "weights.pt",
        metrics[:1].assign(validation_warning="of validation"),
        images,
        **how(SETTINGS),
        folder=tmp_path / "models",
        log=lines.append,
    )
    (row,) = table.to_dict("records")
    assert "always answering 'class 0', the largest class, would score 33.33 %" in row["warning"]
    assert row["warning"] in lines[-1]
    assert row["float32_balanced_percent"] == pytest.approx(100 / 3)
    assert row["validation_warning"] == "of validation"


def test_accuracies_are_those_of_the_files_on_all_test_images(exported, trained, images):
    folder, table, _ = exported
    inputs, labels = _inputs(images)
    for number, row in table.set_index("number").iterrows():
        classes = {
            name: onnx_models.logits(folder / str(number) / f"{name}.onnx", inputs).argmax(axis=1)
            for name in ("model", "model.int8")
        }
        exact, rough = (100 * (classes[name] == labels).mean() for name in classes)
        assert row["float32_accuracy_percent"] == pytest.approx(exact)
        assert row["int8_accuracy_percent"] == pytest.approx(rough)
        assert row["int8_loss_percent"] == pytest.approx(exact - rough)
        agreement = 100 * (classes["model"] == classes["model.int8"]).mean()
        assert row["agreement_percent"] == pytest.approx(agreement)
    assert (table["test_images"] == len(labels)).all()
    assert (table["train_images"] == 300).all()
    np.testing.assert_array_equal(
        table["test_accuracy_percent"], trained[1]["test_accuracy_percent"]
    )


def test_eight_bits_lose_little_of_a_trained_network(exported):
    _, table, _ = exported
    assert (
        table["float32_accuracy_percent"].between(60, 99.5).all()
    )  # else there is nothing to lose
    difference = table["float32_accuracy_percent"] - table["test_accuracy_percent"]
    assert (difference.abs() < 1).all()
    assert (table["int8_loss_percent"].abs() < 4).all()
    assert (table["agreement_percent"] > 94).all()
    assert (table["agreement_percent"] < 100).any()  # the two files are not the same


def test_counts_are_those_of_the_network(exported, trained):
    _, table, _ = exported
    states = torch.load(trained[0], weights_only=True)
    for _, row in table.iterrows():
        kernels = [
            w for n, w in states[row["arch"]].items() if n.endswith("weight") and w.ndim == 4
        ]
        assert row["convolutions"] == row["int8_convolutions"] == len(kernels)
        network = nb201.build(nb201.from_text(row["arch"]), 3, SETTINGS["network"])
        assert row["params"] == sum(w.numel() for w in network.parameters())
    # Stem 8x8x3x4x9; two 3x3 and one 1x1 convolution a cell; transitions (2x2 of stride 2);
    # classifier.
    stem, classifier = 64 * 3 * 4 * 9, 16 * 3
    cells = sum(area * c * c * (2 * 9 + 1) for area, c in ((64, 4), (16, 8), (4, 16)))
    transitions = 16 * 8 * 4 * 4 + 4 * 16 * 8 * 4
    assert table["multiply_accumulates"][0] == stem + cells + transitions + classifier


def test_equal_input_gives_equal_files_and_rows(exported, trained, images, tmp_path):
    folder, table, _ = exported
    again = export_retrained(
        trained[0], trained[1], images, **how(SETTINGS), folder=tmp_path, log=lambda line: None
    )
    pd.testing.assert_frame_equal(again, table)
    for path in folder.rglob("*.onnx"):
        assert path.read_bytes() == (tmp_path / path.relative_to(folder)).read_bytes()


def test_settings_of_the_quantisation_are_obeyed_and_told(trained, images, tmp_path):
    settings = {
        **SETTINGS,
        "quantisation": {"per_channel": False, "method": "percentile", "calibration_images": 7},
    }
    table = export_retrained(
        trained[0], trained[1][:1], images, **how(settings), folder=tmp_path, log=print
    )
    (source,) = table["sources"]
    for words in ("a scale a tensor", "by percentile", "on 7 training images", "ONNX Runtime 1."):
        assert words in source
    graph = onnx.load(tmp_path / "1" / "model.int8.onnx").graph
    shapes = {each.name: tuple(each.dims) for each in graph.initializer}
    kernels = [name for name, shape in shapes.items() if len(shape) == 4]
    assert {shapes[name.replace("_quantized", "_scale")] for name in kernels} == {()}


@pytest.mark.parametrize(
    "space",
    [
        name if name in ("nb201", "mobile_i") else pytest.param(name, marks=pytest.mark.slow)
        for name in plugins.names("spaces")
    ],
)
def test_networks_of_every_space_are_exported(space, toy_file, tmp_path):
    module = plugins.space(space)
    small = {"channels": 2, "cells": 1} if space == "nb201" else {"width": 0.25}
    settings = {
        "space": space,
        "network": {**small, "batch_norm": "running"},
        "training": {},
        "quantisation": {"calibration_images": 8},
    }
    arch = module.to_text(module.smallest)
    size = load_images(toy_file).images.shape[1:3]
    fitted = module.for_images(settings["network"], size, None, "toy")
    network = module.build(module.smallest, 3, fitted, seed=5)
    torch.save({arch: network.state_dict()}, tmp_path / "weights.pt")
    table = export_retrained(
        tmp_path / "weights.pt",
        _metrics(arch),
        toy_file,
        **how(settings),
        folder=tmp_path,
        log=print,
    )
    assert table["int8_convolutions"][0] == table["convolutions"][0] > 0
    assert table["params"][0] == sum(weight.numel() for weight in network.parameters())


def _metrics(*archs):
    of_seeds = {"seeds": 2, "test_accuracy_percent_mean": 51.0, "test_accuracy_percent_std": 1.4}
    return pd.DataFrame(
        {"arch": archs, "test_accuracy_percent": 50.0, **of_seeds, "train_images": 10}
    )


# ---- what does not fit ---------------------------------------------------------------------------


def _export(weights, metrics, images, folder, **changes):
    settings = {**SETTINGS, **changes}
    return export_retrained(weights, metrics, images, **how(settings), folder=folder, log=print)


def test_weights_of_another_network_are_refused(trained, images, tmp_path):
    network = {**SETTINGS["network"], "channels": 8}
    with pytest.raises(InputError, match=r"do not fit its network.*size mismatch"):
        _export(trained[0], trained[1], images, tmp_path, network=network)


def test_an_architecture_without_weights_is_named(trained, images, tmp_path):
    other = nb201.to_text([0, 0, 0, 1, 0, 0])
    with pytest.raises(InputError, match="has no weights of") as caught:
        _export(trained[0], _metrics(other), images, tmp_path)
    assert other in str(caught.value)


def _damaged(path):
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [(_damaged, "not readable as weights"), (lambda path: path.unlink(), "no such file")],
)
def test_a_damaged_file_of_weights_is_named(trained, images, tmp_path, spoil, says):
    weights = tmp_path / "weights.pt"
    weights.write_bytes(trained[0].read_bytes())
    spoil(weights)
    with pytest.raises(InputError, match=says) as caught:
        _export(weights, trained[1], images, tmp_path)
    assert str(weights) in str(caught.value)


@pytest.mark.parametrize("mode", ["batch", "batch_affine"])
def test_a_network_that_looks_at_the_whole_batch_is_refused(images, tmp_path, mode):
    network = {**SETTINGS["network"], "batch_norm": mode}
    state = nb201.build(nb201.from_text(ARCHS[0]), 3, network).state_dict()
    torch.save({ARCHS[0]: state}, tmp_path / "weights.pt")
    with pytest.raises(InputError, match=r"network\.batch_norm"):
        _export(tmp_path / "weights.pt", _metrics(ARCHS[0]), images, tmp_path, network=network)


def test_pictures_that_are_not_square_are_refused(trained, tmp_path):
    data = toy_images(side=8)
    path = tmp_path / "wide.pt"
    wide = np.concatenate([data.images, data.images], axis=2)
    save_images(ImageData(wide, data.labels, data.classes, data.splits, ()), path)
    with pytest.raises(InputError, match=r"8x16|16x8"):
        _export(trained[0], trained[1], path, tmp_path, training={})


@pytest.mark.parametrize("step", ["_fill", "quantise", "write_further", "_accuracies"])
@pytest.mark.parametrize("said", ["can't allocate memory", "could not create a primitive"])
def test_memory_that_is_short_at_any_step_is_told(
    trained, images, tmp_path, monkeypatch, step, said
):
    def fails(*arguments, **settings):
        raise RuntimeError(said)

    monkeypatch.setattr(exporting, step, fails)
    with pytest.raises(InputError, match=rf"1: exporting: out of memory \({said}.*resolution"):
        _export(trained[0], trained[1], images, tmp_path)


def test_a_file_that_computes_something_else_is_refused(trained, images, tmp_path, monkeypatch):
    export = onnx_models.export

    def inexact(network, *arguments, **more):
        export(nn.Sequential(network, _Shifted()), *arguments, **more)

    monkeypatch.setattr(onnx_models, "export", inexact)
    with pytest.raises(InputError, match=r"differ by 0\.0002"):
        _export(trained[0], trained[1], images, tmp_path)


class _Shifted(nn.Module):
    def forward(self, logits):
        return logits + 2e-4


class _Magnifying(nn.Module):
    """Adds much and takes it away again: what float32 rounds off shows in the logits."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.wide, self.shift = nn.Linear(3 * 16 * 16, 512), shift
        self.logits = nn.Linear(512, 3)
        with torch.no_grad():
            self.wide.bias.fill_(1e5)
            self.logits.bias.copy_((-1e5 * self.logits.weight.double().sum(1)).float())

    def forward(self, images):
        return self.logits(self.wide(images.flatten(1))) + self.shift


@pytest.mark.parametrize("refused", [False, True])
def test_a_network_that_magnifies_rounding_is_exported_unless_it_computes_something_else(
    images, tmp_path, refused
):
    network = _Magnifying().eval()
    file, split = tmp_path / "model.onnx", load_split(load_images(images), "test")
    onnx_models.export(_Magnifying(1.0 * refused), file, resolution=16, batch=None)
    if refused:
        with pytest.raises(InputError, match="more than PyTorch's own rounding"):
            exporting._checked_difference(network, file, split)
    else:
        assert exporting._checked_difference(network, file, split) > further_formats.TOLERANCE
