"""How the weights of a network take a step of stochastic gradient descent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hanas.compute import autocast
from hanas.settings import check_choice, check_number
from hanas.training.batches import Batch, Split, ordered_batches
from hanas.training.epochs import StepResult

#: Images a batch in evaluation, where nothing else is said.
EVALUATION_BATCH = 256


@dataclass(frozen=True)
class TrainingSettings:
    """How weights are trained; the defaults are those of a supernet on NAS-Bench-201.

    Parameters
    ----------
    epochs
        Passes over the training images.
    batch_size
        Images a step.
    learning_rate, final_learning_rate, schedule
        The learning rate of SGD falls from the first to the last as ``cosine``, ``linear`` or
        (``constant``) not at all, step by step.
    momentum, nesterov, weight_decay
        Of SGD.
    gradient_clip
        Largest norm of the gradient of all weights; 0 for no limit.
    flip
        Probability of a horizontal flip.
    crop_padding
        Pixels that a random crop moves an image by at most.
    resolution
        Side that images are average-pooled to; None keeps theirs.
    operation_probabilities
        Probability of each operation, by name, with which sampling starts; None: equal.
    batches_per_epoch
        Steps an epoch at most; None: all training images.
    """

    epochs: int = 200
    batch_size: int = 64
    learning_rate: float = 0.025
    final_learning_rate: float = 0.0
    schedule: str = "cosine"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    gradient_clip: float = 5.0
    flip: float = 0.5
    crop_padding: int = 4
    resolution: int | None = None
    operation_probabilities: dict[str, float] | None = None
    batches_per_epoch: int | None = None

    def __post_init__(self) -> None:
        check_number("epochs", self.epochs, at_least=1, whole=True)
        check_number("batch_size", self.batch_size, at_least=1, whole=True)
        check_number("learning_rate", self.learning_rate, above=0)
        check_number("final_learning_rate", self.final_learning_rate, at_least=0)
        check_choice("schedule", self.schedule, ("cosine", "linear", "constant"))
        check_number("momentum", self.momentum, at_least=0, at_most=1)
        check_choice("nesterov", self.nesterov, (True, False))
        check_number("weight_decay", self.weight_decay, at_least=0)
        check_number("gradient_clip", self.gradient_clip, at_least=0)
        check_number("flip", self.flip, at_least=0, at_most=1)
        check_number("crop_padding", self.crop_padding, at_least=0, whole=True)
        for name in ("resolution", "batches_per_epoch"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), at_least=1, whole=True)


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
