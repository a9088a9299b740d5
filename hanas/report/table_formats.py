"""A table of results as Markdown and LaTeX, in the form of a paper: a row for each method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

#: What is shown of a row: column, heading and digits after the point.
SHOWN = (
    ("accuracy_percent", "accuracy (%)", 2),
    ("latency_ms", "latency (ms)", 3),
    ("energy_mj", "energy (mJ)", 3),
)


def markdown(table: pd.DataFrame) -> str:
    """Return the table as Markdown, followed by where its numbers come from."""
    wide = _wide(table, plus_minus="±", nothing="–")
    body = markdown_table(list(wide), wide.to_numpy().tolist(), text_columns=[0])
    return "\n".join([*body, "", *(f"- {note}" for note in notes(table)), ""])


def latex(table: pd.DataFrame) -> str:
    r"""Return the table as a LaTeX ``tabular`` (needs ``booktabs``), its sources as comments."""
    wide = _wide(table, plus_minus=r"$\pm$", nothing="--")
    # Not escaped by pandas, which would take the dollar signs for text.
    escaped = wide.rename(columns=_escaped).map(_escaped)
    columns = f"l{'r' * (len(wide.columns) - 1)}"
    body = escaped.to_latex(index=False, escape=False, column_format=columns)
    return "".join(f"% {note}\n" for note in notes(table)) + body


def markdown_table(
    header: Sequence[str], body: Sequence[Sequence[str]], *, text_columns: Sequence[int]
) -> list[str]:
    """Return the lines of a table; ``text_columns`` stand on the left, numbers on the right.

    Not by pandas' own writer, which pads cells: an edit of one number would change every line.
    """
    ruled = "".join(":--|" if at in text_columns else "--:|" for at in range(len(header)))
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, *body)]
    return [lines[0], f"|{ruled}", *lines[1:]]


def notes(table: pd.DataFrame) -> list[str]:
    """Return sentences that say what the numbers are and where they come from."""
    said = []
    for dataset, rows in table.groupby("dataset", sort=False):
        sources = "; ".join(dict.fromkeys(rows["accuracy_source"]))
        metrics = "; ".join(dict.fromkeys(rows["metrics_source"]))
        said.append(f"{dataset}: accuracy from {sources}; metrics from {metrics}.")
        trained_on = [name for name in dict.fromkeys(rows["trained_on"]) if name]
        others = [name for name in trained_on if name != dataset]
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


def number(value: float, digits: int, nothing: str = "–") -> str:
    """Return a number with so many digits after the point; ``nothing`` of one that is missing."""
    return nothing if np.isnan(value) else f"{value:.{digits}f}"


def _wide(table: pd.DataFrame, *, plus_minus: str, nothing: str) -> pd.DataFrame:
    """Return the cells of a table: a row for each method, all data sets side by side."""
    shown = [column for column in SHOWN if column[0] in table]
    datasets, methods = dict.fromkeys(table["dataset"]), dict.fromkeys(table["method"])
    cells: dict[str, dict[str, str]] = {method: {"method": method} for method in methods}
    for _, row in table.iterrows():
        for name, heading, digits in shown:
            mean, deviation = row.get(f"{name}_mean", np.nan), row.get(f"{name}_std", np.nan)
            text = number(row[name], digits, nothing)
            if not np.isnan(mean):
                spread = number(deviation, digits, nothing)
                text += f" ({number(mean, digits, nothing)} {plus_minus} {spread})"
            cells[row["method"]][f"{row['dataset']} {heading}"] = text
    header = ["method", *(f"{name} {heading}" for name in datasets for _, heading, _ in shown)]
    return pd.DataFrame(list(cells.values()), columns=header).fillna(nothing)


def _escaped(text: str) -> str:
    return text.translate(str.maketrans({"%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#"}))
