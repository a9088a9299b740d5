"""Proxies that are made of others, whose tables they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError
from hanas.core.files import read_parquet
from hanas.core.settings import Entry, Unique
from hanas.proxies._proxy import Inputs, Proxy
from hanas.spaces._space import Space

if TYPE_CHECKING:
    import pandas as pd


class CombinedProxy(Proxy):
    """A proxy that is made of others, whose tables it reads."""

    proxies: Annotated[list[Annotated[str, Entry("proxies")]], Field(min_length=2), Unique] = Field(
        description="Entries of proxies."
    )


def member_tables(space: Space, inputs: Inputs) -> tuple[list[pd.DataFrame], np.ndarray]:
    """Return the tables of the members, and the scores that a search by each would minimise.

    They are in index order; the scores are float64 (N, members). Raises InputError if a table lacks
    its column or is of other architectures.
    """
    tables, scores = [], []
    for objective, file in inputs.members:
        table = read_parquet(file)
        if objective not in table:
            raise InputError(f"{file}: the proxy table has no column {objective!r}")
        check_order(table, space, str(file))
        tables.append(table)
        scores.append(table[objective].to_numpy(dtype=np.float64))
    return tables, np.stack(scores, axis=1)


def check_order(table: pd.DataFrame, space: Space, place: str) -> None:
    """Raise InputError, naming ``place``, unless a table is of all architectures in index order."""
    if tuple(table["arch"]) != space.all_texts():
        raise InputError(f"{place}: not the architectures of {space.name} in their order")
