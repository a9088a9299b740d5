"""A split of a data set on the device that computes, and batches of it.

Choosing images, cropping and flipping them is one gather from one tensor. What is random is drawn
for a whole epoch at once, so that any batch of any epoch can be made directly. Images that memory
has no room for stay in their file, and each batch is read from there.
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
from hanas.core.memory import free_bytes, in_words
from hanas.core.progress import print_at_once
from hanas.data.images import MEMORY_SHARE, ImageData, blocks_of, training_statistics


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

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images that batches hold."""
        height, width = self.pixels.shape[1:3]
        return height - 2 * self.padding, width - 2 * self.padding

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
        height, width = self.size
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


@dataclass(frozen=True, eq=False)
class FileSplit(Split):
    """A split whose images stay in their file: its batches are the same, to the bit.

    ``pixels`` are all images as they are in the file, uint8 (M, h, w, 3), on the CPU, and
    ``positions``, int64 (N,), which of them are of the split; each batch is read, average-pooled by
    ``factor`` and given its border.
    """

    positions: Tensor
    factor: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images that batches hold."""
        height, width = self.pixels.shape[1:3]
        return height // self.factor, width // self.factor

    def take(self, count: int | None) -> Split:
        """Return at most ``count`` images, as :meth:`Split.take`."""
        order = torch.randperm(len(self), generator=generator(0, "subset"))[:count]
        labels = self.labels[order.to(self.labels.device)]
        return replace(self, positions=self.positions[order], labels=labels)

    def batch(
        self, indices: Tensor, flips: Tensor | None = None, shifts: Tensor | None = None
    ) -> Batch:
        """Return some images, as :meth:`Split.batch`."""
        pixels = _framed(self.pixels, self.positions[indices.cpu()], self.factor, self.padding)
        labels, device = self.labels[indices], self.labels.device
        held = Split(pixels.to(device), labels, self.padding, self.mean, self.deviation)
        return held.batch(torch.arange(len(labels), device=device), flips, shifts)


def _framed(images: Tensor, chosen: Tensor, factor: int, padding: int) -> Tensor:
    """Return some images, uint8 (M, h, w, 3), average-pooled inside a black border.

    Sums of pixels instead of means, (N, h / factor + 2 padding, ...): exact in whole numbers.
    """
    height, width = images.shape[1] // factor, images.shape[2] // factor
    frame = (len(chosen), height + 2 * padding, width + 2 * padding, 3)
    framed = torch.zeros(frame, dtype=_pixel_type(factor))
    inside = framed[:, padding : padding + height, padding : padding + width]
    parts = blocks_of(len(chosen), images[0].numel())
    for place, block in zip(inside.tensor_split(parts), chosen.tensor_split(parts), strict=True):
        pixels = images[block]
        if factor > 1:
            pixels = pixels.view(len(pixels), height, factor, width, factor, 3)
            pixels = pixels.sum(dim=(2, 4), dtype=framed.dtype)
        place.copy_(pixels)
    return framed


def _pixel_type(factor: int) -> torch.dtype:
    """Return a type that holds the sum of the pixels that are pooled into one."""
    if factor == 1:
        return torch.uint8
    return torch.int16 if 255 * factor**2 < 2**15 else torch.int32


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
    chosen = torch.from_numpy(np.concatenate([data.splits[name] for name in names]))
    images = torch.from_numpy(data.images)  # uint8 (N, H, W, 3)
    height, width = data.images.shape[1:3]
    if resolution is not None and (height != width or height % resolution):
        raise InputError(
            f"training.resolution is {resolution}; images of {height}x{width} pixels can only be "
            "average-pooled to a divisor of their side"
        )
    factor = 1 if resolution is None else height // resolution
    # Of the images as they are: pooling keeps the mean and lowers the deviation a little.
    mean, deviation = training_statistics(data)
    if not deviation.all():
        raise InputError("images: a colour channel has the same value in all training images")
    unit = 255 * factor**2
    normalisation = (
        torch.tensor(mean * unit, dtype=torch.float32, device=device),
        torch.tensor(deviation * unit, dtype=torch.float32, device=device),
    )
    labels = torch.from_numpy(data.labels)[chosen].to(device)
    rows, columns = (side // factor + 2 * crop_padding for side in (height, width))
    needed = len(chosen) * rows * columns * 3 * _pixel_type(factor).itemsize
    free = _free_bytes(torch.device(device))
    if needed > free * MEMORY_SHARE:
        print_at_once(
            f"{' and '.join(names)}: {len(chosen):,} images of {rows} x {columns} pixels would "
            f"take {in_words(needed)} of {in_words(free)} that are free; batches are read from disk"
        )
        return FileSplit(images, labels, crop_padding, *normalisation, chosen, factor)
    pixels = _framed(images, chosen, factor, crop_padding)
    return Split(pixels.to(device), labels, crop_padding, *normalisation)


def _free_bytes(device: torch.device) -> int:
    free = free_bytes()
    return free if device.type == "cpu" else min(free, torch.cuda.mem_get_info(device)[0])


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


def images_at_a_time(split: Split, most: int) -> int:
    """Return how many images of a split to look at together: ``most`` up to 64 x 64 pixels.

    Of larger ones fewer, with as many pixels in all, so that memory does not grow with them.
    """
    height, width = split.size
    return max(1, min(most, most * 64**2 // (height * width)))


def ordered_batches(split: Split, batch_size: int) -> Iterator[Batch]:
    """Yield all images once, in order, in batches of nearly equal size of at most ``batch_size``.

    Of nearly equal size, because batch statistics of a small rest would be worth little.
    """
    indices = torch.arange(len(split), device=split.labels.device)
    for part in torch.tensor_split(indices, -(-len(split) // batch_size)):
        yield split.batch(part)
