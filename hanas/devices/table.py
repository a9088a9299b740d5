"""Latency and energy from a CSV or Parquet file of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from hanas.core.errors import InputError
from hanas.core.files import user_path
from hanas.core.settings import Settings, UserFile
from hanas.data.tables import user_tables
from hanas.data.tables.metric_tables import LEAST, METRICS, MOST, Place, device_table
from hanas.devices._device import TabulatedDevice

if TYPE_CHECKING:
    import pandas as pd

    from hanas.core.progress import Log
    from hanas.devices.prediction.predictor import Predictor
    from hanas.spaces._space import Network, Space


#: Connected networks of one space differ by a factor of 11 at most on all devices of HW-NAS-Bench,
#: and images of 32 and 224 pixels by one of 49: what is further apart is likely in other units.
FAR = 100


def _mark(value: Any) -> Any:
    """Return a mark of what the device cannot run; ``.nan`` of YAML is the text ``nan``."""
    if isinstance(value, float) and np.isnan(value):
        return "nan"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value not in (None, "nan") and not (is_number and np.isfinite(value)):
        raise InputError(f"is {value!r}; expected a number, or nan for cells that hold none")
    return value


class Columns(user_tables.Columns):
    """A file's name of its columns."""

    latency_ms: str = Field(description="Column of latencies in milliseconds.")
    energy_mj: str | None = Field(None, description="Column of energies in millijoules.")


class TableOfDataset(Settings):
    """The file of one data set."""

    file: Annotated[str, UserFile()] = Field(description="Path relative to the data folder.")
    columns: Columns = Field(description="What the file calls its columns.")
    infeasible: Annotated[float | Literal["nan"] | None, BeforeValidator(_mark)] = Field(
        None,
        description="Value that marks what the device cannot run, e.g. -1; nan: empty cells do.",
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
    far_apart: bool = Field(
        False,
        description="Numbers that are more than 100 times off the median of their column, or of "
        "the device's other data sets, are right. Else they are refused, since they are likely in "
        "another unit, or a comma of thousands was lost.",
    )

    def params(self) -> dict[str, Any]:
        """Return what changes results."""
        found = super().params()
        return found if self.far_apart else {k: v for k, v in found.items() if k != "far_apart"}

    def table(self, space: Space, dataset: str, root: Path) -> pd.DataFrame:
        """Return the metrics in the file of a data set."""
        if dataset not in self.datasets:
            raise InputError(
                f"datasets of the device have no {dataset!r}; they have: {', '.join(self.datasets)}"
            )
        given = self.datasets[dataset]
        path = user_path(root, given.file)
        hint = "; if it shall hold some only, say so with the setting `predict_missing: true`"
        gaps = given.infeasible == "nan"
        table = user_tables.read(path, given.columns, space=space, missing_hint=hint, gaps=gaps)
        self._require_one_unit(space, dataset, root, space.all_genes(), table)
        return device_table(
            space.all_texts(),
            table.values,
            source=_source(given, path, table.sha256),
            place=table.place,
            infeasible=_number(given.infeasible),
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
        gaps = given.infeasible == "nan"
        rows = user_tables.read_some(path, given.columns, space=space, gaps=gaps)
        genes = np.array([space.from_text(arch) for arch in rows.archs])
        self._require_one_unit(space, dataset, root, genes, rows)
        how = {"infeasible": _number(given.infeasible), "network": network, "log": log}
        return known_rows.fit(space.name, rows, source=_source(given, path, rows.sha256), **how)

    def _require_one_unit(
        self,
        space: Space,
        dataset: str,
        root: Path,
        genes: np.ndarray,
        table: user_tables.UserTable | user_tables.SomeRows,
    ) -> None:
        """Raise InputError where numbers of architectures, genes (N, G), are far from all others.

        Networks that lead nowhere do not count: some devices leave them out.
        """
        if self.far_apart or not len(genes):
            return
        given = self.datasets[dataset]
        for metric in (name for name in METRICS if name in table.values):
            values = table.values[metric]
            counts = _measured(values, given) & space.connected(genes)
            if not counts.any():
                continue
            median = float(np.median(values[counts]))
            _require_near(values, counts, median, metric, table.place)
            others = {}
            for other, found in self.datasets.items():
                column = found.columns.names().get(metric)
                path = user_path(root, found.file)
                if other != dataset and column is not None and path.is_file():
                    there = user_tables.numbers(path, column)
                    there = there[_measured(there, found)]
                    others |= {other: float(np.median(there))} if len(there) else {}
            if others and all(_is_far(median, there) for there in others.values()):
                said = ", ".join(f"{there:.4g} in that of {name}" for name, there in others.items())
                raise InputError(
                    f"{user_path(root, given.file)}: the median {metric} is {median:.4g}, but "
                    f"{said}{_ASKED}"
                )


_ASKED = (
    ": more than 100 times apart, so one may be in another unit; mend the file, or say with the "
    "device's setting `far_apart: true` that it is right"
)


def _require_near(
    values: np.ndarray, counts: np.ndarray, median: float, metric: str, place: Place
) -> None:
    for number in np.flatnonzero(counts & _is_far(values, median))[:1]:
        raise InputError(
            f"{place(int(number), metric)}: {metric} is {values[number]:.6g}, but the median of "
            f"the column is {median:.4g}{_ASKED}"
        )


def _is_far(values: Any, median: float) -> Any:
    return (values > FAR * median) | (values * FAR < median)


def _measured(values: np.ndarray, given: TableOfDataset) -> np.ndarray:
    """Return which numbers, float64 (N,), are no marks and can be, bool (N,)."""
    marked = np.isnan(values) if given.infeasible in (None, "nan") else values == given.infeasible
    return ~marked & (values >= LEAST) & (values <= MOST)


def _number(mark: float | str | None) -> float | None:
    return None if mark is None else float(mark)


def _source(given: TableOfDataset, path: Path, sha256: str) -> str:
    return f"{given.source or f'table: {path.name}'} (sha256 {sha256})"
