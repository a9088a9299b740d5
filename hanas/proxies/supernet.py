"""Rank architectures by what a supernet's shared weights make of validation images.

The one-shot proxy of RSPS, GDAS and SPOS: an architecture inherits the weights of its operations
and is evaluated without any training of its own (G. Bender et al., "Understanding and Simplifying
One-Shot Architecture Search", ICML 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

from hanas.core import plugins
from hanas.core.checkpoints import Log, print_at_once
from hanas.core.compute import choose_device
from hanas.core.errors import InputError
from hanas.core.files import checksum, digest
from hanas.core.revisions import REVISIONS
from hanas.core.settings import check_number, selected
from hanas.data.batches import load_split, ordered_batches
from hanas.data.images import load_images
from hanas.proxies import _jobs
from hanas.proxies._scores import SUPERNET_SCORES
from hanas.proxies._scoring import distinct_cells, groups_of, score_group
from hanas.spaces.networks.cell import CellNetwork
from hanas.training.supernets import load_supernet


@dataclass(frozen=True)
class SupernetProxySettings:
    """How a supernet scores.

    Parameters
    ----------
    images
        Validation images, the same for every supernet, at most; None: all.
    batch_size
        Images a batch, at most: whose statistics batch normalisation uses, and over which logits
        are centred.
    device
        ``auto``, ``cpu`` or ``cuda``.
    """

    images: int | None = None
    batch_size: int = 256
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.images is not None:
            check_number("images", self.images, at_least=1, whole=True)
        check_number("batch_size", self.batch_size, at_least=1, whole=True)


def score(
    *,
    space: str,
    settings: Mapping[str, Any],
    weights: str | Path,
    images: str | Path,
    threads: int,
    workspace: str | Path,
    log: Log = print_at_once,
    **unused: Any,
) -> pd.DataFrame:
    """Score every architecture of the space; cells that are the same function are scored once.

    Parameters
    ----------
    space
        Name of the space.
    settings
        Those of :class:`SupernetProxySettings`; others are of no concern here.
    weights
        File of the supernet, see :func:`hanas.training.supernets.load_supernet`.
    images
        File of the data set that it was trained on.
    threads
        Worker processes of one thread each, on a CPU. The result does not depend on their number,
        not in a bit.
    workspace
        Folder for what is finished already: a killed job continues from there. Removed at the end.
    log
        Is told the progress.
    **unused
        What other proxies read.

    Returns
    -------
    DataFrame
        ``arch``; ``error`` (fraction), ``cross_entropy`` and ``centred_cross_entropy`` (nats), see
        :data:`hanas.study.combined_proxies.SUPERNET_SCORES`; ``source``; in index order.

    Raises
    ------
    InputError
        If the files are damaged or do not fit each other, or a score is not finite.
    """
    del unused
    checked = selected(SupernetProxySettings, settings, "proxy")
    device = choose_device(checked.device)
    key = digest(
        {
            "revision": REVISIONS["proxy"],
            "settings": asdict(checked),
            "files": [checksum(weights), checksum(images)],
            "computed by": [torch.__version__, device.type],
        }
    )
    task = {
        "scorer": __name__,
        "space": space,
        "weights": str(weights),
        "images": str(images),
        "count": checked.images,
        "batch_size": checked.batch_size,
        "device": device.type,
        "workspace": str(workspace),
        "key": key,
    }

    def check(cells: np.ndarray, of_group: Mapping[str, np.ndarray]) -> None:
        finite = np.isfinite([of_group[name] for name in SUPERNET_SCORES]).all(axis=0)
        if not finite.all():
            raise InputError(
                f"{weights}: the cross-entropy of the cell with genes "
                f"{cells[finite.argmin()].tolist()} is not a finite number; train the supernet "
                "with a lower training.learning_rate"
            )

    scorer, scores = _jobs.score_space(task, workers=threads, log=log, check=check)
    assert isinstance(scorer, Scorer)
    _jobs.clean_up(task)
    return pd.DataFrame(
        {
            "arch": plugins.space(space).all_texts(),
            **{name: scores[name][scorer.which] for name in SUPERNET_SCORES},
            "source": f"measured: shared weights of a supernet on {scorer.seen}",
        }
    )


class Scorer:
    """The supernet and the images, ready to score groups of cells.

    Parameters
    ----------
    task
        What :func:`score` puts together for its workers.

    Attributes
    ----------
    seen
        On what cells are scored, for the source of the table.

    Raises
    ------
    InputError
        If the supernet is of another space or another number of classes than the images.
    """

    def __init__(self, task: Mapping[str, Any]) -> None:
        supernet = load_supernet(task["weights"])
        data = load_images(task["images"])
        if supernet.space != task["space"]:
            raise InputError(
                f"{task['weights']} is a supernet of {supernet.space}, not of {task['space']}"
            )
        if supernet.classes != len(data.classes):
            raise InputError(
                f"{task['weights']} knows {supernet.classes} classes, but {task['images']} "
                f"has {len(data.classes)}"
            )
        device = choose_device(task["device"])
        self.networks = [cast(CellNetwork, network) for network in supernet.snapshots(device)]
        validation = load_split(
            data, "validation", resolution=supernet.resolution, device=device
        ).take(task["count"])
        self.seen = f"{len(validation)} validation images"
        if len(self.networks) > 1:
            self.seen += f", means over {len(self.networks)} snapshots of its training"
        self.batches = list(ordered_batches(validation, task["batch_size"]))
        module = plugins.space(supernet.space)
        self.cells, self.which = distinct_cells(module, supernet.network_settings.batch_norm)
        self.groups = groups_of(self.cells)

    def score(self, name: str) -> dict[str, np.ndarray]:
        """Return the scores of the cells of a group, means over snapshots."""
        cells = self.cells[self.groups[name]]
        scores = [score_group(network, cells, self.batches) for network in self.networks]
        return {
            column: np.mean([of[column] for of in scores], axis=0) for column in SUPERNET_SCORES
        }
