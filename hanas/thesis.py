"""A device's table beside the published one, row by row: ours, theirs, and which dominates.

The published figures are those of the bachelor thesis that this program follows (README), kept in
``resources/thesis_tables.csv`` as printed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from hanas.errors import InputError
from hanas.official_names import OFFICIAL_NAMES

#: What is compared, and by how much two values may differ and count as equal: a share of the
#: published value for the device's metrics, percentage points for the accuracy.
METRICS = ("latency_ms", "energy_mj")
METRIC_TOLERANCE = 0.001
ACCURACY_TOLERANCE_PERCENT = 0.01

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

    Parameters
    ----------
    table
        The device's table (:func:`hanas.tables.device_table`).
    published
        ``table``, ``device``, ``method``, ``dataset``, ``accuracy_percent``, ``latency_ms``,
        ``energy_mj`` and ``note``, the known slips.
    device
        The device's name in the study.
    published_device
        What the published tables call it; they need not have it.
    datasets
        The study's data sets and what each is: cifar10, cifar100, imagenet16_120 or another.

    Returns
    -------
    DataFrame
        A row for each method and data set of ours, then those that only they have for the data
        sets of ours: ``{value}_ours`` and ``{value}_theirs`` for the accuracy, latency and
        energy, ``compared`` (which of these both have), ``verdict``, ``published_in``, ``note``
        and the sources of ours.

    Raises
    ------
    InputError
        If a published figure is missing or cannot be.
    """
    _check(published)
    of_device = published[(published["device"] == published_device).to_numpy()]
    lines, seen = [], set()
    for _, row in table.iterrows():
        official = OFFICIAL_NAMES.get(datasets.get(str(row["dataset"]), ""))
        matching = (of_device["dataset"] == official) & (of_device["method"] == row["method"])
        theirs = of_device[matching.to_numpy()]
        key = {"device": device, "method": row["method"], "dataset": row["dataset"]}
        seen.update(theirs.index)
        lines.append({**key, **_side_by_side(row, None if theirs.empty else theirs.iloc[0])})
    ours_by_official = {
        OFFICIAL_NAMES[kind]: name for name, kind in datasets.items() if kind in OFFICIAL_NAMES
    }
    shown = set(table["dataset"])
    for index, theirs in of_device.iterrows():
        name = ours_by_official.get(theirs["dataset"])
        if index not in seen and name in shown:
            key = {"device": device, "method": theirs["method"], "dataset": name}
            lines.append({**key, **_side_by_side(None, theirs)})
    result = pd.DataFrame(lines)
    values = ["accuracy_percent", *METRICS]
    kept = [
        f"{value}_{side}"
        for value in values
        for side in ("ours", "theirs")
        if result[[f"{value}_ours", f"{value}_theirs"]].notna().any(axis=None)
    ]
    words = ["compared", "verdict", "published_in", "note", "accuracy_source", "metrics_source"]
    return result[["device", "method", "dataset", *kept, *words]]


def dominance_verdict(ours: Mapping[str, float], theirs: Mapping[str, float]) -> str:
    """Return which of two rows dominates in the values that both have, within the tolerances.

    Examples
    --------
    >>> dominance_verdict(
    ...     {"accuracy_percent": 93.0, "latency_ms": 4.0},
    ...     {"accuracy_percent": 93.0, "latency_ms": 5.0},
    ... )
    'ours dominates'
    """
    better = {"ours": False, "theirs": False}
    for name in ours.keys() & theirs.keys():
        if name == "accuracy_percent":
            gain, tolerance = ours[name] - theirs[name], ACCURACY_TOLERANCE_PERCENT
        else:
            gain, tolerance = theirs[name] - ours[name], METRIC_TOLERANCE * theirs[name]
        # A hair more, so that 93.01 and 93.00 are equal although their difference is above 0.01.
        if abs(gain) > tolerance + 1e-9:
            better["ours" if gain > 0 else "theirs"] = True
    if better["ours"] and better["theirs"]:
        return NEITHER
    if not any(better.values()):
        return EQUAL
    return OURS if better["ours"] else THEIRS


def comparison_markdown(comparison: pd.DataFrame, *, published_device: str) -> str:
    """Return the comparison as Markdown, with a count of the verdicts and what they mean."""
    device = comparison["device"].iloc[0]
    lines = [f"# {device} beside the published table", ""]
    both = comparison[comparison["compared"].ne("")]
    if both.empty:
        lines += [f"No figures were published for {published_device} and these rows.", ""]
    else:
        counts = both["verdict"].value_counts()
        said = ", ".join(f"{verdict} in {count}" for verdict, count in counts.items())
        lines += [f"Of the {len(both)} rows that both have: {said}.", ""]
    shown = {
        "accuracy_percent": ("accuracy (%)", 2),
        "latency_ms": ("latency (ms)", 3),
        "energy_mj": ("energy (mJ)", 3),
    }
    shown = {name: how for name, how in shown.items() if f"{name}_ours" in comparison}
    header = ["data set", "method"]
    header += [f"{words}, {side}" for words, _ in shown.values() for side in ("ours", "theirs")]
    header += ["verdict", "note"]
    lines.append("| " + " | ".join(header) + " |")
    lines.append("|:--|:--|" + "--:|" * (2 * len(shown)) + ":--|:--|")
    for _, row in comparison.iterrows():
        cells = [row["dataset"], row["method"]]
        for name, (_, digits) in shown.items():
            for side in ("ours", "theirs"):
                value = row[f"{name}_{side}"]
                cells.append("–" if pd.isna(value) else f"{value:.{digits}f}")
        lines.append("| " + " | ".join([*cells, row["verdict"], row["note"]]) + " |")
    sources = comparison[["accuracy_source", "metrics_source"]].replace("", np.nan).dropna()
    said = dict.fromkeys("; ".join(pair) for pair in sources.itertuples(index=False))
    lines += [
        "",
        "- Ours: the row of each method in the table of this study; of searches, the "
        "representative of seed 0.",
        *(f"- Sources of ours: {words}." for words in said),
        "- Theirs: the figures as printed; known slips are noted.",
        f"- Equal: within {ACCURACY_TOLERANCE_PERCENT:g} percentage points and "
        f"{METRIC_TOLERANCE:.1%} of latency and energy. One dominates if it is nowhere worse and "
        "somewhere better.",
        "",
    ]
    return "\n".join(lines)


def _side_by_side(ours: pd.Series | None, theirs: pd.Series | None) -> dict[str, object]:
    sides = {"ours": _values(ours), "theirs": _values(theirs)}
    line: dict[str, object] = {
        f"{name}_{side}": values.get(name, np.nan)
        for name in ("accuracy_percent", *METRICS)
        for side, values in sides.items()
    }
    common = [
        name for name in ("accuracy_percent", *METRICS) if all(name in s for s in sides.values())
    ]
    if ours is None:
        verdict = NOT_OURS
    elif theirs is None:
        verdict = NOT_PUBLISHED
    elif not any(name in sides["ours"] for name in METRICS):
        verdict = CANNOT_RUN
    else:
        verdict = dominance_verdict(sides["ours"], sides["theirs"])
    comparable = verdict in (OURS, THEIRS, NEITHER, EQUAL)
    return {
        **line,
        "compared": "+".join(common) if comparable else "",
        "verdict": verdict,
        "published_in": "" if theirs is None else f"thesis, table {theirs['table']}",
        "note": "" if theirs is None or pd.isna(theirs["note"]) else str(theirs["note"]),
        "accuracy_source": "" if ours is None else ours["accuracy_source"],
        "metrics_source": "" if ours is None else ours["metrics_source"],
    }


def _values(row: pd.Series | None) -> dict[str, float]:
    if row is None:
        return {}
    names = ("accuracy_percent", *METRICS)
    return {name: float(row[name]) for name in names if name in row and not pd.isna(row[name])}


def _check(published: pd.DataFrame) -> None:
    needed = {"table", "device", "method", "dataset", "accuracy_percent", *METRICS, "note"}
    missing = needed - set(published)
    if missing:
        raise InputError(f"published tables: no column {', '.join(sorted(missing))}")
    for name, least in (("accuracy_percent", 0), ("latency_ms", 0)):
        wrong = np.flatnonzero(~(published[name].to_numpy(dtype=float) > least))
        if len(wrong):
            raise InputError(f"published tables: row {wrong[0] + 2}: {name} is not above {least}")
