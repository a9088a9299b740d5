"""A study of six architectures whose judgement can be worked out by hand.

Error and latency in truth; all but the last two are on the true front, whose points, scaled above
a floor of 50 %, are (0, 1), (1/4, 1/2), (1/2, 1/4), (1, 0): a volume of 1/8 + 3/8.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from nb201_space import nb201

from hanas.core.files import write_json, write_parquet
from hanas.fronts.rows import Row

ARCHS = nb201.all_texts()[:6]
ERROR = [0.1, 0.2, 0.3, 0.5, 0.4, 0.9]
LATENCY_MS = [5.0, 3.0, 2.0, 1.0, 4.0, 0.5]
WHOLE = 0.5
FLOOR_PERCENT = 50


def history(seeds: list[list[int]], objectives: pd.DataFrame) -> pd.DataFrame:
    """What a search leaves that evaluates these rows, a list for each seed."""
    frames = []
    for seed, rows in enumerate(seeds):
        frame = pd.DataFrame({"seed": seed, "evaluation": range(len(rows)), "generation": 0})
        frame["arch"] = [ARCHS[row] for row in rows]
        frame = pd.concat([frame, objectives.iloc[rows].reset_index(drop=True)], axis=1)
        frame["feasible"] = frame[objectives.columns].notna().all(axis=1)
        frame["score"] = np.nan
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def write_search(
    folder: Path,
    seeds: list[list[int]],
    *,
    search: str = "nsga2",
    proxy: str = "p",
    proxy_error: list[float] = ERROR,
    device: str = "mine",
    latency_ms: list[float] = LATENCY_MS,
    energy_mj: list[float] | None = None,
    error: list[float] = ERROR,
    floor_percent: float = FLOOR_PERCENT,
) -> Row:
    """Write the tables of one search, beside others of the job; return the row that names them."""
    accuracies = pd.DataFrame(
        {
            "arch": ARCHS,
            "accuracy_percent": [100 * (1 - each) for each in error],
            "source": "true ones",
        }
    )
    feasible = ~np.isnan(latency_ms)
    metrics = pd.DataFrame({"arch": ARCHS, "feasible": feasible, "latency_ms": latency_ms})
    if energy_mj is not None:
        metrics["energy_mj"] = energy_mj
    proxies = pd.DataFrame({"arch": ARCHS, "error": proxy_error, "source": "a proxy"})
    objectives = pd.concat([proxies[["error"]], metrics.drop(columns=["arch", "feasible"])], axis=1)
    objectives[~feasible] = np.nan
    row = Row(
        device=device,
        task="t",
        dataset="cifar10",
        space="nb201",
        proxy=proxy,
        proxy_label=proxy.upper(),
        proxy_objective="error",
        trained_architectures=7,
        trained_on="",
        search=search,
        search_label=search.upper(),
        accuracy_floor_percent=floor_percent,
        device_objectives=None,
        accuracies=str(folder / "accuracies.parquet"),
        metrics=str(folder / f"{device}.parquet"),
        proxy_table=str(folder / f"{proxy}.parquet"),
        history=str(folder / f"{device}-{proxy}.parquet"),
    )
    sources = {"error": "a proxy", **dict.fromkeys(objectives.columns[1:], f"a {device}")}
    write_json(row.facts, {"sources": sources})
    for table, path in zip(
        (accuracies, metrics.assign(source=f"a {device}"), proxies), row.tables, strict=True
    ):
        write_parquet(table, path)
    found = history(seeds, objectives)
    found.insert(0, "search", search)
    if Path(row.history).is_file():
        known = pd.read_parquet(row.history)
        others = known[known["search"] != search]  # of the same job
        found = pd.concat([others, found], ignore_index=True) if len(others) else found
    write_parquet(found, row.history)
    return row
