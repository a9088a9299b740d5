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
    """Return the stand-alone network of an architecture, with initial weights of a seed.

    ``arch`` is a canonical text of ``space``, or one of
    :data:`hanas.spaces.networks.published.NAMES`. Raises InputError for a text that is neither, or
    settings that cannot be.
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
    """Return the settings of a network for the images of a data set, in the file ``images``.

    ``size`` is their height and width, ``resolution`` (``training.resolution``) the side they are
    average-pooled to, None if not. Raises InputError if there is no network for that size.
    """
    height, width = size
    place = "training.resolution" if resolution else str(images)
    sides = sorted({resolution or height, resolution or width})
    fitted = [maker.for_images(network, side, place) for side in sides]
    if any(settings != fitted[0] for settings in fitted):
        raise InputError(f"{place}: images of {height}x{width} pixels; expected square images")
    return fitted[0]
