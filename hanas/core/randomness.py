"""Random generators that follow from a seed and a purpose, so that none needs to be saved."""

from __future__ import annotations

import hashlib

import torch


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a CPU generator for one purpose.

    Numbers drawn for an epoch or a use do not depend on what was drawn before, so that a training
    can go on anywhere, and a trainer can draw more without changing what others draw.

    Parameters
    ----------
    seed
        The seed of the whole run.
    *purpose
        What the numbers are for, such as ``"batches", epoch``.

    Examples
    --------
    >>> torch.randint(9, (3,), generator=generator(0, "genes", 1)).shape
    torch.Size([3])
    """
    digest = hashlib.sha256(repr((int(seed), *purpose)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
