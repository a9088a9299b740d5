"""What a benchmark is: the base class of the plugins in this folder."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hanas.core.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from hanas.spaces._space import Space


class Benchmark(Settings):
    """True test accuracies of a space's architectures: settings, and how they are read."""

    kind: Any  # a plugin says: Literal["its name"]

    @abstractmethod
    def accuracies(
        self, space: Space, dataset: str, root: Path, cells: Path | None = None
    ) -> pd.DataFrame:
        """Return the true test accuracy of every architecture.

        Parameters
        ----------
        space
            One whose architectures can be listed.
        dataset
            Name in the study.
        root
            The data folder.
        cells
            File of what was read cell by cell, where that is kept.

        Returns
        -------
        DataFrame
            See :func:`hanas.data.tables.metric_tables.accuracy_table`.

        Raises
        ------
        InputError
            If a file is missing or damaged, or holds no such data set or impossible numbers.
        """
