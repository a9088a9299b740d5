"""Rank architectures by their number of parameters: the simplest baseline, without training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hanas.core import plugins


def score(*, space: str, settings: Mapping[str, Any], **unused: Any) -> pd.DataFrame:
    """Return ``arch``, ``score`` (minus the number of parameters: lower is better), ``source``.

    The classifier's share, which depends on the number of classes, is the same for all and does
    not change the ranking.
    """
    del settings, unused
    module = plugins.enumerable_space(space, "proxy params")
    params = module.params(module.all_genes())
    return pd.DataFrame(
        {
            "arch": module.all_texts(),
            "score": -params.astype(float),
            "source": "number of parameters of the full-size network, computed",
        }
    )
