"""Tables of results: one row for each method and data set, with where every number came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import read_json, read_parquet
from hanas.fronts import representatives
from hanas.fronts.picks import objectives_in
from hanas.search.tabular_search import METRICS
from hanas.spaces._space import Space


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


def device_table(
    rows: Sequence[Mapping[str, Any]], *, device: str, representative: str
) -> pd.DataFrame:
    """Return the table of one device, in the order of ``rows``.

    Parameters
    ----------
    rows
        What each row shows: ``method``, ``task``, ``dataset``, ``space``, ``trained_on``;
        ``ranked_by``, what the search ranks by in words, None where nothing was searched;
        ``trained_architectures`` that its proxy was learned from; ``kind``
        ``found`` (``file`` is a JSON with the architecture a trainer found) or ``search``
        (``file`` is a search history); ``accuracies`` and ``metrics``, the tables of the task.
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
    tables: dict[str, pd.DataFrame] = {}

    def table(path: str) -> pd.DataFrame:
        if path not in tables:
            tables[path] = read_parquet(path).set_index("arch")
        return tables[path]

    lines = []
    for row in rows:
        if row["kind"] == "found":
            found = read_json(row["file"])
            picks, chosen_as, evaluations = [found["arch"]], "found by the trainer", np.nan
        else:
            history = read_parquet(row["file"])
            picks, chosen_as = pick_of_each_seed(history, representative)
            evaluations = history.groupby("seed").size().mean()
        lines.append(
            _line(
                row,
                picks,
                table(row["accuracies"]),
                table(row["metrics"]),
                device=device,
                representative=chosen_as,
                unique_evaluations=evaluations,
            )
        )
    return pd.DataFrame(lines).dropna(axis="columns", how="all")


def pick_of_each_seed(history: pd.DataFrame, representative: str) -> tuple[list[str], str]:
    """Return the representative architecture of each seed of a search, and how it was chosen."""
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


def _line(
    row: Mapping[str, Any],
    picks: Sequence[str],
    accuracies: pd.DataFrame,
    metrics: pd.DataFrame,
    **columns: Any,
) -> dict[str, Any]:
    space = plugins.space(row["space"])
    of_picks = {"accuracy_percent": accuracies.loc[list(picks), "accuracy_percent"].to_numpy()}
    for metric in METRICS:
        if metric in metrics:
            of_picks[metric] = metrics.loc[list(picks), metric].to_numpy()
    statistics = {}
    for name, values in of_picks.items():
        several = len(values) > 1
        statistics[f"{name}_mean"] = values.mean() if several else np.nan
        statistics[f"{name}_std"] = values.std(ddof=1) if several else np.nan
    return {
        "device": columns["device"],
        "method": row["method"],
        "dataset": row["dataset"],
        **{name: values[0] for name, values in of_picks.items()},
        "arch": picks[0],
        f"{row['space']}_index": int(space.index_of(space.from_text(picks[0])[None])[0]),
        "representative": columns["representative"],
        "ranked_by": row["ranked_by"],
        "seeds": len(picks),
        **statistics,
        "unique_evaluations": columns["unique_evaluations"],
        "trained_architectures": row["trained_architectures"] or np.nan,
        "trained_on": row["trained_on"],
        "accuracy_source": accuracies.loc[picks[0], "source"],
        "metrics_source": metrics.loc[picks[0], "source"],
    }
