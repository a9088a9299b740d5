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

    from hanas.core.progress import Log
    from hanas.devices.prediction.predictor import Predictor
    from hanas.spaces._space import Network, Space


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
    predict_missing: bool = Field(
        False,
        description="The file holds some architectures only, 15 or more; the others are predicted "
        "from them.",
    )


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
        hint = "; if it shall hold some only, say so with the setting `predict_missing: true`"
        table = user_tables.read(path, given.columns, space=space, missing_hint=hint)
        return device_table(
            space.all_texts(),
            table.values,
            source=_source(given, path, table.sha256),
            place=table.place,
            infeasible=given.infeasible,
        )

    def predicts(self, dataset: str) -> bool:
        """Return whether the file of a data set holds some architectures only."""
        return dataset in self.datasets and self.datasets[dataset].predict_missing

    def fitted(
        self, space: Space, dataset: str, root: Path, *, network: Network, log: Log
    ) -> tuple[pd.DataFrame, Predictor, pd.DataFrame]:
        """Return the rows of a file that holds some architectures, and what predicts the others.

        As :func:`hanas.devices.prediction.campaign.run` does; ``network`` are settings that fit the
        images.
        """
        from hanas.devices.prediction import known_rows

        given = self.datasets[dataset]
        path = user_path(root, given.file)
        rows = user_tables.read_some(path, given.columns, space=space)
        how = {"infeasible": given.infeasible, "network": network, "log": log}
        return known_rows.fit(space.name, rows, source=_source(given, path, rows.sha256), **how)


def _source(given: TableOfDataset, path: Path, sha256: str) -> str:
    return f"{given.source or f'table: {path.name}'} (sha256 {sha256})"
