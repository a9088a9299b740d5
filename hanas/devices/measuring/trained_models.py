"""The exported models of a retraining as what a device can measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from hanas.deploy.onnx_models import with_batch
from hanas.devices._meter import model_precision

#: The file of a model, by the precision that the meter of a device is given.
FILES = {"float32": "model.onnx", "int8": "model.int8.onnx"}


def writers(
    models: pd.DataFrame, folder: Path, *, settings: Mapping[str, Any]
) -> dict[str, Callable[[Path], None]]:
    """Return for each model, by its architecture, a function that writes it to a path.

    Parameters
    ----------
    models
        ``number`` and ``arch`` of each.
    folder
        Holds a folder a model, named by its number, with the files of :data:`FILES`.
    settings
        Those of the device: ``kind``, ``precision``, and ``batch``, which the written model is
        fixed to.
    """
    file = FILES[model_precision(settings)]
    return {
        str(arch): partial(with_batch, folder / str(number) / file, batch=settings.get("batch", 1))
        for number, arch in zip(models["number"], models["arch"], strict=True)
    }
