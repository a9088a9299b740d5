"""The decision table in plain words: under x ms take A, what the next percent costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hanas.fronts.decisions import KNEE, LOWEST, PROXY_BEST
from hanas.fronts.truth import reaches_percent

UNITS = {"latency_ms": "ms", "energy_mj": "mJ"}
Point = dict[str, Any]


def in_words(table: pd.DataFrame, *, searches: Sequence[Sequence[str]]) -> str:
    """Return Markdown that a person can decide by.

    Of a table from :func:`hanas.fronts.decisions.decision_table` the fronts of these ``searches``,
    (task, proxy, search), are put into words, in their order; the table holds further ones.
    """
    rows: list[Point] = table.to_dict("records")  # pyright: ignore[reportAssignmentType]
    device = rows[0]["device"]
    lines = [f"# What to take on {device}", ""]
    for wanted in searches:
        task, proxy, search = wanted
        front = [row for row in rows if (row["task"], row["proxy"], row["search"]) == tuple(wanted)]
        nothing = [f"## {task}: nothing found by {proxy}+{search} runs on {device}", ""]
        lines += _of_front(front) if front else nothing
    lines += [
        f"All fronts of this device, every search and proxy: `{device}.csv` beside this file. "
        "Under limits of your own: "
        f"`hanas pick --device {device} --dataset {rows[0]['dataset']} --max-latency-ms X`.",
        "",
    ]
    return "\n".join(lines)


def _of_front(whole: list[Point]) -> list[str]:
    first = whole[0]
    floor, known = first["accuracy_floor_percent"], not math.isnan(first["accuracy_percent"])
    reaches = reaches_percent([row["accuracy_percent"] for row in whole], floor)
    front = [row for row, worthy in zip(whole, reaches, strict=True) if worthy]
    # A device may lack a metric on one data set that it has on another.
    picked = {
        metric: [row.get(f"pick_below_{metric}", math.nan) for row in whole] for metric in UNITS
    }
    metrics = [metric for metric, below in picked.items() if not np.isnan(below).all()]
    lines = [f"## {first['task']} ({first['method']})", ""]
    if front:
        for metric in metrics:
            word = metric.split("_")[0]
            lines += [f"By {word}:", "", *_picks_under_limits(front, metric), ""]
        of_role = {role: row for row in front for role in row["roles"].split("; ")}
        lines += ["Points of note:", ""]
        for role in (KNEE, PROXY_BEST, *(LOWEST[metric] for metric in metrics)):
            lines.append(f"- {role.capitalize()}: {_cell(of_role[role])}.")
        if known:
            lines.append(f"- {_next_percent(front, of_role[KNEE], metrics)}")
        lines.append("")
    else:
        lines += [f"No network of the front reaches the accuracy floor of {floor:g} %.", ""]
    truth = (
        "Their true accuracies are **not known**: train those that you like "
        "(`retrainings` in the study's settings)."
    )
    if known:
        left_out = len(whole) - len(front)
        truth = (
            "The percentages are **true test accuracies** as this study knows them "
            f"({first['accuracy_source']}); they were not used to choose"
            + (f", but to leave out {left_out} below {floor:g} %." if left_out else ".")
        )
    networks = "1 network" if len(whole) == 1 else f"{len(whole)} networks"
    said = (
        f"The networks were **chosen by the proxy** ({first['proxy_objective']}: "
        f"{first['proxy_source']}) and by the device's numbers ({first['metrics_source']}). "
        f"{truth} The front is that of seed {first['seed']}: {networks}."
    )
    return [*lines, said, ""]


def _picks_under_limits(front: list[Point], metric: str) -> Iterator[str]:
    """Yield what to take up to each of a few round limits, and without one."""
    unit, values = UNITS[metric], [row[metric] for row in front]
    yield f"- Below {rounded_up(min(values)):.4g} {unit} there is none."
    told: list[int] = []
    for limit in [*round_limits(min(values), values[0]), math.inf]:
        within = [place for place, value in enumerate(values) if value <= limit]
        if not within or within[0] in told:  # in order of preference: the first is the pick
            continue
        row = front[within[0]]
        head = f"Up to {limit:g} {unit} take" if limit < math.inf else "Without a limit take"
        best = max(within, key=lambda place: front[place]["accuracy_percent"])
        hindsight = ""
        if front[best]["accuracy_percent"] > row["accuracy_percent"] + 0.005:
            where = "above" if best in told else f"({_numbers(front[best])})"
            hindsight = f" – in truth, {front[best]['index']} {where} is better"
        told.append(within[0])
        yield f"- {head} {_cell(row)}{hindsight}."


def _cell(row: Point) -> str:
    """Name a network: by its index, in a space that can be listed, and by its text."""
    if pd.isna(row["index"]):
        return f"`{row['arch']}` ({_numbers(row)})"
    return f"**{int(row['index'])}** ({_numbers(row)}) `{row['arch']}`"


def _numbers(row: Point) -> str:
    numbers = [f"{row['accuracy_percent']:.2f} %"]  # true
    if math.isnan(row["accuracy_percent"]):
        numbers = [f"{row['proxy_objective'].replace('_', '-')} {row['proxy_value']:.3g}"]
    known = [metric for metric in UNITS if not math.isnan(row.get(metric, math.nan))]
    return ", ".join([*numbers, *(f"{row[metric]:.4g} {UNITS[metric]}" for metric in known)])


def _next_percent(front: list[Point], knee: Point, metrics: Sequence[str]) -> str:
    if knee["next_percent_arch"] == "":
        return "No network of this front is more accurate than the knee by 1 %."
    costs = [f"{knee[f'next_percent_{metric}']:+.4g} {UNITS[metric]}" for metric in metrics]
    target = next(row for row in front if row["arch"] == knee["next_percent_arch"])
    said = " and ".join(costs)
    return f"From the knee, the next 1 % of true accuracy costs {said}: {_cell(target)}."


def rounded_up(value: float) -> float:
    """Return the least number of four digits that is not below a positive value."""
    exponent = math.floor(math.log10(value)) - 3
    digits = math.ceil(round(value / 10.0**exponent, 6))
    return float(f"{digits}e{exponent}")


def round_limits(lowest: float, highest: float, count: int = 6) -> list[float]:
    """Return up to about ``count`` round numbers from ``lowest`` to ``highest``, rising.

    Evenly spaced where the range is short, such as 2, 3, 4, 5; else 1, 2, 5, 10, ...
    """
    if not 0 < lowest < highest:
        return []
    if highest / lowest > 10:
        exponents = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
        steps = [digit * 10.0**exponent for exponent in exponents for digit in (1, 2, 5)]
        return [step for step in steps if lowest <= step <= highest]
    size = (highest - lowest) / count
    power = 10.0 ** math.floor(math.log10(size))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= size * (1 - 1e-9))
    multiples = np.arange(math.ceil(lowest / step), math.floor(highest / step) + 1)
    return [float(f"{multiple * step:.12g}") for multiple in multiples]
