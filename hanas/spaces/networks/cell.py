"""Networks made of NAS-Bench-201 cells: the weight-sharing supernet and its stand-alone members.

Both are a :class:`CellNetwork`. On each edge of its cells the supernet holds all operations, a
stand-alone network one; equal operations have equal names, so that a stand-alone network takes
its weights from a supernet's state dict. Nothing in a network says which architecture is "active":
the genes are an argument of every call.

Reference for the skeleton: X. Dong and Y. Yang, "NAS-Bench-201: Extending the Scope of
Reproducible Neural Architecture Search", ICLR 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from hanas.spaces._cells import (
    AVG_POOL,
    CONV_1X1,
    CONV_3X3,
    EDGES,
    N_NODES,
    NONE,
    OPERATIONS,
    SKIP,
)
from hanas.spaces.networks.operations import TRANSITIONS, AveragePool3x3, batch_norm, relu_conv_bn
from hanas.spaces.networks.settings import CellNetworkSettings

STAGES = 3


class Cell(nn.Module):
    """Four nodes; node j is the sum of what its incoming edges make of earlier nodes."""

    def __init__(self, edge_operations: Sequence[Sequence[int]], channels: int, mode: str) -> None:
        super().__init__()
        # Nothing stands for ``none``: it adds zero to its node.
        self.edges = nn.ModuleList(
            nn.ModuleDict({OPERATIONS[o]: _operation(o, channels, mode) for o in held if o != NONE})
            for held in edge_operations
        )

    def operation(self, edge: int, operation: int) -> nn.Module:
        """Return the module of an operation other than ``none`` on an edge."""
        return cast(nn.ModuleDict, self.edges[edge])[OPERATIONS[operation]]

    def forward(self, x: Tensor, genes: Sequence[int], weights: Tensor | None = None) -> Tensor:
        """Return the last node where each edge applies one operation.

        ``weights`` (6, 5), where given, multiply the outputs of the edges.
        """

        def through_edge(edge: int, source: Tensor) -> Tensor | None:
            if genes[edge] == NONE:
                return None
            output = self.operation(edge, genes[edge])(source)
            return output if weights is None else output * weights[edge, genes[edge]]

        return _last_node(x, through_edge)

    def mixture(self, x: Tensor, weights: Tensor) -> Tensor:
        """Return the last node where each edge is the weighted sum of all operations."""

        def through_edge(edge: int, source: Tensor) -> Tensor:
            held = range(1, len(OPERATIONS))  # ``none`` adds zero whatever its weight
            return sum_of([self.operation(edge, o)(source) * weights[edge, o] for o in held])

        return _last_node(x, through_edge)

    def straight_through(self, x: Tensor, weights: Tensor, genes: Sequence[int]) -> Tensor:
        """Return what ``mixture`` does for weights that are one at ``genes`` and zero elsewhere.

        Gradients with respect to ``weights`` and ``x`` are those of ``mixture`` too, but what has
        weight zero is evaluated without a graph: nothing flows back through it.
        """

        def through_edge(edge: int, source: Tensor) -> Tensor:
            outputs = []
            for o in range(1, len(OPERATIONS)):
                with torch.set_grad_enabled(torch.is_grad_enabled() and o == genes[edge]):
                    outputs.append(self.operation(edge, o)(source))
            return _OneHotSum.apply(  # type: ignore[return-value]
                weights[edge, 1:], genes[edge] - 1, *outputs
            )

        return _last_node(x, through_edge)


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
    """Stem, three stages of cells with a transition between them, classifier.

    All cells have the same genes.

    Parameters
    ----------
    edge_operations
        For each of the six edges the operations (indices in ``OPERATIONS``) it holds.
    classes
        Number of classes.
    settings
        Size and form.

    Attributes
    ----------
    genes
        The genes of a stand-alone network (one operation an edge), else None.
    """

    def __init__(
        self, edge_operations: Sequence[Sequence[int]], classes: int, settings: CellNetworkSettings
    ) -> None:
        super().__init__()
        alone = all(len(held) == 1 for held in edge_operations)
        self.genes = tuple(int(held[0]) for held in edge_operations) if alone else None
        self.settings = settings
        channels, mode = settings.channels, settings.batch_norm
        transition = TRANSITIONS[settings.skeleton]
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1, bias=False), batch_norm(channels, mode)
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(
                Cell(edge_operations, channels << stage, mode) for _ in range(settings.cells)
            )
            for stage in range(STAGES)
        )
        self.transitions = nn.ModuleList(
            transition(channels << stage, mode) for stage in range(STAGES - 1)
        )
        last = channels << (STAGES - 1)
        self.head = nn.Sequential(batch_norm(last, mode), nn.ReLU())
        self.classifier = nn.Linear(last, classes)

    def forward(
        self,
        images: Tensor,
        genes: Sequence[int] | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the logits (N, classes) of one architecture.

        Parameters
        ----------
        images
            (N, 3, H, W), normalised; H and W multiples of 4.
        genes
            The operation of each edge, six whole numbers. A stand-alone network needs none.
        weights
            (6, 5), where given: the output of an edge is multiplied by the weight of its
            operation (for gradients with respect to weights whose value is one).
        """
        if genes is None:
            genes = self.genes
            if genes is None:
                raise ValueError("a supernet needs the genes of the architecture to evaluate")
        genes = [int(gene) for gene in genes]
        return self._run(images, lambda cell, x: cell(x, genes, weights))

    def mixture(self, images: Tensor, weights: Tensor) -> Tensor:
        """Return logits where edges are sums of all operations, weighted by ``weights`` (6, 5)."""
        return self._run(images, lambda cell, x: cell.mixture(x, weights))

    def straight_through(self, images: Tensor, weights: Tensor, genes: Sequence[int]) -> Tensor:
        """Return the logits of ``genes``; ``weights`` get the gradients they have in ``mixture``.

        The values of ``weights`` (6, 5) must be one at ``genes`` and zero elsewhere.
        """
        genes = [int(gene) for gene in genes]
        return self._run(images, lambda cell, x: cell.straight_through(x, weights, genes))

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


def sum_of(terms: Sequence[Tensor]) -> Tensor:
    """Return the sum of at least one tensor, added from first to last."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _last_node(x: Tensor, through_edge: Callable[[int, Tensor], Tensor | None]) -> Tensor:
    nodes = [x]
    for node in range(1, N_NODES):
        terms = []
        for edge, (target, source) in enumerate(EDGES):
            if target == node:
                terms.append(through_edge(edge, nodes[source]))
        terms = [term for term in terms if term is not None]
        nodes.append(sum_of(terms) if terms else torch.zeros_like(x))
    return nodes[-1]


def _operation(operation: int, channels: int, mode: str) -> nn.Module:
    if operation == SKIP:
        return nn.Identity()
    if operation == AVG_POOL:
        return AveragePool3x3()
    kernels = {CONV_1X1: 1, CONV_3X3: 3}
    return relu_conv_bn(channels, channels, kernels[operation], mode)
