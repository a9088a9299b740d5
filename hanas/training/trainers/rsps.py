"""Random search with parameter sharing: every step trains one cell drawn at random.

References: L. Li and A. Talwalkar, "Random Search and Reproducibility for Neural Architecture
Search", UAI 2019; Z. Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform
Sampling", ECCV 2020.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hanas.training.trainers._trainer import SinglePath


class Rsps(SinglePath):
    """Random search with parameter sharing (L. Li and A. Talwalkar, UAI 2019)."""

    trainer: Literal["rsps"] = Field(description="One random cell a step.")
