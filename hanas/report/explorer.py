"""One page that shows every front of a study, in a browser, from disk.

Python decides everything that is a result: the found fronts and their order of preference
(:mod:`hanas.fronts.picks`), the true fronts, which evaluations are drawn. The page only shows them.
Columns of numbers are embedded as base64 of their little-endian bytes, which is short and exact.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import read_json, read_parquet
from hanas.core.pareto import non_dominated
from hanas.data.tables.metric_tables import METRICS
from hanas.fronts import picks, trust, trust_of_searches
from hanas.fronts.otherwise import Trained
from hanas.fronts.otherwise_in_words import comparison
from hanas.fronts.rows import Row, read_history
from hanas.fronts.trust_of_models import of_compared
from hanas.fronts.truth import reaches_percent
from hanas.spaces._space import Space

#: At most so many evaluations of a search are drawn besides its front; the page says so.
MOST_POINTS = 300


def trained_models(device: str, trained: Trained, trusted: Sequence[Row] = ()) -> dict[str, Any]:
    """Return what the page shows of trained models on a device, beside what one would take.

    Among the ``trusted`` are the searches that found them.
    """
    found = trust.all_of(
        of_search
        for (of_device, task, *_), of_search in trust_of_searches.of_rows(trusted).items()
        if (of_device, task) == (device, trained.task)
    )
    told = comparison(trained.models, trained.others, device=device)
    plain = str.maketrans("", "", "*`")  # the marks of Markdown
    return {
        "device": device,
        "task": trained.task,
        "headlines": [line.translate(plain) for line in told.headlines],
        "head": told.head,
        "rows": [[cell.translate(plain) for cell in cells] for cells in told.rows],
        "notes": [line.translate(plain) for line in told.notes],
        **(found + of_compared(trained.models, device, said=found)).facts,
    }


def explorer_data(
    rows: Sequence[Row],
    trained: Sequence[tuple[str, Trained]] = (),
    trusted: Sequence[Row] = (),
) -> dict[str, Any]:
    """Return all that the page shows of searches, of the first seed, as JSON-like values.

    Of a task whose true accuracies are not known there are neither these nor true fronts, and of a
    space that is too large to list only what was evaluated. ``trained`` are devices with models
    that are trained and compared on them. Where nothing is searched, the page shows these alone.
    The ``trusted`` are searches that they come from, of which it says how far to trust them. Raises
    InputError if there is nothing to show, or a table lacks an architecture of another.
    """
    if not rows and not trained:
        raise InputError("there is no search to show: no task has a proxy, or no device a task")
    seen = _seen(rows)
    table = cache(lambda path: seen[path] if path in seen else read_parquet(path).set_index("arch"))
    source = cache(lambda path: "; ".join(table(path)["source"].unique()))
    known: dict[str, set[str]] = {row.space: set() for row in rows}
    true_fronts: dict[tuple[str, str], dict[str, list[str]]] = {}
    runs = []
    for row in rows:
        metrics, key = table(_metrics_of(row)), (row.device, row.task)
        if key not in true_fronts:
            names = [name for name in METRICS if name in metrics]
            true_fronts[key] = {
                name: _true_front(table(row.accuracies), metrics[name], row)
                if row.accuracies
                else []
                for name in names
            }
        run = _run(row, metrics)
        runs.append(run)
        known[row.space].update(run["drawn"], run["front"], *true_fronts[key].values())
    spaces = {name: _described(plugins.space(name), known[name]) for name in sorted(known)}

    def positions(space: str, archs: Iterable[str]) -> str:
        """Return where architectures are in the page's columns."""
        return packed(spaces[space][0].get_indexer(pd.Index(archs)).astype(np.uint32))

    for row, run in zip(rows, runs, strict=True):
        run |= {which: positions(row.space, run[which]) for which in ("drawn", "front")}
    columns: dict[str, int] = {}  # each column once: several tasks can share a proxy's

    @cache
    def column(path: str, name: str, space: str) -> int:
        """Keep a number for each architecture; return which column of the page it is."""
        values = table(path)[name].reindex(spaces[space][0]).to_numpy(dtype=np.float64)
        fits = not (np.abs(values) > np.finfo(np.float32).max).any()
        return columns.setdefault(
            packed(values.astype(np.float32) if fits else values), len(columns)
        )

    tasks = {
        row.task: {
            "dataset": row.dataset,
            "space": row.space,
            "floor_percent": row.accuracy_floor_percent,
            "accuracy_percent": row.accuracies
            and column(row.accuracies, "accuracy_percent", row.space),
            "source": row.accuracies and source(row.accuracies),
        }
        for row in rows
    }
    devices: dict[str, Any] = {row.device: {} for row in rows}
    for row in rows:
        path, true = _metrics_of(row), true_fronts[row.device, row.task]
        devices[row.device][row.task] = {
            "metrics": {name: column(path, name, row.space) for name in true},
            "true_fronts": {name: positions(row.space, true[name]) for name in true},
            "source": source(path),
            "complete": row.metrics is not None,
        }
    proxies: dict[str, Any] = {}
    for row in rows:
        described = {"label": row.proxy_label, "objective": row.proxy_objective}
        described |= {"trained_on": row.trained_on, "of_task": {}}
        path = _scores_of(row)
        values = column(path, row.proxy_objective, row.space)
        of_task = proxies.setdefault(row.proxy, described)["of_task"]
        of_task[row.task] = {"values": values, "source": source(path)}
    names = ("device", "task", "proxy", "search")
    trusts = trust_of_searches.of_rows(rows).items()
    return {
        "trust": [dict(zip(names, key, strict=True)) | found.facts for key, found in trusts],
        "seed": picks.SEED,
        "most_points": MOST_POINTS,
        "spaces": {name: described for name, (_, described) in spaces.items()},
        "tasks": tasks,
        "devices": devices,
        "proxies": proxies,
        "searches": {row.search: row.search_label for row in rows},
        "runs": runs,
        "trained": [trained_models(device, each, trusted) for device, each in trained],
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


def _metrics_of(row: Row) -> str:
    """Return the table of a device's metrics, or the name of what searches have seen of them."""
    return row.metrics or f"seen on {row.device}: {row.task}"


def _scores_of(row: Row) -> str:
    """Return the table of a proxy's scores, or the name of what searches have seen of them."""
    return row.proxy_table or f"seen by {row.proxy}: {row.task}"


def _seen(rows: Sequence[Row]) -> dict[str, pd.DataFrame]:
    """Return what was scored and predicted on demand in the seed that is shown, by its name."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for row in rows:
        if row.metrics is not None and row.proxy_table is not None:
            continue
        history, told = read_history(row.history, row.search), read_json(row.facts)["sources"]
        of_seed = picks.feasible_evaluations(history, plugins.space(row.space)).set_index("arch")
        proxy, *metrics = picks.objectives_in(history)
        scores = of_seed[[proxy]].set_axis([row.proxy_objective], axis=1)
        for name, numbers, source in (
            (_metrics_of(row), of_seed[metrics], told[metrics[0]]),
            (_scores_of(row), scores, told[row.proxy_objective]),
        ):
            parts.setdefault(name, []).append(numbers.assign(source=str(source)))
    whole = {name: pd.concat(of_name) for name, of_name in parts.items()}
    return {name: table[~table.index.duplicated()] for name, table in whole.items()}


def _described(space: Space, archs: Iterable[str]) -> tuple[pd.Index, dict[str, Any]]:
    """Return architectures in the order of their space, and what the page needs to draw them."""
    texts = np.array(list(archs))
    genes = np.array([space.from_text(text) for text in texts])
    # What is in no list has no number in it, and is counted here.
    index = space.index_of(genes) if space.enumerable else np.argsort(np.argsort(texts)) + 1
    order = np.argsort(index)
    return pd.Index(texts[order]), {
        "operations": list(space.operations),
        "edges": [list(edge) for edge in space.edges],
        "stages": list(space.stages),
        "texts": texts[order].tolist() if space.layerwise else None,  # of cells the page makes them
        "genes": packed(space.numbers(genes)[order].astype(np.uint8)),
        "index": packed(index[order].astype(np.uint32)),
    }


def packed(array: np.ndarray) -> str:
    """Return an array as text: its type, a colon, and base64 of its little-endian bytes.

    >>> packed(np.array([1, 2], dtype=np.uint32))
    'u4:AQAAAAIAAAA='
    """
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    return f"{kind}:{base64.b64encode(little.tobytes()).decode('ascii')}"


def _run(row: Row, metrics: pd.DataFrame) -> dict[str, Any]:
    """Return what the page shows of a search, with architectures as texts."""
    history = read_history(row.history, row.search)
    front = picks.found_front(history, plugins.space(row.space))
    objectives = picks.objectives_in(history)
    for missing in sorted(set(front["arch"]) - set(metrics.index)):
        raise InputError(f"{row.metrics}: has no architecture {missing}")
    of_seed = history[history["seed"] == picks.SEED]
    feasible = of_seed.loc[of_seed["feasible"].astype(bool), "arch"].to_numpy()
    # Evenly, the first and the last among them.
    evenly = np.linspace(0, len(feasible) - 1, min(MOST_POINTS, len(feasible)))
    exact = metrics.loc[front["arch"]]
    return {
        **{key: row.names[key] for key in ("device", "task", "proxy", "search")},
        "objectives": objectives,
        "pareto": not history["score"].notna().any(),
        "evaluations": len(of_seed),
        "infeasible": len(of_seed) - len(feasible),
        "drawn": feasible[evenly.round().astype(int)],
        "front": front["arch"],
        # In float64, so that limits decide as in Python.
        "proxy_values": packed(front[objectives[0]].to_numpy(dtype=float)),
        "metric_values": {
            name: packed(exact[name].to_numpy(dtype=float)) for name in METRICS if name in exact
        },
    }


def _true_front(accuracies: pd.DataFrame, metric: pd.Series, row: Row) -> list[str]:
    """Return the true front of error and one metric, above the floor, by rising metric."""
    feasible = metric.dropna()
    accuracy = accuracies["accuracy_percent"].reindex(feasible.index)
    for missing in accuracy.index[accuracy.isna()]:
        raise InputError(f"{row.accuracies}: has no architecture {missing}")
    worthy = reaches_percent(accuracy, row.accuracy_floor_percent)
    points = pd.DataFrame({"metric": feasible[worthy], "error": -accuracy[worthy]})
    return points[non_dominated(points)].sort_values("metric", kind="stable").index.tolist()
