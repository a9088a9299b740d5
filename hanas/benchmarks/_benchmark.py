"""What a benchmark is: the base class of the plugins in this folder."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hanas.core.settings import Settings
from hanas.spaces._space import Space

if TYPE_CHECKING:
    import pandas as pd


class Benchmark(Settings):
    """True test accuracies of a space's architectures: settings, and how they are read."""

    #: The only space that it has numbers of; None for any.
    covers: ClassVar[str | None] = None
    kind: Any  # a plugin says: Literal["its name"]

    @abstractmethod
    def accuracies(
        self, space: Space, dataset: str, root: Path, cells: Path | None = None
    ) -> pd.DataFrame:
        """Return the true test accuracy of every architecture of an enumerable space.

        ``dataset`` is its name in the study, ``root`` the data folder, ``cells`` the file of what
        was read cell by cell, where that is kept. The form is that of
        :func:`hanas.data.tables.metric_tables.accuracy_table`. Raises InputError if a file is
        missing or damaged, or lacks the data set.
        """
