"""Single path one-shot: every step trains one architecture drawn uniformly, of any space.

Each gene is drawn from its own choices; with ``training.operation_probabilities`` what cannot be in
a layer is left out there, and the others keep their proportions. On the cell space this is
:mod:`hanas.training.trainers.rsps`.

Reference: Z. Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling",
ECCV 2020.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from hanas.training.trainers._trainer import SinglePath


class Spos(SinglePath):
    """Single path one-shot with uniform sampling (Z. Guo et al., ECCV 2020)."""

    layerwise: ClassVar[bool] = True
    drawn: ClassVar[str] = "architectures"

    trainer: Literal["spos"] = Field(description="One random architecture a step, of any space.")
