"""What all trainers of supernets share: their settings, and the run that they work with.

A trainer is a class of a module of this folder; it says how a step goes and what is found. Images,
network, optimizer, epochs, files and going on after a kill are the program's, see
:mod:`hanas.training.supernets`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.settings import Count, Entry, Named, NoRerun, Seed, Settings
from hanas.spaces._space import SupernetNetwork
from hanas.training.settings import (
    PRECISION,
    THREADS,
    Device,
    Precision,
    SampledTraining,
    TrainingSettings,
)

if TYPE_CHECKING:  # PyTorch is imported only where something is trained
    import numpy as np
    import torch
    from torch import Tensor, nn

    from hanas.core.progress import Log
    from hanas.data.batches import Batch, Split
    from hanas.spaces._space import Space
    from hanas.spaces.networks.cell import CellNetwork
    from hanas.spaces.networks.chain import ChainNetwork
    from hanas.training.weight_steps import StepResult, WeightStepper

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
    training: TrainingSettings = Field(
        default=TrainingSettings(), description="How the weights are trained."
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
        self.check()
        return self

    def check(self) -> None:
        """Raise InputError, naming a setting first, where settings do not go together."""
        snapshot_epochs(self.training.epochs, self.snapshots)
        space = plugins.space(self.space)
        if not space.enumerable and not self.layerwise:
            trainers = {
                name: plugins.plugin("trainers", name) for name in plugins.names("trainers")
            }
            able = [name for name, trainer in trainers.items() if trainer.layerwise]
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

    @property
    def name(self) -> str:
        """Name of the plugin."""
        return getattr(self, plugins.GROUPS["trainers"].key)

    @property
    def operation_probabilities(self) -> Mapping[str, float] | None:
        """Probabilities that sampling starts with, by operation; None: equal ones."""
        training = self.training
        return training.operation_probabilities if isinstance(training, SampledTraining) else None

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
    def found(self, run: Run, log: Log) -> tuple[np.ndarray, str]:
        """Return the genes of the architecture that training yields, and how it was chosen."""


@dataclass(frozen=True, eq=False)
class Run:
    """One training of a supernet: weights learn from ``train``, alphas from ``validation``.

    ``alphas``, float32 (genes, operations), are logits of the operations of each edge or layer,
    minus infinity for operations that cannot be there; ``candidate_images`` are some of the
    validation images, to judge cells on.
    """

    trainer: Trainer
    space: Space
    network: CellNetwork | ChainNetwork
    alphas: nn.Parameter
    weight_stepper: WeightStepper
    alpha_optimizer: torch.optim.Optimizer | None
    train: Split
    validation: Split
    candidate_images: Split

    @property
    def cell_network(self) -> CellNetwork:
        """The supernet of a cell space, whose edges can be mixtures of operations."""
        from hanas.spaces.networks.cell import CellNetwork

        assert isinstance(self.network, CellNetwork)
        return self.network

    @property
    def steps(self) -> int:
        """Steps an epoch."""
        from hanas.data.batches import steps_per_epoch

        training = self.trainer.training
        return steps_per_epoch(len(self.train), training.batch_size, training.batches_per_epoch)

    def random(self, *purpose: str | int) -> torch.Generator:
        """Return the generator for a purpose, such as ``"genes", epoch``."""
        from hanas.core.compute import generator

        return generator(self.trainer.seed, *purpose)

    def train_batches(self, epoch: int) -> Callable[[int], Batch]:
        """Return the function that makes the augmented training batch of a step."""
        return self._batches(self.train, self.trainer.training.flip, "train batches", epoch)

    def validation_batches(self, epoch: int) -> Callable[[int], Batch]:
        """Return the function that makes a validation batch, not augmented, for each step."""
        return self._batches(self.validation, 0, "validation batches", epoch)

    def _batches(
        self, split: Split, flip: float, purpose: str, epoch: int
    ) -> Callable[[int], Batch]:
        from hanas.data.batches import random_batches

        size, random = self.trainer.training.batch_size, self.random(purpose, epoch)
        return random_batches(split, steps=self.steps, batch_size=size, flip=flip, random=random)

    def step_alphas(self, gradient: Tensor) -> None:
        """Change the architecture weights by their gradient."""
        assert self.alpha_optimizer is not None
        self.alphas.grad = gradient
        self.alpha_optimizer.step()

    def judge(self, forward: Forward) -> tuple[float, float]:
        """Return cross-entropy and error of ``forward`` on the candidate images."""
        from hanas.training.weight_steps import evaluate

        precision = self.trainer.precision
        return evaluate(self.network, forward, self.candidate_images, precision=precision)

    def judge_cell(self, genes: np.ndarray) -> tuple[float, float]:
        """Return cross-entropy and error of one architecture with the shared weights."""
        return self.judge(lambda images: self.network(images, genes))


def possible_operations(space: Space) -> Tensor:
    """Return which operations each gene can stand for, the first ones: bool (genes, operations)."""
    import torch

    choices = torch.tensor(space.choices)
    return torch.arange(len(space.operations)) < choices[:, None]


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
