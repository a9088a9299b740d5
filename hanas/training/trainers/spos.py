"""Single path one-shot: every step trains one architecture drawn uniformly, of any space.

Each gene is drawn from its own choices, whose number may differ from layer to layer. With
``training.operation_probabilities`` the draw is not uniform; what cannot be in a layer is left out
there, and the others keep their proportions. On the cell space this is
:mod:`hanas.training.trainers.rsps`.

Reference: Z. Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling",
ECCV 2020.
"""

from __future__ import annotations

import numpy as np

from hanas.core.checkpoints import Log
from hanas.training.trainers._run import Run
from hanas.training.trainers.rsps import (
    ALPHA_SCALE,
    begin_epoch,
    best_of_candidates,
    columns,
    validation_forward,
)

__all__ = [
    "ALPHA_SCALE",
    "LAYER_WISE",
    "USES",
    "begin_epoch",
    "columns",
    "found",
    "validation_forward",
]

LAYER_WISE = True
USES = ("training.operation_probabilities", "sampled_cells", "candidates")


def found(run: Run, log: Log) -> tuple[np.ndarray, str]:
    """Return the best of some architectures drawn uniformly.

    Best is the lowest error on the candidate images, then the lowest cross-entropy.
    """
    return best_of_candidates(run, "architectures", log)
