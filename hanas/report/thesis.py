"""A device's table beside the published one, row by row: ours, theirs, and which dominates.

The published figures are those of the bachelor thesis that this program follows (README), kept in
``hanas/resources/thesis_tables.csv`` as printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hanas.core.errors import InputError
from hanas.data.tables.metric_tables import METRICS, OFFICIAL_NAMES
from hanas.report.tables import SHOWN, markdown_table, number

#: What is compared, and by how much two values may differ and count as equal: a share of the
#: published value for the device's metrics, percentage points for the accuracy.
VALUES = ("accuracy_percent", *METRICS)
METRIC_TOLERANCE = 0.001
ACCURACY_TOLERANCE_PERCENT = 0.01

_SIDES = ("ours", "theirs")
_SOURCES = ("accuracy_source", "metrics_source")


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

    A row for each method and data set of ours, then what only they have for the data sets of ours:
    ``{value}_ours`` and ``{value}_theirs`` of :data:`VALUES`, ``compared`` (which of these both
    have), ``verdict``, ``published_in``, ``note`` and the sources of ours.

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
    lines += [_line(key, {}, row) for key, row in theirs.items() if key not in keys]
    compared = pd.DataFrame(lines)
    compared.insert(0, "device", device)
    for name in VALUES:
        pair = [f"{name}_{side}" for side in _SIDES]
        if compared[pair].isna().all(axis=None):
            compared = compared.drop(columns=pair)
    return compared


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
        gain, tolerance = theirs[name] - ours[name], METRIC_TOLERANCE * theirs[name]
        if name == "accuracy_percent":
            gain, tolerance = -gain, ACCURACY_TOLERANCE_PERCENT
        # A hair more, so that 93.01 and 93.00 are equal although their difference is above 0.01.
        if abs(gain) > tolerance + 1e-9:
            better.add("ours dominates" if gain > 0 else "theirs dominates")
    return "neither dominates" if len(better) == 2 else next(iter(better), "equal")


def comparison_markdown(comparison: pd.DataFrame, *, published_device: str) -> str:
    """Return the comparison as Markdown, with a count of the verdicts and what they mean."""
    verdicts = Counter(comparison.loc[comparison["compared"] != "", "verdict"])
    counts = f"No figures were published for {published_device} and these rows."
    if verdicts:
        said = ", ".join(f"{verdict} in {count}" for verdict, count in verdicts.most_common())
        counts = f"Of the {verdicts.total()} rows that both have: {said}."
    shown = comparison[["dataset", "method", "verdict", "note"]]
    shown = shown.rename(columns={"dataset": "data set"})
    texts = list(shown)
    for name, words, digits in SHOWN:
        for side in _SIDES:
            if f"{name}_{side}" in comparison:
                numbers = [number(value, digits) for value in comparison[f"{name}_{side}"]]
                shown.insert(shown.shape[1] - 2, f"{words}, {side}", numbers)
    sources = comparison[list(_SOURCES)].drop_duplicates().to_numpy()
    return "\n".join(
        [
            *(f"# {comparison['device'].iloc[0]} beside the published table", "", counts, ""),
            *markdown_table(shown, text_columns=texts),
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
