"""Which cells a device cannot run, as a short list of partial cells.

A compiler fails on combinations of operations: an absent edge here with a convolution there,
whatever the other edges hold. A *partial cell* fixes some edges, or only that one is any
convolution, and leaves the others open; a cell that matches one of the list is said to fail.
"""

from __future__ import annotations

import numpy as np

from hanas.spaces.nb201 import CONV_1X1, CONV_3X3, OPERATIONS

ANY, ANY_CONVOLUTION = len(OPERATIONS), len(OPERATIONS) + 1

#: Whether an entry of a partial cell (row) admits an operation (column).
_ADMITS = np.vstack(
    [
        np.eye(len(OPERATIONS), dtype=bool),
        np.ones(len(OPERATIONS), dtype=bool),
        np.isin(np.arange(len(OPERATIONS)), (CONV_1X1, CONV_3X3)),
    ]
)


def matches(partial_cells: np.ndarray, genes: np.ndarray) -> np.ndarray:
    """Return which cells, genes (N, 6), match which partial cells, bool (K, N).

    Partial cells are int (K, 6): operations, :data:`ANY` or :data:`ANY_CONVOLUTION`.

    >>> cells = np.array([[0, 1, 1, 1, 2, 1], [0, 1, 1, 1, 4, 1], [1, 1, 1, 1, 2, 1]])
    >>> matches(np.array([[0, ANY, ANY, ANY, ANY_CONVOLUTION, ANY]]), cells)
    array([[ True, False, False]])
    """
    matched = np.ones((len(partial_cells), len(genes)), dtype=bool)
    for edge in range(genes.shape[1]):
        matched &= _ADMITS[partial_cells[:, edge]][:, genes[:, edge]]
    return matched


def learn(genes: np.ndarray, fails: np.ndarray, *, support: int = 4) -> np.ndarray:
    """Return a short list of partial cells that only failing cells match, uint8 (K, 6).

    Every partial cell that at least ``support`` of the given cells (genes (N, 6), each once) match,
    all of which fail (bool (N,)), is a candidate. They are chosen greedily, each time the one that
    explains most failures not yet explained (of equals the one more cells match), until none
    explains ``support`` more. Failures that are left over are single ones amid cells alike that
    run: a compiler's mishap, not a rule.
    """
    failing, running = _matching(genes[fails]), _matching(genes[~fails])
    candidates = np.argwhere((running == 0) & (failing >= support))  # (C, 6)
    explained = failing[tuple(candidates.T)]
    candidates = candidates[np.argsort(-explained, kind="stable")]
    covers = matches(candidates, genes[fails])  # (C, failing cells)
    left = np.ones(covers.shape[1], dtype=bool)
    chosen = []
    while len(candidates):
        gains = covers[:, left].sum(axis=1)
        best = int(gains.argmax())
        if gains[best] < support:
            break
        chosen.append(candidates[best])
        left &= ~covers[best]
    return np.array(chosen, dtype=np.uint8).reshape(-1, genes.shape[1])


def _matching(genes: np.ndarray) -> np.ndarray:
    """Return how many cells match each possible partial cell, float64 (7, 7, 7, 7, 7, 7)."""
    numbers = np.zeros((len(OPERATIONS),) * genes.shape[1])
    np.add.at(numbers, tuple(genes.T), 1)
    for edge in range(genes.shape[1]):
        numbers = np.moveaxis(np.tensordot(_ADMITS, numbers, axes=(1, edge)), 0, edge)
    return numbers
