"""Rank architectures by four things that an untrained network shows of itself on noise.

J. Lee and B. Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search", CVPR
2024: how much of their space the features fill (expressivity), whether they fill more from block
to block (progressivity), whether gradients keep their size (trainability), and the
multiply-accumulates (complexity).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import Tensor, nn

from hanas.core.randomness import generator
from hanas.data.batches import Batch
from hanas.proxies import _untrained
from hanas.spaces import nb201
from hanas.spaces.networks.cell import Cell, CellNetwork


def score(*, images: Any = None, **given: Any) -> pd.DataFrame:
    """Return ``arch``, ``score``, ``source``; see :func:`hanas.proxies._untrained.score_with`.

    The score is minus the sum over the four of the logarithm of the relative rank among all
    different functions, so that being bad at one thing costs more than being good at another
    gains.
    """
    del images  # it looks at noise
    return _untrained.score_with(__name__, images=None, **given)


def assess(
    network: CellNetwork, genes: Sequence[int], batches: Sequence[Batch]
) -> tuple[float, float, float]:
    """Return expressivity, progressivity and trainability, means over the batches."""
    found = [_assess_on(network, genes, batch.images) for batch in batches]
    expressivity, progressivity, trainability = np.mean(found, axis=0)
    return float(expressivity), float(progressivity), float(trainability)


def _assess_on(
    network: CellNetwork, genes: Sequence[int], images: Tensor
) -> tuple[float, float, float]:
    with torch.no_grad():
        x = network.stem(images)
    entropies, trainabilities = [entropy(x)], []
    for number, block in enumerate(_blocks(network, genes)):
        x = x.detach().requires_grad_()
        output = block(x)
        signs = random_signs(tuple(output.shape), number)
        gradient = None
        if output.requires_grad:
            (gradient,) = torch.autograd.grad(output, x, signs, allow_unused=True)
        trainabilities.append(
            trainability(signs, torch.zeros_like(x) if gradient is None else gradient)
        )
        x = output.detach()
        entropies.append(entropy(x))
    return sum(entropies), float(np.diff(entropies).min()), float(np.mean(trainabilities))


def _blocks(network: CellNetwork, genes: Sequence[int]) -> Iterator[Callable[[Tensor], Tensor]]:
    """Yield the cells and transitions from the input to the output."""
    for number, stage in enumerate(network.stages):
        for cell in cast(nn.ModuleList, stage):
            yield partial(cast(Cell, cell), genes=genes)
        if number < len(network.transitions):
            yield network.transitions[number]


def entropy(features: Tensor) -> float:
    """Return the entropy, in nats, of the normalised principal variances of (N, C, H, W).

    From 0, where the channels vary together or not at all, to log(C), where all vary alike.
    """
    samples = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1]).double()  # (NHW, C)
    centred = samples - samples.mean(dim=0)
    variances = torch.linalg.eigvalsh(centred.T @ centred / len(centred)).clamp(min=0)
    total = variances.sum()
    if total == 0:
        return 0.0
    parts = variances / total
    return float(-torch.xlogy(parts, parts).sum())


def trainability(signs: Tensor, gradient: Tensor) -> float:
    """Return 2 - s - 1/s, at most 0, for the spectral norm s of a block's mean Jacobian.

    Parameters
    ----------
    signs
        Random signs (N, C', H', W') in the place of gradients at the block's output, which make
        gradient times sign an estimate of the Jacobian (at each position).
    gradient
        What of them arrives at its input, (N, C, H, W).
    """
    if gradient.shape == signs.shape and bool((gradient == signs).all()):
        return -np.inf  # the block does nothing, so there is nothing in it to train
    # Where the block halves the image, the pixels that meet in one of the output are channels.
    gradient = F.pixel_unshuffle(gradient, gradient.shape[2] // signs.shape[2])
    at_output = signs.permute(0, 2, 3, 1).reshape(-1, signs.shape[1])  # (NH'W', C')
    at_input = gradient.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1])  # (NH'W', 1 or 4 C)
    jacobian = at_input.T.double() @ at_output.double() / len(at_output)
    norm = float(torch.linalg.matrix_norm(jacobian, 2))
    return 2 - norm - 1 / (norm + 1e-6)


@cache
def random_signs(shape: tuple[int, ...], block: int) -> Tensor:
    """Return -1 and 1 at random, the same for all architectures."""
    bits = torch.randint(2, shape, generator=generator(0, "signs", block))
    return (2.0 * bits - 1).contiguous(memory_format=torch.channels_last)


def minus_log_ranks(numbers: Mapping[str, np.ndarray], cells: np.ndarray) -> np.ndarray:
    """Return minus the sum of log(rank / D), where rank D is the best."""
    four = np.stack([*numbers.values(), nb201.flops(cells)])  # (4, D)
    # Minus infinity is kept as NaN: worst of all.
    ranks = rankdata(np.nan_to_num(four, nan=-np.inf, neginf=-np.inf), axis=1)
    return -np.log(ranks / len(cells)).sum(axis=0)


MEASURE = _untrained.Measure(
    columns=("expressivity", "progressivity", "trainability"),
    of=assess,
    score=minus_log_ranks,
    source="az-nas of untrained {skeleton} networks ({channels} channels, {depth} cells a stage) "
    "on {seen} images of noise of {side}x{side} pixels, computed",
    real_images=False,
)
