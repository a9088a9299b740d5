"""Columns of a proxy table, and what a mean of them is called."""

from __future__ import annotations

from collections.abc import Sequence

#: Scores of cells by shared weights: the share of images that are wrong; the mean cross-entropy in
#: nats; and the same of logits less their mean over the images of a batch. The classifier's bias
#: was learned for all cells at once: where it favours a class in one of them, a training of its own
#: would undo that, so it should not count against the cell. (Meant for classes of about equal size:
#: how frequent a class is does not count either.)
SUPERNET_SCORES = ("error", "cross_entropy", "centred_cross_entropy")
#: Columns of scores that a proxy table can have, all lower is better.
SCORES = (*SUPERNET_SCORES, "score")


def mean_rank_of(names: Sequence[str], weights: Sequence[float]) -> str:
    """Return in words what a weighted mean of ranks is made of.

    >>> mean_rank_of(["first", "second"], [3, 1])
    'mean rank of 3 x first, second'
    """
    named = [
        name if weight == 1 else f"{weight:g} x {name}"
        for name, weight in zip(names, weights, strict=True)
    ]
    return f"mean rank of {', '.join(named)}"
