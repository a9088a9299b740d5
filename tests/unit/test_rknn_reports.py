"""Reports of a stand-in for the toolkit; tests/unit/test_rknn_meter.py looks at the real one."""

import numpy as np
import pandas as pd
import pytest

from hanas.data.batches import load_split
from hanas.data.images import ImageData, load_images, save_images
from hanas.devices.rknn import Layer, RknnDevice


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    splits = {"train": slice(0, 30), "validation": slice(30, 40), "test": slice(40, 60)}
    numbers = {name: np.arange(60)[part] for name, part in splits.items()}
    labels = np.arange(60) % 3
    save_images(ImageData(pixels, labels, ("a", "b", "c"), numbers, ()), tmp_path / "images.pt")
    return tmp_path / "images.pt"


def test_each_model_has_its_fallbacks_and_its_accuracy(images, tmp_path, monkeypatch):
    seen = []

    def simulated(device, model, calibration, pictures):
        seen.append((model, calibration.shape, pictures.shape))
        layers = [Layer("Conv", "NPU", "first"), Layer("AveragePool", "CPU", "pool")]
        classes = test.labels.numpy().copy()
        classes[:3] += 3
        return np.eye(6)[classes], layers * (1 + int(model.parent.name)), "2.5.0"

    monkeypatch.setattr(RknnDevice, "simulated", simulated)
    models = pd.DataFrame(
        {"number": [1, 2], "arch": ["x", "y"], "float32_accuracy_percent": [80.0, 70.0]}
    )
    data, lines = load_images(images), []
    train, test = (load_split(data, split, resolution=4) for split in ("train", "test"))
    train, test = train.take(10), test.take(12)
    device = RknnDevice.read({"kind": "rknn"})
    accuracies, fallbacks = device.report(models, tmp_path, train, test, lines.append)
    assert seen == [
        (tmp_path / str(number) / "model.onnx", (10, 3, 4, 4), (12, 3, 4, 4)) for number in (1, 2)
    ]
    assert lines[1] == (
        f"{seen[1][0]}: rknn-toolkit2 2.5.0 for rk3588: 3 of 6 layers do not run on the NPU (3 "
        "AveragePool on the CPU); 75.00 % right in int8 on 12 images (simulated)"
    )
    assert accuracies["simulated_accuracy_percent"].tolist() == [75.0, 75.0]
    assert accuracies["layers"].tolist() == [4, 6]
    assert accuracies["fallbacks"].tolist() == [2, 3]
    assert accuracies["simulated_images"].tolist() == [12, 12]
    assert accuracies["float32_accuracy_percent"].tolist() == [80.0, 70.0]
    assert fallbacks["number"].tolist() == [1, 1, 2, 2, 2]
    assert set(fallbacks["operation"]) == {"AveragePool"}
    assert set(fallbacks["unit"]) == {"CPU"}
