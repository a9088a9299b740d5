"""What all trainers of supernets share: their settings.

A trainer is a class of a module of this folder; it says how a step goes and what is found. Images,
network, optimizer, epochs, files and going on after a kill are the program's, see
:class:`hanas.training.supernets.Run`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.settings import Count, Entry, Named, NoRerun, Seed, Settings
from hanas.spaces.networks.settings import SupernetNetwork
from hanas.training.settings import (
    PRECISION,
    THREADS,
    Device,
    Precision,
    SampledTraining,
)

if TYPE_CHECKING:  # PyTorch is imported only where something is trained
    import numpy as np
    import torch
    from torch import Tensor, nn

    from hanas.data.batches import Batch
    from hanas.spaces._space import Space
    from hanas.training.epochs import StepResult
    from hanas.training.supernets import Run

#: Makes a step, called with its number in the epoch and a training batch.
Step = Callable[[int, "Batch"], "StepResult"]
#: Images (B, 3, H, W) -> logits (B, classes).
Forward = Callable[["Tensor"], "Tensor"]


class Trainer(Settings, ABC):
    """An entry of ``supernets``. Its methods are called in the order in which they stand."""

    #: Whether it trains the chains of layer-wise spaces too, or networks of cells only.
    layerwise: ClassVar[bool] = False
    #: Standard deviation of the first architecture weights.
    alpha_scale: ClassVar[float] = 0.0

    dataset: Annotated[str, Entry("datasets")] = Field(description="An entry of datasets.")
    space: Annotated[str, Named("spaces")] = Field(default="nb201", description="The search space.")
    label: Annotated[str | None, NoRerun()] = Field(
        default=None, description="Name in tables; the trainer's in capitals where absent."
    )
    seed: Seed = Field(default=0, description="Of initial weights, batches and samples.")
    network: SupernetNetwork
    training: SampledTraining = Field(
        default=SampledTraining(), description="How the weights are trained."
    )
    candidate_images: Count | None = Field(
        default=256,
        description="Validation images that a candidate is evaluated on, after each epoch and at "
        "the end; null for all.",
    )
    snapshots: Count = Field(
        default=1,
        description="How many times the weights of cells are kept, evenly in the second half of "
        "the epochs, the end included; proxies score with the mean over them.",
    )
    device: Device = Field(default="auto", description="Where to train.")
    precision: Precision = Field(default="float32", description=PRECISION)
    threads: Count = Field(default=1, description=THREADS)

    @model_validator(mode="after")
    def _goes_together(self) -> Trainer:
        snapshot_epochs(self.training.epochs, self.snapshots)
        space = plugins.space(self.space)
        if not space.enumerable and not self.layerwise:
            trainers = plugins.names("trainers")
            able = [name for name in trainers if plugins.plugin("trainers", name).layerwise]
            raise InputError(
                f"trainer is {self.name!r}, which trains cells, but {self.space!r} is a "
                f"layer-wise space; expected one of: {', '.join(able)}"
            )
        if not space.enumerable and self.snapshots != 1:
            raise InputError(
                f"snapshots is {self.snapshots}, but architectures of {self.space!r} are "
                "scored by the last weights only; leave it out"
            )
        if self.operation_probabilities is not None:
            _check_probabilities(self.operation_probabilities, space)
        return self

    @property
    def name(self) -> str:
        """Name of the plugin."""
        return getattr(self, plugins.GROUPS["trainers"].key)

    @property
    def operation_probabilities(self) -> Mapping[str, float] | None:
        """Probabilities that sampling starts with, by operation; None: equal ones."""
        return getattr(self.training, "operation_probabilities", None)

    def alpha_optimizer(self, alphas: nn.Parameter) -> torch.optim.Optimizer | None:
        """Return what changes the architecture weights; None where nothing does."""
        return None

    @abstractmethod
    def begin_epoch(self, run: Run, epoch: int) -> Step:
        """Return what makes the steps of an epoch."""

    @abstractmethod
    def validation_forward(self, run: Run, epoch: int) -> Forward:
        """Return by what the network is judged after an epoch."""

    def columns(self, epoch: int) -> Mapping[str, float]:
        """Return further columns of an epoch's row of the history."""
        return {}

    @abstractmethod
    def found(self, run: Run) -> tuple[np.ndarray, str]:
        """Return the genes of the architecture that training yields, and how it was chosen."""


def snapshot_epochs(epochs: int, count: int) -> tuple[int, ...]:
    """Return after which epochs snapshots are taken: evenly in the second half, the end included.

    InputError if there are too few epochs for so many.

    >>> snapshot_epochs(8, 3), snapshot_epochs(12, 4), snapshot_epochs(5, 1)
    ((4, 6, 8), (6, 8, 10, 12), (5,))
    """
    if count > epochs // 2 + 1:
        raise InputError(
            f"snapshots is {count}: {epochs} epochs have at most {epochs // 2 + 1} in their second "
            "half; expected fewer, or more training.epochs"
        )
    gaps = max(count - 1, 1)  # each of epochs / (2 gaps), rounded half up in whole numbers
    return tuple(
        (2 * gaps * epochs - epochs * left + gaps) // (2 * gaps) for left in reversed(range(count))
    )


def _check_probabilities(given: Mapping[str, float], space: Space) -> None:
    """Raise InputError unless every gene of a space can be drawn with these probabilities."""
    place = "training.operation_probabilities"
    if set(given) != set(space.operations):
        raise InputError(
            f"{place} names {', '.join(given) or 'nothing'}; expected {', '.join(space.operations)}"
        )
    if abs(sum(given.values()) - 1) > 1e-6:
        raise InputError(f"{place} add up to {sum(given.values()):g}; expected 1")
    for gene, count in enumerate(space.choices):
        if not any(given[name] for name in space.operations[:count]):
            raise InputError(
                f"{place}: no operation that gene {gene} can have is given a probability above 0"
            )
