"""Networks whose layers follow each other, in blocks: supernets and stand-alone members.

As in :mod:`hanas.spaces.networks.cell`. What the blocks are made of, and whose they are, stands in
:mod:`hanas.spaces.networks.operations`. Reference: Z. Guo et al., "Single Path One-Shot Neural
Architecture Search with Uniform Sampling", ECCV 2020 (supernets).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from hanas.spaces._layerwise import ChainSettings
from hanas.spaces.networks import operations
from hanas.spaces.networks.cell import batch_norm
from hanas.spaces.networks.layers import DepthwiseConvolution, ReLU6
from hanas.spaces.networks.operations import Block, Convolution, Free, Operation, Part, Place
from hanas.spaces.networks.skeletons import Plan, Skeleton, plan

ACTIVATIONS = {"relu": nn.ReLU, "relu6": ReLU6, "silu": nn.SiLU}


def modules(parts: Iterable[Part], mode: str) -> list[nn.Module]:
    """Return the modules of parts; a convolution's are it, batch normalisation and activation."""
    found: list[nn.Module] = []
    for part in parts:
        if isinstance(part, Convolution):
            found += _convolution(part, mode)
        elif isinstance(part, Free):
            found.append(_free(part))
        else:
            found.append(SqueezeExcitation(part.channels, part.squeezed, part.activation))
    return found


def _convolution(of: Convolution, mode: str) -> list[nn.Module]:
    is_depthwise = of.groups == of.inputs == of.outputs
    kind = DepthwiseConvolution if is_depthwise else nn.Conv2d
    size = (of.inputs, of.outputs, of.kernel, of.stride, of.kernel // 2 * of.dilation, of.dilation)
    found = [kind(*size, groups=of.groups, bias=False), batch_norm(of.outputs, mode)]
    return found if of.activation is None else [*found, ACTIVATIONS[of.activation](inplace=True)]


def _free(part: Free) -> nn.Module:
    if part.kind == "mix":
        return Mix(part.groups)
    padding = part.kernel // 2
    if part.kind == "max_pool":
        return nn.MaxPool2d(part.kernel, part.stride, padding)
    return nn.AvgPool2d(part.kernel, part.stride, padding, count_include_pad=False)


class ShuffleUnit(nn.Module):
    """ShuffleNetV2's unit: half of the output channels are new, then all are mixed.

    The other half is half of the input, or in a first layer a separable convolution of all of it.
    """

    def __init__(self, block: Block, place: Place, mode: str) -> None:
        super().__init__()
        self.kept = place.inputs // 2
        self.branch = nn.Sequential(*modules(block.parts, mode))
        other = None if block.other is None else modules(block.other, mode)
        self.projection = None if other is None else nn.Sequential(*other)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, H, W), halved where the stride is 2, of (N, inputs, H, W)."""
        if self.projection is None:
            # Not ``chunk``, which ONNX would compute from the shape of the input.
            kept, x = x.split(self.kept, dim=1)  # (N, C, H, W) -> twice (N, C/2, H, W)
        else:
            kept = self.projection(x)
        return mixed(torch.cat((kept, self.branch(x)), dim=1), 2)


class Mix(nn.Module):
    """Channel shuffle: channels of all groups in turn."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W) of (N, C, H, W)."""
        return mixed(x, self.groups)


def mixed(x: Tensor, groups: int) -> Tensor:
    """Return a map (N, C, H, W) with the channels of its groups in turn."""
    if not torch.onnx.is_in_onnx_export():
        return torch.channel_shuffle(x, groups)  # keeps the memory format
    # For ONNX: the form that tools know, with fixed numbers, so that the batch may stay open.
    channels, height, width = (int(size) for size in x.shape[1:])
    x = x.reshape(-1, groups, channels // groups, height, width)
    return x.transpose(1, 2).reshape(-1, channels, height, width)


class Bottleneck(nn.Module):
    """An inverted bottleneck, with a residual where size and channels stay."""

    def __init__(self, block: Block, mode: str) -> None:
        super().__init__()
        self.body = nn.Sequential(*modules(block.parts, mode))
        self.has_residual = block.adds

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


def block_of(operation: Operation, place: Place, activation: str, mode: str) -> nn.Module:
    """Return the module of an operation at a place, its batch normalisation of a mode."""
    block = operations.block(operation, place, activation)
    if operation.kind in ("shuffle", "xception"):
        return ShuffleUnit(block, place, mode)
    if operation.kind in ("bottleneck", "fused"):
        return Bottleneck(block, mode)
    return nn.Sequential(*modules(block.parts, mode))


def scale_additions(unit: nn.Module, scale: float) -> None:
    """Set the first weight of what a unit adds to its input: of stride 1, that keeps channels."""
    if isinstance(unit, ShuffleUnit) and unit.projection is None:
        added = unit.branch
    elif isinstance(unit, Bottleneck) and unit.has_residual:
        added = unit.body
    else:
        return
    last = [module for module in added if isinstance(module, nn.BatchNorm2d)][-1]
    nn.init.constant_(last.weight, scale)


class ChainNetwork(nn.Module):
    """Stem, layers of one operation each, 1x1 convolution, global pooling, classifier.

    ``skeleton`` is widened already. ``held`` are the operations of each layer, as numbers among
    those of its stage; ``genes`` are those of a stand-alone network, which has one a layer, else
    None.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        held: Sequence[Sequence[int]],
        classes: int,
        settings: ChainSettings,
    ) -> None:
        super().__init__()
        alone = all(len(some) == 1 for some in held)
        self.genes = tuple(int(some[0]) for some in held) if alone else None
        self.settings = settings
        self._operations = skeleton.operations
        mode, places = settings.batch_norm, plan(skeleton, settings.resolution)
        self.stem = stem(skeleton, places, mode)
        self.layers = nn.ModuleList()
        for some, all_of, place in zip(held, self._operations, places.layers, strict=True):
            chosen = [all_of[number] for number in some]
            made = {one.name: block_of(one, place, skeleton.activation, mode) for one in chosen}
            self.layers.append(nn.ModuleDict(made))
        self.head = nn.Sequential(*modules([places.last], mode))
        self.classifier = nn.Linear(skeleton.last, classes)
        if settings.first_scale != 1:
            for unit in self.modules():
                scale_additions(unit, settings.first_scale)

    def layer(self, number: int, operation: int) -> nn.Module:
        """Return the module of an operation in a layer, both counted from 0."""
        name = self._operations[number][operation].name
        return cast(nn.ModuleDict, self.layers[number])[name]

    def block(self, beginning: Sequence[int]) -> nn.Module:
        """Return what the last of an architecture's first genes makes of a map."""
        return self.layer(len(beginning) - 1, beginning[-1])

    def head_of(self, genes: Sequence[int]) -> nn.Module:
        """Return what comes between the last layer of an architecture and global pooling."""
        return self.head

    def forward(self, images: Tensor, genes: Sequence[int] | None = None) -> Tensor:
        """Return the logits (N, classes) of one architecture; if it is alone, without ``genes``."""
        genes = self.genes if genes is None else tuple(map(int, genes))
        if genes is None:
            raise ValueError("a supernet needs the genes of the architecture to evaluate")
        x = self.stem(images)  # (N, C, H, W)
        for number in range(len(genes)):
            x = self.block(genes[: number + 1])(x)
        return self.classifier(self.head_of(genes)(x).mean(dim=(2, 3)))


def stem(skeleton: Skeleton, places: Plan, mode: str) -> nn.Sequential:
    """Return what comes before the first layer."""
    made = nn.Sequential(*modules([places.stem], mode))
    if places.max_pool:
        made.append(nn.MaxPool2d(3, places.max_pool.stride, padding=1))
    if places.first_bottleneck:
        how = (places.first_bottleneck, skeleton.activation, mode)
        made.append(block_of(skeleton.first_operation, *how))
    return made
