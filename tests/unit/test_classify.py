"""The example of the README, docs/classify.py, against the library."""

import ast
import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from nb201_space import nb201
from PIL import Image

from hanas.data.batches import load_split
from hanas.data.datasets.image_folder import ImageFolder
from hanas.data.images import load_images, save_images
from hanas.deploy.exporting import export_retrained
from hanas.deploy.model_cards import Made, write_cards
from hanas.deploy.quantisation import Quantisation
from hanas.training.retraining import retrain
from hanas.training.settings import FromScratch, RetrainingTraining

SIDES = [
    pytest.param(None, id="as they are", marks=pytest.mark.slow),
    pytest.param(8, id="average-pooled"),
]
EXAMPLE = Path(__file__).parents[2] / "docs" / "classify.py"
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
        expected = network(batch.images).argmax(dim=1).tolist()
    classes = json.loads((folder / "models/1/model.json").read_text("utf-8"))["classes"]
    assert classes == sorted(["röd", "grön", "blå"])
    assert len(set(expected)) == 3
    pictures = _test_pictures(folder)
    assert len(pictures) == len(expected) == 24
    for picture, label, image in zip(pictures, expected, batch.images, strict=True):
        monkeypatch.setattr(sys, "argv", ["classify.py", str(folder / "models/1"), str(picture)])
        left = runpy.run_path(str(EXAMPLE))
        assert capsys.readouterr().out == f"{classes[label]}\n"
        # Its input is that of the library, not only its answer.
        found = np.transpose(left["image"], (2, 0, 1))
        np.testing.assert_allclose(found, image.numpy(), atol=1e-5)


def test_it_runs_by_itself_without_torch_and_hanas(study):
    folder, batch, network = study
    with torch.inference_mode():
        label = int(network(batch.images[:1]).argmax())
    alone = (
        "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0]); "
        "print(sorted({'torch', 'hanas'} & set(sys.modules)))"
    )
    command = [sys.executable, "-X", "utf8", "-c", alone, str(EXAMPLE), str(folder / "models/1")]
    done = subprocess.run(
        [*command, str(_test_pictures(folder)[0])],
        capture_output=True,
        encoding="utf-8",
        cwd=folder,
        check=True,
    )
    card = json.loads((folder / "models/1/model.json").read_text("utf-8"))
    assert done.stdout == f"{card['classes'][label]}\n[]\n"
    assert done.stderr == ""


def test_it_has_twelve_lines():
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    docstring = ast.parse("\n".join(lines)).body[0].end_lineno
    assert len([line for line in lines[docstring:] if line]) == 12
