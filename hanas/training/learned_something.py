"""Whether a supernet has learned anything: what has not is refused where that is first known."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hanas.core.errors import InputError


def largest_class(labels: ArrayLike) -> float:
    """Return the share of the largest class among labels, int (N,).

    >>> largest_class([0, 1, 1, 2])
    0.5
    """
    return float(np.bincount(np.asarray(labels)).max() / np.size(labels))


def require_learned(accuracy: float, labels: ArrayLike, judged: str) -> None:
    """Raise InputError if an accuracy, a fraction, is no better than always the largest class.

    ``labels`` are those of the validation images, ``judged`` says what was judged on them.
    """
    share = largest_class(labels)
    if accuracy <= share + 1e-9:
        raise InputError(
            f"the supernet has learned nothing: {judged} is right on {accuracy:.2%} of "
            f"{np.size(labels)} validation images, and answering the largest class always would be "
            f"on {share:.2%}; train it longer (training.epochs), with another "
            "training.learning_rate or a larger network, and look at the classes and their images"
        )


def require_different(scores: ArrayLike, objective: str) -> None:
    """Raise InputError if all finite scores of several architectures, float (N,), are the same."""
    known = np.asarray(scores, dtype=np.float64)
    known = known[np.isfinite(known)]
    if len(known) > 1 and np.ptp(known) == 0:
        raise InputError(
            f"the {objective} of all {len(known)} architectures is {known[0]:g}, so that nothing "
            "can be ranked by it: set the proxy's objective to cross_entropy, give it more images, "
            "or train the supernet longer (training.epochs, training.learning_rate)"
        )
