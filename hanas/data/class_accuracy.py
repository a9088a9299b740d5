"""Accuracy of each class, and what the largest class alone would score.

Where 97 of 100 pictures are of one class, a network that has learned nothing is right for 97 %. The
balanced accuracy, the mean of the accuracies of the classes, is 50 % then (K. Brodersen et al.,
"The balanced accuracy and its posterior distribution", ICPR 2010).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hanas.data.images import ImageData

#: Points above the share of the largest class below which an accuracy says little.
WARNED_POINTS = 2.0
#: Times that the largest class may have of the smallest before weights are proposed.
UNEVEN = 3


@dataclass(frozen=True, eq=False)
class ClassAccuracy:
    """How many images of each class are classified correctly, int64 (C,) both, on a split."""

    classes: tuple[str, ...]
    images: np.ndarray
    right: np.ndarray

    @property
    def of_classes(self) -> dict[str, float | None]:
        """Accuracy of each class in percent; None where there is no image of it."""
        each = zip(self.classes, self.right.tolist(), self.images.tolist(), strict=True)
        return {name: 100 * right / count if count else None for name, right, count in each}

    @property
    def percent(self) -> float:
        """Accuracy on all images."""
        return 100 * int(self.right.sum()) / int(self.images.sum())

    @property
    def balanced_percent(self) -> float:
        """Mean of the accuracies of the classes that have images."""
        known = [percent for percent in self.of_classes.values() if percent is not None]
        return sum(known) / len(known)

    @property
    def largest(self) -> tuple[str, float]:
        """The largest class, and the accuracy in percent of always answering it."""
        name = self.classes[int(self.images.argmax())]
        return name, 100 * int(self.images.max()) / int(self.images.sum())

    def warning(self, split: str) -> str | None:
        """Return what has to be said of an accuracy that the largest class alone nearly reaches."""
        name, alone = self.largest
        if self.percent - alone > WARNED_POINTS:
            return None
        return (
            f"{split} accuracy {self.percent:.2f} %: always answering {name!r}, the largest class, "
            f"would score {alone:.2f} %; balanced accuracy {self.balanced_percent:.2f} %"
        )

    def columns(self, before: str) -> dict[str, float | str]:
        """Return columns of a table, whose names begin with a text; classes as a JSON object."""
        return {
            f"{before}balanced_percent": self.balanced_percent,
            f"{before}class_percent": json.dumps(self.of_classes, ensure_ascii=False),
        }


def one_class_percent(of_classes: str) -> float:
    """Return the balanced accuracy of always answering one class, in percent.

    ``of_classes`` is the JSON of :meth:`ClassAccuracy.columns`.

    >>> one_class_percent('{"a": 100.0, "b": 0.0, "without images": null}')
    50.0
    """
    return 100 / sum(percent is not None for percent in json.loads(of_classes).values())


def class_sizes(data: ImageData) -> dict[str, dict[str, int]]:
    """Return how many images of each class each split has."""
    return {
        split: dict(zip(data.classes, counts_of(data, split).tolist(), strict=True))
        for split in data.splits
    }


def counts_of(data: ImageData, split: str) -> np.ndarray:
    """Return how many images of each class a split has, int64 (C,)."""
    return np.bincount(data.labels[data.splits[split]], minlength=len(data.classes))


def told_sizes(sizes: Mapping[str, Mapping[str, int]]) -> str:
    """Say how many images of each class each split has, and what to do where they are uneven."""
    lines = []
    for split, of_classes in sizes.items():
        each = sorted(of_classes.items(), key=lambda item: -item[1])
        shown = [f"{name} {count}" for name, count in each]
        if len(shown) > 10:
            shown[5:-5] = ["..."]
        lines.append(f"{split}: {sum(of_classes.values())} images ({', '.join(shown)})")
    train = sizes["train"]
    largest = max(train, key=lambda name: train[name])
    if max(train.values()) > UNEVEN * min(train.values()):
        lines.append(
            f"the classes are uneven: always answering {largest!r} would be right for "
            f"{100 * train[largest] / sum(train.values()):.1f} % of the training images; balanced "
            "accuracies stand beside the others, and training: {class_weights: balanced} weighs "
            "all classes alike"
        )
    return "\n".join(lines)
