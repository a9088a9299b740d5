"""How weights are trained. Without PyTorch: read while rules are parsed."""

from __future__ import annotations

from dataclasses import dataclass

from hanas.core.errors import InputError
from hanas.core.settings import check_choice, check_number


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
    batches_per_epoch: int | None = None

    def __post_init__(self) -> None:
        check_number("epochs", self.epochs, at_least=1, whole=True)
        check_number("batch_size", self.batch_size, at_least=1, whole=True)
        check_number("learning_rate", self.learning_rate, above=0)
        check_number("final_learning_rate", self.final_learning_rate, at_least=0)
        check_choice("schedule", self.schedule, ("cosine", "linear", "constant"))
        if self.schedule == "constant" and self.final_learning_rate != 0:
            raise InputError(
                f"final_learning_rate is {self.final_learning_rate}, which schedule constant does "
                "not use; leave it out, or set schedule to cosine or linear"
            )
        check_number("momentum", self.momentum, at_least=0, at_most=1)
        check_choice("nesterov", self.nesterov, (True, False))
        check_number("weight_decay", self.weight_decay, at_least=0)
        check_number("gradient_clip", self.gradient_clip, at_least=0)
        check_number("flip", self.flip, at_least=0, at_most=1)
        check_number("crop_padding", self.crop_padding, at_least=0, whole=True)
        for name in ("resolution", "batches_per_epoch"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), at_least=1, whole=True)
