"""Tables of results: a row for each method and data set, with where every number came from.

As a table of all columns, and as Markdown and LaTeX in the form of a paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from hanas.core import escape, plugins
from hanas.core.errors import InputError
from hanas.core.files import read_json, read_parquet
from hanas.data.tables.metric_tables import METRICS
from hanas.fronts.picks import choose, objectives_in
from hanas.fronts.rows import read_history
from hanas.spaces._space import Space

#: What a paper shows of a row: column, heading and digits after the point.
SHOWN = (
    ("accuracy_percent", "accuracy (%)", 2),
    ("latency_ms", "latency (ms)", 3),
    ("energy_mj", "energy (mJ)", 3),
)


@dataclass(frozen=True)
class Method:
    """What a row of a device's table shows, and the files that it is read from."""

    method: str  # as the table shows it
    task: str
    dataset: str
    space: str
    search: str | None  # None of an architecture that a trainer found
    file: str  # histories of the task, device and proxy; of a trainer, a JSON with what it found
    accuracies: str
    metrics: str
    trained_on: str  # data sets of the supernets behind it, or ""
    ranked_by: str | None  # in words; None where nothing was searched
    trained_architectures: int  # that its proxy was learned from


def space_table(space: Space) -> pd.DataFrame:
    """Return every architecture of an enumerable space.

    ``canonical`` is the same for isomorphic architectures; ``params`` and ``flops``
    (multiply-accumulates) are of the full-size network for 10 classes and 32x32 images.
    """
    genes = space.all_genes()
    canonical = [space.canonical(row) for row in genes]
    table = pd.DataFrame({"arch": space.all_texts(), "canonical": canonical})
    table = table.assign(params=space.params(genes), flops=space.flops(genes))
    return table.reset_index(names="index")


def device_table(rows: Sequence[Method], *, device: str, representative: str) -> pd.DataFrame:
    """Return the table of one device, in the order of ``rows``.

    ``accuracy_percent``, ``latency_ms`` and ``energy_mj`` (where the device has it) are those of
    the representative of seed 0; ``*_mean`` and ``*_std`` (of a sample, so divided by one less
    than the seeds) are over the representatives of all seeds. Empty columns are left out.

    ``representative`` says which point of a Pareto front is taken: by the objectives of the search
    and never by true accuracy. A scalar searcher is represented by its lowest score.
    """
    table = cache(lambda path: read_parquet(path).set_index("arch"))
    lines = []
    for row in rows:
        if row.search is None:
            picks, chosen_as = [str(read_json(row.file)["arch"])], "found by the trainer"
            evaluations = np.nan
        else:
            history = read_history(row.file, row.search)
            picks, chosen_as = pick_of_each_seed(history, representative)
            evaluations = history.groupby("seed").size().mean()
        accuracies, metrics = (table(file).loc[picks] for file in (row.accuracies, row.metrics))
        values = {"accuracy_percent": accuracies["accuracy_percent"]}
        values |= {name: metrics[name] for name in METRICS if name in metrics}
        spread = {
            f"{name}_{how}": of_seeds.agg(how) if len(picks) > 1 else np.nan
            for name, of_seeds in values.items()
            for how in ("mean", "std")
        }
        space = plugins.space(row.space)
        line = {
            "device": device,
            "method": row.method,
            "dataset": row.dataset,
            **{name: of_seeds.iloc[0] for name, of_seeds in values.items()},
            "arch": picks[0],
            f"{row.space}_index": int(space.index_of(space.from_text(picks[0])[None])[0]),
            "representative": chosen_as,
            "ranked_by": row.ranked_by,
            "seeds": len(picks),
            **spread,
            "unique_evaluations": evaluations,
            "trained_architectures": row.trained_architectures or np.nan,
            "trained_on": row.trained_on,
            "accuracy_source": accuracies["source"].iloc[0],
            "metrics_source": metrics["source"].iloc[0],
        }
        lines.append(line)
    return pd.DataFrame(lines).dropna(axis="columns", how="all")


def pick_of_each_seed(history: pd.DataFrame, representative: str) -> tuple[list[str], str]:
    """Return the representative architecture of each seed of a search, and how it was chosen.

    Raises InputError if the device can run nothing that a seed evaluated, or nothing of it met its
    limits.
    """
    picks, chosen_as = [], ""
    for seed, of_seed in history.groupby("seed", sort=True):
        run, of_seed = f"search of seed {seed}", of_seed[of_seed["feasible"]]
        if of_seed.empty:
            raise InputError(f"{run}: the device can run none of what it evaluated; evaluate more")
        if of_seed["score"].notna().any():
            chosen_as = "lowest score, seed 0"
            position = int(of_seed["score"].fillna(np.inf).argmin())
            if not np.isfinite(of_seed["score"].iloc[position]):
                raise InputError(
                    f"{run}: no architecture met its limits; widen them, or evaluate more"
                )
        else:
            chosen_as = f"{representative} of the front, seed 0"
            position = choose(of_seed[objectives_in(history)].to_numpy(), representative)
        picks.append(str(of_seed["arch"].iloc[position]))
    return picks, chosen_as


def markdown(table: pd.DataFrame, head: Sequence[str] = ()) -> str:
    """Return a device's table as Markdown, followed by where its numbers come from.

    The lines of the ``head`` say how far to trust it (:mod:`hanas.fronts.trust`).
    """
    body = markdown_table(_wide(table), text_columns=["method"])
    return "\n".join(
        [*head, *body, "", *(f"- {escape.markdown(note)}" for note in notes(table)), ""]
    )


def latex(table: pd.DataFrame) -> str:
    """Return the table as a LaTeX ``tabular`` (needs ``booktabs``), its sources as comments."""
    # Not escaped by pandas, which knows no plus-minus and no dash.
    wide = _wide(table).rename(columns=escape.latex).map(escape.latex)
    aligned = "l".ljust(wide.shape[1], "r")
    body = wide.to_latex(index=False, escape=False, column_format=aligned)
    return "".join(f"% {escape.line(note)}\n" for note in notes(table)) + body


def markdown_table(table: pd.DataFrame, *, text_columns: Sequence[str]) -> list[str]:
    """Return the lines of a table; ``text_columns`` stand on the left, numbers on the right.

    Not by pandas' own writer, which pads cells: an edit of one number would change every line.
    """
    ruled = "".join(":--|" if name in text_columns else "--:|" for name in table)
    lines = (map(escape.markdown, cells) for cells in (table, *table.to_numpy()))
    head, *body = ("| " + " | ".join(cells) + " |" for cells in lines)
    return [head, f"|{ruled}", *body]


def notes(table: pd.DataFrame) -> list[str]:
    """Return sentences that say what the numbers are and where they come from."""
    said = []
    for dataset, rows in table.groupby("dataset", sort=False):
        sources = "; ".join(rows["accuracy_source"].unique())
        metrics = "; ".join(rows["metrics_source"].unique())
        said.append(f"{dataset}: accuracy from {sources}; metrics from {metrics}.")
        others = [name for name in dict.fromkeys(rows["trained_on"]) if name and name != dataset]
        if others:
            said.append(f"{dataset}: transfer from supernets trained on {', '.join(others)}.")
    for column, words in (("representative", "{}"), ("ranked_by", "searches ranked by {}")):
        if column in table:  # no search, nothing that ranks
            for how, rows in table.groupby(column, sort=False):
                methods = ", ".join(dict.fromkeys(rows["method"]))
                said.append(f"{methods}: {words.format(how)}.")
    if "accuracy_percent_std" in table:
        seeds = ", ".join(str(n) for n in sorted(set(table["seeds"]) - {1}))
        said.append(f"In brackets: mean ± standard deviation over {seeds} search seeds.")
    return said


def number(value: float, digits: int) -> str:
    """Return a number with so many digits after the point; a dash for one that is missing."""
    return "–" if np.isnan(value) else f"{value:.{digits}f}"


def _wide(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of a table: a row for each method, all data sets side by side."""
    shown = [column for column in SHOWN if column[0] in table]
    cells: dict[str, dict[str, str]] = {name: {"method": name} for name in table["method"]}
    for _, row in table.iterrows():
        for name, heading, digits in shown:
            text = number(row[name], digits)
            mean, deviation = row.get(f"{name}_mean", np.nan), row.get(f"{name}_std", np.nan)
            if not np.isnan(mean):
                text += f" ({number(mean, digits)} ± {number(deviation, digits)})"
            cells[row["method"]][f"{row['dataset']} {heading}"] = text
    datasets = dict.fromkeys(table["dataset"])
    header = ["method", *(f"{name} {heading}" for name in datasets for _, heading, _ in shown)]
    return pd.DataFrame(list(cells.values()), columns=header).fillna("–")
