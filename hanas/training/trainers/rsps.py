"""Random search with parameter sharing: every step trains one cell drawn at random.

References: L. Li and A. Talwalkar, "Random Search and Reproducibility for Neural Architecture
Search", UAI 2019; Z. Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform
Sampling", ECCV 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from hanas.core.checkpoints import Log
from hanas.data.batches import Batch
from hanas.training.epochs import StepResult
from hanas.training.trainers._run import Run, possible_operations
from hanas.training.trainers._sampling import draw_cells, draw_operations

#: Architecture weights begin equal, and stay as they are.
ALPHA_SCALE = 0.0
LAYER_WISE = False
USES = ("training.operation_probabilities", "sampled_cells", "candidates")


def begin_epoch(run: Run, epoch: int) -> Callable[[int, Batch], StepResult]:
    """Draw the cells of all steps; a step trains the weights of its cell."""
    genes = draw_cells(run, run.steps, run.random("genes", epoch)).tolist()

    def step(number: int, batch: Batch) -> StepResult:
        return run.weight_stepper.step(batch, lambda images: run.network(images, genes[number]))

    return step


def validation_forward(run: Run, epoch: int) -> Callable[[Tensor], Tensor]:
    """Judge the network by a new random cell for each batch."""
    random = run.random("validation genes", epoch)
    return lambda images: run.network(images, draw_cells(run, 1, random)[0])


def columns(run: Run, epoch: int) -> Mapping[str, float]:
    """Add nothing to the history."""
    return {}


def found(run: Run, log: Log) -> tuple[np.ndarray, str]:
    """Return the best of some cells drawn uniformly: lowest error, then lowest cross-entropy."""
    return best_of_candidates(run, "cells", log)


def best_of_candidates(run: Run, what: str, log: Log) -> tuple[np.ndarray, str]:
    """Return the best of some architectures drawn uniformly, and how it was chosen in words."""
    random = run.random("candidates")
    count = run.settings.candidates
    uniform = torch.zeros(run.alphas.shape).masked_fill(~possible_operations(run.space), -torch.inf)
    candidates = draw_operations(uniform, count, random).numpy()
    scores = []
    for genes in candidates:
        cross_entropy, error = run.judge_cell(genes)
        scores.append((error, cross_entropy))
    images = len(run.candidate_images)
    how = f"lowest error of {count} random {what} on {images} validation images"
    log(how)
    return candidates[min(range(count), key=scores.__getitem__)], how
