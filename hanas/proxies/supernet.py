"""Rank architectures by what a supernet's shared weights make of validation images.

The one-shot proxy of RSPS, GDAS and SPOS: an architecture inherits the weights of its operations
and is evaluated without any training of its own (G. Bender et al., "Understanding and Simplifying
One-Shot Architecture Search", ICML 2018). In spaces too large for a table a population is scored
when a search asks for it, and every score is kept for later searches.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

import numpy as np
from pydantic import Field, model_validator

from hanas.core.compute import choose_device
from hanas.core.errors import InputError
from hanas.core.files import checksum, digest
from hanas.core.kept import KeptScores
from hanas.core.progress import Progress, duration
from hanas.core.settings import Count, Entry, NoRerun
from hanas.core.workers import Here, Workers
from hanas.proxies._proxy import (
    INT8_SCORES,
    SUPERNET_SCORES,
    Inputs,
    OnDemandScorer,
    Proxy,
    SupernetScore,
    Threads,
    Work,
)
from hanas.spaces._space import Space

if TYPE_CHECKING:
    from hanas.data.batches import Split
    from hanas.proxies.scoring.chain_evaluation import MeanEvaluation

#: Architectures that are scored, and kept, together at most.
PIECE = 32


@dataclass(frozen=True)
class Rescoring:
    """What scores architectures image by image, lower is better.

    ``losses`` takes genes (N, G) and returns float64 (N, images) of the ``objective``; of the
    ``images`` the search saw ``seen``.
    """

    losses: Callable[[np.ndarray], np.ndarray]
    objective: str
    images: int
    seen: int


class Supernet(Proxy):
    """The scores are errors and cross-entropies on validation images."""

    kind: Literal["supernet"] = Field(description="The shared weights of a supernet.")
    label: Annotated[str | None, NoRerun()] = Field(
        None, description="Name in tables; the supernet's where absent."
    )
    supernet: Annotated[str, Entry("supernets")] = Field(description="An entry of supernets.")
    images: Count | None = Field(
        None,
        description="Validation images that a search sees; null for all. On the others its front "
        "is scored again, so that scores have an error.",
    )
    batch_size: Count = Field(
        256,
        description="Images a batch, whose statistics batch normalisation uses and over which "
        "logits are centred.",
    )
    objective: Annotated[SupernetScore, NoRerun()] = Field(
        "error",
        description="Which score a search minimises; centred_cross_entropy is of logits less their "
        "mean over a batch. Those of int8: precision int8 only. All are kept.",
    )
    statistics: Literal["batch", "recalibrated"] = Field(
        "batch",
        description="Statistics of batch normalisation in a layer-wise space: of the batch, or "
        "recomputed for each architecture on training images.",
    )
    calibration_images: Count = Field(
        512,
        description="Training images for statistics recalibrated and precision int8, in layer-wise "
        "spaces.",
    )
    precision: Literal["float32", "int8"] = Field(
        "float32",
        description="int8 also scores every architecture of a layer-wise space with simulated "
        "INT8; needs statistics recalibrated.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to evaluate.")
    threads: Threads = 8
    on_demand: ClassVar[bool] = True
    rescores: ClassVar[bool] = True

    @model_validator(mode="after")
    def _can_be_scored(self) -> Supernet:
        if self.objective.endswith("centred_cross_entropy") and 1 in (self.images, self.batch_size):
            raise InputError(
                f"objective is {self.objective!r}: the logits of one image less their mean are "
                "zero; expected images and batch_size of at least 2"
            )
        if self.precision == "int8" and self.statistics != "recalibrated":
            # A network of 8-bit integers has fixed statistics.
            raise InputError("precision is 'int8'; set statistics to recalibrated too")
        if self.objective.startswith("int8") and self.precision != "int8":
            raise InputError(f"objective is {self.objective!r}; set precision to int8 too")
        return self

    def columns_of(self, members: Sequence[Sequence[str]]) -> tuple[str, ...]:
        """Return the scores in its table."""
        return (*SUPERNET_SCORES, *INT8_SCORES) if self.precision == "int8" else SUPERNET_SCORES

    def in_words(self, names: Sequence[str]) -> str:
        """Return what a search ranks by."""
        return f"{self.objective} of supernet {self.supernet}"

    def problems_in(self, space: Space) -> Iterator[str]:
        """Yield what does not go together with a space, the name of the setting first."""
        if space.layerwise:
            return
        for name, plain in (("statistics", "batch"), ("precision", "float32")):
            if (given := getattr(self, name)) != plain:
                said = f"{name} is {given!r}, which works in layer-wise spaces"
                yield f"{said}; expected {plain} for space {space.name!r}"

    def scores(self, space: Space, inputs: Inputs, work: Work) -> dict[str, Any]:
        """Return those of :meth:`columns_of`; cells of one function are scored once."""
        if space.layerwise:
            with LayerwiseScorer(self, space, inputs, work) as scorer:
                found: dict[str, Any] = scorer.score(space.all_genes())
                scorer.require_ranking(self.objective)
                found["source"] = scorer.source("")
            shutil.rmtree(work.folder, ignore_errors=True)
            return found
        from hanas.proxies.scoring.cells import SupernetScorer, load_both, score_space
        from hanas.training.learning_checks import require_ranking

        files, device, key = self.belongs_to(inputs, [self.images, self.batch_size])
        made_of: Any = (space, *files, self.images, self.batch_size, device)
        make, check = partial(SupernetScorer, *made_of), partial(check_finite, files[0])
        found = score_space(
            made_of[0], make, key, SUPERNET_SCORES, work, device=device, check=check
        )
        _, load = load_both(*files, space.name, "cpu")
        require_ranking(found, self.objective, load("validation", self.images).labels.numpy())
        return found

    def on_demand_scorer(self, space: Space, inputs: Inputs, work: Work) -> OnDemandScorer:
        """Return what scores architectures of any space; see :class:`Proxy`."""
        return LayerwiseScorer(self, space, inputs, work)

    @contextmanager
    def each_image(self, space: Space, inputs: Inputs, work: Work) -> Iterator[Rescoring]:
        """Score few architectures on images that a search with this proxy did not see."""
        from hanas.proxies.scoring.each_image import EachImage

        files, device, _ = self.belongs_to(inputs, [])
        make = partial(EachImage, self, space, files, device)
        here = make()
        many = Workers(make, work.threads) if device == "cpu" and work.threads > 1 else Here(here)

        def losses(genes: np.ndarray) -> np.ndarray:
            parts = np.array_split(genes, -(-len(genes) // max(1, PIECE // max(work.threads, 1))))
            answers = dict(many.answers(parts))
            return np.concatenate([answers[number] for number in range(len(parts))])

        with many:
            yield Rescoring(losses, self.objective, len(here.images), here.seen)

    def evaluation(
        self,
        space: str,
        weights: Path,
        images: Path,
        device: str,
        *,
        validation: Split | None = None,
    ) -> MeanEvaluation:
        """Return a layer-wise supernet and its images; InputError where they do not fit.

        The images are those of the search, or of another ``validation`` split.
        """
        from hanas.proxies.scoring.cells import load_both
        from hanas.proxies.scoring.chain_evaluation import MeanEvaluation, Pictures
        from hanas.spaces.networks.chain import ChainNetwork

        supernet, load = load_both(weights, images, space, device)
        networks = cast(list[ChainNetwork], supernet.snapshots(device))
        recalibrated = self.statistics == "recalibrated"
        calibration = load("train", self.calibration_images) if recalibrated else None
        validation = load("validation", self.images) if validation is None else validation
        int8 = self.precision == "int8"
        return MeanEvaluation(networks, Pictures(validation, calibration, self.batch_size, int8))

    def belongs_to(
        self, inputs: Inputs, settings: list[Any]
    ) -> tuple[tuple[Path, Path], str, dict[str, Any]]:
        """Return the files, the type of the device, and all that scores depend on."""
        import torch

        if inputs.weights is None or inputs.images is None:
            raise InputError(f"proxy {self.kind}: needs the files of a supernet and its data set")
        files, device = (inputs.weights, inputs.images), choose_device(self.device).type
        key = {
            "revision": self.revision,
            "files": [checksum(file) for file in files],
            "settings": settings,
            "computed by": [torch.__version__, device],
        }
        return files, device, key


def check_finite(weights: Path, genes: np.ndarray, scores: Mapping[str, np.ndarray]) -> None:
    """Raise InputError if a score of genes (N, G) is not a finite number."""
    for column, values in scores.items():
        for worst in genes[~np.isfinite(values)]:
            said = f"the {column} of the architecture with genes {worst.tolist()}"
            remedy = "train the supernet with a lower training.learning_rate"
            raise InputError(f"{weights}: {said} is not a finite number; {remedy}")


class LayerwiseScorer(OnDemandScorer):
    """Scores populations with what their beginnings share computed once, and keeps the scores."""

    def __init__(self, proxy: Supernet, space: Space, inputs: Inputs, work: Work) -> None:
        calibrated_with = proxy.calibration_images if proxy.statistics == "recalibrated" else None
        settings = [proxy.images, proxy.batch_size, calibrated_with, proxy.columns_of([])]
        files, device, key = proxy.belongs_to(inputs, settings)
        make: Callable[[], Any] = partial(proxy.evaluation, space.name, *files, device)
        if space.edges:
            from hanas.proxies.scoring.cells import SupernetScorer

            of_cells: Any = (space, *files, proxy.images, proxy.batch_size, device)
            make = partial(SupernetScorer, *of_cells)
        here = make()
        self.columns, self._pictures, self._weights = here.columns, here.pictures, files[0]
        self._snapshots = here.snapshots
        self._log, self._count = work.log, max(work.threads, 1)
        self._workers = Workers(make, work.threads) if device == "cpu" else Here(here)
        self._kept = KeptScores(work.folder, digest(key), self.columns, work.log)
        self._asked: list[np.ndarray] = []
        if len(self._kept):
            work.log(f"{len(self._kept)} architectures of this supernet were scored before")

    def __exit__(self, *error: Any) -> None:
        self._workers.__exit__(*error)

    def score(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return columns of scores, float64 (N,) each, of genes (N, layers).

        What is not known yet is kept piece by piece. Raises InputError if a score is not finite.
        """
        self._kept.refresh()
        self._asked.append(genes)
        missing = np.unique(genes, axis=0)  # sorted: neighbours share their beginnings
        missing = missing[~self._kept.known(missing)]
        if len(missing):
            started = time.monotonic()
            pieces = max(min(self._count, len(missing)), -(-len(missing) // PIECE))
            split = np.array_split(missing, pieces)
            progress = Progress(0, len(split), self._log, lines=10) if len(split) > 20 else None
            for number, scores in self._workers.answers(split):
                self._kept.add(split[number], scores)
                if progress:
                    progress.advance(" parts are scored")
            self._kept.tidy()
            taken = duration(time.monotonic() - started)
            self._log(f"{len(missing)} of {len(genes)} architectures are scored anew; {taken}")
        scores = self._kept.scores(genes)
        check_finite(self._weights, genes, scores)
        return scores

    def require_ranking(self, objective: str) -> None:
        """Raise InputError if all scores so far are the same, or none is any good."""
        from hanas.training.learning_checks import require_ranking

        if self._asked:
            labels = self._pictures.validation.labels.cpu().numpy()
            genes = np.unique(np.concatenate(self._asked), axis=0)
            require_ranking(self._kept.scores(genes), objective, labels)

    def source(self, objective: str) -> str:
        """Return where a column of scores is from, in one line."""
        simulated = " with simulated INT8" if objective.startswith("int8_") else ""
        validation, calibration = self._pictures.validation, self._pictures.calibration
        said = f"shared weights of a supernet{simulated} on {len(validation)} validation images"
        if self._snapshots > 1:
            said += f", means over {self._snapshots} snapshots of its training"
        if calibration is not None:
            said += f", batch normalisation recalibrated on {len(calibration)} training images"
        return f"measured: {said}"
