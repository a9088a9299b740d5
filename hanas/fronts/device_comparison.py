"""Why to search for each device: how far devices agree, and what a borrowed front loses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pandas as pd

from hanas.core.files import read_parquet
from hanas.core.pareto import non_dominated
from hanas.core.ranking import kendall_tau, spearman_rho
from hanas.fronts.rows import Row
from hanas.fronts.runs import Runs
from hanas.fronts.truth import Truth
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
    lines = []
    for task, dataset in dict.fromkeys((row.task, row.dataset) for row in rows):
        files = {row.device: row.tables[1] for row in rows if row.task == task}
        found = {device: read_parquet(file).set_index("arch") for device, file in files.items()}
        for metric in METRICS:
            having = [device for device, table in found.items() if metric in table]
            for pair in combinations(having, 2):
                a, b = (found[device] for device in pair)
                both = a.merge(b, left_index=True, right_index=True, suffixes=("_a", "_b"))
                both = both[both["feasible_a"].astype(bool) & both["feasible_b"].astype(bool)]
                values = [both[f"{metric}_{side}"].to_numpy(dtype=float) for side in "ab"]
                taus = [np.nan, np.nan]
                if len(both) > 1:
                    taus = [kendall_tau(*values), spearman_rho(*values)]
                sources = [table["source"].iloc[0] for table in (a, b)]
                lines.append((task, dataset, metric, *pair, *taus, len(both), *sources))
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
    groups: dict[tuple[str, str], dict[str, Runs]] = {}
    for runs in searches:
        if len(runs.truth.metrics) == 1:
            group = (runs.row.task, f"{runs.row.proxy}+{runs.row.search}")
            groups.setdefault(group, {})[runs.row.device] = runs
    lines = []
    for task in dict.fromkeys(task for task, _ in groups):
        truths: dict[str, Runs] = {}
        for (of_task, _), by_device in groups.items():
            if of_task == task:
                truths = {**by_device, **truths}
        for origin, target in permutations(truths.values(), 2):
            archs = [origin.truth.archs[_true_front(origin.truth)]]
            own = [_true_front(target.truth)]
            lines.append({**_lost("true", origin, target, archs, own), "seeds": 0})
    for (_, front), by_device in groups.items():
        for origin, target in permutations(by_device.values(), 2):
            seeds = sorted(set(origin.evaluated) & set(target.evaluated))
            archs = [origin.truth.archs[origin.found_front(seed)] for seed in seeds]
            own = [target.found_front(seed) for seed in seeds]
            lines.append(_lost(front, origin, target, archs, own))
    return pd.DataFrame(lines, columns=list(_TRANSFER))


def _true_front(truth: Truth) -> np.ndarray:
    rows = np.flatnonzero(truth.reaches_floor)
    return rows[non_dominated(truth.objectives[rows])]


def _lost(
    front: str, origin: Runs, target: Runs, archs: Sequence[pd.Index], own: Sequence[np.ndarray]
) -> dict[str, Any]:
    borrowed = [target.truth.rows_of(of_seed) for of_seed in archs]
    both = zip(own, borrowed, strict=True)
    shares = np.array([[target.truth.share(rows) for rows in of_seed] for of_seed in both])
    lost = shares[:, 0] - shares[:, 1]
    return {
        **target.row.names,
        **target.sources,
        "front": front,
        "from_device": origin.row.device,
        "to_device": target.row.device,
        "objectives": target.truth.name,
        "own": shares[:, 0].mean(),
        "borrowed": shares[:, 1].mean(),
        "lost": lost.mean(),
        "lost_std": lost.std(ddof=1) if len(lost) > 1 else np.nan,
        "seeds": len(lost),
        "cannot_run": float(np.mean([(rows < 0).sum() for rows in borrowed])),
        "metrics_source_from": origin.truth.metrics_source,
        "metrics_source_to": target.truth.metrics_source,
    }
