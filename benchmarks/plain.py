"""A weight-sharing network written the plain way: a module an operation, the memory layout as is.

What the scripts of this folder compare with; it computes what
:class:`~hanas.spaces.networks.cell.CellNetwork` does.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hanas.data.tables.metric_tables import NB201

EDGES, OPERATIONS = NB201.edges, NB201.operations

EDGES, OPERATIONS = NB201.edges, NB201.operations


class Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mul(0.0)


class Convolution(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, affine=False, track_running_stats=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = Convolution(channels, 2 * channels, 3, 2)
        self.two = Convolution(2 * channels, 2 * channels, 3)
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(channels, 2 * channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.two(self.one(x))


def operations(channels: int) -> nn.ModuleList:
    """Return the modules of one edge in the order of ``OPERATIONS``."""
    made = {
        "none": Zero(),
        "skip_connect": nn.Identity(),
        "nor_conv_1x1": Convolution(channels, channels, 1),
        "nor_conv_3x3": Convolution(channels, channels, 3),
        "avg_pool_3x3": nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    }
    return nn.ModuleList(made[name] for name in OPERATIONS)


class PlainNetwork(nn.Module):
    """The supernet; ``weights`` (6, 5) of the operations are one-hot for a single path."""

    def __init__(self, classes: int, *, skeleton: str, channels: int, cells: int) -> None:
        super().__init__()

        def norm(width: int) -> nn.BatchNorm2d:
            return nn.BatchNorm2d(width, affine=False, track_running_stats=False)

        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), norm(channels))
        self.stages = nn.ModuleList(
            nn.ModuleList(
                nn.ModuleList(operations(channels << stage) for _ in EDGES) for _ in range(cells)
            )
            for stage in range(3)
        )
        kernel = {"pooled": 1, "pooled_3x3": 3}
        self.transitions = nn.ModuleList(
            Residual(channels << stage)
            if skeleton == "standard"
            else nn.Sequential(
                nn.AvgPool2d(2),
                nn.Conv2d(
                    channels << stage,
                    2 * channels << stage,
                    kernel[skeleton],
                    padding=kernel[skeleton] // 2,
                    bias=False,
                ),
                norm(2 * channels << stage),
            )
            for stage in range(2)
        )
        self.head = nn.Sequential(norm(channels << 2), nn.ReLU())
        self.classifier = nn.Linear(channels << 2, classes)

    def _run(self, images: Tensor, on_edge) -> Tensor:
        x = self.stem(images)
        for number, stage in enumerate(self.stages):
            for cell in stage:
                nodes = [x]
                for node in range(1, 4):
                    terms = [
                        on_edge(edge, cell[edge], nodes[source])
                        for edge, (target, source) in enumerate(EDGES)
                        if target == node
                    ]
                    nodes.append(sum(terms))
                x = nodes[-1]
            if number < 2:
                x = self.transitions[number](x)
        return self.classifier(F.adaptive_avg_pool2d(self.head(x), 1).flatten(1))

    def forward(self, images: Tensor, genes) -> Tensor:
        """One path, as random sampling trains it."""
        return self._run(images, lambda edge, ops, x: ops[genes[edge]](x))

    def mixture(self, images: Tensor, weights: Tensor) -> Tensor:
        """All operations, as DARTS trains them."""
        return self._run(
            images,
            lambda edge, ops, x: sum(w * op(x) for w, op in zip(weights[edge], ops, strict=True)),
        )

    def sampled(self, images: Tensor, weights: Tensor, genes) -> Tensor:
        """One path whose weights have a gradient, as GDAS trains it."""
        return self._run(
            images, lambda edge, ops, x: weights[edge, genes[edge]] * ops[genes[edge]](x)
        )


def one_hot(genes) -> Tensor:
    """Return weights (6, 5) of a single path."""
    return F.one_hot(torch.as_tensor(genes), len(OPERATIONS)).float()
