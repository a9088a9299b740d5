"""Gradients of an untrained network's loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from hanas.data.batches import Batch
from hanas.spaces.networks.cell import CellNetwork


def of_weights(network: CellNetwork, genes: Sequence[int], batch: Batch) -> list[Tensor]:
    """Return the gradient of the cross-entropy for the weights of each layer that is in use.

    Weights of convolutions and of the classifier; biases do not count.
    """
    used = [weight for weight in network.parameters() if weight.ndim > 1]
    loss = F.cross_entropy(network(batch.images, genes), batch.labels)
    gradients = torch.autograd.grad(loss, used, allow_unused=True)
    return [gradient for gradient in gradients if gradient is not None]
