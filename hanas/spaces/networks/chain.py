"""Networks whose layers follow each other: layer-wise supernets and their stand-alone members.

Both are a :class:`ChainNetwork`. In each layer the supernet holds all operations, a stand-alone
network one; equal operations have equal names, so that a stand-alone network takes its weights
from a supernet's state dict. Nothing in a network says which architecture is "active": the genes
are an argument of every call.

Reference: Z. Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling",
ECCV 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from hanas.spaces.networks.blocks import Bottleneck, block, modules, scale_additions
from hanas.spaces.networks.settings import ChainSettings
from hanas.spaces.networks.skeletons import FIRST_BOTTLENECK, Operation, Skeleton, ends, plan


class ChainNetwork(nn.Module):
    """Stem, layers of one operation each, 1x1 convolution, global pooling, classifier.

    Parameters
    ----------
    skeleton
        Channels and stages, with the width already applied.
    operations
        What genes stand for.
    held
        For each layer the operations (indices in ``operations``) it holds.
    classes
        Number of classes.
    settings
        ``batch_norm`` and ``resolution`` count here.

    Attributes
    ----------
    genes
        The genes of a stand-alone network (one operation a layer), else None.
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
        mode, places = settings.batch_norm, plan(skeleton, settings.side)
        stem, last = ends(skeleton, places)
        self.stem = nn.Sequential(*modules([stem], mode))
        if places.max_pool:
            self.stem.append(nn.MaxPool2d(3, places.max_pool.stride, padding=1))
        if places.first_bottleneck:
            self.stem.append(Bottleneck(FIRST_BOTTLENECK, places.first_bottleneck, skeleton, mode))
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {self._names[o]: block(operations[o], place, skeleton, mode) for o in some}
            )
            for some, place in zip(held, places.layers, strict=True)
        )
        self.head = nn.Sequential(*modules([last], mode))
        self.classifier = nn.Linear(skeleton.last, classes)

    def begin(self, images: Tensor) -> Tensor:
        """Return what goes into layer 0, of normalised images (N, 3, H, W)."""
        return self.stem(images)

    def layer(self, number: int, operation: int) -> nn.Module:
        """Return the module of an operation in a layer, both counted from 0."""
        return cast(nn.ModuleDict, self.layers[number])[self._names[operation]]

    def end(self, x: Tensor) -> Tensor:
        """Return logits (N, classes) of the last layer's output."""
        return self.classifier(self.head(x).mean(dim=(2, 3)))

    def forward(self, images: Tensor, genes: Sequence[int] | None = None) -> Tensor:
        """Return the logits (N, classes) of one architecture.

        Parameters
        ----------
        images
            (N, 3, H, W), normalised.
        genes
            The operation of each layer. A stand-alone network needs none.
        """
        if genes is None:
            genes = self.genes
            if genes is None:
                raise ValueError("a supernet needs the genes of the architecture to evaluate")
        x = self.begin(images)  # (N, C, H, W)
        for number, operation in enumerate(genes):
            x = self.layer(number, int(operation))(x)
        return self.end(x)


def new_network(
    skeleton: Skeleton,
    operations: Sequence[Operation],
    held: Sequence[Sequence[int]],
    classes: int,
    settings: ChainSettings,
    seed: int,
) -> ChainNetwork:
    """Return a network with initial weights that follow from the seed alone.

    PyTorch's global random state stays as it is.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ChainNetwork(skeleton, operations, held, classes, settings)
    if settings.first_scale != 1:
        scale_additions(network, settings.first_scale)
    return network
