"""How far to trust a page that recommends networks: sentences, and how pages begin with them.

How well things are known, and in red or bold the doubts, where a pick should not be trusted. What
there is to say is in :mod:`hanas.fronts.trust_of_searches` and :mod:`hanas.fronts.trust_of_models`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hanas.core import escape
from hanas.core.files import BETWEEN

#: Below, about one pair of networks in five stands in the wrong order of latency: (1 - tau) / 2
#: with a Kendall's tau of .6, which goes with it.
LEAST_SPEARMAN = 0.8
#: A Spearman of .8 may come out as .7999...
ROUNDING = 1e-9


@dataclass(frozen=True)
class Trust:
    """Sentences: how well things are known, and why a pick should not be trusted."""

    known: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def __add__(self, other: Trust) -> Trust:
        """Return all sentences of both, each once."""
        known, doubts = self.known + other.known, self.doubts + other.doubts
        return Trust(tuple(dict.fromkeys(known)), tuple(dict.fromkeys(doubts)))

    @property
    def facts(self) -> dict[str, list[str]]:
        """The same as JSON-like values."""
        return {"known": list(self.known), "doubts": list(self.doubts)}

    @property
    def about(self) -> dict[str, list[str]]:
        """What a card, or a pick, says of how far to trust it."""
        return {"do_not_trust": list(self.doubts), "how_well_known": list(self.known)}

    @property
    def cells(self) -> dict[str, str]:
        """The same in the row of a table, for :func:`read`."""
        return {name: BETWEEN.join(said) for name, said in self.about.items()}


def all_of(parts: Iterable[Trust]) -> Trust:
    """Return the sentences of all parts, each once."""
    return sum(parts, Trust())


def beside(
    table: pd.DataFrame,
    trusts: Mapping[tuple[str, ...], Trust],
    trained: Mapping[tuple[str, str], Trust] | None = None,
) -> pd.DataFrame:
    """Return a table of decisions with how far to trust each search.

    As :func:`hanas.fronts.trust_of_searches.of_rows` says it; and how far architectures that were
    ``trained``, by task and text.
    """
    names, own = ["device", "task", "proxy", "search"], trained or {}
    cells = [
        (trusts[key] + own.get((key[1], arch), Trust())).cells
        for key, arch in zip(
            table[names].itertuples(index=False, name=None), table["arch"], strict=True
        )
    ]
    return table.join(pd.DataFrame(cells, index=table.index, columns=list(Trust().cells)))


def read(row: Mapping[Any, Any]) -> Trust:
    """Return what a row of a table says in :attr:`Trust.cells`; nothing where it has none."""
    cells = (row.get(name) for name in ("how_well_known", "do_not_trust"))
    said = (cell.split(BETWEEN) if isinstance(cell, str) and cell else () for cell in cells)
    return Trust(*map(tuple, said))


def markdown(trust: Trust) -> list[str]:
    """Return the lines that a Markdown page begins with, below its title."""
    lines = []
    # Names of files, and what devices print, may hold anything.
    known, doubts = (list(map(escape.markdown, said)) for said in (trust.known, trust.doubts))
    if doubts:
        first, *others = doubts
        lines += [f"> **{sentence(f'Do not trust this page: {first}')}**"]
        lines += [line for said in others for line in (">", f"> **{sentence(said)}**")] + [""]
    lines += ["How well things are known:", ""]
    return [*lines, *(f"- {sentence(said)}" for said in known), ""]


def sentence(said: str) -> str:
    """Return what is said with a capital at its beginning and a full stop, or a mark, at its end.

    >>> sentence("nothing is known"), sentence("is it?")
    ('Nothing is known.', 'Is it?')
    """
    return f"{said[0].upper()}{said[1:]}{'' if said.endswith('?') else '.'}"
