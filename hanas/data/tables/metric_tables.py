"""The two tables of true numbers: accuracies of a benchmark, metrics of a device.

Numbers that cannot be are refused here, with the place where the user finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.spaces._cell import CellSpace

if TYPE_CHECKING:  # imported late: settings of devices name the metrics
    import pandas as pd

#: The space of the published benchmarks of cells, and of all surrogates.
NB201: CellSpace = plugins.space("nb201")
#: Metrics that a device can have, in the order of the columns.
METRICS = ("latency_ms", "energy_mj")
#: What no device takes, in ms and mJ: sums and ratios of such numbers are none any more.
LEAST, MOST = 1e-9, 1e12
#: Our name of each data set of NAS-Bench-201, NATS-Bench and HW-NAS-Bench, and theirs.
OFFICIAL_NAMES = {
    "cifar10": "cifar10",
    "cifar100": "cifar100",
    "imagenet16_120": "ImageNet16-120",
}

#: Names the place of the metric of the architecture with a number, for an error message.
Place = Callable[[int, str], str]


def official_name(dataset: str, *, benchmark: str) -> str:
    """Return a benchmark's own name of a data set; InputError if it has no such data set."""
    if dataset in OFFICIAL_NAMES.values():
        return dataset
    if dataset in OFFICIAL_NAMES:
        return OFFICIAL_NAMES[dataset]
    raise InputError(
        f"{benchmark} has no data set {dataset!r}; it has: {', '.join(OFFICIAL_NAMES)}; name "
        "the one whose numbers are to be used with the setting `dataset`"
    )


def require_nb201(space: str, *, benchmark: str) -> None:
    """Raise InputError for every space but the one that the published benchmarks cover."""
    if space != NB201.name:
        raise InputError(f"{benchmark} covers the space nb201, not {space}; give a table instead")


def device_table(
    archs: Sequence[str],
    metrics: Mapping[str, np.ndarray],
    *,
    source: str | Sequence[str],
    place: Place,
    infeasible: float | None = None,
) -> pd.DataFrame:
    """Return a checked table of device metrics of architectures, canonical texts (N).

    ``metrics`` are ``latency_ms`` (ms) and, where the device has it, ``energy_mj`` (mJ), (N,) each.
    ``source`` is one text, or one for each row. ``infeasible`` is the value, which may be NaN, that
    marks architectures which the device cannot run; it never gets into the table as a number.

    The columns are ``arch``, ``feasible`` (bool), the metrics (float64; NaN exactly where not
    feasible, else from LEAST to MOST) and ``source``. InputError if a metric is unknown, a value
    impossible, only one of two metrics marked, or all architectures.
    """
    import pandas as pd

    if not metrics or not set(metrics) <= set(METRICS):
        raise InputError(f"metrics {list(metrics)}; expected some of: {', '.join(METRICS)}")
    names = [name for name in METRICS if name in metrics]
    values = np.column_stack([metrics[name] for name in names]).astype(np.float64)
    marked = np.zeros(values.shape, dtype=bool)
    if infeasible is not None:
        marked = np.isnan(values) if np.isnan(infeasible) else values == infeasible
    impossible = ~marked & ~((values >= LEAST) & (values <= MOST))
    if impossible.any():
        number, column = (int(i) for i in np.argwhere(impossible)[0])
        value, hint = values[number, column], ""
        if infeasible is None and not np.isinf(value):
            hint = (
                "; if it marks architectures that the device cannot run, say so with the setting "
                f"`infeasible: {value:g}`"
            )
        raise InputError(
            f"{place(number, names[column])}: {names[column]} is {_text(value)}; expected a finite "
            f"number above 0, from {LEAST:g} to {MOST:g}{hint}"
        )
    half = marked.any(axis=1) & ~marked.all(axis=1)
    if half.any():
        number = int(half.argmax())
        column, other = int(marked[number].argmax()), int(marked[number].argmin())
        raise InputError(
            f"{place(number, names[column])}: marked as infeasible, but {names[other]} is "
            f"{_text(values[number, other])}; mark both metrics or none"
        )
    feasible = ~marked[:, 0]
    if len(feasible) and not feasible.any():
        raise InputError(f"{place(0, names[0])}: all architectures are marked as infeasible")
    values[~feasible] = np.nan
    columns = dict(zip(names, values.T, strict=True))
    return pd.DataFrame({"arch": list(archs), "feasible": feasible, **columns, "source": source})


def accuracy_table(
    archs: Sequence[str],
    accuracy_percent: np.ndarray,
    *,
    source: str | Sequence[str],
    place: Place,
) -> pd.DataFrame:
    """Return a checked table of test accuracies in percent, (N,).

    The columns are ``arch``, ``accuracy_percent`` (float64, 0 to 100) and ``source``. Raises
    InputError if a value is NaN, below 0 or above 100, or if all of them look like fractions.
    """
    import pandas as pd

    name, values = "accuracy_percent", np.array(accuracy_percent, dtype=np.float64)
    impossible = ~((values >= 0) & (values <= 100))
    if impossible.any():
        number = int(impossible.argmax())
        raise InputError(
            f"{place(number, name)}: {name} is {_text(values[number])}; expected 0 to 100"
        )
    # No data set has 100 classes of which a network that was trained gets none right.
    if len(values) and values.max() <= 1:
        number = int(values.argmax())
        raise InputError(
            f"{place(number, name)}: the largest {name} is {_text(values[number])}: these look "
            "like fractions; expected percent, 0 to 100: multiply them by 100"
        )
    return pd.DataFrame({"arch": list(archs), name: values, "source": source})


def _text(value: float) -> str:
    return "missing (NaN)" if np.isnan(value) else repr(float(value))
