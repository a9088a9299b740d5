"""Differentiable search: every edge is a mixture of all operations, weighted by a softmax.

Reference: H. Liu, K. Simonyan and Y. Yang, "DARTS: Differentiable Architecture Search", ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hanas.training.trainers._trainer import AlphaSettings, Differentiable, Forward, Step

if TYPE_CHECKING:
    from torch import Tensor

    from hanas.data.batches import Batch
    from hanas.training.epochs import StepResult
    from hanas.training.supernets import Run


class DartsAlphas(AlphaSettings):
    """How the architecture weights of darts are trained."""

    order: Literal[1, 2] = Field(
        default=1, description="Order of their gradient: 2 goes through one step of the weights."
    )


class Darts(Differentiable):
    """Differentiable architecture search (H. Liu et al., ICLR 2019)."""

    trainer: Literal["darts"] = Field(description="A mixture of all operations on every edge.")
    architecture: DartsAlphas = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default=DartsAlphas(), description="How the architecture weights are trained."
    )

    def begin_epoch(self, run: Run, epoch: int) -> Step:
        """Alternate a step of the alphas on a validation batch and steps of the weights."""
        import torch

        from hanas.training.epochs import loss_and_logits

        validation = run.validation_batches(epoch)
        weights = list(run.network.parameters())

        def loss(batch: Batch) -> Tensor:
            weights = run.weight_stepper.class_weights
            return loss_and_logits(_mixture(run), batch, self.precision, weights)[0]

        def alpha_gradient(number: int, batch: Batch) -> Tensor:
            validation_batch = validation(number)
            if self.architecture.order == 1:
                return torch.autograd.grad(loss(validation_batch), run.alphas)[0]
            losses = (lambda: loss(batch)), (lambda: loss(validation_batch))
            rate = run.weight_stepper.learning_rate
            return second_order_gradient(run.alphas, weights, *losses, learning_rate=rate)

        def step(number: int, batch: Batch) -> StepResult:
            if number % self.architecture.weight_steps == 0:
                run.step_alphas(alpha_gradient(number, batch))
            return run.weight_stepper.step(batch, _mixture(run, detached=True))

        return step

    def validation_forward(self, run: Run, epoch: int) -> Forward:
        """Judge the network by the mixture."""
        return _mixture(run)


def _mixture(run: Run, *, detached: bool = False) -> Forward:
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
    difference of :math:`\nabla_\alpha L_{train}` at :math:`w \pm \epsilon v`. ``alphas`` and
    ``weights`` are leaf tensors, changed in place and put back. ``reach`` is
    :math:`\epsilon \lVert v \rVert`: the reference takes 0.01, within which few ReLUs of a large
    network change their side, but those of a tiny one may.
    """
    import torch

    original = [w.detach().clone() for w in weights]

    def move(directions: Sequence[Tensor], length: float | Tensor) -> None:
        with torch.no_grad():
            for w, start, direction in zip(weights, original, directions, strict=True):
                w.copy_(start + length * direction)

    def alpha_gradient() -> Tensor:
        return torch.autograd.grad(train_loss(), alphas)[0]

    def gradients(loss: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
        # A weight may have no part in the loss.
        return torch.autograd.grad(loss, of, allow_unused=True, materialize_grads=True)

    move(gradients(train_loss(), *weights), -learning_rate)
    direct, *vector = gradients(validation_loss(), alphas, *weights)
    norm = torch.cat([v.flatten() for v in vector]).norm()
    correction = torch.zeros_like(direct)
    if norm != 0:
        epsilon = reach / norm
        move(vector, epsilon)
        above = alpha_gradient()
        move(vector, -epsilon)
        correction = (above - alpha_gradient()) / (2 * epsilon)
    with torch.no_grad():
        for w, start in zip(weights, original, strict=True):
            w.copy_(start)
    return direct - learning_rate * correction
