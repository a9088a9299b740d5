"""Score all cells with a supernet's shared weights."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch

from hanas.core.compute import choose_device
from hanas.core.compute import threads as torch_threads
from hanas.core.errors import InputError
from hanas.core.files import checksum, digest
from hanas.core.kept import KeptScores
from hanas.core.progress import Log
from hanas.core.workers import Here, Workers
from hanas.data.batches import load_split, ordered_batches
from hanas.data.images import load_images
from hanas.proxies._proxy import SUPERNET_SCORES
from hanas.proxies.scoring.cells import Scores, distinct_cells, score_cells, score_group
from hanas.proxies.supernet import Supernet as SupernetProxy
from hanas.spaces import nb201
from hanas.spaces.networks.cell import CellNetwork
from hanas.training.supernets import Supernet, load_supernet


def score_space(
    proxy: SupernetProxy, weights: Path, images: Path, *, workspace: Path, threads: int, log: Log
) -> pd.DataFrame:
    """Return the table of :meth:`hanas.proxies.supernet.Supernet.score`."""
    device = choose_device(proxy.device).type
    key = {
        "revision": proxy.revision,
        "settings": [proxy.images, proxy.batch_size],
        "files": [checksum(weights), checksum(images)],
        "computed by": [torch.__version__, device],
    }

    def check(cells: np.ndarray, scores: Scores) -> None:
        finite = np.isfinite([scores[name] for name in SUPERNET_SCORES]).all(axis=0)
        if not finite.all():
            raise InputError(
                f"{weights}: the cross-entropy of the cell with genes "
                f"{cells[finite.argmin()].tolist()} is not a finite number; train the supernet "
                "with a lower training.learning_rate"
            )

    with torch_threads(1):
        make = partial(Scorer, proxy, weights, images, device)
        scorer = make()
        cells, which = distinct_cells(scorer.batch_norm)
        log(f"{len(cells)} of {len(which)} cells are different functions")
        workers = Workers(make, threads) if device == "cpu" else Here(scorer)
        kept = KeptScores(workspace, digest(key), SUPERNET_SCORES, log)
        scores = score_cells(cells, workers, kept, log=log, check=check)
    shutil.rmtree(workspace, ignore_errors=True)
    return pd.DataFrame(
        {
            "arch": nb201.all_texts(),
            **{name: scores[name][which] for name in SUPERNET_SCORES},
            "source": f"measured: shared weights of a supernet on {scorer.seen}",
        }
    )


class Scorer:
    """The supernet and the images, ready to score groups of cells.

    Attributes
    ----------
    seen
        On what cells are scored, for the source of the table.
    batch_norm
        BN mode of the supernet.

    Raises
    ------
    InputError
        If the supernet is of another space or another number of classes than the images.
    """

    def __init__(self, proxy: SupernetProxy, weights: Path, images: Path, device: str) -> None:
        supernet, data = load_supernet(weights), load_images(images)
        check_space(supernet, "nb201", weights)
        if supernet.classes != len(data.classes):
            raise InputError(
                f"{weights} knows {supernet.classes} classes, but {images} has {len(data.classes)}"
            )
        on = torch.device(device)
        self.networks = [cast(CellNetwork, network) for network in supernet.snapshots(on)]
        validation = load_split(data, "validation", resolution=supernet.resolution, device=on)
        validation = validation.take(proxy.images)
        self.batch_norm = self.networks[0].settings.batch_norm
        self.seen = f"{len(validation)} validation images"
        if len(self.networks) > 1:
            self.seen += f", means over {len(self.networks)} snapshots of its training"
        self._batches = list(ordered_batches(validation, proxy.batch_size))

    def __call__(self, cells: np.ndarray) -> dict[str, np.ndarray]:
        """Return the scores of the cells (N, 6) of a group, means over snapshots."""
        scores = [score_group(network, cells, self._batches) for network in self.networks]
        return {
            column: np.mean([of[column] for of in scores], axis=0) for column in SUPERNET_SCORES
        }


def check_space(supernet: Supernet, space: str, weights: Path) -> None:
    """Raise InputError if a supernet is not of a space."""
    if supernet.space != space:
        raise InputError(f"{weights} is a supernet of {supernet.space}, not of {space}")
