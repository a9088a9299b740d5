"""True accuracies from a CSV or Parquet file of the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hanas.data.tables import metric_tables, user_tables


def accuracies(
    archs: Sequence[str], *, space: str, dataset: str, settings: Mapping[str, Any], root: Path
) -> pd.DataFrame:
    """Return the true test accuracy of architectures.

    Parameters
    ----------
    archs
        Canonical texts.
    space, dataset
        Names in the study.
    settings
        ``file``: path of a CSV or Parquet file. ``columns``: the file's name of ``arch`` (canonical
        text) or ``index`` (official index), and of ``accuracy_percent`` (0 to 100). ``source``:
        optionally a text that says where the numbers are from, such as which version of a
        benchmark and after how many epochs.
    root
        Folder that a relative path starts from.

    Returns
    -------
    DataFrame
        See :func:`hanas.data.tables.metric_tables.accuracy_table`.

    Raises
    ------
    InputError
        As :func:`hanas.data.tables.user_tables.read` and :func:`hanas.data.tables.metric_tables.accuracy_table` do.
    """
    table = user_tables.read(root, settings, archs, space=space)
    column = settings["columns"]["accuracy_percent"]
    source = settings.get("source", f"table: {table.path.name}: {column}")
    return metric_tables.accuracy_table(
        archs,
        table.values["accuracy_percent"],
        source=f"{source} (sha256 {table.sha256})",
        place=table.place,
    )
