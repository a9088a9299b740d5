"""A device's table beside the published one: ours, theirs, which dominates, what our front holds.

The published figures are those of the bachelor thesis that this program follows (README), kept in
``hanas/resources/thesis_tables.csv`` as printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from hanas.core.errors import InputError
from hanas.core.files import read_parquet
from hanas.core.pareto import non_dominated
from hanas.data.tables.metric_tables import METRICS, OFFICIAL_NAMES
from hanas.fronts.picks import objectives_in
from hanas.fronts.rows import read_history
from hanas.report.tables import SHOWN, Method, markdown_table, number

#: What is compared, and by how much two values may differ and count as equal: a share of the
#: published value for the device's metrics, percentage points for the accuracy.
VALUES = ("accuracy_percent", *METRICS)
METRIC_TOLERANCE = 0.001
ACCURACY_TOLERANCE_PERCENT = 0.01

_SIDES = ("ours", "theirs")
_SOURCES = ("accuracy_source", "metrics_source")
#: Columns that say what the found fronts hold, where figures are published for a device.
FRONT_COLUMNS = ("front_as_good", "seeds_as_good", "front_seeds", "arch_as_good")

_EVERY, _SOME = "in every seed", "in some seeds"
_FRONT_MEANT = (
    "- Front at least as good: in how many seeds the found front holds a network that is nowhere "
    "worse than the published one; by NSGA-II where the study has it, with the row's proxy or else "
    "the task's first. Two single picks rarely dominate each other: each is elsewhere on its front."
)


def found_fronts(rows: Sequence[Method], search: str) -> pd.DataFrame:
    """Return the true values of the networks on the fronts that a search found, of all seeds.

    ``method``, ``dataset``, ``seed``, ``arch`` and of :data:`VALUES` those that are known. The
    front beside a method is that of its own proxy; of what a trainer found, that of the first proxy
    of its task. Methods of a task without a proxy have none.
    """
    table = cache(lambda path: read_parquet(path).set_index("arch"))

    @cache
    def front(history_file: str, accuracies: str, metrics: str) -> pd.DataFrame:
        history = read_history(history_file, search)
        feasible = history[history["feasible"].astype(bool)]
        objectives = objectives_in(history)
        points = [
            of_seed[non_dominated(of_seed[objectives].to_numpy(dtype=float))][["seed", "arch"]]
            for _, of_seed in feasible.groupby("seed")
        ]
        found = pd.concat([feasible[["seed", "arch"]].iloc[:0], *points])
        names = [name for name in METRICS if name in table(metrics)]
        values = table(accuracies)[["accuracy_percent"]].join(table(metrics)[names])
        values = values.reindex(found["arch"])
        return found.assign(**{name: values[name].array for name in values})

    first = {row.task: row for row in reversed(rows) if row.search is not None}
    shown = [(row, row if row.search else first.get(row.task)) for row in rows]
    parts = [
        front(of.file, row.accuracies, row.metrics).assign(method=row.method, dataset=row.dataset)
        for row, of in shown
        if of is not None
    ]
    return pd.concat(parts) if parts else pd.DataFrame(columns=["method", "dataset", "seed"])


def comparison_table(
    table: pd.DataFrame,
    published: pd.DataFrame,
    fronts: pd.DataFrame,
    *,
    device: str,
    published_device: str,
    datasets: Mapping[str, str],
) -> pd.DataFrame:
    """Return every row of a device's table beside the published one.

    ``table`` is that of :func:`hanas.report.tables.device_table`; ``published`` has ``table``,
    ``device``, ``method``, ``dataset``, ``accuracy_percent``, ``latency_ms``, ``energy_mj`` and
    ``note``, the known slips, and need not have the device, which it calls ``published_device``.
    ``fronts`` are the :func:`found_fronts`; ``datasets`` those of the study and what each is:
    cifar10, imagenet16_120 or another.

    A row for each method and data set of ours, then what only they have for the data sets of ours:
    ``{value}_ours`` and ``{value}_theirs`` of :data:`VALUES`, ``compared`` (which of these both
    have), ``verdict``, ``published_in``, ``note`` and the sources of ours. Where anything is
    published for the device, also :data:`FRONT_COLUMNS`: in how many of the seeds the found front
    holds a network that is at least as good in every value, and one of the first seed that does.

    Raises InputError if a published figure is missing or cannot be.
    """
    missing = {"table", "device", "method", "dataset", "note", *VALUES} - set(published)
    if missing:
        raise InputError(f"published tables: no column {', '.join(sorted(missing))}")
    for name in ("accuracy_percent", "latency_ms"):
        for row in np.flatnonzero(~(np.asarray(published[name], dtype=float) > 0)):
            raise InputError(f"published tables: row {row + 2}: {name} is not above 0")
    # A data set may be called 10, which a CSV file does not tell from a number.
    types = {"dataset": str, **dict.fromkeys(VALUES, float)}
    ours = table.reindex(columns=["method", *types, *_SOURCES]).astype(types).to_dict("records")
    names = dict.fromkeys(row["dataset"] for row in ours)
    official = {name: OFFICIAL_NAMES.get(datasets.get(name, "")) for name in names}
    of_device = published[published["device"] == published_device].fillna({"note": ""})
    theirs = {
        (name, row["method"]): row
        for row in of_device.to_dict("records")
        for name, known in official.items()
        if row["dataset"] == known
    }
    keys = [(row["dataset"], row["method"]) for row in ours]
    lines = [_line(key, row, theirs.get(key, {})) for key, row in zip(keys, ours, strict=True)]
    missing_in_ours = [key for key in theirs if key not in keys]
    lines += [_line(key, {}, theirs[key]) for key in missing_in_ours]
    compared = pd.DataFrame(lines)
    compared.insert(0, "device", device)
    for name in VALUES:
        pair = [f"{name}_{side}" for side in _SIDES]
        if compared[pair].isna().all(axis=None):
            compared = compared.drop(columns=pair)
    if theirs:
        found = dict(tuple(fronts.groupby(["dataset", "method"])))
        lines = [
            _on_front(found.get(key), theirs.get(key, {})) for key in [*keys, *missing_in_ours]
        ]
        return compared.assign(**pd.DataFrame(lines, columns=list(FRONT_COLUMNS)))
    return compared


def _on_front(front: pd.DataFrame | None, theirs: Mapping) -> dict[str, Any]:
    """Return in how many seeds a front holds what is at least as good as a published row."""
    if front is None or not theirs:
        return {"front_as_good": "", "arch_as_good": ""}
    as_good = np.ones(len(front), dtype=bool)
    for name in VALUES:
        if name in front and not np.isnan(theirs[name]):
            gain, tolerance = _gain(name, front[name].to_numpy(dtype=float), theirs[name])
            as_good &= gain >= -tolerance
    of_seeds = front.assign(as_good=as_good).groupby("seed")["as_good"].any()
    found = front[as_good & (front["seed"] == front["seed"].min())]
    return {
        "front_as_good": _EVERY if of_seeds.all() else _SOME if of_seeds.any() else "in no seed",
        "seeds_as_good": int(of_seeds.sum()),
        "front_seeds": len(of_seeds),
        "arch_as_good": ""
        if found.empty
        else found.nlargest(1, "accuracy_percent")["arch"].iloc[0],
    }


def _line(key: tuple[str, str], ours: Mapping, theirs: Mapping) -> dict[str, Any]:
    """Return a row of ours beside theirs, of which one may be empty."""
    values = {
        f"{name}_{side}": row.get(name, np.nan)
        for name in VALUES
        for side, row in zip(_SIDES, (ours, theirs), strict=True)
    }
    compared = ""
    if not theirs:
        verdict = "no published row"
    elif not ours:
        verdict = "not in this study"
    elif all(np.isnan(values[f"{name}_ours"]) for name in METRICS):
        verdict = "ours cannot run on the device"
    else:
        both = [n for n in VALUES if not np.isnan(values[f"{n}_ours"] + values[f"{n}_theirs"])]
        compared, verdict = "+".join(both), _verdict(both, ours, theirs)
    return {
        "method": key[1],
        "dataset": key[0],
        **values,
        "compared": compared,
        "verdict": verdict,
        "published_in": f"thesis, table {theirs['table']}" if theirs else "",
        "note": theirs.get("note", ""),
        **{source: ours.get(source, "") for source in _SOURCES},
    }


def _verdict(names: Sequence[str], ours: Mapping, theirs: Mapping) -> str:
    """Return which of two rows dominates in some values, within the tolerances."""
    better = set()
    for name in names:
        gain, tolerance = _gain(name, ours[name], theirs[name])
        if abs(gain) > tolerance:
            better.add("ours dominates" if gain > 0 else "theirs dominates")
    return "neither dominates" if len(better) == 2 else next(iter(better), "equal")


def _gain(name: str, ours: Any, theirs: float) -> tuple[Any, float]:
    """Return by how much ours is better in a value, and how much counts as nothing."""
    # A hair more, so that 93.01 and 93.00 are equal although their difference is above 0.01.
    if name == "accuracy_percent":
        return ours - theirs, ACCURACY_TOLERANCE_PERCENT + 1e-9
    return theirs - ours, METRIC_TOLERANCE * theirs + 1e-9


def comparison_markdown(comparison: pd.DataFrame, *, published_device: str) -> str:
    """Return the comparison as Markdown, with a count of the verdicts and what they mean."""
    verdicts = Counter(comparison.loc[comparison["compared"] != "", "verdict"])
    counts = f"No figures were published for {published_device} and these rows."
    if verdicts:
        said = ", ".join(f"{verdict} in {count}" for verdict, count in verdicts.most_common())
        counts = f"Of the {verdicts.total()} rows that both have: {said}."
    has_fronts = "front_as_good" in comparison
    columns = ["dataset", "method", "verdict", *FRONT_COLUMNS[:1] * has_fronts, "note"]
    shown = comparison[columns]
    if has_fronts:
        head = "front at least as good"
        shown = shown.assign(front_as_good=_seeds_in_words(comparison)).rename(
            columns={"front_as_good": head}
        )
    shown = shown.rename(columns={"dataset": "data set"})
    texts = list(shown)
    for name, words, digits in SHOWN:
        for side in _SIDES:
            if f"{name}_{side}" in comparison:
                numbers = [number(value, digits) for value in comparison[f"{name}_{side}"]]
                shown.insert(shown.columns.get_loc("verdict"), f"{words}, {side}", numbers)
    sources = comparison[list(_SOURCES)].drop_duplicates().to_numpy()
    return "\n".join(
        [
            *(f"# {comparison['device'].iloc[0]} beside the published table", "", counts, ""),
            *_fronts_in_words(comparison),
            *markdown_table(shown, text_columns=texts),
            "",
            "- Ours: the row of each method in the table of this study; of searches, the "
            "representative of seed 0.",
            *(f"- Sources of ours: {a}; {m}." for a, m in sources if a),
            "- Theirs: the figures as printed; known slips are noted.",
            f"- Equal: within {ACCURACY_TOLERANCE_PERCENT:g} percentage points and "
            f"{METRIC_TOLERANCE:.1%} of latency and energy. One dominates if it is nowhere worse "
            "and somewhere better.",
            *(_FRONT_MEANT,) * has_fronts,
            "",
        ]
    )


def _seeds_in_words(comparison: pd.DataFrame) -> list[str]:
    """Return for each row in how many seeds the found front is at least as good."""
    pairs = zip(comparison["seeds_as_good"], comparison["front_seeds"], strict=True)
    return ["" if np.isnan(seeds) else f"{good:.0f} of {seeds:.0f} seeds" for good, seeds in pairs]


def _fronts_in_words(comparison: pd.DataFrame) -> list[str]:
    """Return a sentence for each method: how many of its published rows the found fronts reach."""
    if "front_as_good" not in comparison:
        return []
    known = comparison[comparison["front_as_good"] != ""]
    told = []
    for method, rows in known.groupby("method", sort=False):
        every, some = ((rows["front_as_good"] == often).sum() for often in (_EVERY, _SOME))
        told.append(f"{method} {every} of {len(rows)}" + f" (and {some} in some)" * bool(some))
    if not told:
        return []
    return [
        "Published rows that the found front reaches or betters in every value, in every seed: "
        f"{', '.join(told)}.",
        "",
    ]
