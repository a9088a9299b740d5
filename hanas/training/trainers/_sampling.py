"""Draw the cells that single-path trainers train."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from hanas.core import plugins
from hanas.training.trainers._run import Run


def draw_cells(run: Run, count: int, random: torch.Generator) -> Tensor:
    """Draw cells from the set of the settings, int64 (count, genes).

    A cell's probability is proportional to the product of its operations' probabilities, the
    softmax of the architecture weights.
    """
    if run.settings.sampled_cells == "all":
        return draw_operations(run.alphas, count, random)
    cells = torch.from_numpy(cells_of(run.settings.space, run.settings.sampled_cells))  # (K, genes)
    log_probabilities = run.alphas.detach().cpu().double().log_softmax(dim=1)
    of_cells = log_probabilities[torch.arange(cells.shape[1]), cells].sum(dim=1)  # (K,)
    chosen = torch.multinomial(of_cells.softmax(dim=0), count, replacement=True, generator=random)
    return cells[chosen]


def draw_operations(alphas: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Draw cells, int64 (count, genes), where each operation has probability softmax(alphas)."""
    probabilities = alphas.detach().cpu().softmax(dim=1)
    return torch.multinomial(probabilities, count, replacement=True, generator=random).T


@cache
def cells_of(space: str, cell_set: str) -> np.ndarray:
    """Return the cells of a set, int64 (K, genes), in index order.

    Parameters
    ----------
    space
        Name of an enumerable space.
    cell_set
        One of :data:`hanas.training.trainers._settings.CELL_SETS`.
    """
    module = plugins.space(space)
    genes = module.all_genes()
    if cell_set == "connected":
        return genes[module.connected(genes)]
    if cell_set == "distinct":
        _, first = np.unique([module.canonical(row) for row in genes], return_index=True)
        return genes[np.sort(first)]
    return genes
