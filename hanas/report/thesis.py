"""A device's table beside the published one, row by row: ours, theirs, and which dominates.

The published figures are those of the bachelor thesis that this program follows (README), kept in
``resources/thesis_tables.csv`` as printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from hanas.core.errors import InputError
from hanas.data.tables.metric_tables import OFFICIAL_NAMES
from hanas.report.tables import SHOWN, markdown_table, number

#: What is compared, and by how much two values may differ and count as equal: a share of the
#: published value for the device's metrics, percentage points for the accuracy.
METRICS = ("latency_ms", "energy_mj")
VALUES = ("accuracy_percent", *METRICS)
METRIC_TOLERANCE = 0.001
ACCURACY_TOLERANCE_PERCENT = 0.01

OURS, THEIRS, NEITHER, EQUAL = "ours dominates", "theirs dominates", "neither dominates", "equal"
NOT_PUBLISHED, NOT_OURS = "no published row", "not in this study"
CANNOT_RUN = "ours cannot run on the device"
_SIDES = ("ours", "theirs")


def comparison_table(
    table: pd.DataFrame,
    published: pd.DataFrame,
    *,
    device: str,
    published_device: str,
    datasets: Mapping[str, str],
) -> pd.DataFrame:
    """Return every row of a device's table beside the published one.

    ``table`` is that of :func:`hanas.report.tables.device_table`; ``published`` has ``table``,
    ``device``, ``method``, ``dataset``, ``accuracy_percent``, ``latency_ms``, ``energy_mj`` and
    ``note``, the known slips, and need not have the device, which it calls ``published_device``.
    ``datasets`` are those of the study and what each is: cifar10, imagenet16_120 or another.

    A row for each method and data set of ours, then those that only they have for the data sets of
    ours: ``{value}_ours`` and ``{value}_theirs`` for accuracy, latency and energy, ``compared``
    (which of these both have), ``verdict``, ``published_in``, ``note`` and the sources of ours.

    Raises InputError if a published figure is missing or cannot be.
    """
    missing = {"table", "device", "method", "dataset", "note", *VALUES} - set(published)
    if missing:
        raise InputError(f"published tables: no column {', '.join(sorted(missing))}")
    for name in ("accuracy_percent", "latency_ms"):
        wrong = np.flatnonzero(~(np.asarray(published[name], dtype=float) > 0))
        if len(wrong):
            raise InputError(f"published tables: row {wrong[0] + 2}: {name} is not above 0")
    sources = ["accuracy_source", "metrics_source"]
    ours = table.reindex(columns=["method", "dataset", *VALUES, *sources])
    # A data set may be called 10, which a CSV file does not tell from a number.
    ours = ours.astype({"dataset": str, **dict.fromkeys(VALUES, float)})
    official = {
        name: OFFICIAL_NAMES.get(datasets.get(name, ""), "") for name in ours["dataset"].unique()
    }
    ours["official"] = ours["dataset"].map(official)
    theirs = published[published["device"] == published_device].rename(
        columns={"dataset": "official"}
    )
    key = ["official", "method"]
    both = ours.merge(theirs, "left", key, suffixes=("_ours", "_theirs"), indicator="found")
    only = theirs[theirs["official"].isin(ours["official"])]
    only = only.merge(ours[key], "left", key, indicator="found").query("found == 'left_only'")
    only = only.rename(columns={value: f"{value}_theirs" for value in VALUES})
    only["dataset"] = only["official"].map({known: name for name, known in official.items()})
    lines = pd.concat([both, only.assign(found="right_only")], ignore_index=True)
    judged = [_judged(row) for row in _records(lines)]
    lines = lines.assign(device=device, **pd.DataFrame(judged, index=lines.index))
    lines[["note", *sources]] = lines[["note", *sources]].fillna("")
    kept = [
        f"{value}_{side}"
        for value in VALUES
        for side in _SIDES
        if lines[[f"{value}_ours", f"{value}_theirs"]].notna().any(axis=None)
    ]
    words = ["compared", "verdict", "published_in", "note", *sources]
    return lines[["device", "method", "dataset", *kept, *words]]


def _judged(row: Mapping[str, Any]) -> dict[str, str]:
    """Return what is said of a row: ``compared``, ``verdict`` and ``published_in``."""
    ours, theirs = (
        {name: row[f"{name}_{side}"] for name in VALUES if not np.isnan(row[f"{name}_{side}"])}
        for side in _SIDES
    )
    said = {"compared": "", "published_in": ""}
    if row["found"] != "left_only":
        said["published_in"] = f"thesis, table {row['table']}"
    if row["found"] != "both":
        return {**said, "verdict": NOT_OURS if row["found"] == "right_only" else NOT_PUBLISHED}
    if not any(name in ours for name in METRICS):
        return {**said, "verdict": CANNOT_RUN}
    said["compared"] = "+".join(name for name in VALUES if name in ours and name in theirs)
    return {**said, "verdict": dominance_verdict(ours, theirs)}


def dominance_verdict(ours: Mapping[str, float], theirs: Mapping[str, float]) -> str:
    """Return which of two rows dominates in the values that both have, within the tolerances.

    >>> dominance_verdict(
    ...     {"accuracy_percent": 93.0, "latency_ms": 4.0},
    ...     {"accuracy_percent": 93.0, "latency_ms": 5.0},
    ... )
    'ours dominates'
    """
    better = set()
    for name in ours.keys() & theirs.keys():
        if name == "accuracy_percent":
            gain, tolerance = ours[name] - theirs[name], ACCURACY_TOLERANCE_PERCENT
        else:
            gain, tolerance = theirs[name] - ours[name], METRIC_TOLERANCE * theirs[name]
        # A hair more, so that 93.01 and 93.00 are equal although their difference is above 0.01.
        if abs(gain) > tolerance + 1e-9:
            better.add(OURS if gain > 0 else THEIRS)
    return NEITHER if len(better) == 2 else next(iter(better), EQUAL)


def comparison_markdown(comparison: pd.DataFrame, *, published_device: str) -> str:
    """Return the comparison as Markdown, with a count of the verdicts and what they mean."""
    rows = _records(comparison)
    verdicts = Counter(row["verdict"] for row in rows if row["compared"])
    counts = f"No figures were published for {published_device} and these rows."
    if verdicts:
        said = ", ".join(f"{verdict} in {count}" for verdict, count in verdicts.most_common())
        counts = f"Of the {verdicts.total()} rows that both have: {said}."
    shown = [
        (f"{name}_{side}", f"{words}, {side}", digits)
        for name, words, digits in SHOWN
        for side in _SIDES
        if f"{name}_{side}" in comparison
    ]
    header = ["data set", "method", *(words for _, words, _ in shown), "verdict", "note"]
    body = [
        [
            *(row["dataset"], row["method"]),
            *(number(row[column], digits) for column, _, digits in shown),
            *(row["verdict"], row["note"]),
        ]
        for row in rows
    ]
    sources = dict.fromkeys((row["accuracy_source"], row["metrics_source"]) for row in rows)
    words_in = (0, 1, len(header) - 2, len(header) - 1)
    return "\n".join(
        [
            *(f"# {rows[0]['device']} beside the published table", "", counts, ""),
            *markdown_table(header, body, text_columns=words_in),
            "",
            "- Ours: the row of each method in the table of this study; of searches, the "
            "representative of seed 0.",
            *(f"- Sources of ours: {a}; {m}." for a, m in sources if a),
            "- Theirs: the figures as printed; known slips are noted.",
            f"- Equal: within {ACCURACY_TOLERANCE_PERCENT:g} percentage points and "
            f"{METRIC_TOLERANCE:.1%} of latency and energy. One dominates if it is nowhere worse "
            "and somewhere better.",
            "",
        ]
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return table.to_dict("records")  # pyright: ignore[reportReturnType]
