"""Strict fairness: every step trains each operation of each edge equally often, namely once.

A step draws one permutation of the operations for each edge; the cells that stand in the same
place of all permutations are trained together (X. Chu et al., "FairNAS: Rethinking Evaluation
Fairness of Weight Sharing Neural Architecture Search", ICCV 2021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.training.settings import TrainingSettings
from hanas.training.trainers._trainer import OneShot, Step, train_together

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from hanas.training.supernets import Run


class Fairness(OneShot):
    """Strict fairness (X. Chu et al., ICCV 2021)."""

    trainer: Literal["fairness"] = Field(description="All operations of all edges in each step.")
    training: TrainingSettings = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default=TrainingSettings(), description="How the weights are trained."
    )

    @model_validator(mode="after")
    def _every_edge_has_as_many(self) -> Fairness:
        space = plugins.space(self.space)
        counts = {space.place(gene): count for gene, count in enumerate(space.choices)}
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{place}: {count}" for place, count in counts.items())
            raise InputError(
                "trainer is 'fairness', which trains each operation of each edge once a step, but "
                f"edges of {self.space!r} have different numbers of them ({said}); expected such "
                "as rsps"
            )
        return self

    def begin_epoch(self, run: Run, epoch: int) -> Step:
        """Draw the permutations of all steps; a step trains as many cells as operations."""
        genes, operations = run.alphas.shape
        random = run.random("genes", epoch)
        cells = fair_cells(genes, operations, run.steps, random=random).tolist()
        return lambda number, batch: train_together(run, cells[number], batch)


def fair_cells(genes: int, operations: int, count: int, *, random: torch.Generator) -> Tensor:
    """Draw cells that hold every operation of every edge once, (count, operations, genes)."""
    import torch

    # The order of independent uniform numbers is a uniform permutation.
    return torch.rand((count, operations, genes), generator=random).argsort(dim=1)
