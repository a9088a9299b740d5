"""How the weights of a network take a step of stochastic gradient descent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hanas.core.compute import autocast
from hanas.data.batches import Batch, Split, ordered_batches
from hanas.training.epochs import StepResult
from hanas.training.settings import TrainingSettings

#: Images a batch in evaluation, where nothing else is said.
EVALUATION_BATCH = 256


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


def make_optimizer(
    parameters: Sequence[nn.Parameter], settings: TrainingSettings
) -> torch.optim.SGD:
    """Return the SGD of the settings. What has no gradient in a step stays as it is."""
    return torch.optim.SGD(
        parameters,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.nesterov and settings.momentum > 0,
        weight_decay=settings.weight_decay,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next steps."""
    for group in optimizer.param_groups:
        group["lr"] = rate


@dataclass(frozen=True)
class WeightStepper:
    """Takes weight steps: gradient of the mean loss, clipped, then SGD.

    Parameters
    ----------
    optimizer
        Holds the weights.
    gradient_clip
        Largest norm of the gradient; 0 for no limit.
    precision
        ``float32`` or ``mixed``.
    """

    optimizer: torch.optim.Optimizer
    gradient_clip: float
    precision: str = "float32"

    def step(self, batch: Batch, *forwards: Callable[[Tensor], Tensor]) -> StepResult:
        """Step along the sum of the losses of one or more ways through the network.

        Parameters
        ----------
        batch
            Images and labels.
        *forwards
            Each maps images to logits (B, classes).

        Returns
        -------
        StepResult
            Mean loss of the ways, and images classified correctly by the last.
        """
        self.optimizer.zero_grad(set_to_none=True)
        losses, correct = [], torch.zeros((), dtype=torch.int64)
        for forward in forwards:  # one graph at a time in memory
            loss, logits = loss_and_logits(forward, batch, self.precision)
            loss.backward()
            losses.append(loss.detach())
            correct = correct_images(logits, batch)
        weights = [w for group in self.optimizer.param_groups for w in group["params"]]
        if self.gradient_clip:
            nn.utils.clip_grad_norm_(weights, self.gradient_clip)
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

    Parameters
    ----------
    network
        Put into evaluation mode for the time.
    forward
        Maps images to logits with the network.
    images, batch_size
        What is evaluated, in batches of nearly equal size.
    precision
        ``float32`` or ``mixed``.
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
