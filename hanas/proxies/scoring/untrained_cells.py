"""Measure untrained networks of all cells."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from hanas.core.compute import threads as torch_threads
from hanas.core.errors import InputError
from hanas.core.files import checksum, digest
from hanas.core.kept import KeptScores
from hanas.core.progress import Log
from hanas.core.workers import Workers
from hanas.data.batches import load_split
from hanas.data.images import load_images
from hanas.proxies._untrained import UntrainedProxy
from hanas.proxies.scoring.cells import distinct_cells, score_cells
from hanas.spaces import nb201

#: Classes and side of the images, where those are made up.
CLASSES, SIDE = 10, 32
#: Statistics of the batch, as in the first step of a training, and nothing learnt.
BATCH_NORM = "batch"


def score_space(
    proxy: UntrainedProxy, images: Path | None, *, workspace: Path, threads: int, log: Log
) -> pd.DataFrame:
    """Return the table of :meth:`hanas.proxies._untrained.UntrainedProxy.score`.

    On one computer, equal settings give equal bits, whatever the number of workers.
    """
    key = {
        "settings": proxy.params(),
        "revision": proxy.revision,
        "images": None if images is None else checksum(images),
        "computed by": torch.__version__,
    }
    columns = [f"{name} {seed}" for seed in range(proxy.seeds) for name in proxy.measures]
    with torch_threads(1):
        make = partial(Scorer, proxy, images)
        scorer = make()
        cells, which = distinct_cells(BATCH_NORM)
        log(f"{len(cells)} of {len(which)} cells are different functions")
        kept = KeptScores(workspace, digest(key), tuple(columns), log)
        found = score_cells(cells, Workers(make, threads), kept, log=log)
    scores = np.mean(
        [
            proxy.ranked({name: found[f"{name} {seed}"] for name in proxy.measures}, cells)
            for seed in range(proxy.seeds)
        ],
        axis=0,
    )
    if not np.isfinite(scores).all():
        genes = cells[np.flatnonzero(~np.isfinite(scores))[0]].tolist()
        raise InputError(f"{proxy.kind}: the score of the cell with genes {genes} is not finite")
    shutil.rmtree(workspace, ignore_errors=True)
    drawn = f", mean of {proxy.seeds} draws" if proxy.seeds > 1 else ""
    return pd.DataFrame(
        {
            "arch": nb201.all_texts(),
            "score": scores[which],
            "source": proxy.source.format(**scorer.size) + drawn,
        }
    )


class Scorer:
    """The untrained networks and their images, ready to measure groups of cells.

    Attributes
    ----------
    draws
        For each seed the network and the batches that it is measured on.
    size
        Of the networks and the images, for the source of the table.
    """

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
        network = {**proxy.network.params(), "batch_norm": BATCH_NORM}
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

    def __call__(self, cells: np.ndarray) -> dict[str, np.ndarray]:
        """Return what is measured of the cells (N, 6) of a group, a column a number and seed."""
        columns: dict[str, np.ndarray] = {}
        for seed, (network, batches) in enumerate(self.draws):
            rows = [self._proxy.measure(network, genes, batches) for genes in cells.tolist()]
            for column, values in zip(self._proxy.measures, zip(*rows, strict=True), strict=True):
                columns[f"{column} {seed}"] = np.array(values, dtype=np.float64)
        return columns
