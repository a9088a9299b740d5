"""Figures for papers, each with the table that it shows and nothing else beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from hanas.core.files import read_parquet, write_parquet
from hanas.fronts.rows import Row, read_history
from hanas.report.figures import curves, fronts, generations, style


def draw_task(
    rows: Sequence[Row],
    *,
    front_search: str,
    searches_beside: Sequence[str],
    convergence: pd.DataFrame,
    budget: pd.DataFrame,
    layers: pd.DataFrame,
    files: Mapping[str, str],
) -> None:
    """Draw all figures of a task on a device, given its searches with all proxies.

    What is shown of one proxy is shown of the first: the front of ``front_search`` and, beside it,
    the best architectures of others. ``convergence``, ``budget`` (:mod:`hanas.fronts.evaluation`)
    and ``layers`` (:func:`hanas.fronts.evaluation.peeling_table`) are of the device.

    ``files`` says where to write: ``{figure}_data`` (the table, Parquet), ``{figure}_pdf``,
    ``{figure}_svg`` and ``{figure}_png`` of the figures ``fronts``, ``proxy_and_true``,
    ``generations``, ``convergence`` and ``peeling``, and ``generations_gif``, animated.

    Raises InputError if there is nothing to draw, or a table lacks an architecture of another.
    """
    rows = sorted(rows, key=lambda row: row.search != front_search)
    row = rows[0]
    of_search = {other.search: other for other in rows if other.proxy == row.proxy}
    space = fronts.space_table(row, *map(read_parquet, row.tables))
    history, *others = (read_history(row.history, n) for n in (front_search, *searches_beside))
    labels = [of_search[name].search_label for name in searches_beside]
    front, belief = fronts.front_tables(space, row, history, list(zip(labels, others, strict=True)))
    moved = generations.table(space, row, history)
    judged = curves.convergence_table(convergence, budget, list(of_search.values()))
    peeled = curves.peeling_table(layers, [other for other in rows if other.search == row.search])
    drawn = {
        "fronts": (front, fronts.draw_front),
        "proxy_and_true": (belief, fronts.draw_belief),
        "generations": (moved, generations.draw),
        "convergence": (judged, curves.draw_convergence),
        "peeling": (peeled, curves.draw_peeling),
    }
    for name, (table, draw) in drawn.items():
        write_parquet(table, files[f"{name}_data"])
        style.save(draw(table, row), *(files[f"{name}_{kind}"] for kind in ("pdf", "svg", "png")))
    generations.animate(moved, row, files["generations_gif"])
