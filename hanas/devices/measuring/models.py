"""Architectures, trained or not, as models that a device can measure.

How long a network takes does not hang on its weights, as long as its maps hold numbers of usual
size. Those of untrained networks shrink from layer to layer (to 1e-8 after 20), so the batch
normalisations get to know some training images first; 8-bit ranges are those of such maps.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.optim.swa_utils import update_bn

from hanas.core import plugins
from hanas.core.compute import threads
from hanas.core.errors import InputError
from hanas.core.files import digest
from hanas.core.settings import Settings
from hanas.data.batches import load_split, ordered_batches
from hanas.data.images import load_images
from hanas.deploy import litert, onnx_models
from hanas.deploy.formats import FILES
from hanas.deploy.quantisation import Quantisation, quantise
from hanas.devices._device import MeasuredDevice
from hanas.devices.measuring.measure import Model
from hanas.spaces.networks import published

#: Raise it when the same architecture and settings are written as another model.
REVISION = 1
#: Training images that batch normalisations and 8-bit ranges are taken from.
IMAGES = 16


def trained(
    models: pd.DataFrame, folder: Path, device: MeasuredDevice, space: str
) -> dict[str, Model]:
    """Return the exported models of a retraining, by their architectures.

    ``models`` has ``number`` and ``arch`` of each; ``folder`` holds a folder a model, named by its
    number, with the files of :data:`hanas.deploy.formats.FILES`. InputError where they were not
    exported in the format of the device.
    """
    file, batch = FILES[device.model_format][device.model_precision], device.measuring.batch
    write = partial(onnx_models.with_batch, batch=batch)
    if device.model_format != "onnx":
        write = shutil.copyfile
        for number in models["number"]:
            if not (folder / str(number) / file).is_file():
                raise InputError(
                    f"{folder / str(number) / file}: there is no such file; a device of format "
                    f"{device.model_format} measures models that were exported so: add "
                    f"{device.model_format} to formats of the retraining"
                )
    return {
        str(arch): Model(
            partial(write, folder / str(number) / file),
            infeasible=infeasible(str(arch), space),
        )
        for number, arch in zip(models["number"], models["arch"], strict=True)
    }


def untrained(
    archs: Sequence[str], *, space: str, device: MeasuredDevice, network: Settings, images: Path
) -> dict[str, Model]:
    """Return architectures as models with made-up weights, as a device is to measure them.

    ``archs`` are canonical texts of the space, or names of published networks
    (:mod:`hanas.spaces.networks.published`). The networks have batch normalisation with
    running statistics whatever their settings say; the file of the data set, ``images``, gives
    classes, side and the images. InputError for a text that is no architecture, or unsuitable
    images.
    """
    writer = Writer(space, device, network, images)
    return {a: Model(partial(writer.write, a), writer.key(a), infeasible(a, space)) for a in archs}


def infeasible(arch: str, space: str) -> str | None:
    """Return why no device can run an architecture; None where one may.

    InputError for a text that is neither of the space nor the name of a published network.
    """
    found = published.space_of(arch, space)
    if found.connected(found.from_text(arch)[None])[0]:
        return None
    return "no path leads from its input to its output, so that its file has no input"


class Writer:
    """Writes architectures as ONNX files."""

    def __init__(self, space: str, device: MeasuredDevice, network: Settings, images: Path) -> None:
        self._data, self._file = load_images(images), images
        self._space, self._network, self._device = space, network, device
        self._batch = device.measuring.batch
        self._side = device.resolution or self._data.images.shape[1]

    @cached_property
    def images(self) -> np.ndarray:
        """Normalised training images, float32 (M, 3, H, W), M a multiple of the batch."""
        train = load_split(self._data, "train", resolution=self._device.resolution)
        count = -(-IMAGES // self._batch) * self._batch
        (batch,) = ordered_batches(train.take(count), count)
        taken = batch.images.contiguous().numpy()
        return np.tile(taken, (-(-count // len(taken)), 1, 1, 1))[:count]

    def _settings(self, arch: str) -> Settings:
        found = published.space_of(arch, self._space).for_images(
            self._network, self._data.images.shape[1:3], self._device.resolution, self._file
        )
        return found.model_copy(update={"batch_norm": "running"})

    def key(self, arch: str) -> str:
        """Return a text that is different for models that differ, whatever the pictures show."""
        facts: dict[str, Any] = {
            "arch": arch,
            "space": None if published.named(arch) else self._space,
            "network": self._settings(arch).params(),
            "classes": len(self._data.classes),
            "side": self._side,
            "batch": self._batch,
            "precision": self._device.model_precision,
            "written by": [REVISION, torch.__version__],
            **({} if published.named(arch) else plugins.declared(self._space)),
        }
        if declared := plugins.declarations().get(facts["space"]):
            facts["declared"] = declared  # the same text may have been another network before
        if self._device.model_format != "onnx":
            facts["format"] = self._device.model_format
        elif self._device.model_precision == "int8":
            import onnxruntime

            facts["quantised by"] = [onnxruntime.__version__, self._device.measuring.per_channel]
        return digest(facts)

    def write(self, arch: str, file: Path) -> None:
        """Write an architecture."""
        classes, settings = len(self._data.classes), self._settings(arch)
        quantised = self._device.model_precision == "int8"
        in_litert = self._device.model_format == "litert"
        exported = file.with_name("float32.onnx") if quantised else file
        with threads(1):
            space = published.space_of(arch, self._space)
            network = space.build(space.from_text(arch), classes, settings).eval()
            update_bn([torch.from_numpy(self.images)], network)
            if in_litert:
                self._write_litert(network, file, quantised=quantised)
                return
            onnx_models.export(network, exported, resolution=self._side, batch=self._batch)
            if quantised:
                how = Quantisation(per_channel=self._device.measuring.per_channel)
                quantise(exported, file, self.images, how)
                exported.unlink()

    def _write_litert(self, network: torch.nn.Module, file: Path, *, quantised: bool) -> None:
        python: str = getattr(self._device, "litert_python")  # noqa: B009 - of such devices only
        exact = file.with_name(f"float32.{file.name}") if quantised else file
        try:
            litert.convert(network, self.images, exact, file if quantised else None, python=python)
        except litert.LiteRTError as error:
            raise InputError(f"LiteRT: {error}") from error
        if quantised:
            exact.unlink()
