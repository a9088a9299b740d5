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

from hanas import plugins


def score(*, space: str, settings: Mapping[str, Any], **unused: Any) -> pd.DataFrame:
    """Return ``arch``, ``score`` (lower is better), ``source``.

    The score is the number of poolings on paths from input to output that have no convolution. A
    pooling on two such paths counts twice. Where no path leads from input to output, it is one
    more than the largest.
    """
    del settings, unused
    module = plugins.load_enumerable(space, "proxy pooled_shortcuts")
    genes = module.all_genes()
    poolings = np.zeros(len(genes))
    reaches_output = np.zeros(len(genes), dtype=bool)
    for path in module.PATHS:
        on_path = genes[:, path]  # (N, edges of the path)
        is_open = (on_path != module.NONE).all(axis=1)
        convolves = np.isin(on_path, (module.CONV_1X1, module.CONV_3X3)).any(axis=1)
        pools = (on_path == module.AVG_POOL).sum(axis=1)
        poolings += np.where(is_open & ~convolves, pools, 0)
        reaches_output |= is_open
    return pd.DataFrame(
        {
            "arch": module.all_texts(),
            "score": np.where(reaches_output, poolings, poolings.max() + 1),
            "source": "poolings on paths without a convolution from input to output, computed",
        }
    )
