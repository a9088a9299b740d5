"""The training loop that every kind of training shares: epochs of steps, resumable anywhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from hanas.core.errors import InputError
from hanas.core.files import load_checkpoint, save_checkpoint
from hanas.core.progress import Log, duration
from hanas.training.weight_steps import StepResult, WeightStepper, learning_rate

SECONDS_BETWEEN_CHECKPOINTS = 60.0


class Stateful(Protocol):
    """Anything whose state can be taken and put back, such as a network or an optimizer."""

    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102
    def load_state_dict(self, state_dict: Any) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class Loop:
    """A training, as the loop sees it.

    Parameters
    ----------
    stepper
        Takes the steps; its settings say how many epochs there are and how its rate falls.
    steps
        Number of steps in each epoch.
    begin_epoch
        Called with the epoch (from 0); returns the function that makes one step, called with the
        number of the step in the epoch. What they draw at random may depend on these numbers and
        not on earlier calls, because a resumed training does not make them.
    end_epoch
        Called with the epoch and the learning rate that it began with; returns further columns
        for its row of the history.
    state
        All that changes while training, ``network`` among it, but for the stepper's optimizer.
    kept_after
        After which epochs, from 1, a copy of the network's weights is kept.
    """

    stepper: WeightStepper
    steps: int
    begin_epoch: Callable[[int], Callable[[int], StepResult]]
    end_epoch: Callable[[int, float], Mapping[str, float]]
    state: Mapping[str, Stateful]
    kept_after: Collection[int] = ()

    def rate_at(self, epoch: int, step: int) -> float:
        """Return the learning rate of a step of an epoch."""
        training = self.stepper.settings
        done = (epoch * self.steps + step) / (training.epochs * self.steps)
        return learning_rate(training, done)


def run(
    loop: Loop, *, checkpoint: Path, belongs_to: str, log: Log
) -> tuple[list[dict[str, float]], list[dict[str, Tensor]]]:
    """Train, and return a row for each epoch, and the weights that were kept.

    The state is saved to ``checkpoint`` after each epoch and about once a minute within one; from
    there a later call with the same ``belongs_to`` goes on, to the same bits. The caller deletes
    the file when its results are written.

    Returns
    -------
    rows
        ``epoch`` (from 1), ``train_loss``, ``train_accuracy`` (fraction), the columns of
        ``end_epoch``, and ``seconds`` so far, in all runs of this training.
    kept
        State dicts of the network, on the CPU.

    Raises
    ------
    InputError
        If the loss is no longer a finite number.
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
    epochs = loop.stepper.settings.epochs
    clock = _Clock(seconds, (epochs - first_epoch) * loop.steps - first_step)

    def save(epoch: int, step: int, sums: list[float]) -> None:
        parts = {name: part.state_dict() for name, part in state.items()}
        progress = {"epoch": epoch, "step": step, "sums": sums, "rows": rows, "kept": kept}
        whole = {**progress, "seconds": clock.seconds(), "parts": parts}
        save_checkpoint(checkpoint, whole, belongs_to=belongs_to)
        clock.saved()

    for epoch in range(first_epoch, epochs):
        total = _Sums(sums)
        step_of = loop.begin_epoch(epoch)
        for step in range(first_step, loop.steps):
            loop.stepper.learning_rate = loop.rate_at(epoch, step)
            total.add(step_of(step))
            clock.steps += 1
            if clock.since_saved() > SECONDS_BETWEEN_CHECKPOINTS and step + 1 < loop.steps:
                save(epoch, step + 1, _finite(total.values(), epoch))
        loss, correct, images = _finite(total.values(), epoch)
        if epoch + 1 in loop.kept_after:
            weights = state["network"].state_dict()
            kept.append({name: value.detach().cpu().clone() for name, value in weights.items()})
        rows.append(
            {
                "epoch": epoch + 1,
                "train_loss": loss / images,
                "train_accuracy": correct / images,
                **loop.end_epoch(epoch, loop.rate_at(epoch, 0)),
                "seconds": clock.seconds(),
            }
        )
        first_step, sums = 0, [0.0, 0.0, 0.0]
        log(_line(rows[-1], epochs, clock))
        save(epoch + 1, 0, sums)
    return rows, kept


class _Sums:
    """Sums over the steps of an epoch; they stay on the device until they are asked for."""

    def __init__(self, start: list[float]) -> None:
        self._start, self._loss, self._correct, self._images = start, [], [], 0

    def add(self, result: StepResult) -> None:
        self._loss.append(result.loss.double() * result.images)
        self._correct.append(result.correct)
        self._images += result.images

    def values(self) -> list[float]:
        """Return loss times images, correct images, images."""
        loss, correct, images = self._start
        # One at a time, in order: the same bits wherever a training was interrupted.
        for value in torch.stack(self._loss).tolist() if self._loss else []:
            loss += value
        correct += sum(torch.stack(self._correct).tolist()) if self._correct else 0
        return [loss, float(correct), images + float(self._images)]


class _Clock:
    def __init__(self, seconds_before: float, steps_left: int) -> None:
        self._before, self._all_steps, self.steps = seconds_before, steps_left, 0
        self._started = self._saved = time.monotonic()

    def seconds(self) -> float:
        return self._before + time.monotonic() - self._started

    def saved(self) -> None:
        self._saved = time.monotonic()

    def since_saved(self) -> float:
        return time.monotonic() - self._saved

    def seconds_left(self) -> float:
        elapsed = time.monotonic() - self._started
        return elapsed / max(self.steps, 1) * (self._all_steps - self.steps)


def _finite(sums: list[float], epoch: int) -> list[float]:
    if not math.isfinite(sums[0]):
        raise InputError(
            f"the training loss is no longer a finite number in epoch {epoch + 1}; lower "
            "training.learning_rate or training.gradient_clip (0 is no limit)"
        )
    return sums


def _line(row: Mapping[str, float], epochs: int, clock: _Clock) -> str:
    parts = [f"epoch {row['epoch']}/{epochs}"]
    for kind in ("train", "validation"):
        if f"{kind}_loss" in row:
            loss, accuracy = row[f"{kind}_loss"], row[f"{kind}_accuracy"]
            parts.append(f"{kind} loss {loss:.4f}, accuracy {100 * accuracy:.2f} %")
    left = duration(clock.seconds_left())
    return "; ".join([*parts, f"{duration(clock.seconds())}, {left} left"])
