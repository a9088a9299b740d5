"""Proxies that look at stand-alone networks at initialisation.

All cells are measured with one draw of initial weights: equal operations on equal edges begin with
equal weights, as in a supernet that was never trained, so cells do not differ by luck.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hanas.core.errors import InputError
from hanas.core.files import checksum
from hanas.core.settings import Count, Settings
from hanas.proxies._proxy import Inputs, SpaceProxy, Threads, Work
from hanas.spaces._space import Space

if TYPE_CHECKING:
    from hanas.data.batches import Batch, Split
    from hanas.spaces._cell import CellSpace
    from hanas.spaces.networks.cell import CellNetwork


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

    def problems_in(self, space: Space) -> Iterator[str]:
        """Yield what does not go together with a space, the name of the setting first."""
        yield from super().problems_in(space)
        if space.edges:
            try:
                space.settings(self.network)
            except InputError as error:
                yield str(error)

    def prepared(self, network: CellNetwork) -> CellNetwork:
        """Change the network of a seed before cells are measured, and return it."""
        return network

    def drawn(self, seed: int, side: int, split: Split | None) -> list[Batch]:
        """Return images of a side for the network of a seed; ``split`` are those it was given."""
        raise NotImplementedError

    def measure(self, network: CellNetwork, genes: list[int], batches: list[Batch]) -> list[float]:
        """Return the measures of the network of one cell, which stays as it is."""
        raise NotImplementedError

    def ranked(self, space: CellSpace, numbers: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return scores (D,), lower is better, of the measures (M, D) of cells (D, edges)."""
        raise NotImplementedError

    def scores(self, space: Space, inputs: Inputs, work: Work) -> dict[str, Any]:
        """Return the scores; cells that are the same function are measured once.

        On one computer, equal settings give equal bits, whatever the number of workers.
        """
        import torch

        from hanas.proxies.scoring.cells import score_space

        key = {
            "settings": self.params(),
            "operations": [space.options(edge) for edge in range(len(space.edges))],
            "revision": self.revision,
            "images": None if inputs.images is None else checksum(inputs.images),
            "computed by": torch.__version__,
        }
        columns = tuple(f"{name} {seed}" for seed in range(self.seeds) for name in self.measures)
        of_cells: Any = space
        make = partial(UntrainedScorer, self, of_cells, inputs.images)
        ranked = partial(self.mean_over_seeds, of_cells)
        return score_space(of_cells, make, key, columns, work, ranked=ranked)

    def mean_over_seeds(
        self, space: CellSpace, cells: np.ndarray, found: dict[str, Any]
    ) -> dict[str, np.ndarray]:
        """Return ``score`` of all cells (D, edges), from what each seed measured of them.

        NaN is one above the largest of a seed: a cell that has no score is worst.
        """
        of_seeds = np.array([*found.values()]).reshape(self.seeds, -1, len(cells))
        ranked = [self.ranked(space, numbers, cells) for numbers in of_seeds]
        ranked = [np.where(np.isnan(of), np.nanmax(of) + 1, of) for of in ranked]
        scores = np.mean(ranked, axis=0)
        for genes in cells[~np.isfinite(scores)].tolist():
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
    """For each seed a network and the batches that it is measured on, ready for groups of cells."""

    #: Statistics of the batch, as in the first step of a training, and nothing learnt.
    batch_norm = "batch"

    def __init__(self, proxy: UntrainedProxy, space: CellSpace, images: Path | None) -> None:
        import torch

        from hanas.data.batches import load_split
        from hanas.data.images import load_images

        self._proxy = proxy
        split, side, classes = None, proxy.resolution or 32, 10  # where images are made up
        if images is not None:
            data = load_images(images)
            split = load_split(data, "train", resolution=proxy.resolution)
            side, classes = split.size[0], len(data.classes)
            space.for_images(proxy.network, (side, side), None, images)
        network = {**proxy.network.params(), "batch_norm": self.batch_norm}
        self.draws = []
        for seed in range(proxy.seeds):
            made = space.supernet(classes, network, seed=seed)
            made = proxy.prepared(made.to(memory_format=torch.channels_last)).train()
            self.draws.append((made, proxy.drawn(seed, side, split)))
        seen = sum(len(batch.labels) for batch in self.draws[0][1])
        self.source = proxy.source.format(network=proxy.network, side=side, seen=seen)
        if proxy.seeds > 1:
            self.source += f", mean of {proxy.seeds} draws"

    def __call__(self, cells: np.ndarray) -> dict[str, np.ndarray]:
        """Return what is measured of cells (N, edges) of a group, a column a number and seed."""
        columns = {}
        for seed, (network, batches) in enumerate(self.draws):
            rows = [self._proxy.measure(network, genes, batches) for genes in cells.tolist()]
            for name, values in zip(self._proxy.measures, np.array(rows, float).T, strict=True):
                columns[f"{name} {seed}"] = values
        return columns
