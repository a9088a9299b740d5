"""Training steps of layer-wise networks against torchvision's blocks, on one thread of this CPU.

``python benchmarks/layerwise_training.py [--space mobile_i --turns 15]``

The same random networks of MobileNetV2's bottlenecks, trained on random images by the same
optimiser: as hanas trains them; made of torchvision's blocks, as torchvision trains them, in
PyTorch's usual layout of images; and made of these blocks in the layout that hanas uses, channels
last. They take turns in one process, so that other work on the machine slows all of them. Printed:
images a second of the fastest turn, and the median over turns of how many times hanas is as fast.
"""

import argparse
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hanas.core import plugins
from hanas.spaces.networks import skeletons

#: Width, side of the images, images a step.
SIZES = ((0.25, 16, 64), (0.5, 96, 16))


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
    """Return torchvision's ``Conv2dNormActivation`` with ReLU6."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, 1, groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """torchvision's block (github.com/pytorch/vision, torchvision/models/mobilenetv2.py)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, kernel: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.use_res_connect = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            *([convolution(inputs, hidden, 1)] if expansion != 1 else []),
            convolution(hidden, hidden, kernel, stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


def of_torchvision(space, genes, width: float, side: int) -> nn.Module:
    """Return an architecture of a space of bottlenecks, made of torchvision's blocks."""
    plan = skeletons.plan(space.widened(width), side)
    blocks = [(skeletons.FIRST_BOTTLENECK, plan.first_bottleneck)]
    blocks += [(space.layers[gene], place) for gene, place in zip(genes, plan.layers, strict=True)]
    return nn.Sequential(
        convolution(3, plan.stem.outputs, 3, plan.stem.stride),
        *(
            InvertedResidual(at.inputs, at.outputs, at.stride, block.expansion, block.kernel)
            for block, at in blocks
            if at is not None and block.kind == "bottleneck"
        ),
        convolution(plan.last.inputs, plan.last.outputs, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(plan.last.outputs, 10),
    )


class Training:
    """A network that is trained on one batch of random images, in a layout."""

    def __init__(
        self, network: nn.Module, side: int, batch: int, layout: torch.memory_format
    ) -> None:
        self.network = network.to(device="cpu", memory_format=layout)
        images = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(0))
        self.images, self.labels = images.to(memory_format=layout), torch.arange(batch) % 10
        weights = self.network.parameters()
        self.sgd = torch.optim.SGD(weights, 0.1, 0.9, weight_decay=3e-4, nesterov=True)

    def step(self) -> float:
        """Make a step; return its CPU seconds, in which waiting for a core is not."""
        started = time.process_time()
        self.sgd.zero_grad()
        F.cross_entropy(self.network(self.images), self.labels).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5)
        self.sgd.step()
        return time.process_time() - started


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description="Training steps against torchvision's.")
    parser.add_argument("--space", default="mobile_i")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--sizes", type=int, nargs="+", default=[0, 1], help="which of SIZES")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| size | hanas, images/s | torchvision | ratio | channels last | ratio |")
    print("|---|--:|--:|--:|--:|--:|")
    space, random = plugins.space(options.space), np.random.default_rng(0)
    genes = np.array([random.integers(count) for count in space.choices])
    layouts = (torch.contiguous_format, torch.channels_last)
    for width, side, batch in (SIZES[number] for number in options.sizes):
        fitted = space.settings(space.deployed(width=width))
        ours = space.build(genes, 10, fitted.model_copy(update={"resolution": side}), seed=0)
        trainings = [Training(ours, side, batch, torch.channels_last)]
        for layout in layouts:
            plain = of_torchvision(space, genes, width, side)
            trainings.append(Training(plain, side, batch, layout))
        sizes = {sum(w.numel() for w in of.network.parameters()) for of in trainings}
        assert len(sizes) == 1, f"not the same networks: {sizes} parameters"
        turns = range(options.turns + 1)
        seconds = [[training.step() for training in trainings] for _ in turns]
        taken = np.array(seconds[1:])  # the first warms up
        speeds, ratios = batch / taken.min(axis=0), np.median(taken[:, 1:] / taken[:, :1], axis=0)
        print(
            f"| width {width:g}, {side}x{side} | {speeds[0]:.1f} | {speeds[1]:.1f} "
            f"| {ratios[0]:.2f} | {speeds[2]:.1f} | {ratios[1]:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
