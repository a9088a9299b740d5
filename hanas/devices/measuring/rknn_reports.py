"""What a Rockchip NPU makes of trained models, without a board: fallbacks and INT8 accuracy."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hanas.core.progress import Log, print_at_once
from hanas.data.batches import load_split
from hanas.data.images import load_images
from hanas.deploy.exporting import normalised
from hanas.devices.measuring.models import FILES
from hanas.devices.rknn import RknnDevice


def tables(
    models: pd.DataFrame,
    folder: Path,
    images: str | Path,
    device: RknnDevice,
    *,
    resolution: int | None,
    calibration_images: int,
    simulated_images: int,
    log: Log = print_at_once,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Convert exported models for the NPU, which needs no board, and simulate them.

    ``models`` has ``number``, ``arch`` and ``float32_accuracy_percent`` of each, see
    :func:`hanas.deploy.exporting.export_retrained`, ``folder`` a folder a number with its ONNX
    files. ``images`` is the file of the data set, ``resolution`` the side they were trained at.

    Returns a table with a model a row: ``number``, ``arch``, ``layers``, ``fallbacks`` (layers that
    do not run on the NPU), ``simulated_accuracy_percent`` and ``float32_accuracy_percent``, the
    first on ``simulated_images`` test images, and ``source``; and one with such a layer a row:
    ``number``, ``arch``, ``layer``, ``operation`` and ``unit``. InputError if the toolkit is not
    there or cannot convert a model.
    """
    data = load_images(images)
    calibration = load_split(data, "train", resolution=resolution).take(calibration_images)
    test = load_split(data, "test", resolution=resolution).take(simulated_images)
    rows, layers = [], []
    for model in models.to_dict("records"):
        names = {"number": model["number"], "arch": model["arch"]}
        file = folder / str(model["number"]) / FILES["float32"]
        report = device.report(file, normalised(calibration), normalised(test), test.labels.numpy())
        log(f"{file}: {report.described()}")
        rows.append(
            {
                **names,
                "layers": len(report.layers),
                "fallbacks": len(report.fallbacks),
                "simulated_accuracy_percent": report.accuracy_percent,
                "simulated_images": report.images,
                "float32_accuracy_percent": model["float32_accuracy_percent"],
                "source": f"measured: simulator of rknn-toolkit2 {report.toolkit} for "
                f"{report.target}, INT8, ranges of {len(calibration)} training images",
            }
        )
        layers += [
            {**names, "layer": layer.name, "operation": layer.operation, "unit": layer.unit}
            for layer in report.fallbacks
        ]
    columns = ["number", "arch", "layer", "operation", "unit"]
    return pd.DataFrame(rows), pd.DataFrame(layers, columns=columns)
