"""What a Rockchip NPU makes of trained models, without a board: fallbacks and INT8 accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hanas.core.checkpoints import Log, print_at_once
from hanas.data.batches import load_split
from hanas.data.images import load_images
from hanas.deploy.exporting import normalised
from hanas.devices import rknn
from hanas.devices.measuring.trained_models import FILES


def tables(
    models: pd.DataFrame,
    folder: Path,
    images: str | Path,
    *,
    settings: Mapping[str, Any],
    log: Log = print_at_once,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Convert exported models for the NPU and simulate them.

    Parameters
    ----------
    models
        ``number``, ``arch`` and ``float32_accuracy_percent`` of each, see
        :func:`hanas.deploy.exporting.export_retrained`.
    folder
        Holds their ONNX files, a folder a number.
    images
        File of the data set.
    settings
        Those of the meter ``rknn``; ``resolution`` that the models were trained with;
        ``calibration_images`` and ``simulated_images``.
    log
        Takes a line of text for the log.

    Returns
    -------
    accuracies
        A model a row: ``number``, ``arch``, ``layers``, ``fallbacks`` (layers that do not run on
        the NPU), ``simulated_accuracy_percent`` and ``float32_accuracy_percent``, the first on
        ``simulated_images`` test images, and ``source``.
    fallbacks
        Such a layer a row: ``number``, ``arch``, ``layer``, ``operation`` and ``unit``.

    Raises
    ------
    InputError
        If the toolkit is not there or cannot convert a model.
    """
    data = load_images(images)
    size = {"resolution": settings["resolution"]}
    calibration = load_split(data, "train", **size).take(settings["calibration_images"])
    test = load_split(data, "test", **size).take(settings["simulated_images"])
    rows, layers = [], []
    for model in models.to_dict("records"):
        names = {"number": model["number"], "arch": model["arch"]}
        file = folder / str(model["number"]) / FILES["float32"]
        report = rknn.report(
            file,
            normalised(calibration),
            normalised(test),
            test.labels.numpy(),
            settings=settings,
        )
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
