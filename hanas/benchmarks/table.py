"""True accuracies from a CSV or Parquet file of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from hanas.benchmarks._benchmark import Benchmark
from hanas.core.files import user_path
from hanas.core.settings import UserFile
from hanas.data.tables import user_tables
from hanas.data.tables.metric_tables import accuracy_table
from hanas.spaces._space import Space

if TYPE_CHECKING:
    import pandas as pd


class Columns(user_tables.Columns):
    """A file's name of its columns."""

    accuracy_percent: str = Field(description="Column of test accuracies, 0 to 100.")


class Table(Benchmark):
    """A file of accuracies."""

    kind: Literal["table"] = Field(description="A CSV or Parquet file, an architecture a row.")
    file: Annotated[str, UserFile()] = Field(description="Path relative to the data folder.")
    columns: Columns = Field(description="Which column of the file holds what.")
    source: str | None = Field(
        None, description="Where the numbers are from; printed in every table."
    )

    def accuracies(
        self, space: Space, dataset: str, root: Path, cells: Path | None = None
    ) -> pd.DataFrame:
        """Return the accuracies of the file, whichever data set it is."""
        archs, path = space.all_texts(), user_path(root, self.file)
        table = user_tables.read(path, self.columns, space=space)
        source = self.source or f"table: {path.name}: {self.columns.accuracy_percent}"
        return accuracy_table(
            archs,
            table.values["accuracy_percent"],
            source=f"{source} (sha256 {table.sha256})",
            place=table.place,
        )
