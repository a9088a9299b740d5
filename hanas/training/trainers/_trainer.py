"""What all trainers of supernets share: their settings, and their two families.

A trainer is a class of a module of this folder; it says how a step goes and what is found. Images,
network, optimizer, epochs, files and going on after a kill are the program's, see
:class:`hanas.training.supernets.Run`. A :class:`OneShot` draws architectures, and the best of some
is what it finds; a :class:`Differentiable` learns architecture weights, and the largest of each
edge is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.settings import Count, Entry, Named, NoRerun, Positive, Seed, Settings
from hanas.spaces._space import SupernetNetwork
from hanas.training.settings import Device, NotNegative, Precision, SampledTraining, Threads

if TYPE_CHECKING:  # PyTorch is imported only where something is trained
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
    must_learn: bool = Field(
        default=True,
        description="End the training if the validation accuracy is no better than always "
        "answering the largest class; false to try a study out with a training that is too short.",
    )
    snapshots: Count = Field(
        default=1,
        description="How many times the weights are kept, evenly in the second half of "
        "the epochs, the end included; proxies score with the mean over them.",
    )
    device: Device = "auto"
    precision: Precision = "float32"
    threads: Threads = 1

    @model_validator(mode="after")
    def _goes_together(self) -> Trainer:
        snapshot_epochs(self.training.epochs, self.snapshots)
        space = plugins.space(self.space)
        if space.layerwise and not self.layerwise:
            trainers = plugins.names("trainers")
            able = [name for name in trainers if plugins.plugin("trainers", name).layerwise]
            raise InputError(
                f"trainer is {self.name!r}, which trains cells, but {self.space!r} is a "
                f"layer-wise space; expected one of: {', '.join(able)}"
            )
        if why := space.shared_problem(self.network):
            raise InputError(f"network.{why}")
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
    for gene in range(len(space.choices)):
        options = space.options(gene)
        if given.keys() >= set(options) and not any(given[name] for name in options):
            raise InputError(
                f"{place}: no operation that {space.place(gene)} can have is given a probability "
                "above 0"
            )


# ---- trainers that draw architectures ------------------------------------------------------


class OneShot(Trainer):
    """Architecture weights stay as they are; what is drawn is trained, then judged."""

    #: What is drawn from a space of cells, in words.
    drawn: ClassVar[str] = "cells"

    candidates: Count = Field(
        default=100, description="Random architectures to choose from at the end."
    )

    def draw(self, run: Run, count: int, random: torch.Generator) -> Tensor:
        """Draw architectures, int64 (count, genes)."""
        return draw_operations(run.alphas, count, random)

    def validation_forward(self, run: Run, epoch: int) -> Forward:
        """Judge the network by a new random architecture for each batch."""
        random = run.random("validation genes", epoch)
        return lambda images: run.network(images, self.draw(run, 1, random)[0])

    def found(self, run: Run) -> tuple[np.ndarray, str]:
        """Return the best of some drawn uniformly: lowest error, then lowest cross-entropy."""
        from hanas.training.supernets import possible_operations

        count, images = self.candidates, len(run.candidate_images)
        uniform = possible_operations(run.space).float().log()
        candidates = draw_operations(uniform, count, run.random("candidates")).numpy()
        drawn = "architectures" if run.space.layerwise else self.drawn
        how = f"lowest error of {count} random {drawn} on {images} validation images"
        return min(candidates, key=lambda genes: run.judge_cell(genes)[::-1]), how


class SinglePath(OneShot):
    """Every step trains one architecture, drawn operation by operation."""

    sampled_cells: Literal["all", "connected", "distinct"] = Field(
        default="all",
        description="Cells to draw from: all, those whose input reaches the output, or one of "
        "each isomorphism class.",
    )

    @model_validator(mode="after")
    def _draws_what_is_there(self) -> SinglePath:
        if self.sampled_cells != "all" and plugins.space(self.space).layerwise:
            raise InputError(
                f"sampled_cells is {self.sampled_cells!r}, but space {self.space!r} has no cells; "
                "leave it out"
            )
        if self.sampled_cells != "all" and not plugins.space(self.space).enumerable:
            raise InputError(
                f"sampled_cells is {self.sampled_cells!r}, but space {self.space!r} has too many "
                "cells to list them; leave it out"
            )
        return self

    def draw(self, run: Run, count: int, random: torch.Generator) -> Tensor:
        """Draw architectures: each with the product of its operations' probabilities."""
        import torch

        if self.sampled_cells == "all":
            return draw_operations(run.alphas, count, random)
        cells = torch.from_numpy(cells_of(self.space, self.sampled_cells))  # (K, genes)
        log_probabilities = run.alphas.detach().cpu().double().log_softmax(dim=1)
        of_cells = log_probabilities[torch.arange(cells.shape[1]), cells].sum(dim=1)  # (K,)
        chosen = torch.multinomial(
            of_cells.softmax(dim=0), count, replacement=True, generator=random
        )
        return cells[chosen]

    def begin_epoch(self, run: Run, epoch: int) -> Step:
        """Draw the architectures of all steps; a step trains the weights of its own."""
        genes = self.draw(run, run.steps, run.random("genes", epoch)).tolist()
        return lambda number, batch: train_together(run, [genes[number]], batch)


def train_together(run: Run, architectures: list[list[int]], batch: Batch) -> StepResult:
    """Train several architectures in one step: their gradients add up."""
    return run.weight_stepper.step(
        batch, *(lambda images, genes=genes: run.network(images, genes) for genes in architectures)
    )


def draw_operations(alphas: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Draw genes, int64 (count, genes), where each operation has probability softmax(alphas)."""
    import torch

    probabilities = alphas.detach().cpu().softmax(dim=1)
    return torch.multinomial(probabilities, count, replacement=True, generator=random).T


def cells_of(space: str, cell_set: str) -> np.ndarray:
    """Return the cells of a set of an enumerable space, int64 (K, genes), in index order.

    The set is ``all``, ``connected`` (their input reaches the output) or ``distinct`` (the first
    of each isomorphism class).
    """
    return _cells_of(plugins.space(space), cell_set)


@cache
def _cells_of(found: Space, cell_set: str) -> np.ndarray:
    genes = found.all_genes()
    if cell_set == "connected":
        return genes[found.connected(genes)]
    if cell_set == "distinct":
        _, first = np.unique([found.canonical(row) for row in genes], return_index=True)
        return genes[np.sort(first)]
    return genes


# ---- trainers that learn architecture weights ----------------------------------------------


class AlphaSettings(Settings):
    """How architecture weights are trained; the defaults are those of NAS-Bench-201."""

    learning_rate: Positive = Field(default=3e-4, description="Learning rate of Adam.")
    weight_decay: NotNegative = Field(default=1e-3, description="Weight decay of Adam.")
    betas: Annotated[
        list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)
    ] = Field(default=[0.5, 0.999], description="Betas of Adam.")
    weight_steps: Count = Field(
        default=1, description="Steps of the weights for each step of the architecture weights."
    )


class Differentiable(Trainer):
    """Steps of the weights and of the architecture weights take turns."""

    alpha_scale: ClassVar[float] = 1e-3

    architecture: AlphaSettings = Field(
        default=AlphaSettings(), description="How the architecture weights are trained."
    )

    @model_validator(mode="after")
    def _probabilities_can_change(self) -> Differentiable:
        if 0 in (self.operation_probabilities or {}).values():
            raise InputError(
                "training.operation_probabilities has a 0, which no gradient can change; "
                f"trainer {self.name!r} needs numbers above 0"
            )
        return self

    def alpha_optimizer(self, alphas: nn.Parameter) -> torch.optim.Optimizer:
        """Return Adam."""
        import torch

        (first, second), decay = self.architecture.betas, self.architecture.weight_decay
        rate = self.architecture.learning_rate
        return torch.optim.Adam([alphas], rate, (first, second), weight_decay=decay)

    def found(self, run: Run) -> tuple[np.ndarray, str]:
        """Return the operation with the largest architecture weight on each edge."""
        genes = run.alphas.detach().argmax(dim=1).cpu().numpy()
        return genes, "largest architecture weight of each edge"
