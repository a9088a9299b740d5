"""Trainers that learn architecture weights: the largest of each edge is what they find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from hanas.core.errors import InputError
from hanas.core.settings import Count, Positive, Settings
from hanas.training.settings import NotNegative
from hanas.training.trainers._trainer import Trainer

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from hanas.training.supernets import Run


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
