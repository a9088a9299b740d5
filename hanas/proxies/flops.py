"""Rank architectures by their multiply-accumulates, without training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hanas.core import plugins


def score(*, space: str, settings: Mapping[str, Any], **unused: Any) -> pd.DataFrame:
    """Return ``arch``, ``score`` (minus the multiply-accumulates: lower is better), ``source``.

    Classes and resolution change the count by the same amount or factor for all, so they do
    not change the ranking.
    """
    del settings, unused
    module = plugins.enumerable_space(space, "proxy flops")
    flops = module.flops(module.all_genes())
    return pd.DataFrame(
        {
            "arch": module.all_texts(),
            "score": -flops.astype(float),
            "source": "multiply-accumulates of the full-size network, computed",
        }
    )
