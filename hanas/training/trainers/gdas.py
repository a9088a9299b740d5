"""Search by differentiable sampling: each step draws one cell, through which gradients flow.

Reference: X. Dong and Y. Yang, "Searching for a Robust Neural Architecture in Four GPU Hours",
CVPR 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hanas.core.checkpoints import Log
from hanas.data.batches import Batch
from hanas.training.epochs import StepResult
from hanas.training.trainers._run import Run, best_of_alphas
from hanas.training.weight_steps import loss_and_logits

#: Standard deviation of the first architecture weights.
ALPHA_SCALE = 1e-3
LAYER_WISE = False
USES = (
    "training.operation_probabilities",
    "architecture.learning_rate",
    "architecture.weight_decay",
    "architecture.betas",
    "architecture.weight_steps",
    "architecture.tau",
    "architecture.straight_through",
)


def begin_epoch(run: Run, epoch: int) -> Callable[[int, Batch], StepResult]:
    """Alternate steps of the weights and, on a validation batch, one of the alphas.

    Each draws a cell of its own.
    """
    validation = run.validation_batches(epoch)
    shape = (run.steps, 2, *run.alphas.shape)
    noise = gumbel_noise(shape, run.random("gumbel noise", epoch)).to(run.alphas.device)
    tau = temperature(epoch, run.settings.training.epochs, run.settings.architecture.tau)
    every_operation = run.settings.architecture.straight_through == "all"

    def alpha_forward(images: Tensor, weights: Tensor, genes: list[int]) -> Tensor:
        if every_operation:
            return run.cell_network.straight_through(images, weights, genes)
        return run.cell_network(images, genes, weights)

    def step(number: int, batch: Batch) -> StepResult:
        _, genes = sample(run.alphas.detach(), noise[number, 0], tau)
        result = run.weight_stepper.step(batch, lambda images: run.network(images, genes))
        if number % run.settings.architecture.weight_steps:
            return result
        weights, genes = sample(run.alphas, noise[number, 1], tau)
        loss, _ = loss_and_logits(
            lambda images: alpha_forward(images, weights, genes),
            validation(number),
            run.settings.precision,
        )
        # The loss does not depend on the alphas where the sampled cell is nothing but ``none``.
        (run.alphas.grad,) = torch.autograd.grad(loss + 0 * weights.sum(), run.alphas)
        run.alpha_optimizer.step()
        return result

    return step


def gumbel_noise(shape: tuple[int, ...], random: torch.Generator) -> Tensor:
    """Return g = -log(-log u) for u uniform in (0, 1), float32."""
    uniform = torch.rand(shape, generator=random, dtype=torch.float64)
    tiny = torch.finfo(torch.float64).tiny
    return -(-uniform.clamp(min=tiny).log()).log().float()


def sample(alphas: Tensor, noise: Tensor, tau: float) -> tuple[Tensor, list[int]]:
    """Draw an operation for each edge, with a gradient.

    Parameters
    ----------
    alphas
        Logits (genes, operations); p = softmax(alphas).
    noise
        Gumbel noise g of the same shape.
    tau
        Temperature.

    Returns
    -------
    tuple
        Weights of the shape of ``alphas``, which are exactly one at argmax(log p + g) and zero
        elsewhere but have the gradient of softmax((log p + g) / tau); and the argmax as a list.

    Examples
    --------
    >>> weights, genes = sample(torch.zeros(1, 3), torch.tensor([[0.1, 0.5, -2.0]]), tau=1.0)
    >>> weights.tolist(), genes
    ([[0.0, 1.0, 0.0]], [1])
    """
    logits = alphas.log_softmax(dim=1) + noise
    soft = (logits / tau).softmax(dim=1)
    chosen = logits.argmax(dim=1)
    hard = F.one_hot(chosen, alphas.shape[1]).to(soft.dtype)
    return hard + (soft - soft.detach()), chosen.tolist()


def temperature(epoch: int, epochs: int, tau: tuple[float, float]) -> float:
    """Return the temperature of an epoch (from 0), which falls linearly.

    >>> [round(temperature(epoch, 4, (10, 0.1)), 3) for epoch in range(4)]
    [10.0, 6.7, 3.4, 0.1]
    """
    first, last = tau
    return float(first + (last - first) * epoch / max(epochs - 1, 1))


def validation_forward(run: Run, epoch: int) -> Callable[[Tensor], Tensor]:
    """Judge the network by the cell that would be found now."""
    genes, _ = best_of_alphas(run)
    return lambda images: run.network(images, genes)


def columns(run: Run, epoch: int) -> Mapping[str, float]:
    """Add the temperature to the history."""
    return {"tau": temperature(epoch, run.settings.training.epochs, run.settings.architecture.tau)}


def found(run: Run, log: Log) -> tuple[np.ndarray, str]:
    """Return the operation with the largest architecture weight on each edge."""
    return best_of_alphas(run)
