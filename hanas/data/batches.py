"""A split of a data set on the device that computes, and batches of it.

Choosing images, cropping and flipping them is one gather from one tensor. What is random is drawn
for a whole epoch at once, so that any batch of any epoch can be made directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hanas.core.compute import generator
from hanas.core.errors import InputError
from hanas.data.images import ImageData, training_statistics


class Batch(NamedTuple):
    """Normalised images, float32 (B, 3, H, W) in channels-last layout, and labels, int64 (B,)."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Split:
    """The images of one or more splits on a device.

    ``pixels`` are whole numbers (N, H + 2P, W + 2P, 3): images inside a black border of P pixels,
    the ``padding``, by which a crop may move. ``labels`` are int64 (N,). ``mean`` and
    ``deviation``, float32 (3,), are of the training images, in the unit of the pixels.
    """

    pixels: Tensor
    labels: Tensor
    padding: int
    mean: Tensor
    deviation: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, count: int | None) -> Split:
        """Return at most ``count`` images (None: all), mixed in an order that is always the same.

        Batch normalisation needs batches of all classes, and a split may be sorted by class.
        """
        order = torch.randperm(len(self), generator=generator(0, "subset"))[:count]
        order = order.to(self.labels.device)
        return replace(self, pixels=self.pixels[order], labels=self.labels[order])

    def batch(
        self, indices: Tensor, flips: Tensor | None = None, shifts: Tensor | None = None
    ) -> Batch:
        """Return some images, flipped where ``flips`` (B,) and moved by ``shifts`` (B, 2).

        ``shifts`` count from the corner of the border: ``padding`` is the middle, the default.
        """
        height, width = (side - 2 * self.padding for side in self.pixels.shape[1:3])
        device = indices.device
        rows = torch.arange(height, device=device).expand(len(indices), -1)
        columns = torch.arange(width, device=device).expand(len(indices), -1)
        if flips is not None:
            columns = torch.where(flips[:, None], width - 1 - columns, columns)
        if shifts is None:
            shifts = torch.full((len(indices), 2), self.padding, device=device)
        rows, columns = rows + shifts[:, :1], columns + shifts[:, 1:]
        pixels = self.pixels[indices[:, None, None], rows[:, :, None], columns[:, None, :]]
        images = (pixels.float() - self.mean) / self.deviation  # (B, H, W, 3)
        return Batch(images.permute(0, 3, 1, 2), self.labels[indices])


def load_split(
    data: ImageData,
    *names: str,
    resolution: int | None = None,
    crop_padding: int = 0,
    device: torch.device | str = "cpu",
) -> Split:
    """Put the images of the named splits (``train``, ``validation``, ``test``) on a device.

    They are average-pooled to ``resolution``, the side; None keeps theirs. ``crop_padding`` are the
    pixels, after pooling, that a random crop may move an image by. Raises InputError if the
    resolution does not divide the side of the images.
    """
    chosen = np.concatenate([data.splits[name] for name in names])
    pixels = torch.from_numpy(data.images[chosen])  # uint8 (N, H, W, 3)
    height, width = data.images.shape[1:3]
    if resolution is not None and (height != width or height % resolution):
        raise InputError(
            f"training.resolution is {resolution}; images of {height}x{width} pixels can only be "
            "average-pooled to a divisor of their side"
        )
    factor = 1 if resolution is None else height // resolution
    if factor > 1:
        # Sums of pixels instead of means: exact in whole numbers.
        dtype = torch.int16 if 255 * factor**2 < 2**15 else torch.int32
        blocks = pixels.view(len(pixels), height // factor, factor, width // factor, factor, 3)
        pixels = blocks.sum(dim=(2, 4), dtype=dtype)
    if crop_padding:
        border = (0, 0, crop_padding, crop_padding, crop_padding, crop_padding)
        pixels = torch.nn.functional.pad(pixels, border)
    # Of the images as they are: pooling keeps the mean and lowers the deviation a little.
    mean, deviation = training_statistics(data)
    if not deviation.all():
        raise InputError("images: a colour channel has the same value in all training images")
    unit = 255 * factor**2
    return Split(
        pixels.to(device),
        torch.from_numpy(data.labels[chosen]).to(device),
        crop_padding,
        torch.tensor(mean * unit, dtype=torch.float32, device=device),
        torch.tensor(deviation * unit, dtype=torch.float32, device=device),
    )


def steps_per_epoch(images: int, batch_size: int, limit: int | None = None) -> int:
    """Return the number of batches of an epoch: an incomplete last one is left out.

    >>> steps_per_epoch(100, 32), steps_per_epoch(100, 32, 2), steps_per_epoch(10, 32)
    (3, 2, 1)
    """
    steps = max(1, images // batch_size)
    return steps if limit is None else min(steps, limit)


def random_batches(
    split: Split, *, steps: int, batch_size: int, flip: float, random: torch.Generator
) -> Callable[[int], Batch]:
    """Draw the batches of one epoch; return a function that makes the batch of a step.

    Every image is used once before one is used again. Images are flipped with probability ``flip``
    and moved evenly within the split's padding. ``random`` is a CPU generator, so that all devices
    see the same batches.
    """
    size = min(batch_size, len(split))
    rounds = -(-steps * size // len(split))
    order = torch.cat([torch.randperm(len(split), generator=random) for _ in range(rounds)])
    order = order[: steps * size].view(steps, size)
    flips = torch.rand(steps, size, generator=random) < flip
    shifts = torch.randint(2 * split.padding + 1, (steps, size, 2), generator=random)
    device = split.labels.device
    order, flips, shifts = order.to(device), flips.to(device), shifts.to(device)
    return lambda step: split.batch(order[step], flips[step], shifts[step])


def ordered_batches(split: Split, batch_size: int) -> Iterator[Batch]:
    """Yield all images once, in order, in batches of nearly equal size of at most ``batch_size``.

    Of nearly equal size, because batch statistics of a small rest would be worth little.
    """
    indices = torch.arange(len(split), device=split.labels.device)
    for part in torch.tensor_split(indices, -(-len(split) // batch_size)):
        yield split.batch(part)
