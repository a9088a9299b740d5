"""Score stand-alone networks at initialisation, all cells of a space.

A *measure* says something about an untrained network. All cells are measured with one draw of
initial weights: equal operations on equal edges begin with equal weights, as in a supernet that
was never trained. Each network is still one that its own initialisation could have made, but
cells differ by what they are and not by luck.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from hanas.core import plugins
from hanas.core.checkpoints import Log, print_at_once
from hanas.core.errors import InputError
from hanas.core.files import checksum, digest
from hanas.core.randomness import generator
from hanas.core.revisions import REVISIONS
from hanas.core.settings import selected
from hanas.data.batches import Batch, load_split
from hanas.data.images import load_images
from hanas.proxies import _jobs
from hanas.proxies._scoring import distinct_cells, groups_of
from hanas.proxies._settings import UntrainedSettings
from hanas.spaces.nb201 import check_side
from hanas.spaces.networks.cell import CellNetwork

#: Classes and side of the images, where a measure looks at none.
CLASSES, SIDE = 10, 32
#: Statistics of the batch, as in the first step of a training, and nothing learnt.
BATCH_NORM = "batch"


def same(network: CellNetwork) -> CellNetwork:
    """Return the network as it is."""
    return network


@dataclass(frozen=True)
class Measure:
    """What a training-free proxy looks at.

    Attributes
    ----------
    columns
        Names of the numbers that ``of`` returns.
    of
        ``of(network, genes, batches)`` returns what it finds in the network of one cell, a number
        a column. It must leave the network as it is.
    score
        ``score(numbers, cells)`` turns the columns, float64 (D,) each, of all distinct cells
        (D, 6) into scores, float64 (D,), of which lower is better.
    source
        What is said about the table, with the fields of the settings in braces.
    prepared
        Changes the network of a seed before cells are measured.
    real_images
        Whether it looks at images of a data set, instead of none or of noise.
    """

    columns: tuple[str, ...]
    of: Callable[[CellNetwork, Sequence[int], Sequence[Batch]], tuple[float, ...]]
    score: Callable[[Mapping[str, np.ndarray], np.ndarray], np.ndarray]
    source: str
    prepared: Callable[[CellNetwork], CellNetwork] = same
    real_images: bool = True


def score_with(
    module: str,
    *,
    space: str,
    settings: Mapping[str, Any],
    images: str | Path | None,
    threads: int,
    workspace: str | Path,
    log: Log = print_at_once,
    **unused: Any,
) -> pd.DataFrame:
    """Score every architecture of a space; cells that are the same function are measured once.

    On one computer, equal settings give equal bits, whatever the number of workers.

    Parameters
    ----------
    module
        Name of a module whose ``MEASURE`` is used.
    space
        Name of the space.
    settings
        Those of :class:`UntrainedSettings`; others are of no concern here.
    images
        File of the data set, where the measure looks at one.
    threads
        Worker processes of one thread each.
    workspace
        Folder for what is finished already: a killed job continues from there. Removed at the end.
    log
        Is told the progress.
    **unused
        What other proxies read.

    Returns
    -------
    DataFrame
        ``arch``, ``score``, ``source``, in index order.
    """
    del unused
    archs = plugins.enumerable_space(space, f"proxy {module.rpartition('.')[2]}").all_texts()
    measure: Measure = import_module(module).MEASURE
    checked = selected(UntrainedSettings, settings, "proxy")
    used = str(images) if measure.real_images else None
    if measure.real_images and images is None:
        raise InputError(f"{module.rpartition('.')[2]} looks at images; none are given")
    task = {
        "scorer": __name__,
        "measure": module,
        "space": space,
        "settings": {**asdict(checked), "network": dict(checked.network)},
        "images": used,
        "device": "cpu",
        "workspace": str(workspace),
    }
    key = {
        **{name: task[name] for name in ("measure", "space", "settings")},
        "revision": REVISIONS["proxy"],
        "images": None if used is None else checksum(used),
        "computed by": torch.__version__,
    }
    task["key"] = digest(key)
    scorer, found = _jobs.score_space(task, workers=threads, log=log)
    scores = np.mean(
        [
            measure.score({name: found[f"{name} {s}"] for name in measure.columns}, scorer.cells)
            for s in range(checked.seeds)
        ],
        axis=0,
    )
    if not np.isfinite(scores).all():
        genes = scorer.cells[np.flatnonzero(~np.isfinite(scores))[0]].tolist()
        raise InputError(f"{module}: the score of the cell with genes {genes} is not finite")
    _jobs.clean_up(task)
    assert isinstance(scorer, Scorer)
    source = measure.source.format(**task["settings"], **scorer.size)
    return pd.DataFrame(
        {
            "arch": archs,
            "score": scores[scorer.which],
            "source": f"{source}, mean of {checked.seeds} draws" if checked.seeds > 1 else source,
        }
    )


class Scorer:
    """The untrained networks and their images, ready to measure groups of cells.

    Parameters
    ----------
    task
        What :func:`score_with` puts together for its workers.
    """

    def __init__(self, task: Mapping[str, Any]) -> None:
        settings = UntrainedSettings(**task["settings"])
        space = plugins.space(task["space"])
        self.measure: Measure = import_module(task["measure"]).MEASURE
        network = {**settings.network, "batch_norm": BATCH_NORM}
        if task["images"] is None:
            side, classes = settings.resolution or SIDE, CLASSES
            batches = [noise(settings, side, seed) for seed in range(settings.seeds)]
        else:
            data = load_images(task["images"])
            split, classes = load_split(data, "train", resolution=settings.resolution), None
            side, classes = split.pixels.shape[1], len(data.classes)
            check_side(side, task["images"])
            batches = []
            for seed in range(settings.seeds):
                order = torch.randperm(len(split), generator=generator(seed, "images"))
                parts = torch.tensor_split(order[: settings.images], settings.batches)
                batches.append([split.batch(part) for part in parts])
        self.draws = []
        for seed, of_seed in enumerate(batches):
            made = space.supernet(classes, network, seed=seed)
            made = self.measure.prepared(made.to(memory_format=torch.channels_last)).train()
            self.draws.append((made, of_seed))
        size = self.draws[0][0].settings
        self.size = {
            "side": side,
            "channels": size.channels,
            "depth": size.cells,
            "skeleton": size.skeleton,
            "seen": sum(len(batch.labels) for batch in self.draws[0][1]),
        }
        self.cells, self.which = distinct_cells(space, BATCH_NORM)
        self.groups = groups_of(self.cells)

    def score(self, name: str) -> dict[str, np.ndarray]:
        """Return what the measure finds in the cells of a group, a column a number and seed."""
        cells = self.cells[self.groups[name]].tolist()
        columns: dict[str, np.ndarray] = {}
        for seed, (network, batches) in enumerate(self.draws):
            rows = [self.measure.of(network, genes, batches) for genes in cells]
            for column, values in zip(self.measure.columns, zip(*rows, strict=True), strict=True):
                columns[f"{column} {seed}"] = np.array(values, dtype=np.float64)
        return columns


def noise(settings: UntrainedSettings, side: int, seed: int) -> list[Batch]:
    """Return batches of standard normal noise, with labels of no meaning."""
    draw = torch.randn(settings.images, 3, side, side, generator=generator(seed, "noise"))
    draw = draw.contiguous(memory_format=torch.channels_last)
    return [
        Batch(part, torch.zeros(len(part), dtype=torch.long))
        for part in torch.tensor_split(draw, settings.batches)
    ]


def worst_where_missing(values: np.ndarray) -> np.ndarray:
    """Return scores in which NaN is one above the largest: a cell that has no score is worst.

    >>> worst_where_missing(np.array([2.0, np.nan, 1.0]))
    array([2., 3., 1.])
    """
    return np.where(np.isnan(values), np.nanmax(values) + 1, values)
