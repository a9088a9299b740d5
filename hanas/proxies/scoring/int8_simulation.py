"""Simulate in float32 what a chain of blocks computes with 8-bit integers after training.

That is post-training static quantisation with batch normalisation folded into the convolutions (B.
Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018), as :mod:`hanas.deploy.quantisation` does it for ONNX Runtime:

* Activations are rounded to one of 256 values, evenly from the lowest to the highest that
  calibration images had there in float32 and zero, which is one of the values; what is outside is
  cut off. Rounded are what goes into a convolution or the classifier, the terms and the result of a
  residual sum, the two halves that a ShuffleNetV2 unit joins and its output, what goes into pooling
  and the means that come out, both factors of squeeze and excitation, and the logits.
* Weights are rounded to -127..127 times a scale, for each output channel its largest absolute
  weight over 127. Folding batch normalisation multiplies the weights of an output channel and its
  scale alike, so weights may be rounded before it. ONNX Runtime has one scale for the classifier;
  here it has one a class.
* Sums, biases, what batch normalisation adds and the mean over the last map are exact, as they are
  with sums in 32 bits.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from hanas.spaces.networks.chain import Bottleneck, ShuffleUnit, SqueezeExcitation

#: A network or a part of one.
Made = TypeVar("Made", bound=nn.Module)

LEVELS = 255
LARGEST_WEIGHT = 127
#: A scale below is that of zeros, or too small to divide by.
_SMALLEST_SCALE = 1e-30


class Observer(nn.Module):
    """Notes the range of what goes through it, which holds zero, in the buffers low and high.

    Once it ``rounds``, it rounds to 8 bits in that range instead.
    """

    low: Tensor
    high: Tensor
    rounds = False

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.register_buffer("low", torch.zeros((), device=device))
        self.register_buffer("high", torch.zeros((), device=device))

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        if self.rounds:
            return rounded(x, self.low, self.high)
        lowest, highest = x.aminmax()
        self.low.copy_(torch.minimum(self.low, lowest))
        self.high.copy_(torch.maximum(self.high, highest))
        return x


def sharing_weights(network: Made) -> Made:
    """Return a copy of a network with the same parameters and with buffers of its own."""
    return copy.deepcopy(network, {id(weight): weight for weight in network.parameters()})


def observing(network: Made, device: torch.device | None = None) -> Made:
    """Return a copy of a network, with the same weights, that notes the ranges of activations.

    What it notes is on the device of its first weight if none is given.
    """
    made = sharing_weights(network)
    device = device or next(network.parameters()).device
    for module in list(made.modules()):
        if isinstance(
            module, nn.Conv2d | nn.Linear | nn.MaxPool2d | nn.AvgPool2d | SqueezeExcitation
        ):
            _before(module, Observer(device))
        if isinstance(module, nn.Linear | Bottleneck | ShuffleUnit | nn.AvgPool2d | nn.Sigmoid):
            _after(module, Observer(device))
        if isinstance(module, Bottleneck) and module.has_residual:
            _after(module.body, Observer(device))
        if isinstance(module, ShuffleUnit):
            _after(module.branch, Observer(device))
            if module.projection is not None:
                _after(module.projection, Observer(device))
    return made


def rounding(observed: Made) -> Made:
    """Return a copy of an observing network that computes with 8 bits in the ranges it noted."""
    made = sharing_weights(observed)
    for module in made.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            weight = rounded_weight(module.weight.detach())
            module.weight = nn.Parameter(weight, requires_grad=False)
        if isinstance(module, Observer):
            module.rounds = True
    return made


def rounded_weight(weight: Tensor) -> Tensor:
    """Return a weight (outputs, ...) in 8 bits.

    >>> rounded_weight(torch.tensor([[1.0, -127.0, 0.4], [0.0, 0.0, 0.0]])).tolist()
    [[1.0, -127.0, 0.0], [0.0, 0.0, 0.0]]
    """
    scale = weight.abs().flatten(1).amax(dim=1) / LARGEST_WEIGHT
    scale = torch.where(scale > _SMALLEST_SCALE, scale, 1.0).view(-1, *[1] * (weight.ndim - 1))
    return (weight / scale).round() * scale


def rounded(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return activations in 8 bits.

    >>> x = torch.tensor([-9.0, -0.4, 0.6, 254.4, 999.0])
    >>> rounded(x, torch.tensor(-1.0), torch.tensor(254.0)).tolist()
    [-1.0, 0.0, 1.0, 254.0, 254.0]
    """
    scale = (high - low) / LEVELS
    scale = torch.where(scale > _SMALLEST_SCALE, scale, torch.ones_like(scale))
    zero = (-low / scale).round().to(torch.int32)
    return torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, LEVELS)


# Hooks and not modules around others: the names of all that was there before stay.


def _before(module: nn.Module, observer: Observer) -> None:
    module.add_module("before", observer)
    module.register_forward_pre_hook(lambda own, given: own.get_submodule("before")(*given))


def _after(module: nn.Module, observer: Observer) -> None:
    if isinstance(module, nn.Sequential):
        module.append(observer)
    else:
        module.add_module("after", observer)
        module.register_forward_hook(lambda own, _, result: own.get_submodule("after")(result))
