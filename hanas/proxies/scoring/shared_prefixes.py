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


def shared_layers(genes: np.ndarray) -> list[int]:
    """Return in how many first genes each row of genes (N, L) agrees with the row before.

    Returns
    -------
    list of int
        One a row; 0 for the first.

    Examples
    --------
    >>> shared_layers(np.array([[0, 1, 1], [0, 1, 2], [0, 2, 2]]))
    [0, 2, 1]
    """
    agree = np.cumprod(genes[1:] == genes[:-1], axis=1).sum(axis=1)
    return [0, *agree.tolist()][: len(genes)]


def nodes(genes: np.ndarray) -> list[tuple[int, int]]:
    """Return layer and operation of everything that :func:`walk` computes, in its order.

    >>> nodes(np.array([[0, 1], [0, 2]]))
    [(0, 0), (1, 1), (1, 2)]
    """
    return [
        (layer, row[layer])
        for row, shared in zip(genes.tolist(), shared_layers(genes), strict=True)
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
    shared, kept, node = shared_layers(genes), {0: x}, 0  # kept[l]: what goes into layer l
    for number, (row, begin) in enumerate(zip(genes.tolist(), shared, strict=True)):
        x, later = kept[begin], _places_to_come_back_to(shared[number + 1 :])
        kept = {layer: kept[layer] for layer in kept if layer in later}
        for layer in range(begin, len(row)):
            if layer in later:
                kept[layer] = x
            x = through_layer(node, layer, row[layer], x)
            node += 1
        if len(row) in later:  # the next is the same again
            kept[len(row)] = x
        yield x


def _places_to_come_back_to(shared: list[int]) -> set[int]:
    """Return the layers at which coming rows begin, as far as no row before begins earlier."""
    return set(np.minimum.accumulate(shared).tolist()) if shared else set()
