"""A table of results as Markdown and LaTeX, in the form of a paper: a row for each method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

#: Column, its heading and its digits after the point.
_SHOWN = (
    ("accuracy_percent", "accuracy (%)", 2),
    ("latency_ms", "latency (ms)", 3),
    ("energy_mj", "energy (mJ)", 3),
)


def markdown(table: pd.DataFrame) -> str:
    """Return the table as Markdown, followed by where its numbers come from."""
    header, body = _wide(table, plus_minus="±", nothing="–")
    lines = [
        "| " + " | ".join(header) + " |",
        "|" + "|".join([":--"] + ["--:"] * (len(header) - 1)) + "|",
        *("| " + " | ".join(cells) + " |" for cells in body),
    ]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes(table)), ""])


def latex(table: pd.DataFrame) -> str:
    r"""Return the table as a LaTeX ``tabular`` (needs ``booktabs``), its sources as comments."""
    header, body = _wide(table, plus_minus=r"$\pm$", nothing="--")

    def line(cells: Sequence[str]) -> str:
        return " & ".join(_escaped(cell) for cell in cells) + r" \\"

    return "\n".join(
        [
            *(f"% {note}" for note in notes(table)),
            rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"\toprule",
            line(header),
            r"\midrule",
            *(line(cells) for cells in body),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


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


def _wide(table: pd.DataFrame, *, plus_minus: str, nothing: str) -> tuple[list[str], list[list]]:
    shown = [column for column in _SHOWN if column[0] in table]
    datasets = list(dict.fromkeys(table["dataset"]))
    header = ["method"] + [f"{name} {heading}" for name in datasets for _, heading, _ in shown]
    cells = {
        (row["method"], row["dataset"]): [
            _cell(row, *column, plus_minus, nothing) for column in shown
        ]
        for _, row in table.iterrows()
    }
    empty = [nothing] * len(shown)
    body = [
        [method, *(cell for name in datasets for cell in cells.get((method, name), empty))]
        for method in dict.fromkeys(table["method"])
    ]
    return header, body


def _cell(
    row: pd.Series, name: str, _heading: str, digits: int, plus_minus: str, nothing: str
) -> str:
    def text(value: float) -> str:
        return nothing if np.isnan(value) else f"{value:.{digits}f}"

    mean, deviation = row.get(f"{name}_mean", np.nan), row.get(f"{name}_std", np.nan)
    spread = "" if np.isnan(mean) else f" ({text(mean)} {plus_minus} {text(deviation)})"
    return text(row[name]) + spread


def _escaped(text: str) -> str:
    return text.translate(str.maketrans({"%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#"}))
