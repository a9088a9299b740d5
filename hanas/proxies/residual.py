"""Rank architectures by whether their cell is a residual block, without training.

Deep networks train better where the input of a block is added to its output (K. He et al., "Deep
Residual Learning for Image Recognition", CVPR 2016). A supernet of one or two cells a stage cannot
show that: it is as easily trained without. To be fused with what such a network says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import plugins


def score(*, space: str, settings: Mapping[str, Any], **unused: Any) -> pd.DataFrame:
    """Return ``arch``, ``score`` (lower is better), ``source``.

    For a cell whose input is added to its output unchanged, by a skip connection on the edge
    between the two, the score is minus (1 + the number of convolutions that this leads past); for
    other cells it is 0. What is on dead edges does not count.
    """
    del settings, unused
    module = plugins.enumerable_space(space, "proxy residual")
    live = module.without_dead_edges(module.all_genes())
    convolutions = np.isin(live, (module.CONV_1X1, module.CONV_3X3)).sum(axis=1)
    is_residual = live[:, module.DIRECT_EDGE] == module.SKIP
    return pd.DataFrame(
        {
            "arch": module.all_texts(),
            "score": np.where(is_residual, -1.0 - convolutions, 0.0),
            "source": "convolutions that a skip from input to output leads past, computed",
        }
    )
