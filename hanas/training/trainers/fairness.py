"""Strict fairness: every step trains each operation of each edge or layer equally often.

A step draws one permutation of the operations for each edge; the cells that stand in the same
place of all permutations are trained together (X. Chu et al., "FairNAS: Rethinking Evaluation
Fairness of Weight Sharing Neural Architecture Search", ICCV 2021). Genes of fewer values than
others have each of theirs as often as any other of theirs, or once more, which ones by chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from hanas.training.settings import TrainingSettings
from hanas.training.trainers._trainer import OneShot, Step, train_together

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor

    from hanas.training.supernets import Run


class Fairness(OneShot):
    """Strict fairness (X. Chu et al., ICCV 2021)."""

    layerwise: ClassVar[bool] = True

    trainer: Literal["fairness"] = Field(
        description="All operations of all edges or layers in each step."
    )
    training: TrainingSettings = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default=TrainingSettings(), description="How the weights are trained."
    )

    def begin_epoch(self, run: Run, epoch: int) -> Step:
        """Draw the permutations of all steps; a step trains as many as a gene has values."""
        random = run.random("genes", epoch)
        genes = fair_genes(run.space.choices, run.steps, random=random).tolist()
        return lambda number, batch: train_together(run, genes[number], batch)


def fair_genes(choices: Sequence[int], count: int, *, random: torch.Generator) -> Tensor:
    """Draw architectures that together hold every value of every gene, (count, most, genes).

    ``choices`` are how many values each gene has, ``most`` the largest of them.
    """
    import torch

    # The order of independent uniform numbers is a uniform permutation.
    size = (count, max(choices), len(choices))
    permutations = torch.rand(size, generator=random).argsort(dim=1)
    if len(set(choices)) == 1:
        return permutations
    values = torch.tensor(choices)
    turned = (torch.rand((count, 1, len(choices)), generator=random) * values).long()
    return (permutations + turned) % values
