"""How often each choice stands on a front, also by thirds of its latency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hanas.fronts.lens.choices import Choice

THIRDS = ("lowest", "middle", "highest")


def shares(choices: Sequence[Choice], genes: np.ndarray, matter: np.ndarray) -> np.ndarray:
    """Return in which share of architectures each choice stands, float64 (E,).

    Of those, int (N, G), in which its gene matters, bool (N, G); NaN where it does in none.
    """
    found = np.full(len(choices), np.nan)
    for choice in choices:
        inside = matter[:, choice.gene]
        if inside.any():
            found[choice.effect] = (genes[inside, choice.gene] == choice.option).mean()
    return found


def thirds(metric: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the third, 0 to 2, of each point of a front by a metric, and the limits between them.

    Each holds about as many points; equal ones stay together.

    >>> thirds(np.array([5.0, 1.0, 2.0]))
    (array([2, 0, 1]), (2.0, 5.0))
    """
    in_order = np.sort(metric)
    low, high = (float(in_order[min(len(metric) * k // 3, len(metric) - 1)]) for k in (1, 2))
    return (metric >= low).astype(int) + (metric >= high).astype(int), (low, high)


def table(
    choices: Sequence[Choice],
    genes: np.ndarray,
    matter: np.ndarray,
    metric: np.ndarray,
    exact: tuple[np.ndarray, np.ndarray] | None,
) -> pd.DataFrame:
    """Return a row a choice: its share of the found fronts, of their thirds, of the exact front.

    ``genes``, ``matter`` and ``metric``, the first of the device, are of all points of the found
    fronts; ``exact`` are the first two of the front of the whole space, where it is known.
    """
    of, _ = thirds(metric)
    columns = {"on_found_fronts": shares(choices, genes, matter)}
    for number, name in enumerate(THIRDS):
        inside = of == number
        columns[f"on_{name}_third"] = shares(choices, genes[inside], matter[inside])
    if exact is not None:
        columns["on_exact_front"] = shares(choices, *exact)
    return pd.DataFrame(columns)
