"""What to take: every found front with all that a person needs to choose from it, also in words.

The search chose by its proxy and the device's metrics. The true accuracy stands beside, for the
person who decides; it plays no part in a pick (:mod:`hanas.fronts.picks`) from a predicted front.
In a trained front (:mod:`hanas.fronts.peeling`) it is what was paid for, and what picks go by.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import escape, plugins
from hanas.core.errors import InputError
from hanas.core.files import read_csv, read_json, read_parquet
from hanas.fronts import picks
from hanas.fronts.otherwise import Trained
from hanas.fronts.otherwise_in_words import pick_in_words, section
from hanas.fronts.peeling import peel
from hanas.fronts.rescoring import with_errors
from hanas.fronts.rows import Row, read_history
from hanas.fronts.settings import Peeling
from hanas.fronts.truth import reaches_percent
from hanas.search.run import METRICS

#: The source of accuracies of which nothing is known.
UNKNOWN = "not known: no benchmark; retraining measures it"
KNEE, PROXY_BEST, TRULY_BEST = "knee", "best by the proxy", "most accurate"
LOWEST = {"latency_ms": "fastest", "energy_mj": "least energy"}
UNITS = {"latency_ms": "ms", "energy_mj": "mJ"}
_LAST = ["accuracy_floor_percent", "accuracy_source", "metrics_source", "proxy_source"]
Point = dict[str, Any]


def decision_table(rows: Iterable[Row], peeling: Peeling | None = None) -> pd.DataFrame:
    """Return the found fronts of a device, of seed 0, a row an architecture in order of preference.

    With ``peeling``, the trained fronts of those searches whose accuracies are known, which are
    looked up, take the place of the predicted ones. What has no path from input to output is on no
    predicted front. Raises InputError if no predicted front has an architecture; nothing that is
    trained may reach the floor. Columns are

    - ``arch``, ``index`` in its space (where that can be listed), ``accuracy_percent`` (true; NaN
      where it is not known), the device's metrics, ``proxy_value`` of ``proxy_objective``;
    - ``roles`` among those that reach the accuracy floor, such as knee, joined by ``; ``;
    - ``pick_below_{metric}``, see :func:`pick_ranges`;
    - ``next_percent_{metric}``: what one percentage point more of true accuracy costs, in the
      front's architecture ``next_percent_arch`` that has it with the lowest first metric; below
      zero where the proxy misjudged; NaN where none is so accurate;
    - of fronts that were scored again, what :func:`hanas.fronts.rescoring.with_errors` adds;
    - of trained fronts, ``trained_architectures`` that were paid for, those that the proxy was
      learned from included, and ``trained_layers``; their proxy is the true ``error``, a fraction.
    """
    frames = []
    for row in rows:
        history = read_history(row.history, row.search)
        if peeling is None:
            front = picks.found_front(history, plugins.space(row.space))
            frames.append(_of_front(front, row, best=PROXY_BEST))
        elif row.accuracies is not None:
            frames.append(_of_trained_front(history, row, peeling))
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        if peeling is None:
            raise InputError("no search found an architecture that the device can run")
        names = ("device", "task", "dataset", "proxy", "search", "arch", "index")
        return pd.DataFrame(columns=[*names, "accuracy_percent"])
    table = pd.concat(frames, ignore_index=True)
    return table.reindex(columns=[*(column for column in table if column not in _LAST), *_LAST])


def _of_trained_front(history: pd.DataFrame, row: Row, peeling: Peeling) -> pd.DataFrame:
    evaluated = picks.feasible_evaluations(history, None)  # as in evaluations of peeling
    objectives = picks.objectives_in(evaluated)
    accuracies = read_parquet(str(row.accuracies)).set_index("arch")["accuracy_percent"]
    errors = 1 - accuracies.loc[evaluated["arch"]].to_numpy(dtype=np.float64) / 100
    predicted = evaluated[objectives].to_numpy(dtype=np.float64)
    floor = row.accuracy_floor_percent / 100
    layers = list(peel(predicted, errors.__getitem__, peeling, accuracy_floor=floor))
    if not layers or not len(layers[-1].front):
        return evaluated.iloc[:0]
    trained, front = layers[-1].trained, evaluated.assign(error=errors).iloc[layers[-1].front]
    front = picks.by_preference(front[["arch", "evaluation", "error", *objectives[1:]]])
    table = _of_front(front, replace(row, proxy_objective="error"), best=TRULY_BEST)
    paid = f"looked up for the {len(trained)} architectures of {len(layers)} layers that "
    return table.assign(
        method=table["method"] + ", trained",
        proxy_source=table["accuracy_source"] + f"; {paid}{row.proxy} predicted",
        trained_architectures=len(trained) + row.trained_architectures,
        trained_layers=len(layers),
    )


def _of_front(front: pd.DataFrame, row: Row, *, best: str) -> pd.DataFrame:
    if front.empty:
        return front
    objectives = picks.objectives_in(front)
    # A coarse proxy sees thousands of cells as equal; only the first of them is ever picked.
    front = front.drop_duplicates(objectives, ignore_index=True)
    archs, searched = front["arch"], objectives[1:]
    metrics, sources = front, read_json(row.facts)["sources"]
    if row.metrics is not None:
        metrics = read_parquet(row.metrics).set_index("arch").loc[archs]
    accuracies, accuracy_source = np.nan, UNKNOWN
    if row.accuracies is not None:
        known = read_parquet(row.accuracies).set_index("arch")
        accuracies = known.loc[archs, "accuracy_percent"].to_numpy()
        accuracy_source = known["source"].iloc[0]
    space = plugins.space(row.space)
    genes = np.array([space.from_text(arch) for arch in archs])
    method = f"{row.proxy_label}+{row.search_label}"
    names = {**row.names, "method": method, "seed": picks.SEED, "space": row.space}
    index = space.index_of(genes) if space.enumerable else pd.NA
    table = pd.DataFrame({**names, "index": index, "arch": archs, "accuracy_percent": accuracies})
    for metric in METRICS:
        if metric in metrics:
            table[metric] = metrics[metric].to_numpy()
    table["proxy_objective"] = row.proxy_objective
    table["proxy_value"] = front[objectives[0]].to_numpy()
    worthy = reaches_percent(table["accuracy_percent"], row.accuracy_floor_percent)
    table["roles"] = _roles(front, objectives, worthy, best)
    for metric in searched:
        table[f"pick_below_{metric}"] = pick_ranges(front[metric].to_numpy())
    table = table.join(_next_percent(table, searched))
    if row.rescored is not None and best == PROXY_BEST:
        table = with_errors(table, read_csv(row.rescored), read_parquet(str(row.differences)))
    return table.assign(
        accuracy_floor_percent=row.accuracy_floor_percent,
        accuracy_source=accuracy_source,
        metrics_source=sources[searched[0]],
        proxy_source=next(source for name, source in sources.items() if name not in METRICS),
    )


def pick_ranges(metric: np.ndarray) -> np.ndarray:
    """Return up to which limit on a metric alone, exclusive, each point of a front is the pick.

    From its own value on, until one that is preferred to it fits: float64 (N,), in the order of
    preference; infinite for the most preferred, NaN for points that are never the pick.
    """
    until = np.minimum.accumulate(np.append(np.inf, metric[:-1]))
    return np.where(metric < until, until, np.nan)


def _roles(front: pd.DataFrame, objectives: list[str], worthy: np.ndarray, best: str) -> list[str]:
    roles: list[list[str]] = [[] for _ in range(len(front))]
    points = front.loc[worthy, objectives]
    if len(points):
        roles[points.index[0]].append(best)
        roles[points.index[picks.choose(points, "knee")]].append(KNEE)
        for metric in objectives[1:]:
            roles[points[metric].idxmin()].append(LOWEST[metric])
    return ["; ".join(of_point) for of_point in roles]


def _next_percent(table: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    accuracy, values = table["accuracy_percent"].to_numpy(), table[metrics].to_numpy()
    better = accuracy >= accuracy[:, None] + 1  # (N, N)
    cheapest = np.where(better, values[:, 0], np.inf).argmin(axis=1)
    some = better.any(axis=1)
    costs = np.where(some[:, None], values[cheapest] - values, np.nan)
    columns = [f"next_percent_{metric}" for metric in metrics]
    archs = table["arch"].iloc[cheapest].where(some, "").to_numpy()
    return pd.DataFrame(costs, columns=columns).assign(next_percent_arch=archs)


def in_words(
    table: pd.DataFrame,
    *,
    searches: Sequence[Sequence[str]],
    trained: Sequence[Trained] = (),
    head: Sequence[str] = (),
) -> str:
    """Return Markdown that a person can decide by: under x ms take A, what the next percent costs.

    Of a :func:`decision_table` the fronts of these ``searches``, (task, proxy, search), are put
    into words, in their order; the table holds further ones, and what
    :func:`hanas.fronts.otherwise.beside_front` says of ``trained`` models. The lines of the
    ``head`` say how far to trust it (:mod:`hanas.fronts.trust`).
    """
    rows: list[Point] = table.to_dict("records")  # pyright: ignore[reportAssignmentType]
    device = rows[0]["device"]
    lines = [f"# What to take on {device}", "", *head]
    for task, proxy, search in searches:
        wanted = (task, proxy, search)
        front = [row for row in rows if (row["task"], row["proxy"], row["search"]) == wanted]
        nothing = [f"## {task}: nothing found by {proxy}+{search} runs on {device}", ""]
        lines += _words_of_front(front) if front else nothing
    for task in dict.fromkeys(each.task for each in trained):
        lines += [f"## {task}: trained picks, and what one would take otherwise", ""]
        for models in (each for each in trained if each.task == task):
            lines += section(models.models, models.others, device=device)
    lines += [
        f"All fronts of this device, every search and proxy: `{device}.csv` beside this file. "
        "Under limits of your own: "
        f"`hanas pick --device {device} --dataset {rows[0]['dataset']} --max-latency-ms X`.",
        "",
    ]
    return "\n".join(lines)


def _words_of_front(whole: list[Point]) -> list[str]:
    # A label, or a source in a user's table, may hold anything.
    first: Point = {k: escape.markdown(v) if isinstance(v, str) else v for k, v in whole[0].items()}
    floor, known = first["accuracy_floor_percent"], not math.isnan(first["accuracy_percent"])
    reaches = reaches_percent([row["accuracy_percent"] for row in whole], floor)
    front = [row for row, worthy in zip(whole, reaches, strict=True) if worthy]
    # A device may lack a metric on one data set that it has on another. The first is always picked.
    metrics = [metric for metric in UNITS if pd.notna(first.get(f"pick_below_{metric}"))]
    lines = [f"## {first['task']} ({first['method']})", ""]
    if not front:
        lines += [f"No network of the front reaches the accuracy floor of {floor:g} %.", ""]
    else:
        for metric in metrics:
            word = metric.split("_")[0]
            lines += [f"By {word}:", "", *_picks_under_limits(front, metric), ""]
        of_role = {role: row for row in front for role in row["roles"].split("; ")}
        roles = (KNEE, PROXY_BEST, *(LOWEST[metric] for metric in metrics))
        notes = [f"- {role.capitalize()}: {_cell(of_role[role])}." for role in roles]
        if known:
            notes.append(f"- {_cost_of_percent(front, of_role[KNEE], metrics)}")
        lines += ["Points of note:", "", *notes, ""]
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
    if "ties" in first and pd.notna(first["rescored_images"]):
        truth += f" {_said_of_errors(first)}"
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
        yield f"- {head} {_cell(row)}{hindsight}{_tie(row, front, metric)}."
        if metric == "latency_ms":
            yield from pick_in_words(row)


def _tie(row: Point, front: list[Point], metric: str) -> str:
    """Return which networks a pick cannot be told apart from, the one with the least metric."""
    names = str(row.get("ties") or "").split("; ")
    ties = [other for other in front if other["arch"] in names]
    if not ties:
        return ""
    said = f" – a tie with {len(ties)} other{'s' if len(ties) > 1 else ''}"
    least = min(ties, key=lambda other: other[metric])
    if least[metric] >= row[metric]:
        return said
    return f"{said}, the {LOWEST[metric].split()[0]} of them {_cell(least)}"


def _said_of_errors(first: Point) -> str:
    images, seen = int(first["rescored_images"]), int(first["rescored_seen_images"])
    if not images:
        return (
            "Errors are expected ones, ± a standard deviation of what the learned model does not "
            "know. Networks closer than that of their difference are **ties**: their order is not "
            "known."
        )
    saw = f"{seen} of which the search saw" if seen else "which the search did not see"
    return (
        f"Scores are those of {images} validation images, {saw}, ± a standard error. Networks "
        "closer than the standard error of their difference, image by image, are **ties**: their "
        "order is not known."
    )


def _cell(row: Point) -> str:
    """Name a network: by its index, in a space that can be listed, and by its text."""
    if pd.isna(row["index"]):
        return f"`{row['arch']}` ({_numbers(row)})"
    return f"**{int(row['index'])}** ({_numbers(row)}) `{row['arch']}`"


def _numbers(row: Point) -> str:
    numbers = [f"{row['accuracy_percent']:.2f} %"]  # true
    if math.isnan(row["accuracy_percent"]):
        score = f"{row['proxy_value']:.3g}"
        if pd.notna(row.get("rescored_value")):
            score = f"{row['rescored_value']:.4g} ± {row['rescored_standard_error']:.2g}"
        numbers = [f"{row['proxy_objective'].replace('_', '-')} {score}"]
    known = [metric for metric in UNITS if pd.notna(row.get(metric))]
    return ", ".join([*numbers, *(f"{row[metric]:.4g} {UNITS[metric]}" for metric in known)])


def _cost_of_percent(front: list[Point], knee: Point, metrics: Sequence[str]) -> str:
    if knee["next_percent_arch"] == "":
        return "No network of this front is more accurate than the knee by 1 %."
    costs = [f"{knee[f'next_percent_{metric}']:+.4g} {UNITS[metric]}" for metric in metrics]
    cell = next(_cell(row) for row in front if row["arch"] == knee["next_percent_arch"])
    return f"From the knee, the next 1 % of true accuracy costs {' and '.join(costs)}: {cell}."


def rounded_up(value: float) -> float:
    """Return the least number of four digits that is not below a positive value."""
    exponent = math.floor(math.log10(value)) - 3
    digits = math.ceil(round(value / 10.0**exponent, 6))
    return float(f"{digits}e{exponent}")


def round_limits(lowest: float, highest: float) -> list[float]:
    """Return up to about six round numbers from ``lowest`` to ``highest``, rising.

    Evenly spaced where the range is short, such as 2, 3, 4, 5; else 1, 2, 5, 10, ...
    """
    if not 0 < lowest < highest:
        return []
    if highest / lowest > 10:
        exponents = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
        steps = [digit * 10.0**exponent for exponent in exponents for digit in (1, 2, 5)]
        return [step for step in steps if lowest <= step <= highest]
    size = (highest - lowest) / 6
    power = 10.0 ** math.floor(math.log10(size))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= size * (1 - 1e-9))
    multiples = np.arange(math.ceil(lowest / step), math.floor(highest / step) + 1)
    return [float(f"{multiple * step:.12g}") for multiple in multiples]
