"""Search by differentiable sampling: each step draws one cell, through which gradients flow.

Reference: X. Dong and Y. Yang, "Searching for a Robust Neural Architecture in Four GPU Hours",
CVPR 2019.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from hanas.core.settings import Positive
from hanas.training.trainers._trainer import AlphaSettings, Differentiable, Forward, Step

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from hanas.data.batches import Batch
    from hanas.training.epochs import StepResult
    from hanas.training.supernets import Run


class GdasAlphas(AlphaSettings):
    """How architecture weights are trained."""

    tau: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        default=[10.0, 0.1], description="First and last temperature."
    )
    straight_through: Literal["all", "sampled"] = Field(
        default="all",
        description="Operations that their gradient looks at: all, or the sampled one alone as in "
        "the paper.",
    )


class Gdas(Differentiable):
    """Search by differentiable sampling (X. Dong and Y. Yang, CVPR 2019)."""

    trainer: Literal["gdas"] = Field(description="One sampled cell a step, with a gradient.")
    architecture: GdasAlphas = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default=GdasAlphas(), description="How the architecture weights are trained."
    )

    def begin_epoch(self, run: Run, epoch: int) -> Step:
        """Alternate steps of the weights and of the alphas; each draws a cell of its own."""
        import torch

        from hanas.training.epochs import loss_and_logits

        validation = run.validation_batches(epoch)
        shape = (run.steps, 2, *run.alphas.shape)
        noise = gumbel_noise(shape, run.random("gumbel noise", epoch)).to(run.alphas.device)
        tau = temperature(epoch, self.training.epochs, self.architecture.tau)

        def alpha_forward(images: Tensor, weights: Tensor, genes: list[int]) -> Tensor:
            if self.architecture.straight_through == "all":
                return run.cell_network.straight_through(images, weights, genes)
            return run.cell_network(images, genes, weights)

        def step(number: int, batch: Batch) -> StepResult:
            _, genes = sample(run.alphas.detach(), noise[number, 0], tau)
            result = run.weight_stepper.step(batch, lambda images: run.network(images, genes))
            if number % self.architecture.weight_steps:
                return result
            weights, drawn = sample(run.alphas, noise[number, 1], tau)
            forward = partial(alpha_forward, weights=weights, genes=drawn)
            of_classes = run.weight_stepper.class_weights
            loss, _ = loss_and_logits(forward, validation(number), self.precision, of_classes)
            # The loss does not depend on the alphas where the sampled cell is nothing but ``none``.
            (gradient,) = torch.autograd.grad(loss + 0 * weights.sum(), run.alphas)
            run.step_alphas(gradient)
            return result

        return step

    def validation_forward(self, run: Run, epoch: int) -> Forward:
        """Judge the network by the cell that would be found now."""
        genes, _ = self.found(run)
        return lambda images: run.network(images, genes)

    def columns(self, epoch: int) -> Mapping[str, float]:
        """Return the temperature."""
        return {"tau": temperature(epoch, self.training.epochs, self.architecture.tau)}


def gumbel_noise(shape: tuple[int, ...], random: torch.Generator) -> Tensor:
    """Return g = -log(-log u) for u uniform in (0, 1), float32."""
    import torch

    uniform = torch.rand(shape, generator=random, dtype=torch.float64)
    tiny = torch.finfo(torch.float64).tiny
    return -(-uniform.clamp(min=tiny).log()).log().float()


def sample(alphas: Tensor, noise: Tensor, tau: float) -> tuple[Tensor, list[int]]:
    """Draw an operation for each edge, with a gradient.

    Of logits (genes, operations), p = softmax(alphas), and Gumbel noise g of the same shape.
    Returns weights of that shape, one at argmax(log p + g) and zero elsewhere, with the gradient of
    softmax((log p + g) / tau); and the argmax.

    >>> import torch
    >>> weights, genes = sample(torch.zeros(1, 3), torch.tensor([[0.1, 0.5, -2.0]]), tau=1.0)
    >>> weights.tolist(), genes
    ([[0.0, 1.0, 0.0]], [1])
    """
    import torch.nn.functional as F

    logits = alphas.log_softmax(dim=1) + noise
    soft = (logits / tau).softmax(dim=1)
    chosen = logits.argmax(dim=1)
    hard = F.one_hot(chosen, alphas.shape[1]).to(soft.dtype)
    return hard + (soft - soft.detach()), chosen.tolist()


def temperature(epoch: int, epochs: int, tau: Sequence[float]) -> float:
    """Return the temperature of an epoch (from 0), which falls linearly.

    >>> [round(temperature(epoch, 4, (10, 0.1)), 3) for epoch in range(4)]
    [10.0, 6.7, 3.4, 0.1]
    """
    first, last = tau
    return float(first + (last - first) * epoch / max(epochs - 1, 1))
