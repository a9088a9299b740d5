"""A tiny space whose channels and depth are searched, and architectures of it."""

import numpy as np
from hypothesis import strategies as st

from hanas.core import plugins

DECLARATION = {
    "kind": "layerwise",
    "stem": 8,
    "stages": [
        {"channels": [8, 12], "layers": [1, 2], "stride": 1},
        {
            "channels": [16, 24, 32],
            "layers": [1, 2, 3],
            "stride": 2,
            "operations": ["mb2_3x3_se", "fused_mb2_3x3", "shuffle_5x5", "mb2_3x3_g2", "identity"],
        },
        {"channels": 16, "layers": [1, 3], "stride": 1},
    ],
    "operations": ["mb2_3x3", "conv_3x3_g4", "separable_5x5", "avg_pool_3x3", "xception_3x3"],
    "last": 24,
}


def genes():
    """Draw genes of the space ``sized``."""
    choices = plugins.space("sized").choices
    return st.tuples(*(st.integers(0, count - 1) for count in choices))


def random_genes(count: int, *, seed: int = 0) -> np.ndarray:
    choices = plugins.space("sized").choices
    return np.random.default_rng(seed).integers(0, choices, size=(count, len(choices)))
