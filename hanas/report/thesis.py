"""A device's table beside the published one, row by row: ours, theirs, and which dominates.

The published figures are those of the bachelor thesis that this program follows (README), kept in
``resources/thesis_tables.csv`` as printed.
"""

from __future__ import annotations

import math
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

Line = dict[str, Any]

OURS, THEIRS, NEITHER, EQUAL = "ours dominates", "theirs dominates", "neither dominates", "equal"
NOT_PUBLISHED, NOT_OURS = "no published row", "not in this study"
CANNOT_RUN = "ours cannot run on the device"


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
    # A data set may be called 10, which a CSV file does not tell from a number.
    ours = [{**row, "dataset": str(row["dataset"])} for row in _records(table)]
    theirs = {
        (row["dataset"], row["method"]): row
        for row in _records(published)
        if row["device"] == published_device
    }
    official = {
        row["dataset"]: OFFICIAL_NAMES.get(datasets.get(row["dataset"], "")) for row in ours
    }
    name_here = {known: name for name, known in official.items()}
    keys = [(official[row["dataset"]], row["method"]) for row in ours]
    lines = [
        _side_by_side(device, row["dataset"], row, theirs.get(key))
        for key, row in zip(keys, ours, strict=True)
    ]
    lines += [
        _side_by_side(device, name_here[row["dataset"]], None, row)
        for key, row in theirs.items()
        if key not in keys and row["dataset"] in name_here
    ]
    kept = [
        f"{value}_{side}"
        for value in VALUES
        for side in ("ours", "theirs")
        if any(not math.isnan(line[f"{value}_{s}"]) for line in lines for s in ("ours", "theirs"))
    ]
    words = ["compared", "verdict", "published_in", "note", "accuracy_source", "metrics_source"]
    return pd.DataFrame(lines, columns=["device", "method", "dataset", *kept, *words])


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
    lines = [f"# {rows[0]['device']} beside the published table", ""]
    verdicts = Counter(row["verdict"] for row in rows if row["compared"])
    if verdicts:
        said = ", ".join(f"{verdict} in {count}" for verdict, count in verdicts.most_common())
        lines += [f"Of the {verdicts.total()} rows that both have: {said}.", ""]
    else:
        lines += [f"No figures were published for {published_device} and these rows.", ""]
    shown = [column for column in SHOWN if f"{column[0]}_ours" in comparison]
    sides = ("ours", "theirs")
    values = [f"{words}, {side}" for _, words, _ in shown for side in sides]
    header = ["data set", "method", *values, "verdict", "note"]
    body = [
        [
            *(row["dataset"], row["method"]),
            *(number(row[f"{name}_{side}"], digits) for name, _, digits in shown for side in sides),
            *(row["verdict"], row["note"]),
        ]
        for row in rows
    ]
    words_in = (0, 1, len(header) - 2, len(header) - 1)
    lines += markdown_table(header, body, text_columns=words_in)
    sources = [(row["accuracy_source"], row["metrics_source"]) for row in rows]
    lines += [
        "",
        "- Ours: the row of each method in the table of this study; of searches, the "
        "representative of seed 0.",
        *(f"- Sources of ours: {a}; {m}." for a, m in dict.fromkeys(sources) if a),
        "- Theirs: the figures as printed; known slips are noted.",
        f"- Equal: within {ACCURACY_TOLERANCE_PERCENT:g} percentage points and "
        f"{METRIC_TOLERANCE:.1%} of latency and energy. One dominates if it is nowhere worse and "
        "somewhere better.",
        "",
    ]
    return "\n".join(lines)


def _side_by_side(device: str, dataset: str, ours: Line | None, theirs: Line | None) -> Line:
    sides = {"ours": _values(ours), "theirs": _values(theirs)}
    if ours is None:
        verdict = NOT_OURS
    elif theirs is None:
        verdict = NOT_PUBLISHED
    elif not any(name in sides["ours"] for name in METRICS):
        verdict = CANNOT_RUN
    else:
        verdict = dominance_verdict(sides["ours"], sides["theirs"])
    comparable = verdict in (OURS, THEIRS, NEITHER, EQUAL)
    common = [name for name in VALUES if all(name in values for values in sides.values())]
    note = "" if theirs is None else theirs["note"]
    return {
        "device": device,
        "method": (ours or theirs or {})["method"],
        "dataset": dataset,
        **{f"{n}_{s}": values.get(n, math.nan) for n in VALUES for s, values in sides.items()},
        "compared": "+".join(common) if comparable else "",
        "verdict": verdict,
        "published_in": "" if theirs is None else f"thesis, table {theirs['table']}",
        "note": note if isinstance(note, str) else "",
        "accuracy_source": "" if ours is None else ours["accuracy_source"],
        "metrics_source": "" if ours is None else ours["metrics_source"],
    }


def _values(row: Line | None) -> dict[str, float]:
    """Return the numbers that a row has; a missing one is NaN or None in a table."""
    found = {name: (row or {}).get(name) for name in VALUES}
    numbers = {name: float(value) for name, value in found.items() if value is not None}
    return {name: value for name, value in numbers.items() if not math.isnan(value)}


def _records(table: pd.DataFrame) -> list[Line]:
    return table.to_dict("records")  # pyright: ignore[reportReturnType]
