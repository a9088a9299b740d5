"""Differentiable search: every edge is a mixture of all operations, weighted by a softmax.

Reference: H. Liu, K. Simonyan and Y. Yang, "DARTS: Differentiable Architecture Search", ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
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
    "architecture.order",
)


def begin_epoch(run: Run, epoch: int) -> Callable[[int, Batch], StepResult]:
    """Alternate a step of the alphas on a validation batch and steps of the weights."""
    validation = run.validation_batches(epoch)
    weights = list(run.network.parameters())

    def loss(batch: Batch) -> Tensor:
        return loss_and_logits(_mixture(run), batch, run.settings.precision)[0]

    def alpha_step(number: int, batch: Batch) -> None:
        validation_batch = validation(number)
        if run.settings.architecture.order == 1:
            (run.alphas.grad,) = torch.autograd.grad(loss(validation_batch), run.alphas)
        else:
            run.alphas.grad = second_order_gradient(
                run.alphas,
                weights,
                lambda: loss(batch),
                lambda: loss(validation_batch),
                learning_rate=run.learning_rate,
            )
        run.alpha_optimizer.step()

    def step(number: int, batch: Batch) -> StepResult:
        if number % run.settings.architecture.weight_steps == 0:
            alpha_step(number, batch)
        return run.weight_stepper.step(batch, _mixture(run, detached=True))

    return step


def _mixture(run: Run, *, detached: bool = False) -> Callable[[Tensor], Tensor]:
    alphas = run.alphas.detach() if detached else run.alphas
    return lambda images: run.cell_network.mixture(images, alphas.softmax(dim=1))


def second_order_gradient(
    alphas: Tensor,
    weights: Sequence[Tensor],
    train_loss: Callable[[], Tensor],
    validation_loss: Callable[[], Tensor],
    *,
    learning_rate: float,
    reach: float = 0.01,
) -> Tensor:
    r"""Return the gradient of the validation loss after one step of the weights.

    With :math:`w' = w - \xi \nabla_w L_{train}(w, \alpha)` it is

    .. math:: \nabla_\alpha L_{val}(w', \alpha)
        - \xi \nabla^2_{\alpha, w} L_{train}(w, \alpha) \nabla_{w'} L_{val}(w', \alpha)

    where the product of the second derivative with the vector :math:`v` is taken as the central
    difference of :math:`\nabla_\alpha L_{train}` at :math:`w \pm \epsilon v`. Four evaluations of
    a loss and its gradient.

    Parameters
    ----------
    alphas
        Architecture weights, any shape.
    weights
        Leaf tensors that both losses depend on. They are changed in place and put back.
    train_loss, validation_loss
        Compute a loss () at the present values of ``alphas`` and ``weights``.
    learning_rate
        :math:`\xi`.
    reach
        :math:`\epsilon \lVert v \rVert`, how far the difference reaches. The reference takes 0.01,
        within which few ReLUs of a large network change their side, but those of a tiny one may.

    Returns
    -------
    Tensor
        Of the shape of ``alphas``.
    """
    original = [w.detach().clone() for w in weights]

    def set_weights(directions: Sequence[Tensor], length: float | Tensor) -> None:
        with torch.no_grad():
            for w, start, direction in zip(weights, original, directions, strict=True):
                w.copy_(start + length * direction)

    def alpha_gradient() -> Tensor:
        return torch.autograd.grad(train_loss(), alphas)[0]

    def gradients(loss: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
        # A weight may have no part in the loss.
        return torch.autograd.grad(loss, of, allow_unused=True, materialize_grads=True)

    set_weights(gradients(train_loss(), *weights), -learning_rate)
    direct, *vector = gradients(validation_loss(), alphas, *weights)
    norm = torch.cat([v.flatten() for v in vector]).norm()
    if norm == 0:
        correction = torch.zeros_like(direct)
    else:
        epsilon = reach / norm
        set_weights(vector, epsilon)
        above = alpha_gradient()
        set_weights(vector, -epsilon)
        correction = (above - alpha_gradient()) / (2 * epsilon)
    with torch.no_grad():
        for w, start in zip(weights, original, strict=True):
            w.copy_(start)
    return direct - learning_rate * correction


def validation_forward(run: Run, epoch: int) -> Callable[[Tensor], Tensor]:
    """Judge the network by the mixture."""
    return _mixture(run)


def columns(run: Run, epoch: int) -> Mapping[str, float]:
    """Add nothing to the history."""
    return {}


def found(run: Run, log: Log) -> tuple[np.ndarray, str]:
    """Return the operation with the largest architecture weight on each edge, ``none`` too."""
    return best_of_alphas(run)
