"""How the weights of a network take a step of stochastic gradient descent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hanas.core.compute import autocast
from hanas.data.batches import Batch, Split, ordered_batches
from hanas.training.settings import TrainingSettings

#: Images a batch in evaluation, where nothing else is said.
EVALUATION_BATCH = 256


class StepResult(NamedTuple):
    """What one step measured, without a graph and without waiting for a GPU."""

    loss: Tensor  # mean cross-entropy, ()
    correct: Tensor  # number of images classified correctly, ()
    images: int


def learning_rate(settings: TrainingSettings, progress: float) -> float:
    """Return the learning rate where ``progress`` (0 to 1) of all steps are done.

    >>> [round(learning_rate(TrainingSettings(), part), 6) for part in (0, 0.5, 1)]
    [0.025, 0.0125, 0.0]
    """
    first, last = settings.learning_rate, settings.final_learning_rate
    if settings.schedule == "constant":
        return first
    fall = progress if settings.schedule == "linear" else (1 - math.cos(math.pi * progress)) / 2
    return first + (last - first) * fall


class WeightStepper:
    """Takes weight steps: gradient of the mean loss, clipped, then SGD.

    What has no gradient in a step stays as it is. ``precision`` is ``float32`` or ``mixed``.
    """

    def __init__(
        self,
        weights: Sequence[nn.Parameter],
        settings: TrainingSettings,
        precision: str = "float32",
    ) -> None:
        self.settings, self.precision = settings, precision
        self.optimizer = torch.optim.SGD(
            weights,
            lr=settings.learning_rate,
            momentum=settings.momentum,
            nesterov=settings.nesterov and settings.momentum > 0,
            weight_decay=settings.weight_decay,
        )

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return self.optimizer.param_groups[0]["lr"]

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self.optimizer.param_groups[0]["lr"] = rate

    def step(self, batch: Batch, *forwards: Callable[[Tensor], Tensor]) -> StepResult:
        """Step along the sum of the losses of ways through the network: images to logits.

        Returns the mean loss of the ways, and what is correct by the last of them.
        """
        self.optimizer.zero_grad(set_to_none=True)
        losses, correct = [], torch.zeros((), dtype=torch.int64)
        for forward in forwards:  # one graph at a time in memory
            loss, logits = loss_and_logits(forward, batch, self.precision)
            loss.backward()
            losses.append(loss.detach())
            correct = correct_images(logits, batch)
        if self.settings.gradient_clip:
            weights = self.optimizer.param_groups[0]["params"]
            nn.utils.clip_grad_norm_(weights, self.settings.gradient_clip)
        self.optimizer.step()
        return StepResult(torch.stack(losses).mean(), correct, len(batch.labels))


def loss_and_logits(
    forward: Callable[[Tensor], Tensor], batch: Batch, precision: str
) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy, float32 (), and the logits (B, classes) of a batch."""
    with autocast(batch.images.device, precision):
        logits = forward(batch.images)
    logits = logits.float() if logits.dtype != torch.float64 else logits
    return F.cross_entropy(logits, batch.labels), logits


def correct_images(logits: Tensor, batch: Batch) -> Tensor:
    """Return how many images have their largest logit at their label, int64 ()."""
    return (logits.detach().argmax(dim=1) == batch.labels).sum()


def evaluate(
    network: nn.Module,
    forward: Callable[[Tensor], Tensor],
    images: Split,
    *,
    batch_size: int = EVALUATION_BATCH,
    precision: str = "float32",
) -> tuple[float, float]:
    """Return mean cross-entropy and error (a fraction) of a network on all images of a split.

    ``forward`` maps images to logits (B, classes) with the network, which is in evaluation mode for
    the time; batches are of nearly equal size.
    """
    network.eval()
    loss, correct = 0.0, 0
    with torch.inference_mode():
        for batch in ordered_batches(images, batch_size):
            mean, logits = loss_and_logits(forward, batch, precision)
            loss += float(mean) * len(batch.labels)
            correct += int(correct_images(logits, batch))
    network.train()
    return loss / len(images), 1 - correct / len(images)
