"""The two tables of true numbers: accuracies of a benchmark, metrics of a device.

Whatever kind of source they come from, they have one form, and numbers that cannot be are refused
here, with the place where the user finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hanas.core.errors import InputError

if TYPE_CHECKING:  # imported late: settings of devices name the metrics
    import pandas as pd

#: Metrics that a device can have, in the order of the columns.
METRICS = ("latency_ms", "energy_mj")

#: Names the place of the metric of the architecture with a number, for an error message.
Place = Callable[[int, str], str]


def device_table(
    archs: Sequence[str],
    metrics: Mapping[str, np.ndarray],
    *,
    source: str | Sequence[str],
    place: Place,
    infeasible: float | None = None,
) -> pd.DataFrame:
    """Return a checked table of device metrics.

    Parameters
    ----------
    archs
        Canonical texts (N).
    metrics
        For ``latency_ms`` (ms) and, where the device has it, ``energy_mj`` (mJ) an array (N,).
    source
        Where the numbers are from: one text, or one for each row.
    place
        Names the place of a value in the user's file.
    infeasible
        The value that marks architectures which the device cannot run. It never gets into the
        table as a number.

    Returns
    -------
    DataFrame
        Columns ``arch``, ``feasible`` (bool), the metrics (float64; NaN exactly where not
        feasible, else finite and above 0) and ``source``.

    Raises
    ------
    InputError
        If a metric is unknown, if a value is NaN, infinite, zero or negative without being the
        marker, if only one of two metrics is marked, or if all architectures are marked.

    Examples
    --------
    >>> device_table(
    ...     ["a", "b"],
    ...     {"latency_ms": np.array([1.5, -1.0])},
    ...     source="example",
    ...     place=lambda number, metric: f"row {number}",
    ...     infeasible=-1,
    ... )
      arch  feasible  latency_ms   source
    0    a      True         1.5  example
    1    b     False         NaN  example
    """
    import pandas as pd

    unknown = [name for name in metrics if name not in METRICS]
    if unknown or not metrics:
        raise InputError(f"metrics {list(metrics)}; expected some of: {', '.join(METRICS)}")
    ordered = [name for name in METRICS if name in metrics]
    values = np.column_stack([metrics[name] for name in ordered]).astype(np.float64)
    marked = np.zeros(values.shape, dtype=bool) if infeasible is None else values == infeasible
    impossible = ~marked & ~(np.isfinite(values) & (values > 0))
    if impossible.any():
        number, column = (int(i) for i in np.argwhere(impossible)[0])
        metric, value = ordered[column], values[number, column]
        raise InputError(
            f"{place(number, metric)}: {metric} is {_text(value)}; expected a finite number above 0"
            f"{_marker_hint(value, infeasible)}"
        )
    half = marked.any(axis=1) & ~marked.all(axis=1)
    if half.any():
        number = int(np.flatnonzero(half)[0])
        column, other = (int(i) for i in np.argsort(~marked[number], kind="stable")[:2])
        raise InputError(
            f"{place(number, ordered[column])}: marked as infeasible, but {ordered[other]} is "
            f"{_text(values[number, other])}; mark both metrics or none"
        )
    feasible = ~marked[:, 0]
    if len(feasible) and not feasible.any():
        raise InputError(f"{place(0, ordered[0])}: all architectures are marked as infeasible")
    values[~feasible] = np.nan
    columns = dict(zip(ordered, values.T, strict=True))
    return pd.DataFrame({"arch": list(archs), "feasible": feasible, **columns, "source": source})


def accuracy_table(
    archs: Sequence[str],
    accuracy_percent: np.ndarray,
    *,
    source: str | Sequence[str],
    place: Place,
) -> pd.DataFrame:
    """Return a checked table of test accuracies.

    Parameters
    ----------
    archs
        Canonical texts (N).
    accuracy_percent
        Test accuracies in percent, (N,).
    source, place
        As of :func:`device_table`.

    Returns
    -------
    DataFrame
        Columns ``arch``, ``accuracy_percent`` (float64, 0 to 100) and ``source``.

    Raises
    ------
    InputError
        If a value is NaN, below 0 or above 100, or if all of them look like fractions.

    Examples
    --------
    >>> accuracy_table(["a"], np.array([94.37]), source="example", place=lambda *_: "row")
      arch  accuracy_percent   source
    0    a             94.37  example
    """
    import pandas as pd

    name = "accuracy_percent"
    values = np.array(accuracy_percent, dtype=np.float64)
    impossible = ~((values >= 0) & (values <= 100))
    if impossible.any():
        number = int(np.flatnonzero(impossible)[0])
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


def _marker_hint(value: float, infeasible: float | None) -> str:
    if infeasible is not None or not np.isfinite(value):
        return ""
    return (
        "; if it marks architectures that the device cannot run, say so with the setting "
        f"`infeasible: {value:g}`"
    )


def _text(value: float) -> str:
    return "missing (NaN)" if np.isnan(value) else repr(float(value))
