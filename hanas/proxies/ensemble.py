"""Average what several proxies of one kind say, such as supernets of different seeds.

Unlike ranks, errors and cross-entropies keep their unit, and a supernet that tells two cells apart
clearly weighs more than one that barely does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hanas.core.errors import InputError
from hanas.proxies import _members
from hanas.proxies._scores import SCORES


def score(
    *, space: str, settings: Mapping[str, Any], tables: Sequence[str | Path], **unused: Any
) -> pd.DataFrame:
    """Return ``arch``, the mean of each column of scores that all tables have, and ``source``.

    Parameters
    ----------
    space
        Name of the space.
    settings
        ``members``, see :func:`hanas.proxies._members.read`.
    tables
        The proxy table of each member.
    **unused
        What other proxies read.

    Raises
    ------
    InputError
        If the tables have no column in common.
    """
    del unused
    members = _members.read(space, settings, tables)
    shared = [name for name in SCORES if all(name in table for table in members.tables)]
    if not shared:
        raise InputError(f"{', '.join(members.names)}: their tables have no column in common")
    means = {
        name: np.mean([table[name].to_numpy(float) for table in members.tables], axis=0)
        for name in shared
    }
    sources = dict.fromkeys(str(table["source"].iloc[0]) for table in members.tables)
    said = f"mean of {len(members.names)} proxies ({', '.join(members.names)}): "
    return pd.DataFrame({"arch": list(members.archs), **means, "source": said + "; ".join(sources)})
