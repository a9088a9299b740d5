"""Rank architectures by what a supernet's shared weights make of validation images.

The one-shot proxy of RSPS, GDAS and SPOS: an architecture inherits the weights of its operations
and is evaluated without any training of its own (G. Bender et al., "Understanding and Simplifying
One-Shot Architecture Search", ICML 2018).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from hanas.core.errors import InputError
from hanas.core.progress import Log
from hanas.core.settings import Count, Entry, NoRerun
from hanas.proxies._proxy import (
    SUPERNET_SCORES,
    Columns,
    Inputs,
    OnDemandScorer,
    Proxy,
    Threads,
    Work,
)
from hanas.spaces._space import Space


class Supernet(Proxy):
    """The scores are errors and cross-entropies on validation images."""

    kind: Literal["supernet"] = Field(description="The shared weights of a supernet.")
    label: Annotated[str | None, NoRerun()] = Field(
        None, description="Name in tables; the supernet's where absent."
    )
    supernet: Annotated[str, Entry("supernets")] = Field(description="An entry of supernets.")
    images: Count | None = Field(None, description="Validation images; null for all.")
    batch_size: Count = Field(
        256,
        description="Images a batch, whose statistics batch normalisation uses and over which "
        "logits are centred.",
    )
    objective: Annotated[
        Literal[
            "error", "cross_entropy", "centred_cross_entropy", "int8_error", "int8_cross_entropy"
        ],
        NoRerun(),
    ] = Field(
        "error",
        description="Which score a search minimises. centred_cross_entropy, of logits less their "
        "mean over a batch: spaces of cells only. Those of int8: precision int8 only. All that the "
        "space has are kept.",
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
    of_cells: ClassVar[bool] = True

    @model_validator(mode="after")
    def _can_be_scored(self) -> Supernet:
        if self.objective == "centred_cross_entropy" and 1 in (self.images, self.batch_size):
            raise InputError(
                "objective is 'centred_cross_entropy': the logits of one image less their mean are "
                "zero; expected images and batch_size of at least 2"
            )
        if self.precision == "int8" and self.statistics != "recalibrated":
            # A network of 8-bit integers has fixed statistics.
            raise InputError("precision is 'int8'; set statistics to recalibrated too")
        if self.objective.startswith("int8") and self.precision != "int8":
            raise InputError(f"objective is {self.objective!r}; set precision to int8 too")
        return self

    @property
    def layerwise_columns(self) -> tuple[str, ...]:
        """The scores of an architecture of a layer-wise space."""
        both = ("error", "cross_entropy")
        return (*both, "int8_error", "int8_cross_entropy") if self.precision == "int8" else both

    def columns_of(self, members: Sequence[Sequence[str]]) -> tuple[str, ...]:
        """Return the scores of cells: those of other spaces have no table."""
        return SUPERNET_SCORES

    def in_words(self, names: Sequence[str]) -> str:
        """Return what a search ranks by."""
        return f"{self.objective} of supernet {self.supernet}"

    def problems_in(self, space: Space) -> Iterator[str]:
        """Yield what does not go together with a space, the name of the setting first."""
        if not space.enumerable:
            if self.objective == "centred_cross_entropy":
                yield (
                    "objective is 'centred_cross_entropy', which works in spaces of cells; "
                    f"expected another one, such as cross_entropy, for space {space.name!r}"
                )
            return
        for name, plain in (("statistics", "batch"), ("precision", "float32")):
            if getattr(self, name) != plain:
                yield (
                    f"{name} is {getattr(self, name)!r}, which works in layer-wise spaces; "
                    f"expected {plain} for space {space.name!r}"
                )

    def scores(self, space: Space, inputs: Inputs, work: Work) -> Columns:
        """Return those of :data:`SUPERNET_SCORES`; cells of one function are scored once."""
        from hanas.proxies.scoring.supernet_cells import score_space

        return score_space(self, *self._files(inputs), work)

    def on_demand_scorer(
        self, space: Space, inputs: Inputs, *, kept: Path, threads: int, log: Log
    ) -> AbstractContextManager[OnDemandScorer]:
        """Return what scores architectures of a layer-wise space; see :class:`Proxy`."""
        from hanas.proxies.scoring.layerwise_scoring import LayerwiseScorer

        return LayerwiseScorer(self, space, *self._files(inputs), Work(kept, threads, log))

    def _files(self, inputs: Inputs) -> tuple[Path, Path]:
        if inputs.weights is None or inputs.images is None:
            raise InputError(f"proxy {self.kind}: needs the files of a supernet and its data set")
        return inputs.weights, inputs.images
