"""Tables of results: one row for each method and data set, with where every number came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import read_json, read_parquet
from hanas.data.tables.metric_tables import METRICS
from hanas.fronts import representatives
from hanas.fronts.picks import objectives_in
from hanas.fronts.rows import read_history
from hanas.spaces._space import Space


@dataclass(frozen=True)
class Method:
    """What a row of a device's table shows, and the files that it is read from.

    Attributes
    ----------
    method, task, dataset, space
        Names; the method as the table shows it.
    search
        Name of the search; None of an architecture that a trainer found.
    file
        The histories of the task, device and proxy; of a trainer, a JSON with what it found.
    accuracies, metrics
        The tables of the task.
    trained_on
        Data sets of the supernets behind it, or "".
    ranked_by
        What the search ranks by in words; None where nothing was searched.
    trained_architectures
        How many its proxy was learned from.
    """

    method: str
    task: str
    dataset: str
    space: str
    search: str | None
    file: str
    accuracies: str
    metrics: str
    trained_on: str
    ranked_by: str | None
    trained_architectures: int


def space_table(space: Space) -> pd.DataFrame:
    """Return every architecture of an enumerable space.

    ``index``, ``arch``, ``canonical`` (the same for isomorphic architectures), ``params`` and
    ``flops`` (multiply-accumulates) of the full-size network for 10 classes and 32x32 images.
    """
    genes = space.all_genes()
    return pd.DataFrame(
        {
            "index": np.arange(len(genes)),
            "arch": space.all_texts(),
            "canonical": [space.canonical(row) for row in genes],
            "params": space.params(genes),
            "flops": space.flops(genes),
        }
    )


def device_table(rows: Sequence[Method], *, device: str, representative: str) -> pd.DataFrame:
    """Return the table of one device, in the order of ``rows``.

    Parameters
    ----------
    rows
        What is shown.
    device
        Name of the device.
    representative
        Which point of a Pareto front becomes its row, chosen by the objectives of the search and
        never by true accuracy. A scalar searcher is represented by its lowest score.

    Returns
    -------
    DataFrame
        ``accuracy_percent``, ``latency_ms`` and ``energy_mj`` (where the device has it) are those
        of the representative of seed 0; ``*_mean`` and ``*_std`` (of a sample, so divided by one
        less than the seeds) are over the representatives of all seeds. Columns in which no row
        has anything are left out.
    """

    @cache
    def table(path: str) -> pd.DataFrame:
        return read_parquet(path).set_index("arch")

    lines = []
    for row in rows:
        if row.search is None:
            picks, chosen_as = [str(read_json(row.file)["arch"])], "found by the trainer"
            evaluations = np.nan
        else:
            history = read_history(row.file, row.search)
            picks, chosen_as = pick_of_each_seed(history, representative)
            evaluations = history.groupby("seed").size().mean()
        accuracies, metrics = table(row.accuracies), table(row.metrics)
        at_first, over_seeds = _values(picks, accuracies, metrics)
        space = plugins.space(row.space)
        lines.append(
            {
                "device": device,
                "method": row.method,
                "dataset": row.dataset,
                **at_first,
                "arch": picks[0],
                f"{row.space}_index": int(space.index_of(space.from_text(picks[0])[None])[0]),
                "representative": chosen_as,
                "ranked_by": row.ranked_by,
                "seeds": len(picks),
                **over_seeds,
                "unique_evaluations": evaluations,
                "trained_architectures": row.trained_architectures or np.nan,
                "trained_on": row.trained_on,
                "accuracy_source": accuracies.loc[picks[0], "source"],
                "metrics_source": metrics.loc[picks[0], "source"],
            }
        )
    return pd.DataFrame(lines).dropna(axis="columns", how="all")


def pick_of_each_seed(history: pd.DataFrame, representative: str) -> tuple[list[str], str]:
    """Return the representative architecture of each seed of a search, and how it was chosen.

    Raises
    ------
    InputError
        If the device can run nothing that a seed evaluated, or nothing of it met its limits.
    """
    objectives = objectives_in(history)
    picks = []
    chosen_as = ""
    for seed, of_seed in history.groupby("seed", sort=True):
        of_seed = of_seed[of_seed["feasible"]]
        if of_seed.empty:
            raise InputError(
                f"search of seed {seed}: the device can run none of the architectures it "
                "evaluated; give it more evaluations"
            )
        if of_seed["score"].notna().any():
            scores = of_seed["score"].fillna(np.inf).to_numpy()
            position = int(np.argmin(scores))
            if not np.isfinite(scores[position]):
                raise InputError(
                    f"search of seed {seed}: no architecture met its limits; give it more "
                    "evaluations or wider limits"
                )
            chosen_as = "lowest score, seed 0"
        else:
            position = representatives.choose(of_seed[objectives].to_numpy(), representative)
            chosen_as = f"{representative} of the front, seed 0"
        picks.append(str(of_seed["arch"].iloc[position]))
    return picks, chosen_as


def _values(
    picks: list[str], accuracies: pd.DataFrame, metrics: pd.DataFrame
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the numbers of the first pick, and means and deviations over all, if several."""
    values = {"accuracy_percent": accuracies.loc[picks, "accuracy_percent"].to_numpy()}
    values |= {name: metrics.loc[picks, name].to_numpy() for name in METRICS if name in metrics}
    several = len(picks) > 1
    over_seeds = {}
    for name, numbers in values.items():
        over_seeds[f"{name}_mean"] = numbers.mean() if several else np.nan
        over_seeds[f"{name}_std"] = numbers.std(ddof=1) if several else np.nan
    return {name: numbers[0] for name, numbers in values.items()}, over_seeds
