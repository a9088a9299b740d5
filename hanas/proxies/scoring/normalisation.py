"""How batch normalisation behaves when architectures of one supernet are evaluated.

The running statistics of a supernet are those of a mixture of all architectures and fit none. So
an architecture is evaluated either with the statistics of the batch at hand or with statistics
*recalibrated* for it alone, as in Z. Guo et al., "Single Path One-Shot Neural Architecture Search
with Uniform Sampling", ECCV 2020: the averages over some batches of training images, each of which
goes through the network with its own statistics. What the supernet did while it was trained, its
setting ``batch_norm``, decides only whether there is an affine part.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.func import functional_call

STATISTICS = ("batch", "recalibrated")

#: Buffers by name, such as running statistics: what would be the state of a module.
State = dict[str, Tensor]
Module = TypeVar("Module", bound=nn.Module)


def with_statistics(network: Module, statistics: str) -> Module:
    """Return a copy of a network, with the same weights, whose BN works one way.

    Parameters
    ----------
    network
        Any network.
    statistics
        ``batch``: batch statistics, in training and in evaluation. ``recalibrated``: in training
        those of the batch, of which plain averages since the last ``reset_running_stats`` are kept;
        in evaluation these.

    Returns
    -------
    nn.Module
        In evaluation mode. Its weights are those of ``network``, not copies of them.
    """
    made = sharing_weights(network)
    for parent in list(made.modules()):
        for name, module in parent.named_children():
            if isinstance(module, nn.BatchNorm2d):
                setattr(parent, name, _batch_norm(module, statistics == "recalibrated"))
    return made.to(next(network.parameters()).device).eval()


def sharing_weights(network: Module) -> Module:
    """Return a copy of a network with the same parameters and with buffers of its own."""
    return copy.deepcopy(network, {id(weight): weight for weight in network.parameters()})


def _batch_norm(module: nn.BatchNorm2d, tracks: bool) -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(
        module.num_features,
        eps=module.eps,
        momentum=None,  # running statistics are plain averages over the batches
        affine=False,
        track_running_stats=tracks,
    )
    made.affine, made.weight, made.bias = module.affine, module.weight, module.bias
    return made


def fresh_state(module: nn.Module) -> State:
    """Return a copy of the buffers that a module was made with."""
    return {name: buffer.clone() for name, buffer in module.named_buffers()}


def apply(module: nn.Module, state: State, *given: Any) -> Tensor:
    """Return what a module makes of its input with the buffers of ``state`` instead of its own.

    What it changes of them, it changes in ``state``: the module stays as it is.
    """
    return functional_call(module, state, given, tie_weights=False) if state else module(*given)
