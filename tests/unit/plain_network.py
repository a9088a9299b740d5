"""The network of a cell written out once more, to compute scores independently."""

import torch
import torch.nn.functional as F
from nb201_space import AVG_POOL, CONV_1X1, CONV_3X3, EDGES, NONE, OPERATIONS, SKIP


def _normalise(x):
    mean = x.mean(dim=(0, 2, 3), keepdim=True)
    return (x - mean) / torch.sqrt(x.var(dim=(0, 2, 3), keepdim=True, unbiased=False) + 1e-5)


def plain_forward(weights, genes, x, *, batch_norm=True, relu_inputs=None, cell_outputs=None):
    """Return logits; ``relu_inputs`` and ``cell_outputs`` are lists that collect what passes.

    ``weights`` is a state dict of a supernet of the pooled skeleton with one cell a stage.
    """
    norm = _normalise if batch_norm else lambda value: value

    def relu(value):
        if relu_inputs is not None:
            relu_inputs.append(value)
        return torch.clamp(value, min=0)

    def collect(value):
        if cell_outputs is not None:
            cell_outputs.append(value)

    def on_edge(stage, edge, operation, value):
        if operation == SKIP:
            return value
        if operation == AVG_POOL:
            ones = torch.ones_like(value[:1, :1])
            total = F.avg_pool2d(value, 3, 1, 1, divisor_override=1)
            return total / F.avg_pool2d(ones, 3, 1, 1, divisor_override=1)
        assert operation in (CONV_1X1, CONV_3X3)
        kernel = weights[f"stages.{stage}.0.edges.{edge}.{OPERATIONS[operation]}.1.weight"]
        return norm(F.conv2d(relu(value), kernel, padding=kernel.shape[-1] // 2))

    x = norm(F.conv2d(x, weights["stem.0.weight"], padding=1))
    collect(x)
    for stage in range(3):
        nodes = [x, None, None, None]
        for edge, (target, source) in enumerate(EDGES):
            if genes[edge] != NONE and nodes[source] is not None:
                term = on_edge(stage, edge, genes[edge], nodes[source])
                nodes[target] = term if nodes[target] is None else nodes[target] + term
        x = torch.zeros_like(x) if nodes[3] is None else nodes[3]
        collect(x)
        if stage < 2:
            pooled = F.avg_pool2d(x, 2)
            x = norm(F.conv2d(pooled, weights[f"transitions.{stage}.0.weight"]))
            collect(x)
    x = relu(norm(x)).mean(dim=(2, 3))
    return x @ weights["classifier.weight"].T + weights["classifier.bias"]
