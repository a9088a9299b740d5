"""Score a few architectures by shared weights, image by image, so that scores have an error.

A search takes the best of thousands of scores on the same few images, so the winner's is too good
(on CIFAR-10, the picks of a search on 256 images led random networks by .04 nats there, and by
nothing on 2,048). Here a front is scored on images that the search did not see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
import torch.nn.functional as F

from hanas.core.compute import threads
from hanas.data.batches import Split, ordered_batches
from hanas.proxies.scoring.cells import load_both
from hanas.spaces._space import Space
from hanas.spaces.networks.cell import CellNetwork

if TYPE_CHECKING:
    from hanas.proxies.supernet import Supernet

#: So many unseen images are enough: on them, standard errors of differences of cross-entropies are
#: about .01 nats. With fewer, and fewer than the search saw, its images are used as well.
ENOUGH_IMAGES = 2048


def for_rescoring(validation: Split, searched_on: int | None) -> tuple[Split, int]:
    """Return the images of a mixed split to score again on, and how many of them a search saw.

    It saw the first ``searched_on``, None all. The others are returned, or all where they are both
    fewer than those and fewer than :data:`ENOUGH_IMAGES`.
    """
    seen = len(validation) if searched_on is None else min(searched_on, len(validation))
    unseen = len(validation) - seen
    if unseen < min(seen, ENOUGH_IMAGES):
        return validation, seen
    pixels, labels = validation.pixels[seen:], validation.labels[seen:]
    return replace(validation, pixels=pixels, labels=labels), 0


class EachImage:
    """A supernet and images, ready to score architectures by the objective of a proxy."""

    def __init__(
        self, proxy: Supernet, space: Space, files: tuple[Path, Path], device: str
    ) -> None:
        supernet, load = load_both(*files, space.name, device)
        images, self.seen = for_rescoring(load("validation", None), proxy.images)
        self.images, self._objective, self._size = images, proxy.objective, proxy.batch_size
        self._scores: Callable[[np.ndarray], dict[str, np.ndarray]]
        if space.edges:
            self._networks = cast(list[CellNetwork], supernet.snapshots(device))
            self._scores = self._of_cells
        else:
            evaluation = proxy.evaluation(space.name, *files, device, validation=images)
            self._scores = evaluation.each_image

    def __call__(self, genes: np.ndarray) -> np.ndarray:
        """Return the objective of genes (N, G) on each image, float64 (N, images)."""
        with threads(1):
            return self._scores(genes)[self._objective]

    @torch.inference_mode()
    def _of_cells(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return means over snapshots, as the proxy's table has them."""
        found = np.zeros((len(genes), len(self.images)))
        for row, cell in enumerate(genes.tolist()):
            for network in self._networks:
                losses = []
                for images, labels in ordered_batches(self.images, self._size):
                    logits = network(images, cell).double()
                    if self._objective == "error":
                        losses.append((logits.argmax(dim=1) != labels).double())
                        continue
                    if self._objective == "centred_cross_entropy":
                        logits = logits - logits.mean(dim=0)
                    losses.append(F.cross_entropy(logits, labels, reduction="none"))
                found[row] += torch.cat(losses).cpu().numpy() / len(self._networks)
        return {self._objective: found}
