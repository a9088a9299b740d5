"""Reports of a stand-in for the toolkit; tests/unit/test_rknn_meter.py looks at the real one."""

import numpy as np
import pandas as pd
import pytest

from hanas.data.images import ImageData, save_images
from hanas.devices.measuring import rknn_reports
from hanas.devices.rknn import Layer, RknnDevice, RknnReport


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

    def report(device, model, calibration, pictures, labels):
        seen.append((model, calibration.shape, pictures.shape, len(labels)))
        layers = [Layer("Conv", "NPU", "(1)", "first"), Layer("AveragePool", "CPU", "(1)", "pool")]
        count = 1 + int(model.parent.name)
        return RknnReport("2.5.0", "rk3588", tuple(layers * count), 75.0, len(labels))

    monkeypatch.setattr(RknnDevice, "report", report)
    models = pd.DataFrame(
        {"number": [1, 2], "arch": ["x", "y"], "float32_accuracy_percent": [80.0, 70.0]}
    )
    counts = {"resolution": 4, "calibration_images": 10, "simulated_images": 12}
    device = RknnDevice.read({"kind": "rknn"})
    accuracies, fallbacks = rknn_reports.tables(models, tmp_path, images, device, **counts)
    assert seen == [
        (tmp_path / str(number) / "model.onnx", (10, 3, 4, 4), (12, 3, 4, 4), 12)
        for number in (1, 2)
    ]
    assert accuracies["layers"].tolist() == [4, 6]
    assert accuracies["fallbacks"].tolist() == [2, 3]
    assert accuracies["simulated_images"].tolist() == [12, 12]
    assert accuracies["float32_accuracy_percent"].tolist() == [80.0, 70.0]
    assert fallbacks["number"].tolist() == [1, 1, 2, 2, 2]
    assert set(fallbacks["operation"]) == {"AveragePool"}
    assert set(fallbacks["unit"]) == {"CPU"}
