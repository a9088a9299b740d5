"""Networks whose layers follow each other, in blocks: supernets and stand-alone members.

As in :mod:`hanas.spaces.networks.cell`. References: Z. Guo et al., "Single Path One-Shot Neural
Architecture Search with Uniform Sampling", ECCV 2020 (supernets, the Xception-style form of a
unit); N. Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
ECCV 2018; M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018;
M. Tan and Q. Le, "EfficientNet", ICML 2019 (squeeze and excitation).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from hanas.spaces._layerwise import ChainSettings
from hanas.spaces.networks import skeletons
from hanas.spaces.networks.cell import batch_norm
from hanas.spaces.networks.layers import DepthwiseConvolution, ReLU6
from hanas.spaces.networks.skeletons import Convolution, Operation, Place, Skeleton

ACTIVATIONS = {"relu": nn.ReLU, "relu6": ReLU6, "silu": nn.SiLU}


def modules(convolutions: Iterable[Convolution], mode: str) -> list[nn.Module]:
    """Return convolutions without bias, each with batch normalisation and activation."""
    found: list[nn.Module] = []
    for of in convolutions:
        size = (of.inputs, of.outputs, of.kernel, of.stride, of.kernel // 2)
        is_depthwise = of.groups == of.inputs == of.outputs
        kind = DepthwiseConvolution if is_depthwise else nn.Conv2d
        found.append(kind(*size, groups=of.groups, bias=False))
        found.append(batch_norm(of.outputs, mode))
        if of.activation is not None:
            found.append(ACTIVATIONS[of.activation](inplace=True))
    return found


class ShuffleUnit(nn.Module):
    """ShuffleNetV2's unit: half of the output channels are new, then all are mixed.

    The other half is half of the input, or in a first layer a separable convolution of all of it.
    """

    def __init__(self, operation: Operation, place: Place, mode: str) -> None:
        super().__init__()
        self.kept = place.inputs // 2
        self.branch = nn.Sequential(*modules(skeletons.shuffle_branch(operation, place), mode))
        entry = modules(skeletons.shuffle_entry(operation, place), mode) if place.first else None
        self.projection = None if entry is None else nn.Sequential(*entry)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, H, W), halved where the stride is 2, of (N, inputs, H, W)."""
        if self.projection is None:
            # Not ``chunk``, which ONNX would compute from the shape of the input.
            kept, x = x.split(self.kept, dim=1)  # (N, C, H, W) -> twice (N, C/2, H, W)
        else:
            kept = self.projection(x)
        return shuffled(kept, self.branch(x))


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
        *before, last = skeletons.bottleneck(operation, place, skeleton.activation)
        layers = modules(before, mode)
        if skeleton.squeeze_excitation:
            squeezed = max(1, place.inputs // 4)
            layers.append(SqueezeExcitation(last.inputs, squeezed, skeleton.activation))
        self.body = nn.Sequential(*layers, *modules([last], mode))
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


class ChainNetwork(nn.Module):
    """Stem, layers of one operation each, 1x1 convolution, global pooling, classifier.

    ``skeleton`` is widened already. ``held`` are the operations (indices) of each layer; ``genes``
    are those of a stand-alone network, which has one a layer, else None.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        operations: Sequence[Operation],
        held: Sequence[Sequence[int]],
        classes: int,
        settings: ChainSettings,
    ) -> None:
        super().__init__()
        alone = all(len(some) == 1 for some in held)
        self.genes = tuple(int(some[0]) for some in held) if alone else None
        self.settings = settings
        self._names = tuple(operation.name for operation in operations)
        mode, places = settings.batch_norm, skeletons.plan(skeleton, settings.resolution)

        def block(operation: Operation, place: Place) -> nn.Module:
            if operation.kind == "identity":
                return nn.Sequential(*modules(skeletons.projection(place), mode))
            if operation.kind == "bottleneck":
                return Bottleneck(operation, place, skeleton, mode)
            return ShuffleUnit(operation, place, mode)

        self.stem = nn.Sequential(*modules([places.stem], mode))
        if places.max_pool:
            self.stem.append(nn.MaxPool2d(3, places.max_pool.stride, padding=1))
        if places.first_bottleneck:
            self.stem.append(block(skeletons.FIRST_BOTTLENECK, places.first_bottleneck))
        self.layers = nn.ModuleList(
            nn.ModuleDict({self._names[o]: block(operations[o], place) for o in some})
            for some, place in zip(held, places.layers, strict=True)
        )
        self.head = nn.Sequential(*modules([places.last], mode))
        self.classifier = nn.Linear(skeleton.last, classes)
        if settings.first_scale != 1:
            self._scale_additions(settings.first_scale)

    def _scale_additions(self, scale: float) -> None:
        # What is added to a unit's input: in units of stride 1 that keep the number of channels.
        for unit in self.modules():
            if isinstance(unit, ShuffleUnit) and unit.projection is None:
                added = unit.branch
            elif isinstance(unit, Bottleneck) and unit.has_residual:
                added = unit.body
            else:
                continue
            last = [module for module in added if isinstance(module, nn.BatchNorm2d)][-1]
            nn.init.constant_(last.weight, scale)

    def layer(self, number: int, operation: int) -> nn.Module:
        """Return the module of an operation in a layer, both counted from 0."""
        return cast(nn.ModuleDict, self.layers[number])[self._names[operation]]

    def end(self, x: Tensor) -> Tensor:
        """Return logits (N, classes) of the last layer's output."""
        return self.classifier(self.head(x).mean(dim=(2, 3)))

    def forward(self, images: Tensor, genes: Sequence[int] | None = None) -> Tensor:
        """Return the logits (N, classes) of one architecture; if it is alone, without ``genes``."""
        genes = self.genes if genes is None else genes
        if genes is None:
            raise ValueError("a supernet needs the genes of the architecture to evaluate")
        x = self.stem(images)  # (N, C, H, W)
        for number, operation in enumerate(genes):
            x = self.layer(number, int(operation))(x)
        return self.end(x)
