"""Proxies that are made of others, whose tables they read."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Members:
    """Proxies of one space, in the order of the settings, and their tables in index order.

    ``scores``, float64 (N, proxies), is what a search by each would minimise.
    """

    names: tuple[str, ...]
    tables: tuple[pd.DataFrame, ...]
    scores: np.ndarray

    @classmethod
    def read(cls, space: Space, inputs: Inputs) -> Members:
        """Read the tables; InputError if one lacks its column or is of other architectures."""
        tables = []
        for member in inputs.members:
            table = read_parquet(member.file)
            if member.objective not in table:
                raise InputError(
                    f"{member.file}: the proxy table has no column {member.objective!r}"
                )
            check_order(table, space, str(member.file))
            tables.append(table)
        scores = [
            table[member.objective].to_numpy(dtype=np.float64)
            for member, table in zip(inputs.members, tables, strict=True)
        ]
        names = tuple(member.name for member in inputs.members)
        return cls(names, tuple(tables), np.stack(scores, axis=1))


def check_order(table: pd.DataFrame, space: Space, place: str) -> None:
    """Raise InputError, naming ``place``, unless a table is of all architectures in index order."""
    if tuple(table["arch"]) != space.all_texts():
        raise InputError(f"{place}: not the architectures of {space.name} in their order")
