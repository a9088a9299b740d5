"""Why to search for each device: how far devices agree, and what a borrowed front loses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pandas as pd

from hanas.core.files import read_parquet
from hanas.core.ranking import kendall_tau, spearman_rho
from hanas.fronts.rows import Row
from hanas.fronts.runs import Runs
from hanas.search.run import METRICS

#: Columns of the tables, also where there is one device only.
_CORRELATION = (
    *("task", "dataset", "metric", "device_a", "device_b", "kendall_tau", "spearman_rho"),
    *("architectures", "source_a", "source_b"),
)
_TRANSFER = (
    *("task", "dataset", "front", "from_device", "to_device", "objectives", "own", "borrowed"),
    *("lost", "lost_std", "seeds", "cannot_run", "accuracy_floor_percent"),
    *("accuracy_source", "metrics_source_from", "metrics_source_to"),
)


def correlation_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return how far each two devices agree in ranking the architectures of a task.

    A row for each task, metric that both devices have, and pair: ``kendall_tau`` and
    ``spearman_rho`` over the ``architectures`` that both can run, and the sources.
    """
    files: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        files.setdefault((row.task, row.dataset), {})[row.device] = row.tables[1]
    lines = []
    for names, of_devices in files.items():
        tables = {device: read_parquet(file) for device, file in of_devices.items()}
        for metric in METRICS:
            having = [device for device, table in tables.items() if metric in table]
            for pair in combinations(having, 2):
                a, b = (tables[device] for device in pair)
                both = a[a["feasible"]].merge(b[b["feasible"]], on="arch", suffixes=("_a", "_b"))
                values = [both[f"{metric}_{side}"].to_numpy(dtype=float) for side in "ab"]
                taus = [np.nan, np.nan]
                if len(both) > 1:
                    taus = [kendall_tau(*values), spearman_rho(*values)]
                sources = [table["source"].iloc[0] for table in (a, b)]
                lines.append((*names, metric, *pair, *taus, len(both), *sources))
    return pd.DataFrame(lines, columns=list(_CORRELATION))


def transfer_table(searches: Sequence[Runs]) -> pd.DataFrame:
    """Return what is lost by using the front of one device on another.

    Fronts are judged by the true error and the first searched metric of the device they are used
    on, without what it cannot run. A row for each task, ordered pair of devices and ``front``:
    ``true``, the exact true front of the other device, or ``proxy+search``, the front found for it
    (mean over seeds). ``own`` and ``borrowed``: the normalised hypervolume of the device's own
    front and of the other's; ``lost`` = own - borrowed, ``lost_std`` over ``seeds`` (0 for the
    exact front); ``cannot_run``, how many of the other's front (mean).
    """
    exact: dict[str, dict[str, Runs]] = {}  # by task, of any search: the truth is the same
    found: dict[tuple[str, str], dict[str, Runs]] = {}
    for runs in searches:
        if len(runs.truth.metrics) == 1:
            row = runs.row
            exact.setdefault(row.task, {}).setdefault(row.device, runs)
            found.setdefault((row.task, f"{row.proxy}+{row.search}"), {})[row.device] = runs
    lines = []
    for by_device in exact.values():
        for origin, target in permutations(by_device.values(), 2):
            fronts = [(origin.truth.front_rows, target.truth.front_rows)]
            lines.append(_lost("true", origin, target, fronts) | {"seeds": 0})
    for (_, front), by_device in found.items():
        for origin, target in permutations(by_device.values(), 2):
            seeds = sorted(set(origin.evaluated) & set(target.evaluated))
            fronts = [(origin.found_front(seed), target.found_front(seed)) for seed in seeds]
            lines.append(_lost(front, origin, target, fronts))
    return pd.DataFrame(lines, columns=list(_TRANSFER))


def _lost(
    front: str, origin: Runs, target: Runs, fronts: Sequence[tuple[np.ndarray, np.ndarray]]
) -> dict[str, Any]:
    borrowed = [target.truth.rows_of(origin.truth.archs[of_origin]) for of_origin, _ in fronts]
    own = np.array([target.truth.share(of_target) for _, of_target in fronts])
    shares = np.array([target.truth.share(rows) for rows in borrowed])
    lost = own - shares
    return target.line(
        front=front,
        from_device=origin.row.device,
        to_device=target.row.device,
        own=own.mean(),
        borrowed=shares.mean(),
        lost=lost.mean(),
        lost_std=lost.std(ddof=1) if len(lost) > 1 else np.nan,
        seeds=len(lost),
        cannot_run=float(np.mean([(rows < 0).sum() for rows in borrowed])),
        metrics_source_from=origin.truth.metrics_source,
        metrics_source_to=target.truth.metrics_source,
    )
