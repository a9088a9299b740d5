"""Rank architectures by shortcuts that blur, without training.

Adding the input of a block to its output helps deep networks where nothing is done to it on the
way (K. He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016). A path of poolings and
skips adds a blurred copy instead, in all fifteen cells of the benchmark's network one after the
other; a supernet of one cell a stage meets it three times, and underrates the harm. To be fused
with what such a network says; that it lowers accuracy was seen, and its weight chosen, on other
data sets than it is judged by (docs/ranking.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import plugins


def score(*, space: str, settings: Mapping[str, Any], **unused: Any) -> pd.DataFrame:
    """Return ``arch``, ``score`` (lower is better), ``source``.

    The score is the number of poolings on paths from input to output that have no convolution. A
    pooling on two such paths counts twice. Where no path leads from input to output, it is one
    more than the largest.
    """
    del settings, unused
    module = plugins.enumerable_space(space, "proxy pooled_shortcuts")
    on_paths = module.operations_on_paths(module.all_genes())  # (paths, N, operations)
    is_open = on_paths[..., module.NONE] == 0
    convolutions = on_paths[..., module.CONV_1X1] + on_paths[..., module.CONV_3X3]
    poolings = (on_paths[..., module.AVG_POOL] * (is_open & (convolutions == 0))).sum(axis=0)
    scores = np.where(is_open.any(axis=0), poolings, poolings.max() + 1)
    return pd.DataFrame(
        {
            "arch": module.all_texts(),
            "score": scores.astype(float),
            "source": "poolings on paths without a convolution from input to output, computed",
        }
    )
