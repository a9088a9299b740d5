"""Networks of cells of a cell space: the weight-sharing supernet and its stand-alone members.

Both are a :class:`CellNetwork`. On each edge of its cells the supernet holds all operations, a
stand-alone network one, by equal names, so that it can take its weights from a supernet's state
dict. No architecture is "active": the genes are an argument of every call. The skeleton is of X.
Dong and Y. Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search",
ICLR 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial, reduce
from operator import add
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hanas.spaces._cell import STAGES, CellNetworkSettings, CellSpace
from hanas.spaces._cell_operations import NONE, SKIP, CellOperation
from hanas.spaces.networks.layers import DepthwiseConvolution


def batch_norm(channels: int, mode: str) -> nn.BatchNorm2d:
    """Return the batch normalisation of a mode.

    ``batch``: statistics of the batch, no affine part; ``batch_affine``: with one; ``running``:
    affine, and running statistics in evaluation.
    """
    return nn.BatchNorm2d(channels, affine=mode != "batch", track_running_stats=mode == "running")


def relu_conv_bn(
    in_channels: int, out_channels: int, kernel: int, mode: str, *, stride: int = 1
) -> nn.Sequential:
    """Return ReLU, a convolution without bias that keeps the size (over ``stride``), and BN."""
    convolution = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), convolution, batch_norm(out_channels, mode))


class AveragePool3x3(nn.Module):
    """Mean over the 3x3 neighbours that lie inside the image."""

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        _, channels, height, width = x.shape
        # Up to three times faster; an export would keep the choice of its one input for all.
        large_of_few = channels <= 32 and height * width >= 64 and x.numel() >= 2**16
        if x.device.type != "cpu" or not large_of_few or torch.onnx.is_in_onnx_export():
            return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        total: Tensor = _SumOf3x3.apply(x)  # type: ignore[assignment]
        return total * _inverse_counts(height, width, x.dtype)


class _SumOf3x3(torch.autograd.Function):
    """Sum over the 3x3 neighbours inside the image: a symmetric, so self-adjoint, linear map."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        pixels = x.permute(0, 2, 3, 1)  # (N, H, W, C)
        rows = pixels.new_empty(pixels.shape)
        rows[:, 0] = pixels[:, 0]
        torch.add(pixels[:, 1:], pixels[:, :-1], out=rows[:, 1:])
        rows[:, :-1].add_(pixels[:, 1:])
        total = torch.empty_like(rows)
        total[:, :, 0] = rows[:, :, 0]
        torch.add(rows[:, :, 1:], rows[:, :, :-1], out=total[:, :, 1:])
        total[:, :, :-1].add_(rows[:, :, 1:])
        return total.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        return _SumOf3x3.apply(*gradients)  # type: ignore[return-value]


@cache
def _inverse_counts(height: int, width: int, dtype: torch.dtype) -> Tensor:
    """Return one over the number of neighbours inside the image, (1, 1, H, W)."""
    with torch.inference_mode(False):  # also when first asked for while only evaluating
        ones = torch.ones(1, 1, height, width, dtype=dtype)
        return 1 / F.avg_pool2d(ones, 3, 1, 1, divisor_override=1)


class ResidualTransition(nn.Module):
    """Transition of NAS-Bench-201: a residual block of stride 2 that doubles the channels."""

    def __init__(self, channels: int, mode: str) -> None:
        super().__init__()
        self.block = nn.Sequential(
            relu_conv_bn(channels, 2 * channels, 3, mode, stride=2),
            relu_conv_bn(2 * channels, 2 * channels, 3, mode),
        )
        convolution = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), convolution)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return self.shortcut(x) + self.block(x)  # (N, C, H, W) -> (N, 2C, H/2, W/2)


class PooledConvolution(nn.Conv2d):
    """2x2 average pooling and a 1x1 convolution, as one 2x2 convolution of stride 2: faster."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: D102
        # One kernel for the four pixels: (2C, C, 1, 1) -> (2C, C, 2, 2).
        return F.conv2d(input, self._spread(), stride=2)

    def _spread(self) -> Tensor:
        return (self.weight / 4).expand(-1, -1, 2, 2)

    def plain(self) -> nn.Conv2d:
        """Return the same as a 2x2 convolution of fixed weights, as tools for boards want them."""
        found = nn.Conv2d(self.in_channels, self.out_channels, 2, stride=2, bias=False)
        found.weight = nn.Parameter(self._spread().detach().clone())
        return found


def pooled_transition(channels: int, mode: str) -> nn.Sequential:
    """Return 2x2 average pooling, 1x1 convolution to twice the channels, BN."""
    convolution = PooledConvolution(channels, 2 * channels, 1, bias=False)
    return nn.Sequential(convolution, batch_norm(2 * channels, mode))


def pooled_3x3_transition(channels: int, mode: str) -> nn.Sequential:
    """Return 2x2 average pooling, 3x3 convolution to twice the channels, BN."""
    convolution = nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False)
    return nn.Sequential(nn.AvgPool2d(2), convolution, batch_norm(2 * channels, mode))


#: What is between two stages, by skeleton. The pooled ones carry nothing past the cells, so that a
#: network trained for minutes already ranks them; 3x3 sees beyond pixels even if cells do not.
TRANSITIONS: dict[str, Callable[[int, str], nn.Module]] = {
    "standard": ResidualTransition,
    "pooled": pooled_transition,
    "pooled_3x3": pooled_3x3_transition,
}


class Cell(nn.Module):
    """Nodes, each the sum of what its incoming edges make of earlier nodes."""

    def __init__(
        self, space: CellSpace, held: Sequence[Sequence[int]], channels: int, mode: str
    ) -> None:
        super().__init__()
        names = [space.options(edge) for edge in range(len(space.edges))]
        #: The name of each operation; None of ``none``, which nothing stands for: it adds zero.
        self.names = [[None if name == NONE else name for name in of_edge] for of_edge in names]
        self.edges = nn.ModuleList(
            nn.ModuleDict({one.name: operation(one, channels, mode) for one in of_edge})
            for of_edge in (
                [of_edge[o] for o in kept if of_edge[o].name != NONE]
                for of_edge, kept in zip(space.of_edges, held, strict=True)
            )
        )
        self.into = [
            [(edge, source) for edge, (end, source) in enumerate(space.edges) if end == node]
            for node in range(1, space.nodes)
        ]

    def passing(self, edge: int) -> list[int]:
        """Return the operations of an edge, by number, but ``none``."""
        return [number for number, name in enumerate(self.names[edge]) if name is not None]

    def through(self, edge: int, operation: int, source: Tensor) -> Tensor | None:
        """Return what an operation makes of the source of its edge; None, for zero, of ``none``."""
        name = self.names[edge][operation]
        return None if name is None else cast(nn.ModuleDict, self.edges[edge])[name](source)

    def forward(self, x: Tensor, genes: Sequence[int], weights: Tensor | None = None) -> Tensor:
        """Return the last node where each edge applies one operation, times its weight.

        ``weights`` are (edges, operations).
        """

        def through_edge(edge: int, source: Tensor) -> Tensor | None:
            output = self.through(edge, genes[edge], source)
            if weights is None or output is None:
                return output
            return output * weights[edge, genes[edge]]

        return self.last_node(x, through_edge)

    def last_node(self, x: Tensor, through_edge: Callable[[int, Tensor], Tensor | None]) -> Tensor:
        """Return the last node, of what edges (by number) make of their source; None: zero."""
        nodes = [x]
        for into in self.into:
            passed = [through_edge(edge, nodes[source]) for edge, source in into]
            terms = [term for term in passed if term is not None]
            nodes.append(reduce(add, terms) if terms else torch.zeros_like(x))
        return nodes[-1]


class _OneHotSum(torch.autograd.Function):
    """Sum of tensors with weights that are one at ``chosen`` (-1: nowhere) and zero elsewhere."""

    @staticmethod
    def forward(ctx, weights: Tensor, chosen: int, *terms: Tensor) -> Tensor:
        ctx.chosen = chosen
        ctx.save_for_backward(*terms)
        return terms[chosen].clone() if chosen >= 0 else torch.zeros_like(terms[0])

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        (gradient,) = gradients
        of_weights = torch.stack([(gradient * term).sum() for term in ctx.saved_tensors])
        of_terms = [gradient if o == ctx.chosen else None for o in range(len(ctx.saved_tensors))]
        return of_weights, None, *of_terms


class CellNetwork(nn.Module):
    """Stem, three stages of equal cells with a transition between them, classifier.

    ``genes`` are those of a stand-alone network (each edge holds one operation), else None.
    """

    def __init__(
        self,
        space: CellSpace,
        edge_operations: Sequence[Sequence[int]],
        classes: int,
        settings: CellNetworkSettings,
    ) -> None:
        super().__init__()
        alone = all(len(held) == 1 for held in edge_operations)
        self.genes = tuple(int(held[0]) for held in edge_operations) if alone else None
        self.settings = settings
        channels, mode = settings.channels, settings.batch_norm
        convolution = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.stem = nn.Sequential(convolution, batch_norm(channels, mode))
        *before, last = widths = [channels << stage for stage in range(STAGES)]
        self.stages = nn.ModuleList(
            nn.ModuleList(Cell(space, edge_operations, width, mode) for _ in range(settings.cells))
            for width in widths
        )
        transition = TRANSITIONS[settings.skeleton]
        self.transitions = nn.ModuleList(transition(width, mode) for width in before)
        self.head = nn.Sequential(batch_norm(last, mode), nn.ReLU())
        self.classifier = nn.Linear(last, classes)

    def forward(
        self, images: Tensor, genes: Sequence[int] | None = None, weights: Tensor | None = None
    ) -> Tensor:
        """Return the logits (N, classes) of one architecture for normalised images (N, 3, 4a, 4b).

        A stand-alone network needs no ``genes``. ``weights`` (edges, operations) multiply the
        output of an edge by that of its operation (for gradients with respect to weights whose
        value is one).
        """
        genes = self.genes if genes is None else genes
        if genes is None:
            raise ValueError("a supernet needs the genes of the architecture to evaluate")
        genes = [int(gene) for gene in genes]
        return self._run(images, lambda cell, x: cell(x, genes, weights))

    def mixture(self, images: Tensor, weights: Tensor) -> Tensor:
        """Return logits where edges are sums of all operations, times ``weights``.

        These are (edges, operations).
        """

        def through_edge(cell: Cell, edge: int, source: Tensor) -> Tensor | None:
            # ``none`` adds zero whatever its weight.
            held = cell.passing(edge)
            outputs = [cell.through(edge, o, source) * weights[edge, o] for o in held]  # type: ignore[operator]
            return reduce(add, outputs) if outputs else None

        return self._run(images, lambda cell, x: cell.last_node(x, partial(through_edge, cell)))

    def straight_through(self, images: Tensor, weights: Tensor, genes: Sequence[int]) -> Tensor:
        """Return what ``mixture`` does for weights that are one at ``genes`` and zero elsewhere.

        Gradients with respect to ``weights`` (edges, operations) and images are those of
        ``mixture`` too, but what has weight zero is evaluated without a graph: nothing flows back
        through it.
        """
        genes = [int(gene) for gene in genes]

        def through_edge(cell: Cell, edge: int, source: Tensor) -> Tensor | None:
            held, outputs = cell.passing(edge), []
            for o in held:
                with torch.set_grad_enabled(torch.is_grad_enabled() and o == genes[edge]):
                    outputs.append(cell.through(edge, o, source))
            if not outputs:
                return None
            chosen = held.index(genes[edge]) if genes[edge] in held else -1
            return _OneHotSum.apply(weights[edge, held], chosen, *outputs)  # type: ignore[return-value]

        return self._run(images, lambda cell, x: cell.last_node(x, partial(through_edge, cell)))

    def _run(self, images: Tensor, through_cell: Callable[[Cell, Tensor], Tensor]) -> Tensor:
        x = self.stem(images)  # (N, C, H, W)
        for number, stage in enumerate(self.stages):
            for cell in cast(nn.ModuleList, stage):
                x = through_cell(cast(Cell, cell), x)
            if number < len(self.transitions):
                x = self.transitions[number](x)  # halves H and W, doubles C
        return self.classify(x)

    def classify(self, x: Tensor) -> Tensor:
        """Return logits (N, classes) of the last stage's output (N, 4C, H/4, W/4)."""
        return self.classifier(self.head(x).mean(dim=(2, 3)))


def operation(one: CellOperation, channels: int, mode: str) -> nn.Module:
    """Return the module of an operation other than ``none``; it keeps channels and sides."""
    if one.name == SKIP:
        return nn.Identity()
    kernel = one.kernel
    if one.kind == "max_pool":
        return nn.MaxPool2d(kernel, 1, kernel // 2)
    if one.kind == "avg_pool":
        fast = kernel == 3
        return AveragePool3x3() if fast else nn.AvgPool2d(kernel, 1, kernel // 2, False, False)
    layers: list[nn.Module] = []
    for unit in one.units:
        layers.append(nn.ReLU())
        for each in unit:
            fast = not each.groups and each.dilation == 1
            made = DepthwiseConvolution if fast else nn.Conv2d
            padding, groups = each.dilation * (each.kernel // 2), each.groups or channels
            size = (channels, channels, each.kernel, 1, padding, each.dilation, groups)
            layers.append(made(*size, bias=False))
        layers.append(batch_norm(channels, mode))
    return nn.Sequential(*layers)
