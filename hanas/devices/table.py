"""Latency and energy from a CSV or Parquet file of the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hanas.core.errors import InputError
from hanas.data.tables import metric_tables, user_tables


def measure(
    archs: Sequence[str], *, space: str, dataset: str, settings: Mapping[str, Any], root: Path
) -> pd.DataFrame:
    """Return the device's metrics of architectures.

    Parameters
    ----------
    archs
        Canonical texts.
    space, dataset
        Names in the study.
    settings
        ``datasets``: for each data set a mapping of

        - ``file``: path of a CSV or Parquet file;
        - ``columns``: the file's name of ``arch`` (canonical text) or ``index`` (official index),
          of ``latency_ms`` (milliseconds) and, if it has them, of ``energy_mj`` (millijoules);
        - ``infeasible``: optionally the value that marks architectures which the device cannot
          run, such as -1;
        - ``source``: optionally a text that says where the numbers are from.
    root
        Folder that relative paths start from.

    Returns
    -------
    DataFrame
        See :func:`hanas.data.tables.metric_tables.device_table`.

    Raises
    ------
    InputError
        If the data set is not among the settings, or as :func:`hanas.data.tables.user_tables.read` and
        :func:`hanas.data.tables.metric_tables.device_table` do.
    """
    known = settings["datasets"]
    if dataset not in known:
        raise InputError(
            f"datasets of the device have no {dataset!r}; they have: {', '.join(known)}"
        )
    of_dataset = known[dataset]
    table = user_tables.read(root, of_dataset, archs, space=space)
    source = of_dataset.get("source", f"table: {table.path.name}")
    return metric_tables.device_table(
        archs,
        table.values,
        source=f"{source} (sha256 {table.sha256})",
        place=table.place,
        infeasible=of_dataset.get("infeasible"),
    )
