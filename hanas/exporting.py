"""Write retrained networks as ONNX files, float32 and 8-bit, and say how well each of them does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from hanas import onnx_counts, onnx_models, plugins
from hanas.batches import Split, load_split
from hanas.checkpoints import Log, print_at_once
from hanas.compute import threads as torch_threads
from hanas.errors import InputError, one_line
from hanas.images import ImageData, load_images
from hanas.quantisation import QuantisationSettings, quantise
from hanas.settings import from_mapping
from hanas.weight_steps import TrainingSettings

FLOAT32_FILE, INT8_FILE = "model.onnx", "model.int8.onnx"
#: Largest difference of a logit between PyTorch and ONNX Runtime; where logits pass 100, of a
#: hundredth of the largest, because float32 holds no more digits.
TOLERANCE = 1e-4
#: Test images on which the two are compared.
COMPARED = 256


def export_retrained(
    weights: str | Path,
    metrics: pd.DataFrame,
    images: str | Path,
    *,
    settings: Mapping[str, Any],
    folder: str | Path,
    threads: int = 1,
    log: Log = print_at_once,
) -> pd.DataFrame:
    """Write ``{number}/model.onnx`` and ``{number}/model.int8.onnx`` of every retrained network.

    Parameters
    ----------
    weights
        File of the state dicts by architecture, as :func:`hanas.retraining.retrain` returns them.
    metrics
        Its table of results; a row an architecture. Their numbers are 1, 2, ... in this order.
    images
        File of the data set that they were trained on.
    settings
        ``space``, ``network``, ``training`` (of which ``resolution`` matters here) and
        ``quantisation``, see :class:`hanas.quantisation.QuantisationSettings`.
    folder
        Where to write.
    threads
        CPU threads.
    log
        Takes a line of text for the log.

    Returns
    -------
    DataFrame
        An architecture a row: ``number``, ``arch``, ``test_accuracy_percent`` (PyTorch's, after
        training), ``float32_accuracy_percent`` and ``int8_accuracy_percent`` (ONNX Runtime's, on
        all test images), ``int8_loss_percent`` (points), ``largest_difference`` (of a logit,
        between PyTorch and ONNX Runtime), ``agreement_percent`` (test images to which float32 and
        8-bit network give the same class), ``test_images``, ``params``, ``multiply_accumulates``
        (for one image), ``convolutions``, ``int8_convolutions`` (how many of them run in
        integers), ``float32_bytes``, ``int8_bytes``, and ``sources``.

    Raises
    ------
    InputError
        If weights and settings do not fit together, if a network's result depends on the other
        images of its batch, or if ONNX Runtime computes something else than PyTorch.
    """
    training = from_mapping(TrainingSettings, settings["training"], "training")
    quantisation = from_mapping(
        QuantisationSettings, settings.get("quantisation", {}), "quantisation"
    )
    data = load_images(images)
    side = input_side(data, training.resolution, str(images))
    test = load_split(data, "test", resolution=training.resolution)
    calibration = load_split(data, "train", resolution=training.resolution)
    calibration = calibration.take(quantisation.calibration_images)
    test_images, labels = normalised(test), test.labels.numpy()
    states = _read_states(weights)
    rows = []
    with torch_threads(threads):
        for number, row in enumerate(metrics.to_dict("records"), start=1):
            arch, place = str(row["arch"]), Path(folder) / str(number)
            float_file, int8_file = place / FLOAT32_FILE, place / INT8_FILE
            network = _rebuilt(arch, states, data, settings, side, str(weights))
            onnx_models.export(network, float_file, resolution=side, batch=None)
            difference = _checked_difference(network, float_file, test_images[:COMPARED], arch)
            quantise(
                float_file,
                int8_file,
                normalised(calibration),
                per_channel=quantisation.per_channel,
                reduce_range=quantisation.reduce_range,
                method=quantisation.method,
                threads=threads,
            )
            found = {
                file: onnx_models.logits(file, test_images, threads=threads).argmax(axis=1)
                for file in (float_file, int8_file)
            }
            float_percent, int8_percent = (
                100 * float((classes == labels).mean()) for classes in found.values()
            )
            integer, convolutions = onnx_counts.integer_convolutions(int8_file)
            log(
                f"{number} of {len(metrics)}: {arch}: {float_percent:.2f} % in float32, "
                f"{int8_percent:.2f} % in int8 ({integer} of {convolutions} convolutions), "
                f"on {len(labels)} test images"
            )
            rows.append(
                {
                    "number": number,
                    "arch": arch,
                    "test_accuracy_percent": row["test_accuracy_percent"],
                    "float32_accuracy_percent": float_percent,
                    "int8_accuracy_percent": int8_percent,
                    "int8_loss_percent": float_percent - int8_percent,
                    "largest_difference": difference,
                    "agreement_percent": 100
                    * float((found[float_file] == found[int8_file]).mean()),
                    "test_images": len(labels),
                    "params": sum(weight.numel() for weight in network.parameters()),
                    "multiply_accumulates": onnx_counts.multiply_accumulates(float_file),
                    "convolutions": convolutions,
                    "int8_convolutions": integer,
                    "float32_bytes": float_file.stat().st_size,
                    "int8_bytes": int8_file.stat().st_size,
                    "sources": _source(quantisation, len(calibration)),
                }
            )
    return pd.DataFrame(rows)


def input_side(data: ImageData, resolution: int | None, place: str) -> int:
    """Return the side of the images that a network of the data set sees, in pixels."""
    height, width = data.images.shape[1:3]
    if height != width:
        raise InputError(f"{place}: images of {height}x{width} pixels; only squares are exported")
    return resolution or height


def normalised(split: Split) -> np.ndarray:
    """Return all images of a split as a network sees them, float32 (N, 3, H, W)."""
    images = split.batch(torch.arange(len(split))).images
    return images.contiguous().numpy()


def _read_states(weights: str | Path) -> dict[str, dict[str, torch.Tensor]]:
    try:
        return dict(torch.load(weights, map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        raise InputError(f"{weights}: there is no such file of weights") from error
    except Exception as error:  # a damaged file makes PyTorch raise almost anything
        raise InputError(
            f"{weights}: not readable as weights ({type(error).__name__}: {one_line(error)}); "
            "delete it and run the workflow again"
        ) from error


def _rebuilt(
    arch: str,
    states: Mapping[str, Mapping[str, torch.Tensor]],
    data: ImageData,
    settings: Mapping[str, Any],
    side: int,
    place: str,
) -> nn.Module:
    """Return the trained network of an architecture."""
    if arch not in states:
        raise InputError(
            f"{place}: has no weights of {arch}; the table of results and the weights must be of "
            "the same retraining"
        )
    space = plugins.load("spaces", settings["space"])
    network = space.build(space.from_text(arch), len(data.classes), settings["network"])
    try:
        network.load_state_dict(dict(states[arch]))
    except (RuntimeError, AttributeError) as error:
        raise InputError(
            f"{place}: the weights of {arch} do not fit its network ({one_line(error)[:300]}); "
            "space, network and data set must be those of the retraining"
        ) from error
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d) and part.running_mean is None:
            raise InputError(
                "network.batch_norm: what the network says of an image depends on the other images "
                "of its batch; retrain it with batch_norm: running to export it"
            )
    return network


def _checked_difference(
    network: nn.Module, file: Path, images: np.ndarray, arch: str
) -> float:
    """Return the largest difference of a logit between PyTorch and ONNX Runtime."""
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(images)).numpy()
    difference = float(np.abs(onnx_models.logits(file, images) - expected).max())
    limit = TOLERANCE * max(1.0, float(np.abs(expected).max()) / 100)
    if not difference <= limit:
        raise InputError(
            f"{file}: ONNX Runtime and PyTorch differ by {difference:.3g} in a logit of {arch} "
            f"(allowed: {limit:.3g}); this network cannot be exported faithfully"
        )
    return difference


def _source(settings: QuantisationSettings, images: int) -> str:
    import onnxruntime

    scales = "a channel" if settings.per_channel else "a tensor"
    bits = 7 if settings.reduce_range else 8
    return (
        f"measured: ONNX Runtime {onnxruntime.__version__} on all test images; int8: weights of "
        f"{bits} bits with a scale {scales}, ranges of activations by {settings.method} on "
        f"{images} training images, exact sums"
    )
