"""Score architectures of a layer-wise space with a supernet when a search asks for them.

The one-shot proxy of SPOS: an architecture inherits the weights of its operations and is evaluated
without any training of its own (Z. Guo et al., "Single Path One-Shot Neural Architecture Search
with Uniform Sampling", ECCV 2020). There are too many architectures for a table, so those of a
population are scored together, with what their beginnings share computed once, in worker processes
of one thread each; and every score is kept for later searches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from hanas.core.checkpoints import Log, print_at_once
from hanas.core.compute import choose_device
from hanas.core.errors import InputError
from hanas.core.files import checksum, digest
from hanas.core.kept import KeptScores
from hanas.core.revisions import REVISIONS
from hanas.core.settings import check_choice, check_number
from hanas.core.workers import Workers
from hanas.data.batches import load_split
from hanas.data.images import load_images
from hanas.proxies.scoring.chain_evaluation import Pictures, SharedEvaluation
from hanas.proxies.scoring.normalisation import STATISTICS
from hanas.spaces.networks.chain import ChainNetwork
from hanas.training.epochs import duration
from hanas.training.supernets import Supernet, load_supernet

#: Architectures that are scored, and kept, together at most.
PIECE = 32


@dataclass(frozen=True)
class LayerwiseSettings:
    """How a supernet scores; the names of those settings of a proxy that matter here.

    Parameters
    ----------
    images
        Validation images, the same for every architecture, at most; None: all.
    batch_size
        Images a batch, at most.
    statistics
        Those of batch normalisation: ``batch`` or ``recalibrated``, see
        :mod:`hanas.proxies.scoring.normalisation`.
    calibration_images
        Training images, not augmented, that ``recalibrated`` looks at, at most.
    precision
        ``float32``, or ``int8`` to score with simulated INT8 as well, see
        :mod:`hanas.proxies.scoring.int8_simulation`; with ``recalibrated`` only.
    device
        ``auto``, ``cpu`` or ``cuda``.
    """

    images: int | None = None
    batch_size: int = 256
    statistics: str = "batch"
    calibration_images: int = 512
    precision: str = "float32"
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.images is not None:
            check_number("images", self.images, at_least=1, whole=True)
        check_number("batch_size", self.batch_size, at_least=1, whole=True)
        check_choice("statistics", self.statistics, STATISTICS)
        check_number("calibration_images", self.calibration_images, at_least=1, whole=True)
        check_choice("precision", self.precision, ("float32", "int8"))
        if self.precision == "int8" and self.statistics != "recalibrated":
            raise InputError(
                f"precision is 'int8' with statistics {self.statistics!r}; a network of 8-bit "
                "integers has fixed statistics: set statistics to recalibrated"
            )

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> LayerwiseSettings:
        """Return the settings of a proxy, whose others are of no concern here."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in settings.items() if name in names})

    @property
    def columns(self) -> tuple[str, ...]:
        """The scores of an architecture."""
        both = ("error", "cross_entropy")
        return (*both, "int8_error", "int8_cross_entropy") if self.precision == "int8" else both

    def that_matter(self) -> dict[str, Any]:
        """Return what scores depend on, beside the supernet, the data set and the device."""
        found = {name: value for name, value in asdict(self).items() if name != "device"}
        if self.statistics == "batch":
            del found["calibration_images"]
        return found


class LayerwiseScorer:
    """Scores architectures by shared weights; to be used in a ``with`` statement.

    Parameters
    ----------
    space
        Name of a layer-wise space.
    settings
        Of the proxy, see :class:`LayerwiseSettings`.
    weights
        File of the supernet, see :func:`hanas.training.supernets.load_supernet`.
    images
        File of the data set that it was trained on.
    kept
        Folder of the scores that are known, see :mod:`hanas.core.kept`. Scores do not
        depend on what is in it, not in a bit.
    threads
        Worker processes of one thread each, on a CPU. Scores do not depend on their number.
    log
        Is told the progress.

    Raises
    ------
    InputError
        If the files are damaged or do not fit each other.
    """

    def __init__(
        self,
        *,
        space: str,
        settings: Mapping[str, Any],
        weights: str | Path,
        images: str | Path,
        kept: str | Path,
        threads: int,
        log: Log = print_at_once,
    ) -> None:
        checked = LayerwiseSettings.of(settings)
        device = choose_device(checked.device).type
        self.settings, self._weights, self._log = checked, weights, log
        self._task = {
            "server": __name__,
            "space": space,
            "weights": str(weights),
            "images": str(images),
            "settings": {**asdict(checked), "device": device},
        }
        self._here = _Evaluator(self._task)
        self._count = max(threads, 1)
        self._workers = None if device != "cpu" else Workers(self._task, self._count)
        key = {
            "revision": REVISIONS["proxy"],
            "files": [checksum(weights), checksum(images)],
            "settings": checked.that_matter(),
            "computed by": [torch.__version__, device],
        }
        self._store = KeptScores(kept, digest(key), checked.columns, log)
        if len(self._store):
            log(f"{len(self._store)} architectures of this supernet were scored before")

    def __enter__(self) -> LayerwiseScorer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._workers is not None:
            self._workers.__exit__(kind, error, traceback)

    def source(self, column: str) -> str:
        """Return where a column of scores is from, in one line."""
        pictures = self._here.pictures
        said = f"{len(pictures.validation)} validation images"
        if pictures.calibration is not None:
            said += f", batch normalisation recalibrated on {len(pictures.calibration)}"
            said += " training images"
        if column.startswith("int8_"):
            return f"measured: shared weights of a supernet with simulated INT8 on {said}"
        return f"measured: shared weights of a supernet on {said}"

    def score(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return columns of scores, float64 (N,) each, of genes (N, layers).

        What is not known yet is computed and kept, piece by piece, so that a killed search goes on
        from there.

        Raises
        ------
        InputError
            If a score is not a finite number.
        """
        self._store.refresh()
        missing = np.unique(genes, axis=0)  # sorted: neighbours share their beginnings
        missing = missing[~self._store.known(missing)]
        if len(missing):
            started = time.monotonic()
            pieces = np.array_split(missing, max(self._count, -(-len(missing) // PIECE)))
            self._score([piece for piece in pieces if len(piece)])
            self._store.tidy()
            taken = duration(time.monotonic() - started)
            self._log(f"{len(missing)} of {len(genes)} architectures are scored anew; {taken}")
        scores = self._store.scores(genes)
        for column, values in scores.items():
            if not np.isfinite(values).all():
                worst = genes[np.flatnonzero(~np.isfinite(values))[0]].tolist()
                raise InputError(
                    f"{self._weights}: the {column} of the architecture with genes {worst} is not "
                    "a finite number; train the supernet with a lower training.learning_rate"
                )
        return scores

    def _score(self, pieces: list[np.ndarray]) -> None:
        if self._workers is None:
            for piece in pieces:
                self._store.add(piece, self._here.score(piece))
            return
        for number, answer in self._workers.answers([piece.tolist() for piece in pieces]):
            self._store.add(pieces[number], {name: np.array(v) for name, v in answer.items()})


class _Evaluator:
    """A supernet and its images, ready to score."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        settings = LayerwiseSettings(**task["settings"])
        supernet = load_supernet(task["weights"])
        if supernet.space != task["space"]:
            raise InputError(
                f"{task['weights']} is a supernet of {supernet.space}, not of {task['space']}"
            )
        network = supernet.network(settings.device)
        if not isinstance(network, ChainNetwork):
            raise InputError(f"{task['weights']} is no supernet of a layer-wise space")
        self.pictures = pictures_for(supernet, task["images"], settings)
        self._evaluation = SharedEvaluation(network, self.pictures)

    def score(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        return self._evaluation.score(genes)


def pictures_for(supernet: Supernet, images: str | Path, settings: LayerwiseSettings) -> Pictures:
    """Return the images that architectures of a supernet are evaluated on.

    Raises
    ------
    InputError
        If the supernet knows another number of classes than the data set has.
    """
    data = load_images(images)
    if supernet.classes != len(data.classes):
        raise InputError(
            f"the supernet knows {supernet.classes} classes, but {images} has {len(data.classes)}"
        )
    size = {"resolution": supernet.resolution, "device": choose_device(settings.device)}
    calibration = None
    if settings.statistics == "recalibrated":
        calibration = load_split(data, "train", **size).take(settings.calibration_images)
    validation = load_split(data, "validation", **size).take(settings.images)
    return Pictures(validation, calibration, settings.batch_size, settings.precision == "int8")


def serve(task: Mapping[str, Any]) -> Callable[[list[list[int]]], dict[str, list[float]]]:
    """Return what scores architectures in a process of :class:`hanas.core.workers.Workers`."""
    evaluator = _Evaluator(task)

    def answer(genes: list[list[int]]) -> dict[str, list[float]]:
        scores = evaluator.score(np.array(genes, dtype=np.int64))
        return {name: values.tolist() for name, values in scores.items()}

    return answer
