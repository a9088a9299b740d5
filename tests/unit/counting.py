"""Count parameters and multiply-accumulates of a network by watching it run, as fvcore does."""

import torch
from torch import nn


def counted(network: nn.Module, side: int) -> tuple[int, int]:
    """Return parameters, and multiply-accumulates of convolutions and linear layers, of one image.

    ``network`` may lie on the meta device. Biases are parameters, but no multiplication.
    """
    total = 0

    def count(module, inputs, output):
        nonlocal total
        if isinstance(module, nn.Conv2d):
            taps = module.kernel_size[0] * module.kernel_size[1]
            total += output.numel() * taps * (inputs[0].shape[1] // module.groups)
        else:
            total += output.numel() * inputs[0].shape[1]

    watched = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [module.register_forward_hook(count) for module in watched]
    device = next(network.parameters()).device
    network.eval()(torch.empty(1, 3, side, side, device=device))
    for handle in handles:
        handle.remove()
    return sum(parameter.numel() for parameter in network.parameters()), total
