"""The sandwich rule: every step trains the largest cell, the smallest one and some at random.

The gradients add up before one step. There is no distillation from the largest cell. What is
largest and smallest is said by the space.

Reference: J. Yu and T. Huang, "Universally Slimmable Networks and Improved Training Techniques",
ICCV 2019; J. Yu et al., "BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
Models", ECCV 2020.
"""

from __future__ import annotations

from collections.abc import Callable

from hanas.data.batches import Batch
from hanas.training.epochs import StepResult
from hanas.training.trainers._run import Run
from hanas.training.trainers._sampling import draw_cells
from hanas.training.trainers.rsps import ALPHA_SCALE, columns, found, validation_forward

__all__ = [
    "ALPHA_SCALE",
    "LAYER_WISE",
    "USES",
    "begin_epoch",
    "columns",
    "found",
    "validation_forward",
]

LAYER_WISE = False
USES = ("training.operation_probabilities", "sampled_cells", "candidates")

#: Cells at random in a step, as in the reference.
RANDOM_CELLS = 2


def begin_epoch(run: Run, epoch: int) -> Callable[[int, Batch], StepResult]:
    """Draw the random cells of all steps."""
    ends = [run.space.largest, run.space.smallest]
    random = run.random("genes", epoch)
    drawn = draw_cells(run, RANDOM_CELLS * run.steps, random)
    genes = drawn.reshape(run.steps, RANDOM_CELLS, -1).tolist()

    def step(number: int, batch: Batch) -> StepResult:
        cells = [*ends, *genes[number]]
        return run.weight_stepper.step(
            batch, *(lambda images, cell=cell: run.network(images, cell) for cell in cells)
        )

    return step
