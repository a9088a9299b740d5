"""Evaluate many chains of layers with what their beginnings share computed once.

Architectures of a layer-wise space that agree in their first layers make the same of an image up
to there. Sorted by their genes, those that share a beginning follow each other, so that a walk from
one to the next only has to go back to where their genes part: depth first through a trie. What it
keeps on the way is the activations at the places it will come back to, at most one for each layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from torch import Tensor

#: ``through_layer(node, layer, operation, x)``: ``node`` counts the layers that a walk computes.
ThroughLayer = Callable[[int, int, int, Tensor], Tensor]


def shared_layers(genes: np.ndarray) -> np.ndarray:
    """Return in how many first genes each row of genes (N, L) agrees with the row before.

    Returns
    -------
    numpy.ndarray
        int64 (N + 1,); 0 for the first row, and at the end for the row that does not come.

    Examples
    --------
    >>> shared_layers(np.array([[0, 1, 1], [0, 1, 2], [0, 2, 2]])).tolist()
    [0, 2, 1, 0]
    """
    agree = np.cumprod(genes[1:] == genes[:-1], axis=1).sum(axis=1)
    return np.array([0, *agree, 0], dtype=np.int64)


def nodes(genes: np.ndarray) -> list[tuple[int, int]]:
    """Return layer and operation of everything that :func:`walk` computes, in its order.

    >>> nodes(np.array([[0, 1], [0, 2]]))
    [(0, 0), (1, 1), (1, 2)]
    """
    return [
        (layer, row[layer])
        for row, shared in zip(genes.tolist(), shared_layers(genes), strict=False)
        for layer in range(shared, len(row))
    ]


def walk(genes: np.ndarray, x: Tensor, through_layer: ThroughLayer) -> Iterator[Tensor]:
    """Yield what the last layer of each architecture returns.

    Parameters
    ----------
    genes
        int (N, L); less work the more neighbours agree in, so in lexicographic order.
    x
        What goes into the first layer of all of them. It must not be changed by layers.
    through_layer
        Returns what an operation in a layer makes of its input. It is called in the order of
        :func:`nodes`.
    """
    shared = shared_layers(genes)
    kept, node = [x], 0  # kept[l]: what goes into layer l
    for row, begin, next_begin in zip(genes.tolist(), shared, shared[1:], strict=False):
        x = kept[begin]
        for layer in range(begin, len(row)):
            x = through_layer(node, layer, row[layer], x)
            node += 1
            if begin <= layer < next_begin:
                kept.append(x)
        yield x
        del kept[next_begin + 1 :]
