"""Latency and energy from small models that were fitted to a benchmark's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hanas.benchmarks.surrogates import models as surrogates
from hanas.core.errors import InputError
from hanas.data.tables import metric_tables
from hanas.data.tables.official_names import require_nb201
from hanas.spaces import nb201


def measure(
    archs: Sequence[str], *, space: str, dataset: str, settings: Mapping[str, Any], root: Path
) -> pd.DataFrame:
    """Return the predicted metrics of architectures.

    Parameters
    ----------
    archs
        Canonical texts of cells.
    space, dataset
        Names in the study; the space must be nb201.
    settings
        ``device``: the device in the bundle. ``dataset``: optionally the data set in the bundle.
        ``file``: optionally another bundle than the shipped one.
    root
        Folder that a relative path starts from.

    Returns
    -------
    DataFrame
        See :func:`hanas.data.tables.metric_tables.device_table`; the source says how well the models predict
        cells that they were not fitted to.

    Raises
    ------
    InputError
        If the bundle is damaged or has no such device or data set.
    """
    require_nb201(space, benchmark="the bundle of surrogates")
    path = root / Path(settings["file"]).expanduser() if "file" in settings else surrogates.SHIPPED
    bundle = surrogates.load(path)
    dataset, device = settings.get("dataset", dataset), settings["device"]
    names = {metric: f"{dataset}/{device}/{metric}" for metric in metric_tables.METRICS}
    names = {metric: name for metric, name in names.items() if name in bundle.names()}
    if not names:
        known = sorted({"/".join(n.split("/")[:2]) for n in bundle.names() if n.count("/") == 2})
        raise InputError(
            f"{path}: no surrogates of {dataset}/{device}; there are: {', '.join(known)}"
        )
    genes = np.stack([nb201.from_text(arch) for arch in archs])
    feasible = bundle.feasible(dataset, device, genes)
    metrics = {
        metric: np.where(feasible, bundle.predict(name, genes), -1.0)
        for metric, name in names.items()
    }
    return metric_tables.device_table(
        archs,
        metrics,
        source=surrogates.described(bundle, list(names.values())),
        place=lambda number, metric: f"{path}: {metric} of {archs[number]}",
        infeasible=-1.0,
    )
