"""Rank architectures by the parameters that their output depends on, without training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hanas.core import plugins


def score(*, space: str, settings: Mapping[str, Any], **unused: Any) -> pd.DataFrame:
    """Return ``arch``, ``score`` (minus the parameters in use: lower is better), ``source``.

    An edge whose input is always zero, or whose output reaches nothing, holds parameters that
    are trained and stored but change no prediction; :mod:`hanas.proxies.params` counts them.
    """
    del settings, unused
    module = plugins.enumerable_space(space, "proxy live_params")
    params = module.params(module.without_dead_edges(module.all_genes()))
    return pd.DataFrame(
        {
            "arch": module.all_texts(),
            "score": -params.astype(float),
            "source": "number of parameters on live edges of the full-size network, computed",
        }
    )
