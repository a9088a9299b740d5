"""The sandwich rule: every step trains the largest architecture, the smallest and some at random.

There is no distillation from the largest one. References: J. Yu and T. Huang, "Universally
Slimmable Networks and Improved Training Techniques", ICCV 2019; J. Yu et al., "BigNAS: Scaling Up
Neural Architecture Search with Big Single-Stage Models", ECCV 2020.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from hanas.training.trainers._trainer import SinglePath, Step, train_together

if TYPE_CHECKING:
    from hanas.training.supernets import Run

#: Architectures at random in a step, as in the reference.
RANDOM_CELLS = 2


class Sandwich(SinglePath):
    """The sandwich rule (J. Yu and T. Huang, ICCV 2019)."""

    layerwise: ClassVar[bool] = True

    trainer: Literal["sandwich"] = Field(
        description="The largest architecture, the smallest one and two random ones a step."
    )

    def begin_epoch(self, run: Run, epoch: int) -> Step:
        """Draw the random architectures of all steps."""
        ends = [list(run.space.largest), list(run.space.smallest)]
        drawn = self.draw(run, RANDOM_CELLS * run.steps, run.random("genes", epoch))
        genes = drawn.reshape(run.steps, RANDOM_CELLS, -1).tolist()
        return lambda number, batch: train_together(run, [*ends, *genes[number]], batch)
