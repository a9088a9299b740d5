"""Learn to rank from a few architectures that were really trained, with proxies as features.

A Gaussian process on what other proxies say and on what paths and which direct edge a cell has (see
:mod:`hanas.core.gaussian_process`). The architectures that are trained, here looked up in a benchmark,
are chosen as :mod:`hanas.proxies._lookups` says. They are the price of this proxy, and they are
counted wherever evaluations are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hanas.benchmarks.surrogates.cell_features import kinds_of_paths
from hanas.core import plugins
from hanas.core.checkpoints import Log, print_at_once
from hanas.core.errors import InputError
from hanas.core.files import read_parquet
from hanas.core.settings import check_number, selected
from hanas.proxies import _lookups, _members


@dataclass(frozen=True)
class LearnedSettings:
    """How many architectures are looked up, and which.

    Parameters
    ----------
    architectures
        How many in all.
    first
        How many of them are chosen before anything is known, as those that tell most about all;
        the others are chosen by what was learnt. Not looked at where there are no rounds.
    rounds
        How often: the others are split evenly. 0: all are chosen beforehand.
    seed
        Of the sample of the space that the first ones have to tell about.
    """

    architectures: int = 50
    first: int = 30
    rounds: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        # More may not be in the sample that they are chosen from; and it is meant for few.
        check_number("architectures", self.architectures, at_least=3, at_most=1000, whole=True)
        check_number("rounds", self.rounds, at_least=0, whole=True)
        most = self.architectures if self.rounds else None
        check_number("first", self.first, at_least=3, at_most=most, whole=True)
        check_number("seed", self.seed, at_least=0, whole=True)


def score(
    *,
    space: str,
    settings: Mapping[str, Any],
    tables: Sequence[str | Path],
    accuracies: str | Path,
    log: Log = print_at_once,
    **unused: Any,
) -> pd.DataFrame:
    """Return ``arch``, ``score``, ``looked_up`` and ``source``, in index order.

    Parameters
    ----------
    space
        Name of the space.
    settings
        Those of :class:`LearnedSettings`; ``members``, see :func:`hanas.proxies._members.read`;
        ``dataset``: whose accuracies they are, for the source.
    tables
        The proxy table of each member.
    accuracies
        Accuracy table, see :mod:`hanas.data.tables.metric_tables`. Nothing is read from it but the accuracies
        of the architectures that are looked up.
    log
        Is told what is looked up.
    **unused
        What other proxies read.

    Returns
    -------
    DataFrame
        The score is the expected normal score of the error's rank among those looked up, the true
        one for them and what is the same function; ``looked_up`` says which were paid for. Errors
        are those on the data set that is learned from.
    """
    del unused
    checked = selected(LearnedSettings, settings, "proxy")
    first = checked.first if checked.rounds else checked.architectures
    members = _members.read(space, settings, tables)
    module = plugins.space(space)
    genes = module.all_genes()
    live = module.without_dead_edges(genes)
    truth = read_parquet(accuracies, columns=["arch", "accuracy_percent", "source"])
    if tuple(truth["arch"]) != members.archs:
        raise InputError(f"{accuracies}: not the architectures of {space} in their order")

    def look_up(rows: np.ndarray) -> np.ndarray:
        percent = truth["accuracy_percent"].to_numpy()[rows]
        for row, value in zip(rows, percent, strict=True):
            log(f"looked up {members.archs[row]}: {value:.2f} %")
        return 1 - percent / 100

    functions = module.index_of(live)
    layers = (live != module.NONE).sum(axis=1) - (live == module.SKIP).sum(axis=1)
    posterior = _lookups.learn(
        [_lookups.normal_scores(members.scores()), _features(genes)],
        np.column_stack([module.flops(live), layers]).astype(np.float64),
        functions,
        look_up,
        count=checked.architectures,
        first=first,
        rounds=checked.rounds,
        rng=np.random.default_rng(checked.seed),
    )
    looked_up = np.zeros(len(genes), dtype=bool)
    looked_up[posterior.observed] = True
    # What was looked up is known, also of all that is the same function.
    expected = posterior.mean.copy()
    for row, value in zip(posterior.observed, posterior.values, strict=True):
        expected[functions == functions[row]] = value
    return pd.DataFrame(
        {
            "arch": list(members.archs),
            "score": expected,
            "looked_up": looked_up,
            "source": f"learned from {checked.architectures} architectures trained on "
            f"{settings['dataset']} ({truth['source'].iloc[0]}), {first} of them chosen before any "
            f"was known (seed {checked.seed}), with {', '.join(members.names)}",
        }
    )


def _features(genes: np.ndarray) -> np.ndarray:
    """Return what a cell is made of, float64 (N, F), in units that matter about equally."""
    features = kinds_of_paths(genes)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    # An accuracy depends most abruptly on the paths without a convolution, the first feature:
    # none, one or more. Seen, and the factor chosen, on CIFAR-100.
    features[:, 0] *= 3
    return features
