"""What a trainer works with: settings, network, architecture weights, images.

A trainer is a module of this folder with the functions of :class:`Trainer`; it says how a step
goes and what is found. Everything else is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from hanas import plugins
from hanas.checkpoints import Log
from hanas.errors import InputError
from hanas.networks.cell import CellNetwork
from hanas.networks.chain import ChainNetwork
from hanas.randomness import generator
from hanas.revisions import REVISIONS
from hanas.settings import check_choice, check_number, from_mapping
from hanas.training.batches import Batch, Split, random_batches, steps_per_epoch
from hanas.training.epochs import StepResult
from hanas.training.snapshots import Snapshots
from hanas.training.weight_steps import TrainingSettings, WeightStepper, evaluate

#: What trainers may draw from, by name: all cells, those whose input reaches the output, or one
#: for each isomorphism class (the first in index order).
CELL_SETS = ("all", "connected", "distinct")


@dataclass(frozen=True)
class ArchitectureSettings:
    """How architecture weights are trained; the defaults are those of NAS-Bench-201.

    Parameters
    ----------
    learning_rate, weight_decay, betas
        Of Adam.
    weight_steps
        Steps of the weights for each step of the architecture weights.
    order
        Of the gradient of ``darts``: 1, or 2 through one step of the weights.
    tau
        First and last temperature of ``gdas``.
    straight_through
        ``gdas``: the gradient looks at ``all`` operations, or at the ``sampled`` one alone.
    """

    learning_rate: float = 3e-4
    weight_decay: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)
    weight_steps: int = 1
    order: int = 1
    tau: tuple[float, float] = (10, 0.1)
    straight_through: str = "all"

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0)
        check_number("weight_decay", self.weight_decay, at_least=0)
        for name in ("betas", "tau"):
            if not isinstance(getattr(self, name), tuple) or len(getattr(self, name)) != 2:
                raise InputError(f"{name} is {getattr(self, name)!r}; expected two numbers")
        for beta in self.betas:
            check_number("betas", beta, at_least=0)
            if beta >= 1:
                raise InputError(f"betas is {beta!r}; expected numbers below 1")
        for tau in self.tau:
            check_number("tau", tau, above=0)
        check_number("weight_steps", self.weight_steps, at_least=1, whole=True)
        check_choice("order", self.order, (1, 2))
        check_choice("straight_through", self.straight_through, ("all", "sampled"))


@dataclass(frozen=True)
class SupernetSettings:
    """All settings of a supernet; the defaults are full scale.

    Parameters
    ----------
    dataset
        Name of the data set, for the record.
    trainer
        Name of a module of this folder.
    space
        Name of a module of ``hanas/spaces``.
    seed
        Of initial weights, batches and samples.
    network
        See :class:`hanas.networks.cell.NetworkSettings`.
    training, architecture
        See :class:`~hanas.training.weight_steps.TrainingSettings` and
        :class:`ArchitectureSettings`.
    candidates
        Random architectures that ``rsps`` and ``spos`` choose from.
    candidate_images
        Validation images that a cell is judged on, in every epoch and at the end; None: all.
    sampled_cells
        Cells that training draws from: ``all``, ``connected`` ones, or one of each isomorphism
        class (``distinct``); ``all`` for trainers that learn architecture weights and for spaces
        that are too large to list.
    snapshots
        How many times the weights are kept, evenly in the second half of the epochs, the end
        included; a proxy takes the mean of what they say. 1 for layer-wise spaces.
    device, precision, threads
        Where and how to compute.
    revision
        Of the code that trains.
    """

    dataset: str
    trainer: str
    space: str = "nb201"
    seed: int = 0
    network: Mapping[str, Any] = field(default_factory=dict)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    architecture: ArchitectureSettings = field(default_factory=ArchitectureSettings)
    candidates: int = 100
    candidate_images: int | None = 256
    sampled_cells: str = "all"
    snapshots: int = 1
    device: str = "auto"
    precision: str = "float32"
    threads: int = 1
    revision: int = REVISIONS["supernet"]

    def __post_init__(self) -> None:
        check_number("seed", self.seed, at_least=0, whole=True)
        check_number("candidates", self.candidates, at_least=1, whole=True)
        if self.candidate_images is not None:
            check_number("candidate_images", self.candidate_images, at_least=1, whole=True)
        check_choice("sampled_cells", self.sampled_cells, CELL_SETS)
        check_number("snapshots", self.snapshots, at_least=1, whole=True)
        check_number("threads", self.threads, at_least=1, whole=True)


def supernet_settings(settings: Mapping[str, Any]) -> SupernetSettings:
    """Return the settings of an entry of ``supernets``; what is missing has its default.

    Raises
    ------
    InputError
        Naming a setting that does not exist or cannot be.
    """
    for name in ("dataset", "trainer"):
        if name not in settings:
            raise InputError(f"supernet: {name!r} is missing")
    parts = dict(settings)
    parts["training"] = from_mapping(TrainingSettings, parts.get("training", {}), "training")
    parts["architecture"] = from_mapping(
        ArchitectureSettings, parts.get("architecture", {}), "architecture"
    )
    return from_mapping(SupernetSettings, parts, "supernet")


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
    space: ModuleType
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
    """

    ALPHA_SCALE: float
    LAYER_WISE: bool

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


def initial_alphas(run_settings: SupernetSettings, space: ModuleType, scale: float) -> Tensor:
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
    place = "training.operation_probabilities"
    if set(given) != set(space.OPERATIONS):
        raise InputError(
            f"{place} names {', '.join(given)}; expected {', '.join(space.OPERATIONS)}"
        )
    for name, probability in given.items():
        check_number(f"{place}.{name}", probability, at_least=0, at_most=1)
    if abs(sum(given.values()) - 1) > 1e-6:
        raise InputError(f"{place} add up to {sum(given.values()):g}; expected 1")
    of_edge = torch.tensor([given[name] for name in space.OPERATIONS], dtype=torch.float64)
    alphas = of_edge.log().float().expand(possible.shape).masked_fill(~possible, -torch.inf)
    empty = torch.isinf(alphas).all(dim=1)
    if empty.any():
        raise InputError(
            f"{place}: no operation that gene {int(empty.nonzero()[0])} can have is given a "
            "probability above 0"
        )
    return alphas


def possible_operations(space: ModuleType) -> Tensor:
    """Return which operations each gene can stand for, bool (genes, operations).

    A gene with fewer choices than there are operations has the first of them.
    """
    choices = torch.tensor(space.choices)
    return torch.arange(len(space.OPERATIONS)) < choices[:, None]


def check_space(settings: SupernetSettings, space: ModuleType, trainer: Trainer) -> None:
    """Raise InputError where a trainer cannot train a space."""
    if space.ENUMERABLE:
        return
    if not trainer.LAYER_WISE:
        able = [n for n in plugins.names("trainers") if plugins.load("trainers", n).LAYER_WISE]
        raise InputError(
            f"trainer {settings.trainer!r} trains cells, but {settings.space!r} is a layer-wise "
            f"space; expected one of: {', '.join(able)}"
        )
    if settings.sampled_cells != "all":
        raise InputError(
            f"sampled_cells is {settings.sampled_cells!r}, but space {settings.space!r} is too "
            "large to list; leave it out"
        )
    if settings.snapshots != 1:
        raise InputError(
            f"snapshots is {settings.snapshots}, but architectures of {settings.space!r} are "
            "scored by the last weights only; leave it out"
        )


def check_all_possible(run: Run) -> None:
    """Raise InputError where gradients of the architecture weights could not choose freely."""
    if run.settings.sampled_cells != "all":
        raise InputError(
            f"trainer {run.settings.trainer!r} learns which operations to train; leave out "
            "sampled_cells"
        )
    if not torch.isfinite(run.alphas).all():
        raise InputError(
            "training.operation_probabilities has a 0, which no gradient can change; "
            f"trainer {run.settings.trainer!r} needs numbers above 0"
        )


def best_of_alphas(run: Run) -> tuple[np.ndarray, str]:
    """Return the operation with the largest architecture weight on each edge."""
    genes = run.alphas.detach().argmax(dim=1).cpu().numpy()
    return genes, "largest architecture weight of each edge"
