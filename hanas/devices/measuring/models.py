"""Architectures, trained or not, as models that a device can measure.

How long a network takes does not hang on its weights, as long as its maps hold numbers of usual
size. Those of untrained networks shrink from layer to layer (to 1e-8 after 20), so the batch
normalisations get to know some training images first; 8-bit ranges are those of such maps.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from hanas.core.compute import threads
from hanas.core.files import digest
from hanas.core.settings import Settings
from hanas.data.batches import load_split, ordered_batches
from hanas.data.images import ImageData, load_images
from hanas.deploy import onnx_models
from hanas.deploy.quantisation import Quantisation, quantise
from hanas.devices._device import MeasuredDevice
from hanas.devices.measuring.measure import Model
from hanas.spaces.networks import published

#: Raise it when the same architecture and settings are written as another model.
REVISION = 1
#: Training images that batch normalisations and 8-bit ranges are taken from.
IMAGES = 16
#: The file of a trained model, by the precision that a device is given.
FILES = {"float32": "model.onnx", "int8": "model.int8.onnx"}


def trained(
    models: pd.DataFrame, folder: Path, device: MeasuredDevice, space: str
) -> dict[str, Model]:
    """Return the exported models of a retraining, by their architectures.

    ``models`` has ``number`` and ``arch`` of each; ``folder`` holds a folder a model, named by its
    number, with the files of :data:`FILES`.
    """
    file, batch = FILES[device.model_precision], device.measuring.batch
    return {
        str(arch): Model(
            partial(onnx_models.with_batch, folder / str(number) / file, batch=batch),
            infeasible=infeasible(str(arch), space),
        )
        for number, arch in zip(models["number"], models["arch"], strict=True)
    }


def untrained(
    archs: Sequence[str], *, space: str, device: MeasuredDevice, network: Settings, images: Path
) -> dict[str, Model]:
    """Return architectures as models with made-up weights, as a device is to measure them.

    ``archs`` are canonical texts of the space, or names of published networks
    (:data:`hanas.spaces.networks.published.NAMES`). The networks have batch normalisation with
    running statistics whatever their settings say; the file of the data set, ``images``, gives
    classes, side and the images. InputError for a text that is no architecture, or unsuitable
    images.
    """
    sample = _Sample(load_images(images), device.resolution, device.measuring.batch)
    found = {}
    for arch in archs:
        size = sample.data.images.shape[1:3]
        of_images = published.space_of(arch, space).for_images(
            network, size, sample.resolution, images
        )
        writer = Writer(
            arch=arch,
            space=space,
            network=of_images.model_copy(update={"batch_norm": "running"}),
            precision=device.model_precision,
            per_channel=device.measuring.per_channel,
            sample=sample,
        )
        found[arch] = Model(writer, key=writer.key, infeasible=infeasible(arch, space))
    return found


def infeasible(arch: str, space: str) -> str | None:
    """Return why no device can run an architecture; None where one may.

    InputError for a text that is neither of the space nor the name of a published network.
    """
    found = published.space_of(arch, space)
    if found.connected(found.from_text(arch)[None])[0]:
        return None
    return "no path leads from its input to its output, so that its file has no input"


@dataclass(frozen=True, eq=False)
class _Sample:
    """Some images of a data set, which are prepared when the first model is written."""

    data: ImageData
    resolution: int | None
    batch: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def side(self) -> int:
        return self.resolution or self.data.images.shape[1]

    @cached_property
    def images(self) -> np.ndarray:
        """Normalised training images, float32 (M, 3, H, W), M a multiple of the batch."""
        train = load_split(self.data, "train", resolution=self.resolution)
        count = -(-IMAGES // self.batch) * self.batch
        (batch,) = ordered_batches(train.take(count), count)
        taken = batch.images.contiguous().numpy()
        return np.tile(taken, (-(-count // len(taken)), 1, 1, 1))[:count]


@dataclass(frozen=True, eq=False)
class Writer:
    """Writes one architecture as an ONNX file."""

    arch: str
    space: str
    network: Settings
    precision: str
    per_channel: bool
    sample: _Sample

    @property
    def key(self) -> str:
        """A text that is different for models that differ, whatever the pictures show."""
        facts: dict[str, Any] = {
            "arch": self.arch,
            "space": None if self.arch in published.NAMES else self.space,
            "network": self.network.params(),
            "classes": len(self.sample.data.classes),
            "side": self.sample.side,
            "batch": self.sample.batch,
            "precision": self.precision,
            "written by": [REVISION, torch.__version__],
        }
        if self.precision == "int8":
            import onnxruntime

            facts["quantised by"] = [onnxruntime.__version__, self.per_channel]
        return digest(facts)

    def __call__(self, file: Path) -> None:
        """Write the model."""
        with self.sample.lock, threads(1):
            classes = len(self.sample.data.classes)
            space = published.space_of(self.arch, self.space)
            network = space.build(space.from_text(self.arch), classes, self.network)
            for module in network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.momentum = None  # the mean over all batches, of which there is one
                    module.reset_running_stats()
            network.train()
            with torch.no_grad():
                network(torch.from_numpy(self.sample.images))
            network.eval()
            size = {"resolution": self.sample.side, "batch": self.sample.batch}
            if self.precision == "float32":
                onnx_models.export(network, file, **size)
                return
            with tempfile.TemporaryDirectory(prefix="hanas-export-") as folder:
                exported = Path(folder) / "float32.onnx"
                onnx_models.export(network, exported, **size)
                how = Quantisation(per_channel=self.per_channel)
                quantise(exported, file, self.sample.images, how)
