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
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import read_parquet
from hanas.core.pareto import non_dominated
from hanas.data.tables.metric_tables import METRICS
from hanas.fronts import picks
from hanas.fronts.floor import reaches_percent
from hanas.fronts.rows import Row, read_history


def explorer_data(
    rows: Sequence[Row], *, seed: int = picks.SEED, most_points: int = 300
) -> dict[str, Any]:
    """Return all that the page shows of judged searches, as JSON-like values.

    ``seed`` is that of every search that is shown; at most ``most_points`` evaluations of it are
    drawn, spread evenly, besides its front, and the page says so.

    Raises InputError if there is no row, or a table lacks an architecture of another.
    """
    if not rows:
        raise InputError("there is no search to show: no task has a proxy, or no device a task")

    @cache
    def table(path: str) -> pd.DataFrame:
        return read_parquet(path).set_index("arch")

    runs = [_run(row, table(row.metrics), seed, most_points) for row in rows]
    true_fronts = {
        (row.device, row.task): {
            metric: _true_front(table(row.accuracies), table(row.metrics)[metric], row)
            for metric in METRICS
            if metric in table(row.metrics)
        }
        for row in _first_of_each(rows, "device", "task")
    }
    shown: dict[str, set[str]] = {row.space: set() for row in rows}  # architectures by space
    for run in runs:
        fronts = true_fronts[run.row.device, run.row.task].values()
        shown[run.row.space].update(run.front["arch"], run.drawn, *fronts)
    columns: dict[str, int] = {}  # each column once: several tasks can share a proxy's
    spaces = {name: _Architectures(name, texts, columns) for name, texts in sorted(shown.items())}
    tasks = {
        row.task: {
            "dataset": row.dataset,
            "space": row.space,
            "floor_percent": row.accuracy_floor_percent,
            "accuracy_percent": spaces[row.space].column(table(row.accuracies)["accuracy_percent"]),
            "source": _source(table(row.accuracies)),
        }
        for row in _first_of_each(rows, "task")
    }
    devices: dict[str, Any] = {}
    for row in _first_of_each(rows, "device", "task"):
        fronts, archs = true_fronts[row.device, row.task], spaces[row.space]
        devices.setdefault(row.device, {})[row.task] = {
            "metrics": {name: archs.column(table(row.metrics)[name]) for name in fronts},
            "true_fronts": {name: archs.positions(front) for name, front in fronts.items()},
            "source": _source(table(row.metrics)),
        }
    proxies: dict[str, Any] = {}
    for row in _first_of_each(rows, "proxy", "task"):
        scores = table(row.proxy_table)
        described = {"label": row.proxy_label, "objective": row.proxy_objective}
        described |= {"trained_on": row.trained_on, "of_task": {}}
        proxies.setdefault(row.proxy, described)["of_task"][row.task] = {
            "values": spaces[row.space].column(scores[row.proxy_objective]),
            "source": _source(scores),
        }
    return {
        "seed": seed,
        "most_points": most_points,
        "spaces": {name: archs.described() for name, archs in spaces.items()},
        "tasks": tasks,
        "devices": devices,
        "proxies": proxies,
        "searches": {row.search: row.search_label for row in _first_of_each(rows, "search")},
        "runs": [run.packed(spaces[run.row.space]) for run in runs],
        "columns": list(columns),
    }


def html(data: Mapping[str, Any], *, page: str, style: str, script: str) -> str:
    """Return the page: the template with its style, its script and the data put in.

    Raises InputError if the template lacks a place for one of them.
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
            "edges": [list(edge) for edge in self.space.edges],
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


@dataclass(frozen=True)
class _Run:
    """What is shown of a search: its front, and evaluations spread evenly over it."""

    row: Row
    objectives: list[str]
    scalarising: bool
    front: pd.DataFrame
    metrics: pd.DataFrame  # of the front
    drawn: np.ndarray
    evaluations: int
    infeasible: int

    def packed(self, archs: _Architectures) -> dict[str, Any]:
        """Return it with its front exact, in float64, so that limits decide as in Python."""
        names = self.row.names
        return {
            **{key: names[key] for key in ("device", "task", "proxy", "search")},
            "objectives": self.objectives,
            "pareto": not self.scalarising,
            "evaluations": self.evaluations,
            "infeasible": self.infeasible,
            "drawn": archs.positions(self.drawn),
            "front": archs.positions(self.front["arch"]),
            "proxy_values": packed(self.front[self.objectives[0]].to_numpy(dtype=float)),
            "metric_values": {
                name: packed(self.metrics[name].to_numpy(dtype=float))
                for name in METRICS
                if name in self.metrics
            },
        }


def _run(row: Row, metrics: pd.DataFrame, seed: int, most_points: int) -> _Run:
    history = read_history(row.history, row.search)
    front = picks.found_front(history, seed=seed)
    of_seed = history[history["seed"] == seed]
    feasible = of_seed.loc[of_seed["feasible"].to_numpy(dtype=bool), "arch"].to_numpy()
    # Evenly over the evaluations, the first and the last among them.
    positions = np.linspace(0, len(feasible) - 1, min(most_points, len(feasible))).round()
    missing = front.loc[metrics.index.get_indexer(pd.Index(front["arch"])) < 0, "arch"]
    if len(missing):
        raise InputError(f"{row.metrics}: has no architecture {min(missing)}")
    return _Run(
        row=row,
        objectives=picks.objectives_in(history),
        scalarising=bool(history["score"].notna().any()),
        front=front,
        metrics=metrics.loc[front["arch"]],
        drawn=feasible[positions.astype(int)],
        evaluations=len(of_seed),
        infeasible=len(of_seed) - len(feasible),
    )


def _true_front(accuracies: pd.DataFrame, metric: pd.Series, row: Row) -> list[str]:
    """Return the true front of error and one metric, above the floor, by rising metric."""
    feasible = metric.dropna()
    accuracy = accuracies["accuracy_percent"].reindex(feasible.index)
    if accuracy.isna().any():
        first = accuracy.index[accuracy.isna()][0]
        raise InputError(f"{row.accuracies}: has no architecture {first}")
    worthy = reaches_percent(accuracy, row.accuracy_floor_percent)
    points = np.column_stack([feasible[worthy], -accuracy[worthy]])
    rows = np.flatnonzero(non_dominated(points)) if len(points) else np.empty(0, dtype=int)
    order = np.lexsort((points[rows, 1], points[rows, 0]))
    return feasible.index[worthy][rows[order]].tolist()


def _first_of_each(rows: Sequence[Row], *names: str) -> list[Row]:
    """Return the first row of each combination of values of some of its fields."""
    first: dict[tuple[str, ...], Row] = {}
    for row in rows:
        first.setdefault(tuple(getattr(row, name) for name in names), row)
    return list(first.values())


def _source(table: pd.DataFrame) -> str:
    return "; ".join(str(source) for source in table["source"].unique())
