"""True accuracies from a small model that was fitted to a benchmark's table."""

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


def accuracies(
    archs: Sequence[str], *, space: str, dataset: str, settings: Mapping[str, Any], root: Path
) -> pd.DataFrame:
    """Return the predicted test accuracies of architectures.

    Parameters
    ----------
    archs
        Canonical texts of cells.
    space, dataset
        Names in the study; the space must be nb201.
    settings
        ``dataset``: optionally the data set in the bundle. ``file``: optionally another bundle
        than the shipped one.
    root
        Folder that a relative path starts from.

    Returns
    -------
    DataFrame
        See :func:`hanas.data.tables.metric_tables.accuracy_table`; the source says how well the model
        predicts cells that it was not fitted to.

    Raises
    ------
    InputError
        If the bundle is damaged or has no such data set.
    """
    require_nb201(space, benchmark="the bundle of surrogates")
    path = root / Path(settings["file"]).expanduser() if "file" in settings else surrogates.SHIPPED
    bundle = surrogates.load(path)
    dataset = settings.get("dataset", dataset)
    name = f"{dataset}/accuracy_percent"
    if name not in bundle.names():
        known = [n.split("/")[0] for n in bundle.names() if n.endswith("/accuracy_percent")]
        raise InputError(
            f"{path}: no surrogate of the accuracy on {dataset}; there are: {', '.join(known)}"
        )
    genes = np.stack([nb201.from_text(arch) for arch in archs])
    return metric_tables.accuracy_table(
        archs,
        bundle.predict(name, genes),
        source=surrogates.described(bundle, [name]),
        place=lambda number, _: f"{path}: {archs[number]}",
    )
