"""Begin a network of its own with its part of a supernet's trained weights.

A supernet's member and the network of its own are the same function of a batch, to the last bit;
then the network is trained further (H. Cai et al., "Once-for-All: Train One Network and Specialize
it for Efficient Deployment", ICLR 2020, fine-tune what they take out of a supernet).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.spaces._layerwise import LayerwiseSpace
from hanas.spaces._space import Genes, Network
from hanas.spaces.networks.elastic import member_weights
from hanas.training.supernets import Supernet, load_supernet


def load_start(path: str | Path, space: str, classes: int, network: Network) -> Supernet:
    """Read a supernet whose members networks of their own can begin from.

    ``network`` are their settings, for images of their size. InputError if the file is damaged, or
    the supernet is of another space, other classes or other settings.
    """
    supernet = load_supernet(path)
    found = []
    if supernet.space != space:
        found.append(f"it is of space {supernet.space!r}, not {space!r}")
    elif supernet.classes != classes:
        found.append(f"it knows {supernet.classes} classes, the data set has {classes}")
    else:
        found += plugins.space(space).start_problems(network, supernet.network_settings)
    if found:
        raise InputError(f"{path}: networks cannot begin from this supernet: {'; '.join(found)}")
    return supernet


def inherit(network: nn.Module, supernet: Supernet, genes: Genes) -> None:
    """Give a network of its own a copy of its part of the last weights of a supernet.

    Batch normalisation that the supernet has without an affine part, or without running statistics,
    keeps the network's own: a scale of 1 and no shift, which change nothing, and statistics that
    are to be computed (:func:`recalibrate`).
    """
    network.load_state_dict(_member(supernet, genes), strict=False)


def _member(supernet: Supernet, genes: Genes) -> dict[str, Tensor]:
    space, settings = plugins.space(supernet.space), supernet.network_settings
    if isinstance(space, LayerwiseSpace):
        return member_weights(space, supernet.weights, genes, settings)
    with torch.device("meta"):
        alone = space.build(genes, supernet.classes, settings)
    return {name: supernet.weights[name] for name in alone.state_dict()}


def recalibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Make running statistics of batch normalisation the mean of those of batches of images.

    Images are (N, 3, H, W). Those of a supernet, if it has any, are of a mixture of architectures.
    """
    norms = [
        module
        for module in network.modules()
        if isinstance(module, nn.BatchNorm2d) and module.track_running_stats
    ]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's word for a plain mean
    network.train()
    with torch.no_grad():
        for images in batches:
            network(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
