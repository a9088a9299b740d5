"""Strict fairness: every step trains each operation of each edge equally often, namely once.

A step draws one permutation of the operations for each edge; the cells that stand in the same
place of all permutations are trained together, and their gradients add up before one step.

Reference: X. Chu et al., "FairNAS: Rethinking Evaluation Fairness of Weight Sharing Neural
Architecture Search", ICCV 2021.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hanas.data.batches import Batch
from hanas.training.epochs import StepResult
from hanas.training.trainers._run import Run
from hanas.training.trainers.rsps import ALPHA_SCALE, columns, found, validation_forward

__all__ = [
    "ALPHA_SCALE",
    "LAYER_WISE",
    "USES",
    "begin_epoch",
    "columns",
    "found",
    "validation_forward",
]

LAYER_WISE = False
USES = ("candidates",)  # it trains all operations of all cells equally often


def begin_epoch(run: Run, epoch: int) -> Callable[[int, Batch], StepResult]:
    """Draw the permutations of all steps; a step trains as many cells as there are operations."""
    genes, operations = run.alphas.shape
    cells = fair_cells(genes, operations, run.steps, random=run.random("genes", epoch)).tolist()

    def step(number: int, batch: Batch) -> StepResult:
        return run.weight_stepper.step(
            batch, *(lambda images, cell=cell: run.network(images, cell) for cell in cells[number])
        )

    return step


def fair_cells(genes: int, operations: int, count: int, *, random: torch.Generator) -> Tensor:
    """Draw cells that hold every operation of every edge once, int64 (count, operations, genes).

    Parameters
    ----------
    genes, operations
        Numbers of them in the space.
    count
        Number of draws.
    random
        The generator.
    """
    # The order of independent uniform numbers is a uniform permutation.
    return torch.rand((count, operations, genes), generator=random).argsort(dim=1)
