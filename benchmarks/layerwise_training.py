"""Training steps of layer-wise networks against torchvision's blocks, on one thread of this CPU.

``python benchmarks/layerwise_training.py [--space mobile_i --turns 15]``

The same random networks, trained on random images by the same optimiser: as hanas trains them; with
the forward pass of torchvision's blocks (``InvertedResidual``, ``Conv2dNormActivation``: PyTorch's
layers one after the other, ReLU6 in place; github.com/pytorch/vision, torchvision/models/
mobilenetv2.py), as torchvision trains them, in PyTorch's usual layout of images; and with these
blocks in the layout that hanas uses, channels last. All take turns in one process, so that
other work on the machine slows all of them. Printed: images a second of the fastest turn, and
the median over turns of how many times hanas is as fast.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hanas.core import plugins
from hanas.spaces.networks import layers

#: Width, side of the images, images a step.
SIZES = ((0.25, 16, 64), (0.5, 96, 16))


@contextmanager
def plain_layers() -> Iterator[None]:
    """Let all layers be PyTorch's own, as those of torchvision are."""
    ours = layers.trains_on_cpu
    layers.trains_on_cpu = lambda x: False
    try:
        yield
    finally:
        layers.trains_on_cpu = ours


class Training:
    """A network that is trained on one batch of random images, in a layout."""

    def __init__(self, space: str, width: float, side: int, batch: int, layout) -> None:
        found, random = plugins.space(space), np.random.default_rng(0)
        genes = np.array([random.integers(count) for count in found.choices])
        fitted = found.settings(found.deployed(width=width))
        fitted = fitted.model_copy(update={"resolution": side})
        self.network = found.build(genes, 10, fitted, seed=0).to(memory_format=layout)
        images = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(0))
        self.images, self.labels = images.to(memory_format=layout), torch.arange(batch) % 10
        weights = self.network.parameters()
        self.sgd = torch.optim.SGD(weights, 0.1, 0.9, weight_decay=3e-4, nesterov=True)

    def step(self) -> float:
        """Make a step; return its seconds."""
        started = time.perf_counter()
        self.sgd.zero_grad()
        F.cross_entropy(self.network(self.images), self.labels).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5)
        self.sgd.step()
        return time.perf_counter() - started


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="mobile_i")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--sizes", type=int, nargs="+", default=[0, 1], help="which of SIZES")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| size | hanas, images/s | torchvision | ratio | channels last | ratio |")
    print("|---|--:|--:|--:|--:|--:|")
    for width, side, batch in (SIZES[number] for number in options.sizes):
        of = (options.space, width, side, batch)
        hanas = Training(*of, torch.channels_last)
        plain = [Training(*of, layout) for layout in (torch.contiguous_format, torch.channels_last)]
        seconds = []
        for _ in range(options.turns + 1):
            of_turn = [hanas.step()]
            with plain_layers():
                of_turn += [training.step() for training in plain]
            seconds.append(of_turn)
        taken = np.array(seconds[1:])  # the first warms up
        speeds, ratios = batch / taken.min(axis=0), np.median(taken[:, 1:] / taken[:, :1], axis=0)
        print(
            f"| width {width:g}, {side}x{side} | {speeds[0]:.1f} | {speeds[1]:.1f} "
            f"| {ratios[0]:.2f} | {speeds[2]:.1f} | {ratios[1]:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
