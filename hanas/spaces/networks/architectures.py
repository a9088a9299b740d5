"""Networks of their own for architectures: members of a space, or published networks by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from torch import nn

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.spaces.networks import published
from hanas.spaces.networks.settings import Network


def build(arch: str, *, space: str, classes: int, network: Network, seed: int = 0) -> nn.Module:
    """Return the stand-alone network of an architecture, with initial weights.

    Parameters
    ----------
    arch
        Canonical text of the space, or one of :data:`hanas.spaces.networks.published.NAMES`.
    space, classes, network
        Name of the space, number of classes, settings of the network.
    seed
        Of the initial weights.

    Raises
    ------
    InputError
        For a text that is neither, or a setting that does not exist or cannot be.
    """
    if arch in published.NAMES:
        return published.build(arch, classes, network, seed=seed)
    found = plugins.space(space)
    return found.build(found.from_text(arch), classes, network, seed=seed)


class Maker(Protocol):
    """A space, or :mod:`hanas.spaces.networks.published`."""

    def for_images(self, network: Network, side: int, place: str) -> Any: ...  # noqa: D102


def settings_for_images(
    maker: Maker,
    network: Network,
    size: tuple[int, int],
    resolution: int | None,
    images: str | Path,
) -> Any:
    """Return the network settings for the images of a data set.

    Parameters
    ----------
    maker, network
        What makes the network, and its settings as the user gave them.
    size, images
        Height and width of the images of a data set, and its file.
    resolution
        Side that images are average-pooled to (``training.resolution``); None keeps theirs.

    Raises
    ------
    InputError
        If there can be no network for images of that size.
    """
    height, width = size
    place = "training.resolution" if resolution else str(images)
    sides = sorted({resolution or height, resolution or width})
    fitted = [maker.for_images(network, side, place) for side in sides]
    if any(settings != fitted[0] for settings in fitted):
        raise InputError(f"{place}: images of {height}x{width} pixels; expected square images")
    return fitted[0]
