"""One page that shows every front of a study, in a browser, from disk.

Python decides everything that is a result: the found fronts and their order of preference
(:mod:`hanas.fronts.picks`), the true fronts, which evaluations are drawn. The page only shows them.

Columns of numbers are embedded as base64 of their little-endian bytes: a third of the size of
decimal text, and exact.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import read_parquet
from hanas.core.pareto import non_dominated
from hanas.fronts import picks
from hanas.search.tabular_search import METRICS

#: Accuracies are at least the floor within this many percentage points (floating-point noise).
_TOLERANCE_PERCENT = 1e-9


def explorer_data(
    rows: Sequence[Mapping[str, Any]], *, seed: int = 0, most_points: int = 300
) -> dict[str, Any]:
    """Return all that the page shows, as JSON-like values.

    Parameters
    ----------
    rows
        A row for each search: ``device``, ``task``, ``dataset``, ``space``, ``proxy``, ``search``
        and the labels ``proxy_label`` and ``search_label``; ``trained_on``, the data set of the
        proxy's supernet or ""; the files ``accuracies``, ``metrics``, ``proxy_table`` and
        ``history``; ``proxy_objective``, the column of the proxy table that was minimised;
        ``accuracy_floor_percent``.
    seed
        The seed of every search that is shown.
    most_points
        At most so many evaluations of a search are drawn, spread evenly over it, besides its
        front; the page states it.

    Raises
    ------
    InputError
        If there is no row, or a table lacks an architecture of another.
    """
    if not rows:
        raise InputError("there is no search to show: no task has a proxy, or no device a task")
    tables: dict[str, pd.DataFrame] = {}

    def table(path: str) -> pd.DataFrame:
        if path not in tables:
            tables[path] = read_parquet(path).set_index("arch")
        return tables[path]

    shown: dict[str, set[str]] = {}  # architectures by space
    runs, true_fronts = [], {}
    for row in rows:
        metrics = table(row["metrics"])
        run = _run(row, metrics, seed=seed, most_points=most_points)
        runs.append(run)
        known = shown.setdefault(row["space"], set())
        known.update(run["front"]["arch"], run["drawn"])
        if (row["device"], row["task"]) not in true_fronts:
            fronts = {
                metric: _true_front(table(row["accuracies"]), metrics[metric], row)
                for metric in METRICS
                if metric in metrics
            }
            true_fronts[row["device"], row["task"]] = fronts
            known.update(*fronts.values())
    columns: dict[str, int] = {}  # each column once: several tasks can share a proxy's
    spaces = {name: _Architectures(name, texts, columns) for name, texts in sorted(shown.items())}
    described = {
        "seed": seed,
        "most_points": most_points,
        "spaces": {name: archs.described() for name, archs in spaces.items()},
        "tasks": {
            row["task"]: {
                "dataset": row["dataset"],
                "space": row["space"],
                "floor_percent": row["accuracy_floor_percent"],
                "accuracy_percent": spaces[row["space"]].column(
                    table(row["accuracies"])["accuracy_percent"]
                ),
                "source": _source(table(row["accuracies"])),
            }
            for row in _first_of_each(rows, "task")
        },
        "devices": {
            row["device"]: {
                of_device["task"]: _device_of_task(
                    table(of_device["metrics"]),
                    true_fronts[row["device"], of_device["task"]],
                    spaces[of_device["space"]],
                )
                for of_device in _first_of_each(rows, "task", device=row["device"])
            }
            for row in _first_of_each(rows, "device")
        },
        "proxies": {
            row["proxy"]: {
                "label": row["proxy_label"],
                "objective": row["proxy_objective"],
                "trained_on": row["trained_on"],
                "of_task": {
                    of_proxy["task"]: {
                        "values": spaces[of_proxy["space"]].column(
                            table(of_proxy["proxy_table"])[of_proxy["proxy_objective"]]
                        ),
                        "source": _source(table(of_proxy["proxy_table"])),
                    }
                    for of_proxy in _first_of_each(rows, "task", proxy=row["proxy"])
                },
            }
            for row in _first_of_each(rows, "proxy")
        },
        "searches": {row["search"]: row["search_label"] for row in _first_of_each(rows, "search")},
        "runs": [_packed_run(run, spaces[run["space"]]) for run in runs],
    }
    return {**described, "columns": list(columns)}


def html(data: Mapping[str, Any], *, page: str, style: str, script: str) -> str:
    """Return the page: the template with its style, its script and the data put in.

    Raises
    ------
    InputError
        If the template lacks a place for one of them.
    """
    # Inside a script element only "<" can end it; JSON can spell it otherwise.
    embedded = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    parts = {"style": style, "script": script, "data": embedded}
    found = set(re.findall(r"\{\{(\w+)\}\}", page))
    if found != set(parts):
        raise InputError(f"the page's template has places {sorted(found)}; expected {list(parts)}")
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], page)


class _Architectures:
    """The architectures of one space that the page knows, by their position in its columns."""

    def __init__(self, space: str, texts: Iterable[str], columns: dict[str, int]) -> None:
        self.columns = columns
        self.space = plugins.space(space)
        unordered = sorted(texts)
        genes = np.array([self.space.from_text(text) for text in unordered])
        index = self.space.index_of(genes)
        order = np.argsort(index)
        self.index, self.genes = index[order], genes[order]
        self.texts = pd.Index(unordered)[order]

    def described(self) -> dict[str, Any]:
        """Return what the page needs to name and draw them."""
        return {
            "operations": list(self.space.operations),
            "edges": [list(edge) for edge in self.space.EDGES],
            "genes": packed(self.genes.astype(np.uint8)),
            "index": packed(self.index.astype(np.uint32)),
        }

    def positions(self, texts: Sequence[str] | pd.Series) -> str:
        return packed(self.texts.get_indexer(pd.Index(texts)).astype(np.uint32))

    def column(self, values: pd.Series) -> int:
        """Keep a number for each architecture, and return which column of the page it is."""
        column = packed(values.reindex(self.texts).to_numpy(dtype=np.float32))
        return self.columns.setdefault(column, len(self.columns))


def packed(array: np.ndarray) -> str:
    """Return an array as text: its type, a colon, and base64 of its little-endian bytes.

    >>> packed(np.array([1, 2], dtype=np.uint32))
    'u4:AQAAAAIAAAA='
    """
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    return f"{kind}:{base64.b64encode(little.tobytes()).decode('ascii')}"


def _run(
    row: Mapping[str, Any], metrics: pd.DataFrame, *, seed: int, most_points: int
) -> dict[str, Any]:
    history = read_parquet(row["history"])
    front = picks.found_front(history, seed=seed)
    of_seed = history[history["seed"] == seed]
    feasible = of_seed.loc[of_seed["feasible"].to_numpy(dtype=bool), "arch"].to_numpy()
    count = min(most_points, len(feasible))
    # Evenly over the evaluations, the first and the last among them.
    rows = np.linspace(0, len(feasible) - 1, count).round().astype(int)
    missing = set(front["arch"]) - set(metrics.index)
    if missing:
        raise InputError(f"{row['metrics']}: has no architecture {min(missing)}")
    objectives = picks.objectives_in(history)
    return {
        **{key: row[key] for key in ("device", "task", "proxy", "search", "space")},
        "objectives": objectives,
        "pareto": bool(history["score"].isna().all()),
        "front": front,
        "proxy_values": front[objectives[0]].to_numpy(dtype=float),
        "metric_values": {
            metric: metrics.loc[front["arch"], metric].to_numpy(dtype=float)
            for metric in METRICS
            if metric in metrics
        },
        "drawn": feasible[rows],
        "evaluations": len(of_seed),
        "infeasible": len(of_seed) - len(feasible),
    }


def _packed_run(run: Mapping[str, Any], archs: _Architectures) -> dict[str, Any]:
    """Return a run with its front exact, in float64, so that limits decide as in Python."""
    return {
        **{key: run[key] for key in ("device", "task", "proxy", "search")},
        "objectives": run["objectives"],
        "pareto": run["pareto"],
        "evaluations": run["evaluations"],
        "infeasible": run["infeasible"],
        "drawn": archs.positions(run["drawn"]),
        "front": archs.positions(run["front"]["arch"]),
        "proxy_values": packed(run["proxy_values"]),
        "metric_values": {name: packed(values) for name, values in run["metric_values"].items()},
    }


def _true_front(accuracies: pd.DataFrame, metric: pd.Series, row: Mapping[str, Any]) -> list[str]:
    """Return the true front of error and one metric, above the floor, by rising metric."""
    feasible = metric.dropna()
    accuracy = accuracies["accuracy_percent"].reindex(feasible.index)
    if accuracy.isna().any():
        first = accuracy.index[accuracy.isna()][0]
        raise InputError(f"{row['accuracies']}: has no architecture {first}")
    reaches = (accuracy >= row["accuracy_floor_percent"] - _TOLERANCE_PERCENT).to_numpy()
    points = np.column_stack([feasible[reaches], -accuracy[reaches]])
    front = points.shape[0] and non_dominated(points)
    rows = np.flatnonzero(front)
    order = np.lexsort((points[rows, 1], points[rows, 0]))
    return feasible.index[reaches][rows[order]].tolist()


def _device_of_task(
    metrics: pd.DataFrame, true_fronts: Mapping[str, list[str]], archs: _Architectures
) -> dict[str, Any]:
    return {
        "metrics": {name: archs.column(metrics[name]) for name in true_fronts},
        "true_fronts": {name: archs.positions(front) for name, front in true_fronts.items()},
        "source": _source(metrics),
    }


def _first_of_each(
    rows: Sequence[Mapping[str, Any]], key: str, **where: str
) -> list[Mapping[str, Any]]:
    """Return the first row of each value of ``key`` among those that match ``where``."""
    first: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if all(row[name] == value for name, value in where.items()):
            first.setdefault(row[key], row)
    return list(first.values())


def _source(table: pd.DataFrame) -> str:
    return "; ".join(str(source) for source in dict.fromkeys(table["source"]))
