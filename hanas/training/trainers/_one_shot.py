"""Trainers that draw architectures: the best of some drawn at the end is what they find."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.settings import Count
from hanas.training.trainers._trainer import Forward, Step, Trainer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from hanas.data.batches import Batch
    from hanas.training.epochs import StepResult
    from hanas.training.supernets import Run


class OneShot(Trainer):
    """Architecture weights stay as they are; what is drawn is trained, then judged."""

    #: What is drawn, in words.
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
        how = f"lowest error of {count} random {self.drawn} on {images} validation images"
        return min(candidates, key=lambda genes: run.judge_cell(genes)[::-1]), how


class SinglePath(OneShot):
    """Every step trains one architecture, drawn operation by operation."""

    sampled_cells: Literal["all", "connected", "distinct"] = Field(
        default="all",
        description="Cells to draw from: all, those whose input reaches the output, or one of "
        "each isomorphism class.",
    )

    @model_validator(mode="after")
    def _cells_can_be_listed(self) -> SinglePath:
        if self.sampled_cells != "all" and not plugins.space(self.space).enumerable:
            raise InputError(
                f"sampled_cells is {self.sampled_cells!r}, but space {self.space!r} is too "
                "large to list; leave it out"
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


@cache
def cells_of(space: str, cell_set: str) -> np.ndarray:
    """Return the cells of a set of an enumerable space, int64 (K, genes), in index order.

    The set is ``all``, ``connected`` (their input reaches the output) or ``distinct`` (the first
    of each isomorphism class).
    """
    found = plugins.space(space)
    genes = found.all_genes()
    if cell_set == "connected":
        return genes[found.connected(genes)]
    if cell_set == "distinct":
        _, first = np.unique([found.canonical(row) for row in genes], return_index=True)
        return genes[np.sort(first)]
    return genes
