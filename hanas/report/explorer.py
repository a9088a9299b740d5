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
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from hanas.fronts.rows import Row, read_history
from hanas.fronts.truth import reaches_percent


def explorer_data(rows: Sequence[Row], *, most_points: int = 300) -> dict[str, Any]:
    """Return all that the page shows of judged searches, as JSON-like values.

    Of every search seed 0 is shown; at most ``most_points`` evaluations of it are drawn, spread
    evenly, besides its front, and the page says so. Raises InputError if there is no row, or a
    table lacks an architecture of another.
    """
    if not rows:
        raise InputError("there is no search to show: no task has a proxy, or no device a task")

    @cache
    def table(path: str) -> pd.DataFrame:
        return read_parquet(path).set_index("arch")

    spaces = {name: _Architectures(name) for name in sorted({row.space for row in rows})}
    columns: dict[str, int] = {}  # each column once: several tasks can share a proxy's
    searches = [read_history(row.history, row.search) for row in rows]
    fronts = [picks.found_front(history) for history in searches]
    drawn = [_drawn(history, picks.SEED, most_points) for history in searches]
    true_fronts: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row, front, archs in zip(rows, fronts, drawn, strict=True):
        accuracies, metrics, _ = map(table, row.tables)
        missing = front.loc[~front["arch"].isin(metrics.index), "arch"]
        if len(missing):
            raise InputError(f"{row.metrics}: has no architecture {min(missing)}")
        if (row.device, row.task) not in true_fronts:
            true_fronts[row.device, row.task] = {
                name: _true_front(accuracies, metrics[name], row)
                for name in METRICS
                if name in metrics
            }
        known = true_fronts[row.device, row.task].values()
        spaces[row.space].add(front["arch"], archs, *known)
    for space in spaces.values():
        space.sort()

    def column(values: pd.Series, space: str) -> int:
        """Keep a number for each architecture; return which column of the page it is."""
        content = packed(values.reindex(spaces[space].texts).to_numpy(dtype=np.float32))
        return columns.setdefault(content, len(columns))

    tasks = {
        row.task: {
            "dataset": row.dataset,
            "space": row.space,
            "floor_percent": row.accuracy_floor_percent,
            "accuracy_percent": column(table(row.tables[0])["accuracy_percent"], row.space),
            "source": _source(table(row.tables[0])),
        }
        for row in _first_of_each(rows, "task")
    }
    devices: dict[str, Any] = {}
    for row in _first_of_each(rows, "device", "task"):
        known, metrics = true_fronts[row.device, row.task], table(row.tables[1])
        devices.setdefault(row.device, {})[row.task] = {
            "metrics": {name: column(metrics[name], row.space) for name in known},
            "true_fronts": {n: spaces[row.space].positions(front) for n, front in known.items()},
            "source": _source(metrics),
        }
    proxies: dict[str, Any] = {}
    for row in _first_of_each(rows, "proxy", "task"):
        scores = table(row.tables[2])
        described = {"label": row.proxy_label, "objective": row.proxy_objective}
        described |= {"trained_on": row.trained_on, "of_task": {}}
        proxies.setdefault(row.proxy, described)["of_task"][row.task] = {
            "values": column(scores[row.proxy_objective], row.space),
            "source": _source(scores),
        }
    runs = [
        _run(row, history, front, archs, table(row.tables[1]), spaces[row.space], picks.SEED)
        for row, history, front, archs in zip(rows, searches, fronts, drawn, strict=True)
    ]
    return {
        "seed": picks.SEED,
        "most_points": most_points,
        "spaces": {name: space.described() for name, space in spaces.items()},
        "tasks": tasks,
        "devices": devices,
        "proxies": proxies,
        "searches": {row.search: row.search_label for row in _first_of_each(rows, "search")},
        "runs": runs,
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

    def __init__(self, space: str) -> None:
        self.space, self._found = plugins.space(space), set()

    def add(self, *texts: Iterable[str]) -> None:
        self._found.update(*texts)

    def sort(self) -> None:
        """Fix the positions: by the index of an architecture in its space."""
        unordered = sorted(self._found)
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

    def positions(self, texts: Any) -> str:
        return packed(self.texts.get_indexer(pd.Index(texts)).astype(np.uint32))


def packed(array: np.ndarray) -> str:
    """Return an array as text: its type, a colon, and base64 of its little-endian bytes.

    >>> packed(np.array([1, 2], dtype=np.uint32))
    'u4:AQAAAAIAAAA='
    """
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    return f"{kind}:{base64.b64encode(little.tobytes()).decode('ascii')}"


def _drawn(history: pd.DataFrame, seed: int, most: int) -> np.ndarray:
    """Return what a seed could run, or so many of it, evenly, the first and the last among them."""
    feasible = history.loc[(history["seed"] == seed) & history["feasible"].astype(bool), "arch"]
    positions = np.linspace(0, len(feasible) - 1, min(most, len(feasible))).round().astype(int)
    return feasible.to_numpy()[positions]


def _run(
    row: Row,
    history: pd.DataFrame,
    front: pd.DataFrame,
    drawn: np.ndarray,
    metrics: pd.DataFrame,
    space: _Architectures,
    seed: int,
) -> dict[str, Any]:
    """Return what the page shows of a search."""
    of_seed, objectives = history[history["seed"] == seed], picks.objectives_in(history)
    exact = metrics.loc[front["arch"]].assign(proxy=front[objectives[0]].to_numpy())
    # In float64, so that limits decide as in Python.
    values = {
        name: packed(exact[name].to_numpy(dtype=float))
        for name in ("proxy", *METRICS)
        if name in exact
    }
    return {
        **{key: row.names[key] for key in ("device", "task", "proxy", "search")},
        "objectives": objectives,
        "pareto": not history["score"].notna().any(),
        "evaluations": len(of_seed),
        "infeasible": int((~of_seed["feasible"].to_numpy(dtype=bool)).sum()),
        "drawn": space.positions(drawn),
        "front": space.positions(front["arch"]),
        "proxy_values": values.pop("proxy"),
        "metric_values": values,
    }


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


def _first_of_each(rows: Sequence[Row], *names: str) -> Iterator[Row]:
    """Yield the first row of each combination of values of some of its fields."""
    seen = set()
    for row in rows:
        values = tuple(getattr(row, name) for name in names)
        if values not in seen:
            yield row
        seen.add(values)


def _source(table: pd.DataFrame) -> str:
    return "; ".join(str(source) for source in table["source"].unique())
