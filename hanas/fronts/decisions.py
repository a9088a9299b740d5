"""What to take: every found front with all that a person needs to choose from it.

The search chose by its proxy and the device's metrics. The true accuracy stands beside, for the
person who decides; it plays no part in a pick (:mod:`hanas.fronts.picks`) from a predicted front.
In a trained front (:mod:`hanas.fronts.peeling`) it is what was paid for, and what picks go by.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import read_json, read_parquet
from hanas.fronts import picks
from hanas.fronts.peeling import peel
from hanas.fronts.rows import Row, read_history
from hanas.fronts.settings import Peeling
from hanas.fronts.truth import reaches_percent
from hanas.search.run import METRICS

#: The source of accuracies of which nothing is known.
UNKNOWN = "not known: no benchmark; retraining measures it"
KNEE, PROXY_BEST, TRULY_BEST = "knee", "best by the proxy", "most accurate"
LOWEST = {"latency_ms": "fastest", "energy_mj": "least energy"}
_LAST = ["accuracy_floor_percent", "accuracy_source", "metrics_source", "proxy_source"]


def decision_table(rows: Iterable[Row], peeling: Peeling | None = None) -> pd.DataFrame:
    """Return the found fronts of a device, of seed 0, a row an architecture in order of preference.

    With ``peeling``, the trained fronts of those searches whose accuracies are known, which are
    looked up, take the place of the predicted ones. Columns are

    - ``arch``, ``index`` in its space (where that can be listed), ``accuracy_percent`` (true; NaN
      where it is not known), the device's metrics, ``proxy_value`` of ``proxy_objective``;
    - ``roles`` among those that reach the accuracy floor, such as knee, joined by ``; ``;
    - ``pick_below_{metric}``: with a limit on this metric alone, this is the pick for limits
      from its own value to below this one (infinite for the last); NaN if for none;
    - ``next_percent_{metric}``: what one percentage point more of true accuracy costs, in the
      front's architecture ``next_percent_arch`` that has it with the lowest first metric; below
      zero where the proxy misjudged; NaN where none is so accurate;
    - of trained fronts, ``trained_architectures`` that were paid for, those that the proxy was
      learned from included, and ``trained_layers``; their proxy is the true ``error``, a fraction;
    - ``accuracy_floor_percent`` and the sources.

    Raises InputError if no predicted front has an architecture; nothing that is trained may reach
    the floor.
    """
    if peeling is None:
        made = (_of_predicted_front(row) for row in rows)
    else:
        made = (_of_trained_front(row, peeling) for row in rows if row.accuracies is not None)
    frames = [frame for frame in made if len(frame)]
    if not frames:
        if peeling is None:
            raise InputError("no search found an architecture that the device can run")
        names = ("device", "task", "dataset", "proxy", "search", "arch", "index")
        return pd.DataFrame(columns=[*names, "accuracy_percent"])
    table = pd.concat(frames, ignore_index=True)
    return table.reindex(columns=[*(column for column in table if column not in _LAST), *_LAST])


def _of_predicted_front(row: Row) -> pd.DataFrame:
    front = picks.found_front(read_history(row.history, row.search), seed=picks.SEED)
    return _of_front(front, row, method=f"{row.proxy_label}+{row.search_label}", best=PROXY_BEST)


def _of_trained_front(row: Row, peeling: Peeling) -> pd.DataFrame:
    history = read_history(row.history, row.search)
    evaluated = picks.feasible_evaluations(history, seed=picks.SEED)
    objectives = picks.objectives_in(evaluated)
    accuracies = read_parquet(str(row.accuracies)).set_index("arch")["accuracy_percent"]
    errors = 1 - accuracies.loc[evaluated["arch"]].to_numpy(dtype=np.float64) / 100
    predicted = evaluated[objectives].to_numpy(dtype=np.float64)
    floor = row.accuracy_floor_percent / 100
    layers = list(peel(predicted, errors.__getitem__, peeling, accuracy_floor=floor))
    if not layers or not len(layers[-1].front):
        return evaluated.iloc[:0]
    true = evaluated.assign(error=errors)[["arch", "evaluation", "error", *objectives[1:]]]
    front = picks.by_preference(true.iloc[layers[-1].front])
    method = f"{row.proxy_label}+{row.search_label}, trained"
    of_truth = replace(row, proxy_objective="error")
    table, trained = _of_front(front, of_truth, method=method, best=TRULY_BEST), layers[-1].trained
    paid = f"looked up for the {len(trained)} architectures of {len(layers)} layers that "
    return table.assign(
        proxy_source=table["accuracy_source"] + f"; {paid}{row.proxy} predicted",
        trained_architectures=len(trained) + row.trained_architectures,
        trained_layers=len(layers),
    )


def _of_front(front: pd.DataFrame, row: Row, *, method: str, best: str) -> pd.DataFrame:
    if front.empty:
        return front
    objectives = picks.objectives_in(front)
    # A coarse proxy sees thousands of cells as equal; only the first of them is ever picked.
    front = front.drop_duplicates(objectives, keep="first", ignore_index=True)
    archs, searched = front["arch"], objectives[1:]
    metrics, sources = front.set_index("arch"), read_json(row.facts)["sources"]
    if row.metrics is not None:
        metrics = read_parquet(row.metrics).set_index("arch")
    accuracies, accuracy_source = np.nan, UNKNOWN
    if row.accuracies is not None:
        known = read_parquet(row.accuracies).set_index("arch")
        accuracies = known.loc[archs, "accuracy_percent"].to_numpy()
        accuracy_source = str(known["source"].iloc[0])
    space = plugins.space(row.space)
    genes = np.array([space.from_text(arch) for arch in archs])
    names = {**row.names, "method": method, "seed": picks.SEED, "space": row.space}
    index = space.index_of(genes) if space.enumerable else pd.NA
    table = pd.DataFrame({**names, "index": index, "arch": archs, "accuracy_percent": accuracies})
    for metric in METRICS:
        if metric in metrics:
            table[metric] = metrics.loc[archs, metric].to_numpy()
    table["proxy_objective"] = row.proxy_objective
    table["proxy_value"] = front[objectives[0]].to_numpy()
    worthy = reaches_percent(table["accuracy_percent"], row.accuracy_floor_percent)
    table["roles"] = _roles(front, objectives, worthy, best)
    for metric in searched:
        table[f"pick_below_{metric}"] = pick_ranges(front[metric].to_numpy())
    return table.join(_next_percent(table, searched)).assign(
        accuracy_floor_percent=row.accuracy_floor_percent,
        accuracy_source=accuracy_source,
        metrics_source=sources[searched[0]],
        proxy_source=next(source for name, source in sources.items() if name not in METRICS),
    )


def pick_ranges(metric: np.ndarray) -> np.ndarray:
    """Return up to which limit on a metric, exclusive, each point of a front is the pick.

    From its own value on, until one that is preferred to it fits: float64 (N,), in the order of
    preference; infinite for the most preferred, NaN for points that are never the pick.
    """
    # The cheapest of all that are preferred: from there on, it or another of them is the pick.
    until = np.minimum.accumulate(np.append(np.inf, metric[:-1]))
    return np.where(metric < until, until, np.nan)


def _roles(front: pd.DataFrame, objectives: list[str], worthy: np.ndarray, best: str) -> list[str]:
    roles: list[list[str]] = [[] for _ in range(len(front))]
    rows = np.flatnonzero(worthy)
    if len(rows):
        points = front[objectives].to_numpy()[rows]
        roles[rows[0]].append(best)
        roles[rows[picks.choose(points, "knee")]].append(KNEE)
        for column, metric in enumerate(objectives[1:], start=1):
            roles[rows[np.argmin(points[:, column])]].append(LOWEST[metric])
    return ["; ".join(of_point) for of_point in roles]


def _next_percent(table: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    accuracy, values = table["accuracy_percent"].to_numpy(), table[metrics].to_numpy()
    lines = []
    for position in range(len(table)):
        better = np.flatnonzero(accuracy >= accuracy[position] + 1)
        line = [*[np.nan] * len(metrics), ""]
        if len(better):
            cheapest = better[np.argmin(values[better, 0])]
            line = [*(values[cheapest] - values[position]), table["arch"].iloc[cheapest]]
        lines.append(line)
    columns = [*(f"next_percent_{metric}" for metric in metrics), "next_percent_arch"]
    return pd.DataFrame(lines, columns=columns, index=table.index)
