"""The blocks of chains: ShuffleNetV2's unit, its Xception-style form, inverted bottlenecks.

References: N. Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture
Design", ECCV 2018; Z. Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform
Sampling", ECCV 2020 (the Xception-style form); M. Sandler et al., "MobileNetV2: Inverted Residuals
and Linear Bottlenecks", CVPR 2018; M. Tan and Q. Le, "EfficientNet", ICML 2019 (squeeze and
excitation).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hanas.spaces.networks.operations import batch_norm
from hanas.spaces.networks.skeletons import Operation, Place, Skeleton

ACTIVATIONS = {"relu": nn.ReLU, "relu6": nn.ReLU6, "silu": nn.SiLU}


def convolution(
    inputs: int,
    outputs: int,
    kernel: int,
    mode: str,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: str | None = None,
) -> list[nn.Module]:
    """Return a convolution without bias that keeps the size (over ``stride``), BN, activation."""
    convolved = nn.Conv2d(
        inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
    after = [] if activation is None else [ACTIVATIONS[activation](inplace=True)]
    return [convolved, batch_norm(outputs, mode), *after]


def block(operation: Operation, place: Place, skeleton: Skeleton, mode: str) -> nn.Module:
    """Return the module of an operation at a place."""
    if operation.kind == "identity":
        return nn.Identity()
    if operation.kind == "bottleneck":
        return Bottleneck(operation, place, skeleton, mode)
    return ShuffleUnit(operation, place, mode)


def scale_additions(network: nn.Module, scale: float) -> None:
    """Set the weight of the last batch normalisation of what units add to their input.

    Those are the units of stride 1 that keep the number of channels.
    """
    for unit in network.modules():
        if isinstance(unit, ShuffleUnit) and unit.projection is None:
            added = unit.branch
        elif isinstance(unit, Bottleneck) and unit.has_residual:
            added = unit.body
        else:
            continue
        last = [module for module in added if isinstance(module, nn.BatchNorm2d)][-1]
        nn.init.constant_(last.weight, scale)


class ShuffleUnit(nn.Module):
    """ShuffleNetV2's unit: half of the output channels are new, then all are mixed.

    The other half is half of the input as it is or, in the first layer of a stage, a depthwise
    separable convolution of all of it.
    """

    def __init__(self, operation: Operation, place: Place, mode: str) -> None:
        super().__init__()
        half, kernel, stride = place.outputs // 2, operation.kernel, place.stride
        self.kept = place.inputs // 2
        inputs = place.inputs if place.first else self.kept
        make = _shuffle_branch if operation.kind == "shuffle" else _xception_branch
        self.branch = make(inputs, half, kernel, stride, mode)
        self.projection = (
            nn.Sequential(
                *_depthwise(inputs, kernel, mode, stride=stride),
                *convolution(inputs, half, 1, mode, activation="relu"),
            )
            if place.first
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, H, W), halved where the stride is 2, of (N, inputs, H, W)."""
        if self.projection is None:
            # Not ``chunk``, which ONNX would compute from the shape of the input.
            kept, x = x.split(self.kept, dim=1)  # (N, C, H, W) -> twice (N, C/2, H, W)
        else:
            kept = self.projection(x)
        return shuffled(kept, self.branch(x))


def _depthwise(channels: int, kernel: int, mode: str, *, stride: int = 1) -> list[nn.Module]:
    return convolution(channels, channels, kernel, mode, stride=stride, groups=channels)


def _shuffle_branch(inputs: int, half: int, kernel: int, stride: int, mode: str) -> nn.Sequential:
    return nn.Sequential(
        *convolution(inputs, half, 1, mode, activation="relu"),
        *_depthwise(half, kernel, mode, stride=stride),
        *convolution(half, half, 1, mode, activation="relu"),
    )


def _xception_branch(inputs: int, half: int, kernel: int, stride: int, mode: str) -> nn.Sequential:
    return nn.Sequential(
        *_depthwise(inputs, kernel, mode, stride=stride),
        *convolution(inputs, half, 1, mode, activation="relu"),
        *_depthwise(half, kernel, mode),
        *convolution(half, half, 1, mode, activation="relu"),
        *_depthwise(half, kernel, mode),
        *convolution(half, half, 1, mode, activation="relu"),
    )


def shuffled(first: Tensor, second: Tensor) -> Tensor:
    """Return the channels of two maps (N, C, H, W) in turn, (N, 2C, H, W)."""
    x = torch.cat((first, second), dim=1)
    if not torch.onnx.is_in_onnx_export():
        return torch.channel_shuffle(x, 2)  # keeps the memory format
    # For ONNX: the form that tools know, with fixed numbers, so that the batch may stay open.
    channels, height, width = (int(size) for size in x.shape[1:])
    x = x.reshape(-1, 2, channels // 2, height, width)
    return x.transpose(1, 2).reshape(-1, channels, height, width)


class Bottleneck(nn.Module):
    """MobileNetV2's inverted bottleneck, with a residual where size and channels stay."""

    def __init__(self, operation: Operation, place: Place, skeleton: Skeleton, mode: str) -> None:
        super().__init__()
        inner, activation = place.inputs * operation.expansion, skeleton.activation
        layers: list[nn.Module] = []
        if operation.expansion > 1:
            layers += convolution(place.inputs, inner, 1, mode, activation=activation)
        layers += convolution(
            inner,
            inner,
            operation.kernel,
            mode,
            stride=place.stride,
            groups=inner,
            activation=activation,
        )
        if skeleton.squeeze_excitation:
            layers.append(SqueezeExcitation(inner, max(1, place.inputs // 4), activation))
        layers += convolution(inner, place.outputs, 1, mode)
        self.body = nn.Sequential(*layers)
        self.has_residual = place.stride == 1 and place.inputs == place.outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, H, W), halved where the stride is 2, of (N, inputs, H, W)."""
        return x + self.body(x) if self.has_residual else self.body(x)


class SqueezeExcitation(nn.Module):
    """Weigh the channels by what their means say."""

    def __init__(self, channels: int, squeezed: int, activation: str) -> None:
        super().__init__()
        self.weights = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            ACTIVATIONS[activation](inplace=True),
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W) of (N, C, H, W)."""
        return x * self.weights(x)
