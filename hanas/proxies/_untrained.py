"""Proxies that look at stand-alone networks at initialisation.

All cells are measured with one draw of initial weights: equal operations on equal edges begin with
equal weights, as in a supernet that was never trained. Each network is still one that its own
initialisation could have made, but cells differ by what they are and not by luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hanas.core.errors import InputError
from hanas.core.files import checksum
from hanas.core.settings import Count, Settings
from hanas.proxies._proxy import Columns, Inputs, SpaceProxy, Threads, Work
from hanas.spaces import nb201
from hanas.spaces._space import Space

if TYPE_CHECKING:
    from hanas.data.batches import Batch, Split
    from hanas.spaces.networks.cell import CellNetwork

#: Classes and side of the images, where those are made up.
CLASSES, SIDE = 10, 32


class UntrainedNetwork(Settings):
    """Size and form of an untrained network."""

    skeleton: Literal["standard", "pooled", "pooled_3x3"] = Field(
        "standard", description="As for supernets."
    )
    channels: Count = Field(16, description="Channels of the first stage; they double twice.")
    cells: Count = Field(5, description="Cells a stage.")


class UntrainedProxy(SpaceProxy):
    """Settings of such a proxy, and what it measures of a network and makes of that."""

    network: UntrainedNetwork = Field(
        UntrainedNetwork.read({}), description="Size and form of the untrained network."
    )
    resolution: Annotated[int, Field(ge=4, multiple_of=4)] | None = Field(
        None,
        description="Side of the images it is measured on: those of a data set are average-pooled "
        "to it, a divisor of theirs; null keeps theirs, or takes 32.",
    )
    seeds: Count = Field(
        1, description="Draws of initial weights (and of images) whose scores are averaged."
    )
    threads: Threads = 8

    of_cells: ClassVar[bool] = True
    #: Names of the numbers that are measured.
    measures: ClassVar[tuple[str, ...]]
    #: What is said about the table; in braces what is of the ``network`` and its images.
    source: ClassVar[str]

    def prepared(self, network: CellNetwork) -> CellNetwork:
        """Change the network of a seed before cells are measured, and return it."""
        return network

    def drawn(self, seed: int, side: int, split: Split | None) -> list[Batch]:
        """Return images of a side for the network of a seed; ``split`` are those it was given."""
        raise NotImplementedError

    def measure(
        self, network: CellNetwork, genes: Sequence[int], batches: Sequence[Batch]
    ) -> tuple[float, ...]:
        """Return the measures of the network of one cell, which stays as it is."""
        raise NotImplementedError

    def ranked(self, numbers: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return scores (D,), lower is better, of the measures (M, D) of cells (D, 6).

        NaN is put behind the worst of the others.
        """
        raise NotImplementedError

    def scores(self, space: Space, inputs: Inputs, work: Work) -> Columns:
        """Return the scores; cells that are the same function are measured once.

        On one computer, equal settings give equal bits, whatever the number of workers.
        """
        import torch

        from hanas.proxies.scoring.cells import score_space

        key = {
            "settings": self.params(),
            "revision": self.revision,
            "images": None if inputs.images is None else checksum(inputs.images),
            "computed by": torch.__version__,
        }
        columns = tuple(f"{name} {seed}" for seed in range(self.seeds) for name in self.measures)
        make = partial(UntrainedScorer, self, inputs.images)
        scorer, scores = score_space(make, key, columns, work, ranked=self._mean_over_seeds)
        drawn = f", mean of {self.seeds} draws" if self.seeds > 1 else ""
        said = self.source.format(network=self.network, side=scorer.side, seen=scorer.seen)
        return {**scores, "source": said + drawn}

    def _mean_over_seeds(self, cells: np.ndarray, found: Columns) -> Columns:
        of_seeds = np.array([*found.values()]).reshape(self.seeds, -1, len(cells))
        ranked = [worst_where_missing(self.ranked(numbers, cells)) for numbers in of_seeds]
        scores = np.mean(ranked, axis=0)
        if not np.isfinite(scores).all():
            genes = cells[np.isfinite(scores).argmin()].tolist()
            raise InputError(f"{self.kind}: the score of the cell with genes {genes} is not finite")
        return {"score": scores}


class ProxyOfBatches(UntrainedProxy):
    """Settings of an untrained proxy that looks at batches of images."""

    images: Count = Field(128, description="Images a seed.")
    batches: Count = Field(1, description="Batches that they are split into.")

    @model_validator(mode="after")
    def _fills_batches(self) -> ProxyOfBatches:
        if self.images < self.batches:
            raise InputError(f"images is {self.images}; expected at least batches, {self.batches}")
        return self


class UntrainedScorer:
    """The networks and their images, ready to measure groups of cells.

    ``draws`` are for each seed the network and the batches that it is measured on; ``seen`` is the
    number of their images, ``side`` their size.
    """

    #: Statistics of the batch, as in the first step of a training, and nothing learnt.
    batch_norm = "batch"

    def __init__(self, proxy: UntrainedProxy, images: Path | None) -> None:
        import torch

        from hanas.data.batches import load_split
        from hanas.data.images import load_images

        self._proxy = proxy
        split, self.side, classes = None, proxy.resolution or SIDE, CLASSES
        if images is not None:
            data = load_images(images)
            split = load_split(data, "train", resolution=proxy.resolution)
            self.side, classes = split.pixels.shape[1], len(data.classes)
            nb201.check_side(self.side, str(images))
        network = {**proxy.network.params(), "batch_norm": self.batch_norm}
        self.draws = []
        for seed in range(proxy.seeds):
            made = nb201.supernet(classes, network, seed=seed)
            made = proxy.prepared(made.to(memory_format=torch.channels_last)).train()
            self.draws.append((made, proxy.drawn(seed, self.side, split)))
        self.seen = sum(len(batch.labels) for batch in self.draws[0][1])

    def __call__(self, cells: np.ndarray) -> dict[str, np.ndarray]:
        """Return what is measured of the cells (N, 6) of a group, a column a number and seed."""
        columns = {}
        for seed, (network, batches) in enumerate(self.draws):
            rows = [self._proxy.measure(network, genes, batches) for genes in cells.tolist()]
            for name, values in zip(self._proxy.measures, np.array(rows, float).T, strict=True):
                columns[f"{name} {seed}"] = values
        return columns


def worst_where_missing(values: np.ndarray) -> np.ndarray:
    """Return scores in which NaN is one above the largest: a cell that has no score is worst.

    >>> worst_where_missing(np.array([2.0, np.nan, 1.0]))
    array([2., 3., 1.])
    """
    return np.where(np.isnan(values), np.nanmax(values) + 1, values)
