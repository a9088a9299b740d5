"""predict.py beside a trained network, against the library."""

import json
import re
import runpy
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from nb201_space import nb201
from PIL import Image
from safetensors.torch import load_file
from test_picture_files import png_of_16_bits, tiff

from hanas.data.batches import load_split
from hanas.data.datasets.image_folder import ImageFolder
from hanas.data.images import load_images, save_images
from hanas.data.pictures import read_picture
from hanas.deploy.exporting import export_retrained
from hanas.deploy.model_cards import Made, write_cards
from hanas.deploy.quantisation import Quantisation
from hanas.training.retraining import retrain
from hanas.training.settings import FromScratch, RetrainingTraining

SIDES = [
    pytest.param(None, id="as they are", marks=pytest.mark.slow),
    pytest.param(8, id="average-pooled"),
]
ARCH = nb201.to_text([3, 1, 2, 4, 1, 1])


def _picture(rng, label, number):
    """Return a picture of any shape in which one colour is stronger."""
    height, width = rng.integers(17, 60, size=2)
    pixels = rng.integers(0, 150, size=(height, width, 3))
    pixels[..., label] += 70
    picture = Image.fromarray(pixels.astype(np.uint8))
    if number % 4 == 1:
        alpha = Image.fromarray(rng.integers(0, 256, size=(height, width)).astype(np.uint8))
        picture.putalpha(alpha)
    elif number % 4 == 2:
        picture = picture.quantize(16)
    elif number % 4 == 3:
        picture = picture.convert("CMYK")
    return picture


def _save(picture, path, number):
    if picture.mode == "CMYK":
        picture.save(path.with_suffix(".jpg"))
    elif number % 8 == 0:
        exif = Image.Exif()
        exif[0x0112] = 6  # held sideways
        picture.save(path.with_suffix(".jpg"), exif=exif)
    else:
        picture.save(path.with_suffix(".png"))


@pytest.fixture(scope="module", params=SIDES)
def study(request, tmp_path_factory):
    """Pictures of all shapes and modes, a network trained on them, its files and its card."""
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("validation", 1), ("test", 8)):
        for label, name in enumerate(("röd", "grön", "blå")):
            place = folder / "pictures" / split / name
            place.mkdir(parents=True)
            for number in range(count):
                _save(_picture(rng, label, number), place / str(number), number)
    pictures = ImageFolder.read({"kind": "image_folder", "folder": "pictures", "resolution": 16})
    data = pictures.load(folder, folder)
    save_images(data, folder / "images.pt")
    settings = {
        "space": "nb201",
        "seed": 0,
        "images": "train",
        "network": {"skeleton": "pooled", "channels": 4, "cells": 1, "batch_norm": "running"},
        "training": {
            **{"epochs": 8, "batch_size": 12, "learning_rate": 0.1, "crop_padding": 1},
            **{"resolution": request.param, "gradient_clip": 5},
        },
        "train_on": "cpu",
        "precision": "float32",
        "threads": 1,
    }
    quiet = {"log": lambda line: None}
    metrics, _, states = retrain(
        [ARCH],
        FromScratch.read(settings),
        folder / "images.pt",
        checkpoints=folder / "checkpoints",
        **quiet,
    )
    torch.save(states, folder / "weights.pt")
    network_settings = nb201.deployed.read(settings["network"])
    exports = export_retrained(
        folder / "weights.pt",
        metrics,
        folder / "images.pt",
        space="nb201",
        network=network_settings,
        resolution=request.param,
        quantisation=Quantisation(),
        folder=folder / "models",
        **quiet,
    )
    made = Made(
        space="nb201",
        network=network_settings,
        training=RetrainingTraining.read(settings["training"]),
        seed=0,
        precision=None,
        quantisation=Quantisation(),
        dataset="colours",
        licence="mit",
    )
    write_cards(exports, [], folder / "images.pt", made=made, folder=folder / "models")
    network = nb201.build(nb201.from_text(ARCH), 3, settings["network"])
    network.load_state_dict(states[ARCH])
    test = load_split(load_images(folder / "images.pt"), "test", resolution=request.param)
    return folder, test.batch(torch.arange(len(test))), network.eval()


def _test_pictures(folder):
    """In the order of the data set: classes and pictures by name."""
    return sorted((folder / "pictures" / "test").glob("*/*"))


def test_it_answers_what_the_library_does(study, monkeypatch, capsys):
    folder, batch, network = study
    with torch.inference_mode():
        logits = network(batch.images)
    expected = logits.argmax(dim=1).tolist()
    place = folder / "models/1"
    classes = (place / "labels.txt").read_text("utf-8").splitlines()
    assert classes == sorted(["röd", "grön", "blå"])
    assert len(set(expected)) == 3
    pictures = [str(picture) for picture in _test_pictures(folder)]
    monkeypatch.setattr(sys, "argv", ["predict.py", *pictures])
    left = runpy.run_path(str(place / "predict.py"), run_name="__main__")
    parts = torch.softmax(logits, dim=1).max(dim=1).values.tolist()
    for line, picture, label, part in zip(
        capsys.readouterr().out.splitlines(), pictures, expected, parts, strict=True
    ):
        name, percent = re.fullmatch(rf"{re.escape(picture)}: (\w+) \((.+)%\)", line).groups()
        assert name == classes[label]
        assert float(percent) == pytest.approx(100 * part, abs=0.1)
    # Its input is that of the library, not only its answer.
    found = np.concatenate([left["network_input"](picture) for picture in pictures])
    np.testing.assert_allclose(found, batch.images.numpy(), atol=1e-5)


DEEP = {
    "grey png": (1, png_of_16_bits),
    "colour png": (3, png_of_16_bits),
    "transparent png": (4, png_of_16_bits),
    "colour tiff": (3, tiff),
}


@pytest.mark.parametrize("kind", DEEP)
def test_pictures_of_16_bits_are_scaled_as_the_library_does(study, tmp_path, kind):
    folder, _, _ = study
    channels, write = DEEP[kind]
    values = np.random.default_rng(1).integers(0, 65536, (23, 31, channels), dtype=np.uint16)
    (tmp_path / "deep").write_bytes(write(values))
    predict = runpy.run_path(str(folder / "models/1/predict.py"))
    with pytest.raises(ValueError, match="8 bits"):
        predict["network_input"](tmp_path / "deep")
    how = predict["CARD"]["input"]
    how["value_range"] = [1000, 50000]
    pixels = read_picture(tmp_path / "deep").square(how["resize"][0], (1000.0, 50000.0))
    pooled = (pixels / 255).reshape(how["blocks"]).mean((1, 3))
    expected = (pooled - how["mean"]) / how["deviation"]
    found = predict["network_input"](tmp_path / "deep")[0].transpose(1, 2, 0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_it_runs_by_itself_without_torch_and_hanas(study):
    folder, batch, network = study
    with torch.inference_mode():
        label = int(network(batch.images[:1]).argmax())
    alone = (
        "import runpy, sys; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__'); "
        "print(sorted({'torch', 'hanas', 'ai_edge_litert'} & set(sys.modules)))"
    )
    picture, place = str(_test_pictures(folder)[0]), folder / "models/1"
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", alone, str(place / "predict.py"), picture],
        capture_output=True,
        encoding="utf-8",
        cwd=folder,
        check=True,
    )
    said, modules = done.stdout.splitlines()
    card = json.loads((place / "model.json").read_text("utf-8"))
    assert said.startswith(f"{picture}: {card['classes'][label]} (")
    assert modules == "[]"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("file", "module", "package"),
    [
        ("model.onnx", "onnxruntime", "onnxruntime"),
        ("model.tflite", "ai_edge_litert.interpreter", "ai-edge-litert"),
    ],
)
def test_a_runtime_that_is_missing_is_named(study, monkeypatch, file, module, package):
    folder, _, _ = study
    place = folder / "models/1"
    if not (place / file).exists():
        monkeypatch.setattr("pathlib.Path.is_file", lambda path: True)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    picture = str(_test_pictures(folder)[0])
    monkeypatch.setattr(sys, "argv", ["predict.py", picture, "--model", file])
    with pytest.raises(SystemExit, match=rf"^{file} needs {package}: pip install {package}, or"):
        runpy.run_path(str(place / "predict.py"), run_name="__main__")


def test_the_page_for_hugging_face_says_what_the_card_says(study):
    place = study[0] / "models/1"
    card = json.loads((place / "model.json").read_text("utf-8"))
    _, front, page = (place / "README.md").read_text("utf-8").split("---\n", 2)
    told = yaml.safe_load(front)
    assert told["license"] == "mit"
    assert told["library_name"] == "onnx"
    assert told["datasets"] == ["colours"]
    assert told["metrics"] == ["accuracy"]
    metrics = told["model-index"][0]["results"][0]["metrics"]
    accuracy = card["accuracy"]
    assert [metric["value"] for metric in metrics] == pytest.approx(
        [accuracy["float32_percent"] / 100, accuracy["int8_percent"] / 100], abs=1e-6
    )
    assert f"| model.int8.onnx | int8 | {accuracy['int8_percent']:.2f} |" in page


def test_weights_are_those_of_the_network(study):
    folder, _, network = study
    found = load_file(folder / "models/1/model.safetensors")
    state = network.state_dict()
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], value) for name, value in state.items())
