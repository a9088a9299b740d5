"""Latency and energy from a CSV or Parquet file of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from hanas.core.errors import InputError
from hanas.core.files import user_path
from hanas.core.settings import Settings, UserFile
from hanas.data.tables import user_tables
from hanas.data.tables.metric_tables import device_table
from hanas.devices._device import TabulatedDevice

if TYPE_CHECKING:
    import pandas as pd

    from hanas.spaces._space import Space


class Columns(user_tables.Columns):
    """A file's name of its columns."""

    latency_ms: str = Field(description="Column of latencies in milliseconds.")
    energy_mj: str | None = Field(None, description="Column of energies in millijoules.")


class TableOfDataset(Settings):
    """The file of one data set."""

    file: Annotated[str, UserFile()] = Field(description="Path relative to the data folder.")
    columns: Columns = Field(description="What the file calls its columns.")
    infeasible: float | None = Field(
        None, description="Value that marks what the device cannot run, e.g. -1."
    )
    source: str | None = Field(None, description="Where they are from; printed in every table.")


class TableDevice(TabulatedDevice):
    """A device in files of the user's."""

    kind: Literal["table"] = Field(description="Your CSV or Parquet file, an architecture a row.")
    datasets: Annotated[dict[str, TableOfDataset], Field(min_length=1)] = Field(
        description="The file and its columns for each data set."
    )

    def table(self, space: Space, dataset: str, root: Path) -> pd.DataFrame:
        """Return the metrics in the file of a data set."""
        if dataset not in self.datasets:
            raise InputError(
                f"datasets of the device have no {dataset!r}; they have: {', '.join(self.datasets)}"
            )
        given = self.datasets[dataset]
        path = user_path(root, given.file)
        table = user_tables.read(path, given.columns, space=space)
        return device_table(
            space.all_texts(),
            table.values,
            source=f"{given.source or f'table: {path.name}'} (sha256 {table.sha256})",
            place=table.place,
            infeasible=given.infeasible,
        )
