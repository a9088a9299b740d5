"""Rank architectures by four things that an untrained network shows of itself on noise.

J. Lee and B. Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search", CVPR
2024: how much of their space features fill (expressivity), whether that grows from block to block
(progressivity), whether gradients keep their size (trainability), and multiply-accumulates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np
from pydantic import Field

from hanas.core.compute import generator
from hanas.core.settings import Count
from hanas.proxies._untrained import ProxyOfBatches

if TYPE_CHECKING:
    from torch import Tensor

    from hanas.data.batches import Batch, Split
    from hanas.spaces._cell import CellSpace
    from hanas.spaces.networks.cell import CellNetwork


class AzNas(ProxyOfBatches):
    """The score is minus the sum over the four of the logarithm of the relative rank.

    Being bad at one thing costs more than being good at another gains.
    """

    kind: Literal["az_nas"] = Field(
        description="Four things that an untrained network shows of itself on noise."
    )
    images: Count = Field(64, description="Images of noise a seed.")
    measures: ClassVar[tuple[str, ...]] = ("expressivity", "progressivity", "trainability")
    source: ClassVar[str] = (
        "az-nas of untrained {network.skeleton} networks ({network.channels} channels, "
        "{network.cells} cells a stage) on {seen} images of noise of {side}x{side} pixels, computed"
    )

    def drawn(self, seed: int, side: int, split: Split | None) -> list[Batch]:
        """Return batches of standard normal noise, with labels of no meaning."""
        import torch

        from hanas.data.batches import Batch

        noise = torch.randn(self.images, 3, side, side, generator=generator(seed, "noise"))
        noise = noise.contiguous(memory_format=torch.channels_last)
        parts = torch.tensor_split(noise, self.batches)
        return [Batch(part, torch.zeros(len(part), dtype=torch.long)) for part in parts]

    def measure(self, network: CellNetwork, genes: list[int], batches: list[Batch]) -> list[float]:
        """Return expressivity, progressivity and trainability, means over the batches."""
        found = [_assess(network, genes, batch.images) for batch in batches]
        return np.mean(found, axis=0).tolist()

    def ranked(self, space: CellSpace, numbers: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return minus the sum of log(rank / D), where rank D is the best."""
        from scipy.stats import rankdata

        four = np.vstack([numbers, space.flops(cells, live_only=True)])  # (4, D)
        # Minus infinity is kept as NaN: worst of all.
        ranks = rankdata(np.nan_to_num(four, nan=-np.inf, neginf=-np.inf), axis=1)
        return -np.log(ranks / len(cells)).sum(axis=0)


def _assess(
    network: CellNetwork, genes: Sequence[int], images: Tensor
) -> tuple[float, float, float]:
    import torch

    blocks: list[Callable[[Tensor], Tensor]] = []  # from the input to the output
    for number, stage in enumerate(network.stages):
        blocks += [partial(cell, genes=genes) for cell in cast(Any, stage)]
        blocks += network.transitions[number : number + 1]
    with torch.no_grad():
        x = network.stem(images)
    entropies, trainabilities = [entropy(x)], []
    for number, block in enumerate(blocks):
        x = x.detach().requires_grad_()
        output = block(x)
        signs = random_signs(tuple(output.shape), number)
        gradient = torch.zeros_like(x)
        if output.requires_grad:
            (gradient,) = torch.autograd.grad(
                output, x, signs, allow_unused=True, materialize_grads=True
            )
        trainabilities.append(trainability(signs, gradient))
        x = output.detach()
        entropies.append(entropy(x))
    return sum(entropies), float(np.diff(entropies).min()), float(np.mean(trainabilities))


def entropy(features: Tensor) -> float:
    """Return the entropy, 0 to log(C) nats, of normalised principal variances of (N, C, H, W)."""
    import torch

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

    ``signs`` are random gradients (N, C', H', W') at the block's output, which make gradient times
    sign an estimate of the Jacobian; ``gradient`` (N, C, H, W) is what arrives at its input.
    """
    import torch

    if gradient.shape == signs.shape and bool((gradient == signs).all()):
        return -np.inf  # the block does nothing, so there is nothing in it to train
    # Where the block halves the image, the pixels that meet in one of the output are channels.
    halving = gradient.shape[2] // signs.shape[2]
    gradient = torch.nn.functional.pixel_unshuffle(gradient, halving)
    at_output = signs.permute(0, 2, 3, 1).reshape(-1, signs.shape[1])  # (NH'W', C')
    at_input = gradient.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1])  # (NH'W', 1 or 4 C)
    jacobian = at_input.T.double() @ at_output.double() / len(at_output)
    norm = float(torch.linalg.matrix_norm(jacobian, 2))
    return 2 - norm - 1 / (norm + 1e-6)


@cache
def random_signs(shape: tuple[int, ...], block: int) -> Tensor:
    """Return -1 and 1 at random, the same for all architectures."""
    import torch

    bits = torch.randint(2, shape, generator=generator(0, "signs", block))
    return (2.0 * bits - 1).contiguous(memory_format=torch.channels_last)
