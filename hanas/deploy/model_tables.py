"""All that is known of the models of a retraining, as one table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

#: Columns of a device's table that describe its latency, in the order that they are shown in.
_OF_DEVICE = (
    *("feasible", "reason", "latency_ms", "latency_ms_deviation", "latency_mean_ms"),
    *("latency_median_ms", "latency_q25_ms", "latency_q75_ms", "energy_mj"),
    *("energy_mj_deviation", "precision", "threads", "batch", "passes", "repeats", "stable"),
    *("runtime", "board"),
)


def table(
    exports: pd.DataFrame, latencies: Sequence[tuple[str, pd.DataFrame]], *, retraining: str
) -> pd.DataFrame:
    """Return a row for each model and device; for each model alone where there is no device.

    Parameters
    ----------
    exports
        Table of :func:`hanas.deploy.exporting.export_retrained`.
    latencies
        Name of a device and its table, an architecture a row.
    retraining
        Name of the entry.

    Returns
    -------
    DataFrame
        ``retraining``, ``number``, ``arch``, ``device``, the columns of the exports with
        ``accuracy_source``, and those of the device with ``latency_source``.
    """
    models = exports.rename(columns={"sources": "accuracy_source"})
    parts = []
    for device, of_device in latencies:
        kept = [column for column in _OF_DEVICE if column in of_device]
        known = of_device[["arch", *kept, "source"]].rename(columns={"source": "latency_source"})
        joined = models.merge(known, on="arch", how="left", validate="1:1")
        parts.append(joined.assign(device=device))
    whole = pd.concat(parts, ignore_index=True) if parts else models.assign(device="")
    whole = whole.sort_values("number", kind="stable", ignore_index=True)
    whole.insert(0, "retraining", retraining)
    first = ["retraining", "number", "arch", "device"]
    return whole[[*first, *(column for column in whole if column not in first)]]
