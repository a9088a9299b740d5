"""Why to search for each device: how far devices agree, and what a borrowed front loses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations

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
_TRUE = "true"


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
        tables = {name: read_parquet(file).set_index("arch") for name, file in of_devices.items()}
        for metric in METRICS:
            having = {name: table for name, table in tables.items() if metric in table}
            for pair in combinations(having, 2):
                feasible = [having[name][having[name]["feasible"]] for name in pair]
                both = pd.concat([table[metric] for table in feasible], axis=1, join="inner")
                a, b = both.to_numpy(dtype=float).T
                taus = [tau(a, b) if len(a) > 1 else np.nan for tau in (kendall_tau, spearman_rho)]
                sources = [having[name]["source"].iloc[0] for name in pair]
                lines.append((*names, metric, *pair, *taus, len(both), *sources))
    return pd.DataFrame(lines, columns=list(_CORRELATION))


def transfer_table(searches: Sequence[Runs]) -> pd.DataFrame:
    """Return what is lost by using the front of one device on another.

    Fronts are judged by the true error and the first searched metric of the device they are used
    on, without what it cannot run. A row for each task, ordered pair of devices and ``front``:
    ``true``, the exact true front of the other device, or ``proxy+search``, the front found for it
    (mean over ``seeds``, which are 0 for the exact one). ``own`` and ``borrowed`` are the
    normalised hypervolume of the device's own front and of the other's, ``lost`` their difference;
    ``cannot_run``, how many of the other's front (mean).
    """
    groups: dict[tuple[str, str], dict[str, tuple[Runs, list[np.ndarray]]]] = {}
    for runs in searches:
        if len(runs.truth.metrics) == 1:
            row, found = runs.row, [runs.found_front(evaluated) for evaluated in runs.evaluated]
            names = (row.task, f"{row.proxy}+{row.search}")
            groups.setdefault(names, {})[row.device] = runs, found
            groups.setdefault((row.task, _TRUE), {})[row.device] = runs, [runs.truth.front_rows]
    lines = []
    for (_, front), of_devices in sorted(groups.items(), key=lambda item: item[0][1] != _TRUE):
        for (origin, theirs), (target, ours) in permutations(of_devices.values(), 2):
            truth = target.truth
            taken = [truth.archs.get_indexer(origin.truth.archs[rows]) for rows in theirs]
            pairs = list(zip(ours, taken, strict=False))  # seeds that both have
            own, borrowed = np.array([list(map(truth.share, pair)) for pair in pairs]).T
            lost = own - borrowed
            line = target.line(
                front=front,
                from_device=origin.row.device,
                to_device=target.row.device,
                own=own.mean(),
                borrowed=borrowed.mean(),
                lost=lost.mean(),
                lost_std=lost.std(ddof=1) if len(lost) > 1 else np.nan,
                seeds=0 if front == _TRUE else len(lost),
                cannot_run=float(np.mean([(rows < 0).sum() for _, rows in pairs])),
                metrics_source_from=origin.truth.metrics_source,
                metrics_source_to=truth.metrics_source,
            )
            lines.append(line)
    return pd.DataFrame(lines, columns=list(_TRANSFER))
