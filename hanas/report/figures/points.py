"""The points of figures of fronts: architectures with what was believed and what is true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from hanas.core.errors import InputError
from hanas.core.pareto import non_dominated
from hanas.data.tables.metric_tables import METRICS
from hanas.fronts.picks import SEED
from hanas.fronts.rows import Row
from hanas.fronts.truth import reaches
from hanas.report.figures import style
from hanas.search.run import objectives_of

#: The columns that say where true errors, metrics and proxy come from.
SOURCES = ("accuracy_source", "metrics_source", "proxy_source")
#: What metrics are called in a sentence.
IN_WORDS = {"latency_ms": "latency", "energy_mj": "energy"}
#: As what points are shown, the label of their search, and the points.
Part = tuple[str, str, pd.DataFrame]


def space_table(
    accuracies: pd.DataFrame,
    metrics: pd.DataFrame,
    proxy: pd.DataFrame,
    *,
    proxy_objective: str,
    device_objectives: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Join what is known of every architecture that the device can run.

    ``proxy_objective`` is the column of the proxy table that was searched with;
    ``device_objectives`` are the metrics, None for all that the device has.

    Columns: ``arch``; ``true_error`` and, if it is one, ``proxy_error``, as fractions, else
    ``proxy_cross_entropy`` or another of :data:`hanas.proxies._proxy.SCORES`; the metrics; the
    sources of all.

    Raises InputError if no metric was searched, the device can run nothing, or an architecture
    that it can run has no accuracy.
    """
    objectives, _ = objectives_of(proxy, metrics, proxy_objective, device_objectives)
    if objectives.shape[1] < 2:
        raise InputError(
            "no hardware metric was searched, so there is no front to draw; "
            "give the device latency_ms or energy_mj among its objectives"
        )
    space = objectives.dropna().rename(columns={proxy_objective: f"proxy_{proxy_objective}"})
    if space.empty:
        raise InputError("the device can run none of the architectures; nothing to draw")
    accuracy = accuracies.set_index("arch")["accuracy_percent"].reindex(space.index)
    if accuracy.isna().any():
        first = accuracy.index[accuracy.isna()][0]
        raise InputError(f"{int(accuracy.isna().sum())} without accuracy, first: {first}")
    space.insert(0, "true_error", 1 - accuracy / 100)
    for column, table in zip(SOURCES, (accuracies, metrics, proxy), strict=True):
        space[column] = str(table["source"].iloc[0])
    return space.reset_index(names="arch")


def evaluated(space: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Return what the seed that is shown evaluated and the device can run, in order.

    ``evaluation``, ``generation``, ``score`` and the columns of ``space``. Raises InputError if
    there is nothing.
    """
    columns = ["evaluation", "generation", "score", "arch"]
    of_seed = history.loc[history["seed"] == SEED, columns]
    seen = of_seed.merge(space, on="arch", how="inner", validate="1:1").sort_values("evaluation")
    if seen.empty:
        raise InputError(f"seed {SEED} evaluated no architecture that the device can run")
    return seen.reset_index(drop=True)


def true_front(space: pd.DataFrame, metric: str, accuracy_floor_percent: float) -> pd.DataFrame:
    """Return the true front in error and one metric, of what reaches the floor, by the metric.

    Raises InputError if no architecture reaches the floor.
    """
    worthy = space[reaches(space["true_error"].to_numpy(), accuracy_floor_percent / 100)]
    if worthy.empty:
        raise InputError(
            f"no architecture reaches {accuracy_floor_percent:g} % accuracy; lower "
            "tasks.*.accuracy_floor_percent"
        )
    points = worthy[["true_error", metric]].to_numpy(dtype=np.float64)
    return worthy[non_dominated(points, copies=False)].sort_values(metric)


def joined(space: pd.DataFrame, parts: Iterable[Part], floor_percent: float) -> pd.DataFrame:
    """Return parts and the true fronts (``true METRIC``) as one table with the columns of a space.

    ``shown_as`` and ``search`` come first.
    """
    true = [
        (f"true {metric}", "", true_front(space, metric, floor_percent))
        for metric in metrics_in(space)
    ]
    marked = [points.assign(shown_as=how, search=search) for how, search, points in (*parts, *true)]
    return pd.concat(marked, ignore_index=True)[["shown_as", "search", *space.columns]]


def shown_as(plotted: pd.DataFrame, what: str) -> pd.DataFrame:
    """Return the rows that a figure shows as ``what``."""
    return plotted[(plotted["shown_as"] == what).to_numpy()]


def metrics_in(table: pd.DataFrame) -> list[str]:
    """Return the hardware metrics among a table's columns."""
    return [metric for metric in METRICS if metric in table]


def proxy_column(table: pd.DataFrame) -> str:
    """Return the column of what the search believed."""
    return next(name for name in table if name.startswith("proxy_") and name != "proxy_source")


def footer(table: pd.DataFrame, row: Row, *, truth: bool = True) -> str:
    """Return where the numbers of a table come from; ``truth``: whether true errors are drawn."""
    before = [f"Seed {SEED}."]
    if truth:
        floor = f"{row.accuracy_floor_percent:g} %"
        before.append(f"True front: of all networks that reach {floor} accuracy.")
    return sources(table, metrics_in(table), row.proxy_label, before, truth)


def sources(
    table: pd.DataFrame,
    metrics: Sequence[str],
    proxy: str,
    before: Sequence[str],
    truth: bool = True,
) -> str:
    """Return sentences, then where true errors (if ``truth``), metrics and proxy come from."""
    of_metrics = " and ".join(IN_WORDS[metric] for metric in metrics).capitalize()
    firsts = (str(table[column].iloc[0]) for column in SOURCES)
    parts = list(zip(("True error", of_metrics, proxy), firsts, strict=True))
    return style.sources_in_words(parts if truth else parts[1:], before=before)
