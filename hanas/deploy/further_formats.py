"""Write a trained network in further formats beside ONNX, and test each file beside PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hanas.core.compute import threads as torch_threads
from hanas.core.errors import InputError
from hanas.core.memory import enough_memory, in_halves
from hanas.data.batches import Split, images_at_a_time, ordered_batches
from hanas.deploy import litert, onnx_models
from hanas.deploy.formats import FILES
from hanas.deploy.quantisation import MEMORY_REMEDY, Calibration
from hanas.training.epochs import EVALUATION_BATCH

#: Largest difference of a logit between PyTorch and what runs a file; where logits pass 100, a
#: millionth of the largest, because float32 holds no more digits.
TOLERANCE = 1e-4
#: Times PyTorch's own rounding that the file may be off by where that is more.
ROUNDINGS = 4


def write_further(
    formats: Sequence[str],
    network: nn.Module,
    place: Path,
    test: Split,
    test_images: Calibration,
    calibration: Calibration,
    *,
    python: str,
    threads: int = 1,
) -> dict[str, Any]:
    """Write the files of all formats but ``onnx``, which are in the folder ``place`` already.

    Returns, of each format, columns that begin with its name: ``_float32_accuracy_percent`` and
    ``_int8_accuracy_percent`` on all test images, ``_agreement_percent`` of the two,
    ``_largest_difference`` of a logit between float32 and PyTorch on them, ``_float32_bytes``,
    ``_int8_bytes`` and ``_source``. InputError where a format cannot be written faithfully.
    """
    found: dict[str, Any] = {}
    further = [name for name in formats if name != "onnx"]
    for name in further:
        files = [place / file for file in FILES[name].values()]
        if name == "litert":
            try:
                versions = litert.convert(
                    network, calibration, *files, python=python, threads=threads
                )
                parts = litert.logits(files, test_images, python=python, threads=threads)
                found |= _tested(name, files, network, parts, test, threads)
            except litert.LiteRTError as error:
                raise InputError(f"{error}; leave litert out of formats") from error
            found["litert_source"] = (
                f"measured: {versions}, on all test images; int8: weights with a scale a channel, "
                f"ranges of activations by minmax on {len(calibration)} training images"
            )
        else:
            for source, file in zip(FILES["onnx"].values(), files, strict=True):
                onnx_models.with_batch(place / source, file, 1)
            parts = _one_at_a_time(files, test_images, threads)
            found |= _tested(name, files, network, parts, test, threads)
            found[f"{name}_source"] = f"measured: {onnx_models.runtime()} on all test images"
    return found


def _one_at_a_time(
    files: Sequence[Path], images: Calibration, threads: int
) -> Iterator[list[np.ndarray]]:
    models = [onnx_models.session(file, threads=threads, exact_sums=True) for file in files]
    for number in range(len(images)):
        feed = {onnx_models.INPUT: images[number : number + 1]}
        yield [model.run(None, feed)[0] for model in models]


def _tested(
    name: str,
    files: Sequence[Path],
    network: nn.Module,
    parts: Iterator[list[np.ndarray]],
    test: Split,
    threads: int,
) -> dict[str, Any]:
    """Return the columns of a format, from what its two files say of all test images."""
    exact, rough = (np.concatenate(each) for each in zip(*parts, strict=True))
    with torch_threads(threads), enough_memory(f"{files[0]}: comparing", MEMORY_REMEDY):
        difference = faithful(network, exact, test, files[0])
    labels = test.labels.numpy()
    answers = exact.argmax(axis=1), rough.argmax(axis=1)
    right = [100 * float((one == labels).mean()) for one in answers]
    return {
        f"{name}_float32_accuracy_percent": right[0],
        f"{name}_int8_accuracy_percent": right[1],
        f"{name}_agreement_percent": 100 * float((answers[0] == answers[1]).mean()),
        f"{name}_largest_difference": difference,
        f"{name}_float32_bytes": files[0].stat().st_size,
        f"{name}_int8_bytes": files[1].stat().st_size,
    }


def faithful(network: nn.Module, found: np.ndarray, split: Split, file: Path) -> float:
    """Return the largest difference between PyTorch's logits and those found, (N, classes).

    Where it is large, the network itself may magnify what float32 rounds off, as after a few steps
    of training: then a file need not be closer to it than about what PyTorch is to float64.
    InputError where it is not.
    """
    network = network.eval()
    difference, largest, rounding, off, done = 0.0, 0.0, 0.0, 0.0, 0
    exact = copy.deepcopy(network).double()
    for batch in ordered_batches(split, images_at_a_time(split, EVALUATION_BATCH)):
        images = batch.images.contiguous()
        with torch.inference_mode():
            expected = torch.cat(in_halves(network, images)).numpy()
            true = torch.cat(in_halves(lambda part: exact(part.double()), images)).numpy()
        of_batch = found[done : done + len(expected)]
        done += len(expected)
        # The maximum of NaN and a number is NaN.
        difference = float(np.maximum(difference, np.abs(of_batch - expected).max()))
        off = float(np.maximum(off, np.abs(of_batch - true).max()))
        rounding = float(np.maximum(rounding, np.abs(expected - true).max()))
        largest = max(largest, float(np.abs(expected).max()))
    limit = TOLERANCE * max(1.0, largest / 100)
    if not (difference <= limit or off <= ROUNDINGS * rounding):
        raise InputError(
            f"{file}: it and PyTorch differ by {difference:.3g} in a logit (allowed: "
            f"{limit:.3g}), more than PyTorch's own rounding, {rounding:.3g}; this network cannot "
            "be exported faithfully"
        )
    return difference
