"""Whether a supernet has learned anything: what has not is refused where that is first known."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from hanas.core.errors import InputError

#: On fewer validation images, chance alone moves an accuracy by so much that only what is no better
#: at all than the largest class is known to have learned nothing.
ENOUGH_IMAGES = 200
#: Standard errors by which an accuracy on enough images has to be better.
BY_STANDARD_ERRORS = 2.0
REMEDY = (
    "train it longer (training.epochs), with another training.learning_rate or a larger network, "
    "and look at the classes and their images"
)


def largest_class(labels: ArrayLike) -> float:
    """Return the share of the largest class among labels, int (N,).

    >>> largest_class([0, 1, 1, 2])
    0.5
    """
    return float(np.bincount(np.asarray(labels)).max() / np.size(labels))


def better_than_largest_class(accuracy: float, labels: ArrayLike, *, best_of: int = 1) -> bool:
    """Return whether an accuracy, a fraction, is better than always answering the largest class.

    On :data:`ENOUGH_IMAGES` it has to be better by more than chance: of the best of several
    accuracies by what the best of so many is lucky by, sqrt(2 ln n) standard errors. But half of
    what is left to be right on is enough.
    """
    share, count = largest_class(labels), np.size(labels)
    if count < ENOUGH_IMAGES:
        return accuracy > share + 1e-9
    by = max(BY_STANDARD_ERRORS, math.sqrt(2 * math.log(best_of)))
    chance = share + by * math.sqrt(share * (1 - share) / count)
    return accuracy > min(chance, (1 + share) / 2)


def nothing_learned(accuracy: float, labels: ArrayLike, judged: str) -> InputError:
    """Return the error of a supernet that has learned nothing.

    ``judged`` is what was right on ``accuracy`` of the validation images, whose ``labels`` are int
    (N,).
    """
    return InputError(
        f"the supernet has learned nothing: {judged} is right on {accuracy:.2%} of "
        f"{np.size(labels)} validation images, no better than what chance makes of always "
        f"answering the largest class, which is right on {largest_class(labels):.2%}; {REMEDY}"
    )


def require_different(scores: ArrayLike, objective: str) -> None:
    """Raise InputError if all finite scores of several architectures, float (N,), are the same."""
    known = np.asarray(scores, dtype=np.float64)
    known = known[np.isfinite(known)]
    if len(known) > 1 and np.ptp(known) == 0:
        raise InputError(
            f"the {objective} of all {len(known)} architectures is {known[0]:g}, so that it ranks "
            "nothing: set the proxy's objective to cross_entropy, give it more images, or train "
            "the supernet longer (training.epochs, training.learning_rate)"
        )


def require_ranking(scores: dict[str, np.ndarray], objective: str, labels: ArrayLike) -> None:
    """Raise InputError if scores of many architectures, a column each, cannot rank them.

    They are all the same, or, on :data:`ENOUGH_IMAGES`, the best ``error`` is no better than always
    the largest class. Of fewer the end of the training has judged.
    """
    require_different(scores[objective], objective)
    best = 1 - float(np.nanmin(scores["error"]))
    if np.size(labels) >= ENOUGH_IMAGES and best <= largest_class(labels) + 1e-9:
        judged = f"the best of {len(scores['error'])} architectures"
        raise nothing_learned(best, labels, judged)
