"""What a trainer works with: settings, network, architecture weights, images.

A trainer is a module of this folder with the functions of :class:`Trainer`; it says how a step
goes and what is found. Everything else is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from hanas.core.checkpoints import Log
from hanas.core.randomness import generator
from hanas.data.batches import Batch, Split, random_batches, steps_per_epoch
from hanas.spaces._space import Space
from hanas.spaces.networks.cell import CellNetwork
from hanas.spaces.networks.chain import ChainNetwork
from hanas.training.epochs import StepResult
from hanas.training.snapshots import Snapshots
from hanas.training.trainers._settings import SupernetSettings
from hanas.training.weight_steps import WeightStepper, evaluate


@dataclass(frozen=True, eq=False)
class Run:
    """One training of a supernet.

    Parameters
    ----------
    settings
        All of them.
    space
        The search space.
    network
        The supernet.
    alphas
        Architecture weights, float32 (genes, operations): logits of the operations of each edge
        or layer, minus infinity for operations that cannot be there.
    weight_stepper, alpha_optimizer
        What changes ``network`` and ``alphas``.
    train, validation
        Images that weights, and architecture weights, are trained on.
    candidate_images
        Some of the validation images, to judge cells on.
    snapshots
        What is kept of the weights before the end.
    """

    settings: SupernetSettings
    space: Space
    network: CellNetwork | ChainNetwork
    alphas: nn.Parameter
    weight_stepper: WeightStepper
    alpha_optimizer: torch.optim.Optimizer
    train: Split
    validation: Split
    candidate_images: Split
    snapshots: Snapshots

    @property
    def cell_network(self) -> CellNetwork:
        """The supernet of a cell space, whose edges can be mixtures of operations."""
        assert isinstance(self.network, CellNetwork)
        return self.network

    @property
    def steps(self) -> int:
        """Steps an epoch."""
        training = self.settings.training
        return steps_per_epoch(len(self.train), training.batch_size, training.batches_per_epoch)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the weights in this step."""
        return self.weight_stepper.optimizer.param_groups[0]["lr"]

    def random(self, *purpose: str | int) -> torch.Generator:
        """Return the generator for a purpose, such as ``"genes", epoch``."""
        return generator(self.settings.seed, *purpose)

    def train_batches(self, epoch: int) -> Callable[[int], Batch]:
        """Return the function that makes the augmented training batch of a step."""
        training = self.settings.training
        return random_batches(
            self.train,
            steps=self.steps,
            batch_size=training.batch_size,
            flip=training.flip,
            random=self.random("train batches", epoch),
        )

    def validation_batches(self, epoch: int) -> Callable[[int], Batch]:
        """Return the function that makes a validation batch, not augmented, for each step."""
        return random_batches(
            self.validation,
            steps=self.steps,
            batch_size=self.settings.training.batch_size,
            flip=0,
            random=self.random("validation batches", epoch),
        )

    def judge(self, forward: Callable[[Tensor], Tensor]) -> tuple[float, float]:
        """Return cross-entropy and error of ``forward`` on the candidate images."""
        precision = self.settings.precision
        return evaluate(self.network, forward, self.candidate_images, precision=precision)

    def judge_cell(self, genes: np.ndarray) -> tuple[float, float]:
        """Return cross-entropy and error of one cell with the shared weights."""
        return self.judge(lambda images: self.network(images, genes))


class Trainer(Protocol):
    """What a module of this folder has.

    Attributes
    ----------
    ALPHA_SCALE
        Standard deviation of the first architecture weights.
    LAYER_WISE
        Whether it trains the chains of layer-wise spaces, or the networks of cells only.
    USES
        What it uses of the settings that not all trainers use,
        :data:`hanas.training.trainers._settings.OF_SOME_TRAINERS`; others are refused.

    The last two are read from its source, so each module writes them out.
    """

    ALPHA_SCALE: float
    LAYER_WISE: bool
    USES: tuple[str, ...]

    def begin_epoch(self, run: Run, epoch: int) -> Callable[[int, Batch], StepResult]:
        """Return the function that makes a step, called with its number and a training batch."""
        ...

    def validation_forward(self, run: Run, epoch: int) -> Callable[[Tensor], Tensor]:
        """Return images -> logits, by which the network is judged after an epoch."""
        ...

    def columns(self, run: Run, epoch: int) -> Mapping[str, float]:
        """Return further columns of the history."""
        ...

    def found(self, run: Run, log: Log) -> tuple[np.ndarray, str]:
        """Return the genes of the architecture that training yields, and how it was chosen."""
        ...


def initial_alphas(run_settings: SupernetSettings, space: Space, scale: float) -> Tensor:
    """Return the first architecture weights, float32 (genes, operations).

    The logarithm of the operation probabilities where these are given; otherwise normal with
    standard deviation ``scale``. Minus infinity for operations that cannot be there, so that the
    probabilities of the others add up to one.
    """
    possible = possible_operations(space)
    given = run_settings.training.operation_probabilities
    if given is None:
        alphas = torch.randn(possible.shape, generator=generator(run_settings.seed, "alphas"))
        return (scale * alphas).masked_fill(~possible, -torch.inf)
    of_edge = torch.tensor([given[name] for name in space.operations], dtype=torch.float64)
    return of_edge.log().float().expand(possible.shape).masked_fill(~possible, -torch.inf)


def possible_operations(space: Space) -> Tensor:
    """Return which operations each gene can stand for, bool (genes, operations).

    A gene with fewer choices than there are operations has the first of them.
    """
    choices = torch.tensor(space.choices)
    return torch.arange(len(space.operations)) < choices[:, None]


def best_of_alphas(run: Run) -> tuple[np.ndarray, str]:
    """Return the operation with the largest architecture weight on each edge."""
    genes = run.alphas.detach().argmax(dim=1).cpu().numpy()
    return genes, "largest architecture weight of each edge"
