"""How far to trust a page that recommends networks: what its latency and accuracy are known by.

Every such page begins with what is said here: sentences about how well things are known, and in red
or bold the doubts, where a pick should not be trusted. The limits below are where they begin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import escape
from hanas.core.files import BETWEEN, read_csv, read_json, read_parquet
from hanas.core.ranking import spearman_rho
from hanas.fronts.picks import found_front
from hanas.fronts.rows import Row, read_history
from hanas.proxies.scoring import learned_in_words as in_words

#: Below, about one pair of networks in five stands in the wrong order of latency: (1 - tau) / 2
#: with a Kendall's tau of .6, which goes with it.
LEAST_SPEARMAN = 0.8
#: A measurement is unstable if its passes differ too much to be repeated. Beyond one in five, the
#: predictor is fitted to noise, and a pick is likely to be one that noise favoured.
MOST_UNSTABLE = 0.2
#: Networks of one front differ by about as much: a larger error reaches from a pick to the next.
MOST_RELATIVE_ERROR = 0.2
#: A front whose best and worst score are closer, in standard errors of their paired difference, has
#: no order: one difference in twenty is as large by chance.
ALIKE_STANDARD_ERRORS = 2.0
#: Below, a proxy puts about one pair of networks in three into the wrong order of true accuracy.
LEAST_PROXY_SPEARMAN = 0.5

_ROUNDING = 1e-9  # a Spearman of .8 may come out as .7999...
NAMES = {"latency_ms": "latency", "energy_mj": "energy"}


@dataclass(frozen=True)
class Trust:
    """Sentences: how well things are known, and why a pick should not be trusted."""

    known: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def __add__(self, other: Trust) -> Trust:
        """Return all sentences of both, each once."""
        known, doubts = self.known + other.known, self.doubts + other.doubts
        return Trust(tuple(dict.fromkeys(known)), tuple(dict.fromkeys(doubts)))

    @property
    def facts(self) -> dict[str, list[str]]:
        """The same as JSON-like values."""
        return {"known": list(self.known), "doubts": list(self.doubts)}

    @property
    def about(self) -> dict[str, list[str]]:
        """What a card, or a pick, says of how far to trust it."""
        return {"do_not_trust": list(self.doubts), "how_well_known": list(self.known)}

    @property
    def cells(self) -> dict[str, str]:
        """The same in the row of a table, for :func:`read`."""
        return {name: BETWEEN.join(said) for name, said in self.about.items()}


def all_of(parts: Iterable[Trust]) -> Trust:
    """Return the sentences of all parts, each once."""
    return sum(parts, Trust())


def of_rows(rows: Iterable[Row]) -> dict[tuple[str, str, str, str], Trust]:
    """Return how far the front of each search is to be trusted, from the files of its row.

    By device, task, proxy and search.
    """
    ranks = cache(rank_correlation)  # of many searches the same
    return {
        (row.device, row.task, row.proxy, row.search): all_of(
            [of_device(row), of_accuracy(row, ranks), of_images(row)]
        )
        for row in rows
    }


def beside(
    table: pd.DataFrame,
    trusts: Mapping[tuple[str, ...], Trust],
    trained: Mapping[tuple[str, str], Trust] | None = None,
) -> pd.DataFrame:
    """Return a table of decisions with how far to trust each search, as :func:`of_rows` says it.

    And how far architectures that were ``trained``, by task and text.
    """
    names, own = ["device", "task", "proxy", "search"], trained or {}
    cells = [
        (trusts[key] + own.get((key[1], arch), Trust())).cells
        for key, arch in zip(
            table[names].itertuples(index=False, name=None), table["arch"], strict=True
        )
    ]
    return table.join(pd.DataFrame(cells, index=table.index, columns=list(Trust().cells)))


def read(row: Mapping[Any, Any]) -> Trust:
    """Return what a row of a table says in :attr:`Trust.cells`; nothing where it has none."""
    cells = (row.get(name) for name in ("how_well_known", "do_not_trust"))
    said = (cell.split(BETWEEN) if isinstance(cell, str) and cell else () for cell in cells)
    return Trust(*map(tuple, said))


def markdown(trust: Trust) -> list[str]:
    """Return the lines that a Markdown page begins with, below its title."""
    lines = []
    # Names of files, and what devices print, may hold anything.
    known, doubts = (list(map(escape.markdown, said)) for said in (trust.known, trust.doubts))
    if doubts:
        first, *others = doubts
        lines += [f"> **{sentence(f'Do not trust this page: {first}')}**"]
        lines += [line for said in others for line in (">", f"> **{sentence(said)}**")] + [""]
    lines += ["How well things are known:", ""]
    return [*lines, *(f"- {sentence(said)}" for said in known), ""]


def sentence(said: str) -> str:
    """Return what is said with a capital at its beginning and a full stop, or a mark, at its end.

    >>> sentence("nothing is known"), sentence("is it?")
    ('Nothing is known.', 'Is it?')
    """
    return f"{said[0].upper()}{said[1:]}{'' if said.endswith('?') else '.'}"


# ---- latency and energy --------------------------------------------------------------------


def of_device(row: Row) -> Trust:
    """Return how well the metrics of a device are known: predicted, or as a table has them."""
    where = f"on {row.device} ({row.dataset}, {row.space})"
    left_out = Trust(tuple(read_json(row.facts).get("left_out", {}).values()))
    return _of_metrics(row, where) + left_out


def _of_metrics(row: Row, where: str) -> Trust:
    if row.quality is None or row.measured is None:
        sources = read_json(row.facts)["sources"]
        said = {sources[name]: None for name in NAMES if name in sources}
        return Trust((f"metrics {where} are not measured here but taken from: {'; '.join(said)}",))
    quality, measured = read_csv(row.quality), read_parquet(row.measured)
    found = of_measurements(measured, quality, where) + of_predictor(quality, where)
    if row.measured_front is not None:
        found += of_measured_front(read_csv(row.measured_front), where)
    return found


def of_predictor(quality: pd.DataFrame, where: str) -> Trust:
    """Return how well a predictor does on networks that it was not fitted to.

    ``quality`` is that of :func:`hanas.devices.prediction.campaign.judge`.
    """
    known, doubts = [], []
    for row in quality.to_dict("records"):
        name, fitted = _name(row["metric"]), f"fitted to {row['fitted']} measured networks"
        if row.get("batch", 1) > 1:
            name += f" an image (batch {row['batch']:.0f})"
        error, rho = row["median_relative_error"], row["spearman_rho"]
        if not math.isfinite(error):
            known.append(
                f"{name} {where} is predicted, {fitted}; its error is **not known**, since no "
                "network was held out (campaign.held_out)"
            )
            continue
        ranks = "" if math.isnan(rho) else f", Spearman {rho:.2f}"
        known.append(
            f"{name} {where} is predicted, {fitted}; on {row['held_out']} others it is off by "
            f"{error:.1%} in the median{ranks}"
        )
        if rho < LEAST_SPEARMAN - _ROUNDING:
            doubts.append(
                f"predicted {name} {where} puts networks that were held out in an order of "
                f"Spearman {rho:.2f} with the measured one, below {LEAST_SPEARMAN:g}"
            )
        if error > MOST_RELATIVE_ERROR:
            doubts.append(
                f"predicted {name} {where} is {error:.0%} off on networks that were held out, in "
                f"the median, more than {MOST_RELATIVE_ERROR:.0%}"
            )
    return Trust(tuple(known), tuple(doubts))


def of_measurements(measured: pd.DataFrame, quality: pd.DataFrame, where: str) -> Trust:
    """Return how well measurements repeat: the unstable share, halves and repetitions compared.

    Of numbers that the user measured, nothing is known.
    """
    if "stable" not in measured:
        said = f"{len(measured)} networks {where} were measured by others ({_sources(measured)})"
        return Trust((f"{said}; how well such numbers repeat is **not known**",))
    stable = measured.loc[measured["feasible"].to_numpy(dtype=bool), "stable"].to_numpy(dtype=bool)
    unstable, share = int((~stable).sum()), float((~stable).mean()) if len(stable) else 0.0
    said = f"{unstable} of {len(stable)} measurements {where} are unstable"
    for column, words in (
        ("split_half_spearman_rho", "the two halves of them agree with Spearman {:.3f}"),
        ("again_median_relative_difference", "measured twice, they differ by {:.1%} in the median"),
    ):
        if column in quality and pd.notna(quality[column]).any():
            said += f"; {words.format(quality[column].dropna().iloc[0])}"
    if "reused" in quality and quality["reused"].iloc[0]:
        first = quality.iloc[0]
        when = f"from {first['reused_from']} to {first['reused_until']}"
        said += f"; {int(first['reused'])} of the models were measured before, {when}"
    given = quality.get("warnings", pd.Series(dtype=object)).dropna()
    warned = [part for text in dict.fromkeys(given) if text for part in text.split(BETWEEN)]
    if share <= MOST_UNSTABLE:
        return Trust((said,), tuple(f"{where[3:]}: {part}" for part in warned))
    many = "no measurement" if share == 1 else f"only {1 - share:.0%} of the measurements"
    return Trust(
        (said,),
        (
            f"{many} {where} {'are' if share < 1 else 'is'} stable, so predictions from them say "
            "little: measure again where nothing else runs, with more passes",
            *(f"{where[3:]}: {part}" for part in warned),
        ),
    )


def _sources(table: pd.DataFrame) -> str:
    return "; ".join(map(str, table["source"].unique()))


def of_measured_front(front: pd.DataFrame, where: str) -> Trust:
    """Return how far a found front was off, once measured (:mod:`hanas.fronts.measured_fronts`)."""
    runs = front[front["feasible"].to_numpy(dtype=bool)]
    known, doubts = [], []
    for metric, name in NAMES.items():
        if f"measured_{metric}" not in runs or runs.empty:
            continue
        predicted, true = runs[f"predicted_{metric}"], runs[f"measured_{metric}"]
        error = float(np.median(np.abs(predicted / true - 1)))
        unstable = int((~runs["stable"].to_numpy(dtype=bool)).sum())
        beside = f" ({unstable} unstable)" if unstable else ""
        known.append(
            f"the {len(runs)} networks of the found front {where} were measured too{beside}: their "
            f"predicted {name} is off by {error:.1%} in the median"
        )
        if error > MOST_RELATIVE_ERROR:
            doubts.append(
                f"the {name} predicted for the networks of the found front {where} is {error:.0%} "
                f"off what was measured of them, in the median, more than {MOST_RELATIVE_ERROR:.0%}"
            )
    refused = len(front) - len(runs)
    if refused:
        doubts.append(f"{refused} of {len(front)} networks of the found front {where} do not run")
    return Trust(tuple(known), tuple(doubts))


def _name(metric: str) -> str:
    return NAMES.get(metric, metric)


# ---- accuracy ------------------------------------------------------------------------------


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
    if rho is not None and rho < LEAST_SPEARMAN - _ROUNDING:
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
    if rho >= LEAST_PROXY_SPEARMAN - _ROUNDING:
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
    front = found_front(read_history(row.history, row.search))["arch"]
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


# ---- images --------------------------------------------------------------------------------


def of_images(row: Row) -> Trust:
    """Return what has to be known of the images that accuracies are of, and what is wrong there."""
    if row.images is None:
        return Trust()
    facts = read_json(row.images)
    test = facts["images_of_classes"]["test"]
    largest = max(test, key=lambda name: test[name])
    percent = 100 * test[largest] / sum(test.values())
    known = [
        f"the test images of {row.dataset} are {sum(test.values())} of {len(test)} classes; always "
        f"answering {largest!r}, the largest, would be right on {percent:.2f} % of them"
    ]
    if facts.get("value_range"):
        low, high = facts["value_range"]
        known.append(
            f"pictures of {row.dataset} of more than 8 bits a channel were scaled by one range: "
            f"{low:g} became black and {high:g} white"
        )
    return Trust(tuple(known)) + of_warnings(facts.get("warnings", ()), row.dataset)


def of_warnings(warnings: Iterable[str], dataset: str) -> Trust:
    """Return what is wrong with the images of a data set."""
    return Trust((), tuple(f"images of {dataset}: {said}" for said in warnings))
