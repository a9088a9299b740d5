"""One search of a study and the files that hold it: what is judged, shown and chosen from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanas.core.errors import InputError
from hanas.core.files import read_parquet

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Row:
    """One search of one proxy of a task on a device: names, labels and files."""

    device: str
    task: str
    dataset: str
    space: str
    proxy: str
    proxy_label: str
    proxy_objective: str  # column of the proxy that was minimised
    trained_architectures: int  # really trained, or looked up, to make the proxy
    trained_on: str  # data set of the proxy's supernet, or ""
    search: str
    search_label: str
    accuracy_floor_percent: float
    device_objectives: Sequence[str] | None  # metrics that were minimised; None: all of the device
    accuracies: str | None  # None where true accuracies are not known
    metrics: str | None  # None, as the next, where they are computed on demand
    proxy_table: str | None
    history: str  # of all searches of this task, device and proxy
    #: Files that tell how far to trust it (:mod:`hanas.fronts.trust`); None where there are none.
    rescored: str | None = None
    differences: str | None = None
    quality: str | None = None  # of the predictor of the metrics, and what was measured for it
    measured: str | None = None
    measured_front: str | None = None
    images: str | None = None  # facts of the data set; of a task that a benchmark judges, none

    @property
    def facts(self) -> str:
        """File that says how the history came about."""
        return self.history.removesuffix(".parquet") + ".json"

    @property
    def tables(self) -> tuple[str, str, str]:
        """Files of accuracies, metrics and scores of a search that is judged: all are known."""
        assert self.accuracies is not None
        assert self.metrics is not None
        assert self.proxy_table is not None
        return self.accuracies, self.metrics, self.proxy_table

    @property
    def names(self) -> dict[str, str]:
        """The columns that say in a table which search it is."""
        names = ("device", "task", "dataset", "proxy", "search")
        return {name: getattr(self, name) for name in names}


def read_history(file: str, search: str) -> pd.DataFrame:
    """Read one search from the file of all of a task, device and proxy.

    It has the columns of :func:`hanas.search.run.search_tables` but ``search``. Raises InputError
    if the file is damaged or holds no such search.
    """
    histories = read_parquet(file)
    history = histories[histories["search"] == search]
    if history.empty:
        known = ", ".join(map(str, histories["search"].unique()))
        raise InputError(f"{file} has no search {search!r}; it has: {known or '(none)'}")
    return history.drop(columns="search").reset_index(drop=True)
