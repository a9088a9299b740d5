"""Architectures that are not trained yet as models that a device can measure.

How long a network takes does not hang on its weights, as long as its maps hold numbers of usual
size. Those of untrained networks shrink from layer to layer (to 1e-8 after 20), so the batch
normalisations get to know some training images first; 8-bit ranges are those of such maps.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hanas.core import plugins
from hanas.core.compute import threads
from hanas.core.files import digest
from hanas.core.settings import check_choice, check_number
from hanas.data.batches import load_split, ordered_batches
from hanas.data.images import ImageData, load_images
from hanas.deploy import onnx_models
from hanas.deploy.quantisation import quantise
from hanas.devices._meter import model_precision
from hanas.spaces.networks import architectures, published

#: Raise it when the same architecture and settings are written as another model.
REVISION = 1
#: Training images that batch normalisations and 8-bit ranges are taken from.
IMAGES = 16


def writers(
    archs: Sequence[str], *, space: str, settings: Mapping[str, Any], images: Path
) -> dict[str, Writer]:
    """Return for each architecture what writes it as an ONNX file.

    Parameters
    ----------
    archs
        Canonical texts of the space, or names of published networks
        (:data:`hanas.spaces.networks.published.NAMES`).
    space
        Name of the space.
    settings
        ``network``: of the networks, which have batch normalisation with running statistics
        whatever it says; ``resolution``: side that images are average-pooled to (None: theirs);
        ``batch`` (1): images of a pass; ``precision`` (float32): or int8, with ``per_channel``
        (True), unless the meter ``kind`` quantises models itself.
    images
        File of the data set: gives classes, side and the images.

    Raises
    ------
    InputError
        For a text that is no architecture, a wrong setting, or unsuitable images.
    """
    sample = _Sample(load_images(images), settings.get("resolution"), settings.get("batch", 1))
    check_number("batch", sample.batch, at_least=1, whole=True)
    precision = model_precision(settings)
    check_choice("precision", precision, ("float32", "int8"))
    module = plugins.space(space)
    found = {}
    for arch in archs:
        maker = published if arch in published.NAMES else module
        network = architectures.settings_for_images(
            maker,
            settings.get("network", {}),
            sample.data.images.shape[1:3],
            sample.resolution,
            images,
        )
        if maker is module:
            module.from_text(arch)  # refuses what is no architecture
        found[arch] = Writer(
            arch=arch,
            space=space,
            network={**network.model_dump(), "batch_norm": "running"},
            precision=precision,
            per_channel=bool(settings.get("per_channel", True)),
            sample=sample,
        )
    return found


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
    network: Mapping[str, Any]
    precision: str
    per_channel: bool
    sample: _Sample

    @property
    def key(self) -> str:
        """A text that is different for models that differ, whatever the pictures show."""
        facts: dict[str, Any] = {
            "arch": self.arch,
            "space": None if self.arch in published.NAMES else self.space,
            "network": dict(self.network),
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
            network = architectures.build(
                self.arch,
                space=self.space,
                classes=len(self.sample.data.classes),
                network=self.network,
            )
            _get_to_know(network, torch.from_numpy(self.sample.images))
            size = {"resolution": self.sample.side, "batch": self.sample.batch}
            if self.precision == "float32":
                onnx_models.export(network, file, **size)
                return
            with tempfile.TemporaryDirectory(prefix="hanas-export-") as folder:
                exported = Path(folder) / "float32.onnx"
                onnx_models.export(network, exported, **size)
                quantise(exported, file, self.sample.images, per_channel=self.per_channel)


def _get_to_know(network: nn.Module, images: torch.Tensor) -> None:
    """Give batch normalisations the statistics of some images."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches, of which there is one
            module.reset_running_stats()
    network.train()
    with torch.no_grad():
        network(images)
    network.eval()
