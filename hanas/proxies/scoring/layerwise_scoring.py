"""Score architectures of a layer-wise space with a supernet when a search asks for them.

The one-shot proxy of SPOS: an architecture inherits the weights of its operations and is evaluated
without any training of its own (Z. Guo et al., "Single Path One-Shot Neural Architecture Search
with Uniform Sampling", ECCV 2020). There are too many architectures for a table, so those of a
population are scored together, with what their beginnings share computed once, in worker processes
of one thread each; and every score is kept for later searches.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hanas.core.compute import choose_device
from hanas.core.errors import InputError
from hanas.core.files import checksum, digest
from hanas.core.kept import KeptScores
from hanas.core.progress import duration
from hanas.core.workers import Here, Workers
from hanas.data.batches import load_split
from hanas.proxies._proxy import Work
from hanas.proxies.scoring.chain_evaluation import Pictures, SharedEvaluation
from hanas.proxies.scoring.supernet_cells import load_both
from hanas.proxies.supernet import Supernet as SupernetProxy
from hanas.spaces._space import Space
from hanas.spaces.networks.chain import ChainNetwork

#: Architectures that are scored, and kept, together at most.
PIECE = 32


class LayerwiseScorer:
    """Scores architectures by shared weights; to be used in a ``with`` statement.

    ``weights`` is the file of a supernet of the space and ``images`` that of the data set it was
    trained on; the folder of ``work`` is that of the scores that are known
    (:mod:`hanas.core.kept`). Raises InputError if files are damaged or do not fit each other.
    """

    def __init__(
        self, proxy: SupernetProxy, space: Space, weights: Path, images: Path, work: Work
    ) -> None:
        device = choose_device(proxy.device).type
        self._weights, self._log, self._count = weights, work.log, max(work.threads, 1)
        make = partial(Scorer, proxy, space.name, weights, images, device)
        here = make()
        self._pictures = here.pictures
        self._workers = Workers(make, work.threads) if device == "cpu" else Here(here)
        self.columns = proxy.layerwise_columns
        calibrated_with = proxy.calibration_images if proxy.statistics == "recalibrated" else None
        key = {
            "revision": proxy.revision,
            "files": [checksum(weights), checksum(images)],
            "settings": [proxy.images, proxy.batch_size, calibrated_with, proxy.precision],
            "computed by": [torch.__version__, device],
        }
        self._kept = KeptScores(work.folder, digest(key), self.columns, work.log)
        if len(self._kept):
            work.log(f"{len(self._kept)} architectures of this supernet were scored before")

    def __enter__(self) -> LayerwiseScorer:
        return self

    def __exit__(self, *error: Any) -> None:
        self._workers.__exit__(*error)

    def source(self, objective: str) -> str:
        """Return where a column of scores is from, in one line."""
        said = f"{len(self._pictures.validation)} validation images"
        if self._pictures.calibration is not None:
            said += f", batch normalisation recalibrated on {len(self._pictures.calibration)}"
            said += " training images"
        simulated = " with simulated INT8" if objective.startswith("int8_") else ""
        return f"measured: shared weights of a supernet{simulated} on {said}"

    def score(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return columns of scores, float64 (N,) each, of genes (N, layers).

        What is not known yet is computed and kept, piece by piece, so that a killed search goes on
        from there. Raises InputError if a score is not a finite number.
        """
        self._kept.refresh()
        missing = np.unique(genes, axis=0)  # sorted: neighbours share their beginnings
        missing = missing[~self._kept.known(missing)]
        if len(missing):
            started = time.monotonic()
            split = np.array_split(missing, max(self._count, -(-len(missing) // PIECE)))
            pieces = [piece for piece in split if len(piece)]
            for number, scores in self._workers.answers(pieces):
                self._kept.add(pieces[number], scores)
            self._kept.tidy()
            taken = duration(time.monotonic() - started)
            self._log(f"{len(missing)} of {len(genes)} architectures are scored anew; {taken}")
        scores = self._kept.scores(genes)
        for column, values in scores.items():
            if not np.isfinite(values).all():
                worst = genes[np.isfinite(values).argmin()].tolist()
                raise InputError(
                    f"{self._weights}: the {column} of the architecture with genes {worst} is not "
                    "a finite number; train the supernet with a lower training.learning_rate"
                )
        return scores


class Scorer:
    """A supernet and its images, ready to score."""

    def __init__(
        self, proxy: SupernetProxy, space: str, weights: Path, images: Path, device: str
    ) -> None:
        supernet, data = load_both(weights, images, space)
        network = supernet.network(device)
        if not isinstance(network, ChainNetwork):
            raise InputError(f"{weights} is no supernet of a layer-wise space")
        size: dict[str, Any] = {"resolution": supernet.resolution, "device": torch.device(device)}
        calibration = None
        if proxy.statistics == "recalibrated":
            calibration = load_split(data, "train", **size).take(proxy.calibration_images)
        validation = load_split(data, "validation", **size).take(proxy.images)
        int8 = proxy.precision == "int8"
        self.pictures = Pictures(validation, calibration, proxy.batch_size, int8)
        self._evaluation = SharedEvaluation(network, self.pictures)

    def __call__(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return columns of scores, float64 (N,) each, of genes (N, layers)."""
        return self._evaluation.score(genes)
