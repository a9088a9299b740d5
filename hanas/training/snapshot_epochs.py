"""When snapshots of a training are taken. Standard library only: read while rules are parsed."""

from __future__ import annotations

from hanas.core.errors import InputError


def snapshot_epochs(epochs: int, count: int) -> tuple[int, ...]:
    """Return after which epochs snapshots are taken: evenly in the second half, the end included.

    Raises
    ------
    InputError
        If there are too few epochs for so many.

    Examples
    --------
    >>> snapshot_epochs(8, 3), snapshot_epochs(12, 4), snapshot_epochs(5, 1)
    ((4, 6, 8), (6, 8, 10, 12), (5,))
    """
    if count > epochs // 2 + 1:
        raise InputError(
            f"snapshots is {count}: {epochs} epochs have at most {epochs // 2 + 1} in their second "
            "half; expected fewer, or more training.epochs"
        )
    gaps = max(count - 1, 1)  # each of epochs / (2 gaps), rounded half up in whole numbers
    return tuple(
        (2 * gaps * epochs - epochs * left + gaps) // (2 * gaps) for left in reversed(range(count))
    )
