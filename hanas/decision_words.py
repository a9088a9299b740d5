"""The decision table in plain words: under x ms take A, what the next percent costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from hanas import picks
from hanas.decisions import KNEE, LOWEST, PROXY_BEST, reaches_floor

UNITS = {"latency_ms": "ms", "energy_mj": "mJ"}
_WORDS = {"latency_ms": "latency", "energy_mj": "energy"}


def in_words(table: pd.DataFrame, *, searches: Sequence[tuple[str, str, str]]) -> str:
    """Return Markdown that a person can decide by.

    Parameters
    ----------
    table
        From :func:`hanas.decisions.decision_table`.
    searches
        (task, proxy, search) of those that are put into words, in their order; the table holds
        further ones.
    """
    device = table["device"].iloc[0]
    lines = [f"# What to take on {device}", ""]
    for task, proxy, search in searches:
        chosen = (table["task"] == task) & (table["proxy"] == proxy) & (table["search"] == search)
        front = table[chosen.to_numpy()].reset_index(drop=True)
        if front.empty:
            lines += [f"## {task}: nothing found by {proxy}+{search} runs on {device}", ""]
        else:
            lines += _of_front(front)
    lines += [
        f"All fronts of this device, every search and proxy: `{device}.csv` beside this file. "
        "Under limits of your own: "
        f"`hanas pick --device {device} --dataset {table['dataset'].iloc[0]} --max-latency-ms X`.",
        "",
    ]
    return "\n".join(lines)


def _of_front(whole: pd.DataFrame) -> list[str]:
    first = whole.iloc[0]
    floor = first["accuracy_floor_percent"]
    front = whole[reaches_floor(whole["accuracy_percent"], floor)].reset_index(drop=True)
    metrics = [metric for metric in UNITS if f"pick_below_{metric}" in front]
    lines = [f"## {first['task']} ({first['method']})", ""]
    if front.empty:
        lines += [f"No network of the front reaches the accuracy floor of {floor:g} %.", ""]
    else:
        for metric in metrics:
            lines += [f"By {_WORDS[metric]}:", "", *_picks_under_limits(front, metric), ""]
        of_role = {role: row for _, row in front.iterrows() for role in row["roles"].split("; ")}
        lines += ["Points of note:", ""]
        for role in (KNEE, PROXY_BEST, *(LOWEST[metric] for metric in metrics)):
            lines.append(f"- {role.capitalize()}: {_cell(of_role[role])}.")
        lines += [f"- {_next_percent(front, of_role[KNEE], metrics)}", ""]
    left_out = len(whole) - len(front)
    lines += [
        f"The networks were **chosen by the proxy** ({first['proxy_objective']}: "
        f"{first['proxy_source']}) and by the device's numbers ({first['metrics_source']}). The "
        f"percentages are **true test accuracies** as this study knows them "
        f"({first['accuracy_source']}); they were not used to choose"
        + (f", but to leave out {left_out} that do not reach {floor:g} %" if left_out else "")
        + f". The front is that of seed {first['seed']}: {len(whole)} networks.",
        "",
    ]
    return lines


def _picks_under_limits(front: pd.DataFrame, metric: str) -> Iterator[str]:
    """Yield what to take up to each of a few round limits, and without one."""
    unit = UNITS[metric]
    values = front[metric].to_numpy()
    yield f"- Below {values.min():.4g} {unit} there is none."
    told: list[int] = []
    for limit in [*round_limits(values.min(), values[0]), math.inf]:
        position = picks.pick(front, {metric: limit})
        if position is None or position in told:
            continue
        head = f"Up to {limit:g} {unit} take" if limit < math.inf else "Without a limit take"
        better = [p for p in told if _accuracy(front, p) > _accuracy(front, position) + 0.005]
        hindsight = ""
        if better:
            best = max(better, key=lambda p: _accuracy(front, p))
            hindsight = f" – in truth, {int(front['index'].iloc[best])} above is better"
        told.append(position)
        yield f"- {head} {_cell(front.iloc[position])}{hindsight}."


def _accuracy(front: pd.DataFrame, position: int) -> float:
    return float(front["accuracy_percent"].iloc[position])


def _cell(row: pd.Series) -> str:
    numbers = [f"{row['accuracy_percent']:.2f} %"]  # true
    numbers += [
        f"{row[metric]:.4g} {unit}"
        for metric, unit in UNITS.items()
        if metric in row and not pd.isna(row[metric])
    ]
    return f"**{int(row['index'])}** ({', '.join(numbers)}) `{row['arch']}`"


def _next_percent(front: pd.DataFrame, knee: pd.Series, metrics: Sequence[str]) -> str:
    if knee["next_percent_arch"] == "":
        return "No network of this front is more accurate than the knee by 1 %."
    costs = [f"{knee[f'next_percent_{metric}']:+.4g} {UNITS[metric]}" for metric in metrics]
    target = front[(front["arch"] == knee["next_percent_arch"]).to_numpy()].iloc[0]
    said = " and ".join(costs)
    return f"From the knee, the next 1 % of true accuracy costs {said}: {_cell(target)}."


def round_limits(lowest: float, highest: float, count: int = 6) -> list[float]:
    """Return up to about ``count`` round numbers from ``lowest`` to ``highest``, rising.

    Evenly spaced where the range is short, else 1, 2, 5, 10, ...

    >>> round_limits(1.3, 5.2)
    [2.0, 3.0, 4.0, 5.0]
    >>> round_limits(2.1, 77.0)
    [5.0, 10.0, 20.0, 50.0]
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
