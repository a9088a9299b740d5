"""How far to trust the accuracies that a search goes by: looked up, learned, or scored again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.files import read_csv, read_json, read_parquet
from hanas.core.ranking import spearman_rho
from hanas.fronts.picks import found_front
from hanas.fronts.rows import Row, read_history
from hanas.fronts.trust import LEAST_SPEARMAN, ROUNDING, Trust, all_of
from hanas.proxies.scoring import learned_in_words as in_words

#: A front whose best and worst score are closer, in standard errors of their paired difference, has
#: no order: one difference in twenty is as large by chance.
ALIKE_STANDARD_ERRORS = 2.0
#: Below, a proxy puts about one pair of networks in three into the wrong order of true accuracy.
LEAST_PROXY_SPEARMAN = 0.5


def of_accuracy(row: Row, ranks: Callable[[str, str, str], tuple[int, float]]) -> Trust:
    """Return how well accuracies of a task are known, and how well its proxy ranks them.

    ``ranks`` is :func:`rank_correlation`.
    """
    where = f"of task {row.task}, ranked by {row.proxy_label} ({row.proxy_objective})"
    parts = [of_learned(_facts(row), where)]
    if row.accuracies is not None:
        parts.append(_of_truth(row, where, ranks))
    elif row.rescored is not None:
        parts.append(_of_rescored(row, where))
    elif not parts[0].known:
        said = "how well that ranks on these images is **not known**"
        parts.append(Trust((f"accuracies {where}, are not known, and {said}: train some picks",)))
    return all_of(parts)


def _facts(row: Row) -> dict[str, Any]:
    """Return what the jobs behind a search say of its proxy."""
    beside = Path(row.proxy_table).with_suffix(".json") if row.proxy_table else None
    of_table = read_json(beside) if beside is not None and beside.is_file() else {}
    return of_table | read_json(row.facts)


def of_learned(facts: Mapping[str, Any], where: str) -> Trust:
    """Return how well a learned model of accuracy expects each network from all others."""
    rho = facts.get("loo_spearman")
    if not (said := in_words.leave_one_out(facts)):
        return Trust()
    learned = f", learned from {cost}" if (cost := in_words.cost(facts)) else ""
    balanced = facts.get("judged_by") == "balanced"
    where = f"{'balanced ' if balanced else ''}accuracies {where}"
    known = f"{where}, are predicted{learned}; each trained network from all others: "
    known += "; ".join(filter(None, (said, in_words.gain(facts))))
    doubts = []
    if rho is not None and rho < LEAST_SPEARMAN - ROUNDING:
        doubts.append(
            f"{where}, are predicted with Spearman {rho:.2f} between each trained "
            f"network and what the others tell of it, below {LEAST_SPEARMAN:g}: train more"
        )
    count, hardly = (
        facts.get(name, 0) for name in ("trained_architectures", "hardly_better_than_largest_class")
    )
    if hardly > count / 2:
        doubts.append(
            f"{where}, are predicted from {count} trained networks, {hardly} of which are hardly "
            "better on validation images than always answering "
            + ("one" if balanced else "the largest")
            + " class: train them longer"
            + ("" if balanced else ", or weigh all classes alike (class_weights: balanced)")
        )
    return Trust((known,), tuple(doubts))


def rank_correlation(accuracies: str, proxy_table: str, objective: str) -> tuple[int, float]:
    """Return how many architectures a proxy ranks, and its Spearman with their true errors."""
    known = read_parquet(accuracies).set_index("arch")["accuracy_percent"]
    scores = read_parquet(proxy_table).set_index("arch")[objective]
    error = -known.reindex(scores.index)
    both = (error.notna() & np.isfinite(scores)).to_numpy()
    if both.sum() < 2:
        return int(both.sum()), math.nan
    return int(both.sum()), spearman_rho(scores[both].to_numpy(float), error[both].to_numpy(float))


def _of_truth(row: Row, where: str, ranks: Callable[[str, str, str], tuple[int, float]]) -> Trust:
    source = read_parquet(str(row.accuracies), columns=["source"])["source"].iloc[0]
    said = f"accuracies {where}, are looked up ({source}) and were not used to choose"
    if row.proxy_table is None:
        return Trust((said,))
    count, rho = ranks(str(row.accuracies), row.proxy_table, row.proxy_objective)
    if math.isnan(rho):
        doubt = f"the scores {where}, are the same for all networks, or for those that are known"
        return Trust((said,), (doubt,))
    said += f"; the proxy ranks {count} networks with Spearman {rho:.2f}"
    if rho >= LEAST_PROXY_SPEARMAN - ROUNDING:
        return Trust((said,))
    return Trust(
        (said,),
        (
            f"the choice {where}, goes by a ranking of Spearman {rho:.2f} with true accuracies, "
            f"below {LEAST_PROXY_SPEARMAN:g}: go by the true percentages beside the picks",
        ),
    )


def _of_rescored(row: Row, where: str) -> Trust:
    table, differences = read_csv(str(row.rescored)), read_parquet(str(row.differences))
    front = found_front(read_history(row.history, row.search), plugins.space(row.space))["arch"]
    return of_rescored(table[table["arch"].isin(front)], differences, where)


def of_rescored(table: pd.DataFrame, differences: pd.DataFrame, where: str) -> Trust:
    """Return whether the scores of a front, with their errors, tell its networks apart.

    The tables are those of :func:`hanas.fronts.rescoring.rescore`.
    """
    if table.empty:
        return Trust()
    images, seen = int(table["images"].iloc[0]), int(table["seen_images"].iloc[0])
    saw = f"of which the search saw {seen}" if seen else "which the search did not see"
    said = (
        f"accuracies {where}, are **not known**; the {len(table)} networks of the front were "
        f"scored again on {images} validation images, {saw}"
    )
    remedy = "train the supernet longer (training.epochs)"
    if not images:  # a learned model says it
        said = f"errors expected of the {len(table)} networks of the front, {where}, are"
        remedy = "train more networks to learn from (architectures), or longer (training.epochs)"
    if len(table) < 2:
        return Trust((said,) if images else ())
    best, worst = table.loc[table["value"].idxmin()], table.loc[table["value"].idxmax()]
    ends = {best["arch"], worst["arch"]}
    pair = differences[differences["arch"].isin(ends) & differences["other"].isin(ends)]
    spread = worst["value"] - best["value"]
    error = float(pair["standard_error"].iloc[0]) if len(pair) else 0.0
    said += ":" if images else ""
    said += f" from {best['value']:.4g} to {worst['value']:.4g}, ± {error:.2g} between these two"
    if spread > ALIKE_STANDARD_ERRORS * error:
        return Trust((said,))
    return Trust(
        (said,),
        (
            f"the scores {where}, are all alike: the best and the worst of the front differ by "
            f"{spread:.2g}, within {ALIKE_STANDARD_ERRORS:g} standard errors of {error:.2g}; take "
            f"the cheapest, or {remedy}",
        ),
    )
