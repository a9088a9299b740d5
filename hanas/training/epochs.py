"""The training loop that every kind of training shares: steps, epochs, evaluation.

A training can be ended anywhere and go on from there, to the same bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hanas.core import plugins
from hanas.core.compute import autocast
from hanas.core.errors import InputError
from hanas.core.files import checksum, load_checkpoint, save_checkpoint
from hanas.core.progress import Log, Pace, duration
from hanas.data.batches import Batch, Split, ordered_batches
from hanas.data.images import ImageData
from hanas.training.curves import Curves
from hanas.training.settings import FromScratch, TrainingSettings

if TYPE_CHECKING:
    from hanas.training.trainers._trainer import Trainer

#: Images a batch in evaluation, where nothing else is said.
EVALUATION_BATCH = 256
SECONDS_BETWEEN_CHECKPOINTS = 60.0


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

    What has no gradient in a step stays as it is. With ``class_weights``, float32 (classes,), the
    loss is a weighted mean.
    """

    def __init__(
        self,
        weights: Sequence[nn.Parameter],
        settings: TrainingSettings,
        precision: str = "float32",
        class_weights: Tensor | None = None,
    ) -> None:
        self.settings, self.precision, self.weights = settings, precision, weights
        self.class_weights = class_weights
        self.learning_rate = settings.learning_rate  # of the next step
        self.optimizer = torch.optim.SGD(
            weights,
            lr=settings.learning_rate,
            momentum=settings.momentum,
            nesterov=settings.nesterov and settings.momentum > 0,
            weight_decay=settings.weight_decay,
        )

    def step(self, batch: Batch, *forwards: Callable[[Tensor], Tensor]) -> StepResult:
        """Step along the sum of the losses of ways through the network: images to logits.

        Returns the mean loss of the ways, and what is correct by the last of them.
        """
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.param_groups[0]["lr"] = self.learning_rate
        losses, correct = [], torch.zeros((), dtype=torch.int64)
        for forward in forwards:  # one graph at a time in memory
            loss, logits = loss_and_logits(forward, batch, self.precision, self.class_weights)
            loss.backward()
            losses.append(loss.detach())
            correct = correct_images(logits, batch)
        if self.settings.gradient_clip:
            nn.utils.clip_grad_norm_(self.weights, self.settings.gradient_clip)
        self.optimizer.step()
        return StepResult(torch.stack(losses).mean(), correct, len(batch.labels))


def loss_and_logits(
    forward: Callable[[Tensor], Tensor],
    batch: Batch,
    precision: str,
    class_weights: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy, float32 (), and the logits (B, classes) of a batch.

    With ``class_weights``, float32 (classes,), it is the mean weighted by those of the labels.
    """
    with autocast(batch.images.device, precision):
        logits = forward(batch.images)
    logits = logits.float() if logits.dtype != torch.float64 else logits
    return F.cross_entropy(logits, batch.labels, class_weights), logits


def class_weights_of(training: TrainingSettings, data: ImageData, split: Split) -> Tensor | None:
    """Return the weights of classes in the loss on a split, float32 (classes,); None: all alike."""
    images = torch.bincount(split.labels.cpu(), minlength=len(data.classes)).tolist()
    weights = training.weights_of(data.classes, images)
    return None if weights is None else torch.tensor(weights, device=split.labels.device)


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

    As :func:`judged`.
    """
    loss, right = judged(network, forward, images, batch_size=batch_size, precision=precision)
    return loss, 1 - int(right.sum()) / len(images)


def judged(
    network: nn.Module,
    forward: Callable[[Tensor], Tensor],
    images: Split,
    *,
    batch_size: int = EVALUATION_BATCH,
    precision: str = "float32",
) -> tuple[float, np.ndarray]:
    """Return mean cross-entropy, and how many images of each class are right, int64 (classes,).

    ``forward`` maps images to logits (B, classes) with the network, which is in evaluation mode for
    the time; batches are of nearly equal size.
    """
    network.eval()
    loss, right = 0.0, torch.zeros((), dtype=torch.int64)
    with torch.inference_mode():
        for batch in ordered_batches(images, batch_size):
            mean, logits = loss_and_logits(forward, batch, precision)
            loss += float(mean) * len(batch.labels)
            found = batch.labels[logits.argmax(dim=1) == batch.labels]
            right = right + torch.bincount(found, minlength=logits.shape[1]).cpu()
    network.train()
    return loss / len(images), right.numpy()


# ---- epochs -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loop:
    """A training, as the loop sees it; the stepper's settings say how many epochs there are.

    ``begin_epoch`` is called with the epoch (from 0); it returns the function that makes one step,
    called with its number in the epoch. What they draw at random may depend on these numbers and
    not on earlier calls, which a resumed training does not make. ``end_epoch`` gets the epoch and
    the learning rate that it began with, and returns further columns of the history. ``state`` is
    all that changes while training, ``network`` among it, but for the stepper's optimizer. After
    the epochs ``kept_after``, from 1, a copy of the network's weights is kept.
    """

    stepper: WeightStepper
    steps: int
    begin_epoch: Callable[[int], Callable[[int], StepResult]]
    end_epoch: Callable[[int, float], Mapping[str, float]]
    state: Mapping[str, nn.Module | torch.optim.Optimizer]
    kept_after: Collection[int] = ()

    def rate_at(self, epoch: int, step: int) -> float:
        """Return the learning rate of a step of an epoch."""
        training = self.stepper.settings
        return learning_rate(training, (epoch * self.steps + step) / (training.epochs * self.steps))


def depends_on(
    settings: FromScratch | Trainer, images: str | Path, device: torch.device
) -> dict[str, Any]:
    """Return what trained weights depend on, JSON-like: settings, a file of images, versions."""
    return {
        "settings": settings.params(),
        "revision": [settings.revision, plugins.space(settings.space).revision],
        "images": checksum(images),
        "computed by": [torch.__version__, device.type],
        **plugins.declared(settings.space),
    }


def run(
    loop: Loop, *, checkpoint: Path, belongs_to: str, log: Log
) -> tuple[list[dict[str, float]], list[dict[str, Tensor]]]:
    """Train, and return a row for each epoch, and the weights that were kept.

    The state is saved to ``checkpoint`` after each epoch and about once a minute within one; from
    there a later call with the same ``belongs_to`` goes on, to the same bits. The caller deletes
    the file when its results are written. The log has a line at once and one
    after seconds, beside that of each epoch.

    A row is ``epoch`` (from 1), ``train_loss``, ``train_accuracy`` (fraction), the columns of
    ``end_epoch``, and ``seconds`` so far, in all runs of this training. Weights are state dicts of
    the network, on the CPU. Raises InputError if the loss is no longer a finite number.
    """
    rows: list[dict[str, float]] = []
    kept: list[dict[str, Tensor]] = []
    first_epoch, first_step, sums, seconds = 0, 0, [0.0, 0.0, 0.0], 0.0
    state = {**loop.state, "optimizer": loop.stepper.optimizer}
    saved = load_checkpoint(checkpoint, belongs_to=belongs_to, log=log)
    if saved is not None:
        first_epoch, first_step, sums = saved["epoch"], saved["step"], saved["sums"]
        rows, kept, seconds = saved["rows"], saved["kept"], saved["seconds"]
        for name, part in state.items():
            part.load_state_dict(saved["parts"][name])
        log(f"going on from {checkpoint}: epoch {first_epoch + 1}, step {first_step + 1}")
    curves = Curves(checkpoint.stem, rows)
    epochs, begun = loop.stepper.settings.epochs, first_epoch * loop.steps + first_step
    started = last_save = time.monotonic()
    log(f"step {begun} of {epochs * loop.steps}: {epochs} epochs of {loop.steps} steps")
    pace = Pace(begun, epochs * loop.steps, log)

    def save(epoch: int, step: int, sums: list[float]) -> float:
        parts = {name: part.state_dict() for name, part in state.items()}
        progress = {"epoch": epoch, "step": step, "sums": sums, "rows": rows, "kept": kept}
        whole = {**progress, "seconds": seconds + time.monotonic() - started, "parts": parts}
        save_checkpoint(checkpoint, whole, belongs_to=belongs_to)
        return time.monotonic()

    for epoch in range(first_epoch, epochs):
        results: list[StepResult] = []  # they stay on the device until they are asked for
        step_of = loop.begin_epoch(epoch)
        for step in range(first_step, loop.steps):
            loop.stepper.learning_rate = loop.rate_at(epoch, step)
            results.append(step_of(step))
            pace.advance(results[-1].images, results[-1].loss.item)
            is_late = time.monotonic() - last_save > SECONDS_BETWEEN_CHECKPOINTS
            if is_late and step + 1 < loop.steps:
                sums, results = _added(sums, results, epoch), []
                last_save = save(epoch, step + 1, sums)
        loss, correct, images = _added(sums, results, epoch)
        if epoch + 1 in loop.kept_after:
            weights = state["network"].state_dict()
            kept.append({name: value.detach().cpu().clone() for name, value in weights.items()})
        row = {"epoch": epoch + 1, "train_loss": loss / images, "train_accuracy": correct / images}
        row |= loop.end_epoch(epoch, loop.rate_at(epoch, 0))
        elapsed = time.monotonic() - started
        rows.append({**row, "seconds": seconds + elapsed})
        curves.add(rows[-1])
        done = (epoch + 1) * loop.steps
        left = elapsed / max(done - begun, 1) * (epochs * loop.steps - done)
        log(_line(rows[-1], epochs, left))
        pace.said()
        first_step, sums = 0, [0.0, 0.0, 0.0]
        last_save = save(epoch + 1, 0, sums)
    return rows, kept


def _added(sums: list[float], results: list[StepResult], epoch: int) -> list[float]:
    """Return sums of loss times images, correct images and images, with those of more steps."""
    loss, correct, images = sums
    if results:
        losses = torch.stack([result.loss.double() * result.images for result in results])
        # One at a time, in order: the same bits wherever a training was interrupted.
        for value in losses.tolist():
            loss += value
        correct += sum(torch.stack([result.correct for result in results]).tolist())
        images += sum(result.images for result in results)
    if not math.isfinite(loss):
        raise InputError(
            f"the training loss is no longer a finite number in epoch {epoch + 1}; lower "
            "training.learning_rate or training.gradient_clip (0 is no limit)"
        )
    return [loss, float(correct), float(images)]


def _line(row: Mapping[str, float], epochs: int, seconds_left: float) -> str:
    parts = [f"epoch {row['epoch']}/{epochs}"]
    for kind in ("train", "validation"):
        if f"{kind}_loss" in row:
            loss, accuracy = row[f"{kind}_loss"], row[f"{kind}_accuracy"]
            parts.append(f"{kind} loss {loss:.4f}, accuracy {100 * accuracy:.2f} %")
    times = f"{duration(row['seconds'])}, {duration(seconds_left)} left"
    return "; ".join([*parts, times])
