"""Settings of trainings, without PyTorch: they are read while rules are parsed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hanas.core.errors import InputError
from hanas.core.settings import Count, Fraction, Named, Positive, Seed, Settings
from hanas.spaces._space import DeployedNetwork

NotNegative = Annotated[float, Field(ge=0)]
Device = Annotated[Literal["auto", "cpu", "cuda"], Field(description="Where to train.")]
Precision = Annotated[
    Literal["float32", "mixed"], Field(description="Mixed precision works on CUDA.")
]
Threads = Annotated[Count, Field(description="CPU threads. Results depend on their number.")]


class TrainingSettings(Settings):
    """How weights are trained; the defaults are those of a supernet on NAS-Bench-201."""

    epochs: Count = Field(default=200, description="Passes over the training images.")
    batch_size: Count = Field(default=64, description="Images a step.")
    learning_rate: Positive = Field(
        default=0.025, description="First learning rate of SGD, annealed to final_learning_rate."
    )
    final_learning_rate: NotNegative = Field(
        default=0.0, description="Last learning rate; not with schedule constant."
    )
    schedule: Literal["cosine", "linear", "constant"] = Field(
        default="cosine", description="How the learning rate falls."
    )
    momentum: Fraction = Field(default=0.9, description="Momentum of SGD.")
    nesterov: bool = Field(default=True, description="Nesterov momentum.")
    weight_decay: NotNegative = Field(default=5e-4, description="Weight decay of SGD.")
    gradient_clip: NotNegative = Field(
        default=5.0, description="Largest norm of the gradient; 0 for no limit."
    )
    flip: Fraction = Field(default=0.5, description="Probability of a horizontal flip.")
    crop_padding: Annotated[int, Field(ge=0)] = Field(
        default=4, description="Pixels of padding before the random crop."
    )
    resolution: Count | None = Field(
        default=None,
        description="Side that images are average-pooled to, a divisor of theirs; null keeps it.",
    )
    batches_per_epoch: Count | None = Field(
        default=None, description="Steps an epoch; null for all training images."
    )

    class_weights: Literal["balanced"] | dict[str, Positive] | None = Field(
        default=None,
        description="Weights of classes in the loss, where some have few images: balanced makes "
        "all classes count alike, a mapping gives each named class its own (others 1). With "
        "either, networks are compared by their balanced accuracy.",
    )

    @property
    def judged_by(self) -> Literal["accuracy", "balanced"]:
        """Which accuracy networks are compared by, as it is in names of columns.

        Whoever weighs classes does not want what the largest class gains at the cost of others.
        """
        return "balanced" if self.class_weights else "accuracy"

    def weights_of(self, classes: Sequence[str], images: Sequence[int]) -> list[float] | None:
        """Return the weight of each class in the loss, whose numbers of images are given.

        Balanced ones are N / (C * images of the class), with a mean of 1 over the N images (G. King
        and L. Zeng, "Logistic Regression in Rare Events Data", Political Analysis 9, 2001). None
        where all count alike. InputError for a name that is no class.

        >>> TrainingSettings(class_weights="balanced").weights_of(["a", "b"], [30, 10])
        [0.6666666666666666, 2.0]
        """
        chosen = self.class_weights
        if chosen is None:
            return None
        if chosen == "balanced":
            return [sum(images) / (len(images) * max(count, 1)) for count in images]
        if unknown := [name for name in chosen if name not in classes]:
            raise InputError(
                f"training.class_weights.{unknown[0]}: no such class; expected some of "
                f"{', '.join(classes)}"
            )
        return [chosen.get(name, 1.0) for name in classes]

    @model_validator(mode="after")
    def _constant_has_no_end(self) -> TrainingSettings:
        if self.schedule == "constant" and self.final_learning_rate != 0:
            raise InputError(
                f"final_learning_rate is {self.final_learning_rate}, which schedule constant does "
                "not use; leave it out, or set schedule to cosine or linear"
            )
        return self


class SampledTraining(TrainingSettings):
    """How the weights of a supernet are trained whose operations are sampled."""

    operation_probabilities: dict[str, Fraction] | None = Field(
        default=None,
        description="Sampling probability of each operation (darts, gdas: of the first step); "
        "uniform where null.",
    )


class RetrainingTraining(TrainingSettings):
    """How a network of its own is trained from scratch."""

    batch_size: Count = Field(default=256, description="Images a step.")
    learning_rate: Positive = Field(
        default=0.1, description="First learning rate of SGD, annealed to final_learning_rate."
    )
    gradient_clip: NotNegative = Field(
        default=0.0, description="Largest norm of the gradient; 0 for no limit."
    )


class FromScratch(Settings):
    """How architectures are trained from scratch, whatever chose them."""

    space: Annotated[str, Named("spaces")] = Field(default="nb201", description="The search space.")
    seed: Seed = Field(default=0, description="Of initial weights and batches.")
    images: Literal["train", "train_and_validation"] = Field(
        default="train_and_validation",
        description="What is trained on; the benchmark trains on both.",
    )
    network: DeployedNetwork
    training: RetrainingTraining = Field(
        default=RetrainingTraining(), description="How it is trained."
    )
    train_on: Device = "auto"
    precision: Precision = "float32"
    threads: Threads = 1
