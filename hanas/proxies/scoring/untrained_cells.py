"""Measure untrained networks of all cells."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch

from hanas.core.errors import InputError
from hanas.core.files import checksum
from hanas.data.batches import load_split
from hanas.data.images import load_images
from hanas.proxies._proxy import Columns, Work
from hanas.proxies._untrained import UntrainedProxy
from hanas.proxies.scoring import cells as scoring
from hanas.proxies.scoring.cells import Scores
from hanas.spaces import nb201

#: Classes and side of the images, where those are made up.
CLASSES, SIDE = 10, 32


def score_space(proxy: UntrainedProxy, images: Path | None, work: Work) -> Columns:
    """Return ``score`` and ``source`` of all cells.

    On one computer, equal settings give equal bits, whatever the number of workers.
    """
    key = {
        "settings": proxy.params(),
        "revision": proxy.revision,
        "images": None if images is None else checksum(images),
        "computed by": torch.__version__,
    }
    seeds = range(proxy.seeds)
    columns = tuple(f"{name} {seed}" for seed in seeds for name in proxy.measures)

    def ranked(cells: np.ndarray, found: Scores) -> Scores:
        of_seeds = [{name: found[f"{name} {seed}"] for name in proxy.measures} for seed in seeds]
        scores = np.mean([proxy.ranked(numbers, cells) for numbers in of_seeds], axis=0)
        if not np.isfinite(scores).all():
            genes = cells[np.isfinite(scores).argmin()].tolist()
            raise InputError(
                f"{proxy.kind}: the score of the cell with genes {genes} is not finite"
            )
        return {"score": scores}

    make = partial(Scorer, proxy, images)
    scorer, scores = scoring.score_space(make, key, columns, work, ranked=ranked)
    drawn = f", mean of {proxy.seeds} draws" if proxy.seeds > 1 else ""
    return {**scores, "source": proxy.source.format(**scorer.size) + drawn}


class Scorer:
    """The untrained networks and their images, ready to measure groups of cells.

    ``draws`` are for each seed the network and the batches that it is measured on; ``size`` is that
    of the networks and the images, for the source of the table.
    """

    #: Statistics of the batch, as in the first step of a training, and nothing learnt.
    batch_norm = "batch"

    def __init__(self, proxy: UntrainedProxy, images: Path | None) -> None:
        self._proxy = proxy
        split, side, classes = None, proxy.resolution or SIDE, CLASSES
        if proxy.looks_at_images:
            if images is None:
                raise InputError(f"{proxy.kind} looks at images; none are given")
            data = load_images(images)
            split = load_split(data, "train", resolution=proxy.resolution)
            side, classes = split.pixels.shape[1], len(data.classes)
            nb201.check_side(side, str(images))
        network = {**proxy.network.params(), "batch_norm": self.batch_norm}
        self.draws = []
        for seed in range(proxy.seeds):
            made = nb201.supernet(classes, network, seed=seed)
            made = proxy.prepared(made.to(memory_format=torch.channels_last)).train()
            self.draws.append((made, proxy.drawn(seed, side, split)))
        self.size = {
            "side": side,
            "channels": proxy.network.channels,
            "depth": proxy.network.cells,
            "skeleton": proxy.network.skeleton,
            "seen": sum(len(batch.labels) for batch in self.draws[0][1]),
        }

    def __call__(self, cells: np.ndarray) -> Scores:
        """Return what is measured of the cells (N, 6) of a group, a column a number and seed."""
        columns: Scores = {}
        for seed, (network, batches) in enumerate(self.draws):
            rows = [self._proxy.measure(network, genes, batches) for genes in cells.tolist()]
            for column, values in zip(self._proxy.measures, zip(*rows, strict=True), strict=True):
                columns[f"{column} {seed}"] = np.array(values, dtype=np.float64)
        return columns
