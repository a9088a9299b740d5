"""Further formats of a trained network: the same answers as PyTorch, file by file."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from toy_pictures import toy_images

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.memory import short_of_memory
from hanas.data.batches import load_split
from hanas.deploy import litert, onnx_models
from hanas.deploy.exporting import Normalised
from hanas.deploy.further_formats import write_further
from hanas.deploy.quantisation import Quantisation, quantise

#: Where the Python with litert-torch is; without it, tests that need it are skipped.
PYTHON = os.environ.get("HANAS_LITERT", str(Path(__file__).parents[2] / litert.PYTHON))
NETWORKS = {
    "nb201": {"skeleton": "pooled", "channels": 4, "cells": 1, "batch_norm": "running"},
}


def written(space: str, folder: Path, formats, python: str = PYTHON):
    """Return what is said of the formats of a network with large random logits."""
    data, chosen = toy_images(side=16), plugins.space(space)
    settings = chosen.deployed.read(NETWORKS.get(space, {"width": 0.25, "batch_norm": "running"}))
    fitted = chosen.for_images(settings, (16, 16), None, "images")
    network = chosen.build(chosen.largest, 3, fitted, seed=1)
    test = load_split(data, "test")
    images = Normalised(test)
    network.train()(torch.from_numpy(images[: len(images)]))  # statistics of these pictures
    network.eval()
    onnx_models.export(network, folder / "model.onnx", resolution=16, batch=None)
    quantise(folder / "model.onnx", folder / "model.int8.onnx", images, Quantisation())
    with torch.inference_mode():
        logits = network(torch.from_numpy(images[: len(images)])).numpy()
    found = write_further(formats, network, folder, test, images, images, python=python)
    return found, logits, test


def test_a_fixed_batch_says_the_same_of_each_image(tmp_path):
    found, logits, test = written("nb201", tmp_path, ["onnx", "onnx_batch_1"])
    for file in ("model.batch1.onnx", "model.batch1.int8.onnx"):
        (taken,) = onnx.load(tmp_path / file).graph.input
        assert [d.dim_value for d in taken.type.tensor_type.shape.dim] == [1, 3, 16, 16]
    right = 100 * float((logits.argmax(1) == test.labels.numpy()).mean())
    assert found["onnx_batch_1_float32_accuracy_percent"] == pytest.approx(right)
    assert 0 <= found["onnx_batch_1_largest_difference"] < 1e-5
    assert found["onnx_batch_1_int8_bytes"] == (tmp_path / "model.batch1.int8.onnx").stat().st_size


def test_without_its_python_litert_says_how_to_get_it(tmp_path):
    with pytest.raises(InputError, match="make litert"):
        written("nb201", tmp_path, ["litert"], python=str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("kill -9 $$", "out of memory"),
        ("echo 'std::bad_alloc' >&2; exit 1", "out of memory.*training.resolution"),
        ("echo 'no module litert_torch' >&2; exit 1", "status 1.*no module litert_torch.*make"),
    ],
)
def test_what_ends_the_other_python_is_told(tmp_path, does, said):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    with pytest.raises(InputError, match=said):
        litert.asked(str(program), {}, tmp_path, "a model")


def test_python_says_when_memory_is_short():
    assert short_of_memory("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 3 GiB")
    assert not short_of_memory("ValueError: unknown operator")


@pytest.mark.slow
@pytest.mark.skipif(not Path(PYTHON).exists(), reason="no Python with litert-torch (make litert)")
def test_litert_computes_what_pytorch_does(tmp_path):
    found, logits, test = written("nb201", tmp_path, ["litert"])
    assert found["litert_largest_difference"] < 1e-5
    files = [tmp_path / "model.tflite", tmp_path / "model.int8.tflite"]
    parts = zip(*litert.logits(files, Normalised(test), python=PYTHON), strict=True)
    exact, rough = (np.concatenate(part) for part in parts)
    np.testing.assert_allclose(exact, logits, atol=1e-4)
    right = 100 * float((logits.argmax(1) == test.labels.numpy()).mean())
    assert found["litert_float32_accuracy_percent"] == pytest.approx(right)
    # .0026; where ranges are averages of those of each image, .0047, and accuracy is lost.
    assert np.abs(rough - logits).max() < 0.004 * np.abs(logits).max()
    assert b"serving_default" in files[1].read_bytes()
    assert files[1].stat().st_size < files[0].stat().st_size
