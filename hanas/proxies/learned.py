"""Learn to rank from a few architectures that were really trained, with proxies as features.

A Gaussian process on what other proxies say and on what paths and which direct edge a cell has (see
:mod:`hanas.core.gaussian_process`). The architectures that are trained, here looked up in a
benchmark, are chosen as :mod:`hanas.proxies._lookups` says. They are the price of this proxy, and
they are counted wherever evaluations are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hanas.core.errors import InputError
from hanas.core.files import read_parquet
from hanas.core.settings import Entry, Seed
from hanas.proxies._combined import CombinedProxy, Members, check_order
from hanas.proxies._proxy import Columns, Inputs, Work
from hanas.spaces import nb201
from hanas.spaces._space import Space


class Learned(CombinedProxy):
    """The score is the expected normal score of the error's rank among those looked up.

    It is the true one for them and what is the same function. Errors are those on the data set that
    is learned from.
    """

    kind: Literal["learned"] = Field(
        description="A model of the ranking, learned from a few architectures that were really "
        "trained (here: looked up in a benchmark), with other proxies as its features."
    )
    learns_from: Annotated[str, Entry("datasets")] | None = Field(
        None,
        description="Data set whose true accuracies are looked up, an entry of datasets that has a "
        "benchmark; null for the task's.",
    )
    # More may not be in the sample that they are chosen from; and it is meant for few.
    architectures: Annotated[int, Field(ge=3, le=1000)] = Field(
        50,
        description="Architectures that are looked up: the price of this proxy, which evaluations "
        "state.",
    )
    first: Annotated[int, Field(ge=3)] = Field(
        30,
        description="How many of them are chosen before anything is known, as those that tell most "
        "about all; the others are chosen where the front may be.",
    )
    rounds: Annotated[int, Field(ge=0)] = Field(
        4,
        description="In how many rounds the others are chosen, each by what was learned before; 0: "
        "all are chosen beforehand.",
    )
    seed: Seed = Field(0, description="Of the random sample that the first are chosen from.")
    of_cells: ClassVar[bool] = True
    objective: ClassVar[str] = "score"  # pyright: ignore[reportIncompatibleVariableOverride]

    @model_validator(mode="after")
    def _first_are_some_of_them(self) -> Learned:
        # Without rounds all are chosen beforehand, and first is not looked at.
        if self.rounds and self.first > self.architectures:
            raise InputError(
                f"first is {self.first}; expected at most architectures, {self.architectures}, or "
                "rounds of 0"
            )
        return self

    @property
    def trained_architectures(self) -> int:
        """How many architectures are looked up."""
        return self.architectures

    def in_words(self, names: Sequence[str]) -> str:
        """Return what a search ranks by."""
        return f"learned from {self.architectures} architectures with {', '.join(names)}"

    def scores(self, space: Space, inputs: Inputs, work: Work) -> Columns:
        """Return ``score``, ``looked_up`` and ``source``.

        Nothing is read of the accuracies but those of the architectures that are looked up, which
        ``looked_up`` names; each is told to the log.
        """
        from hanas.proxies import _lookups

        members = Members.read(space, inputs)
        genes, texts = nb201.all_genes(), nb201.all_texts()
        live = nb201.without_dead_edges(genes)
        assert inputs.accuracies is not None
        truth = read_parquet(inputs.accuracies, columns=["arch", "accuracy_percent", "source"])
        check_order(truth, space, str(inputs.accuracies))

        def look_up(rows: np.ndarray) -> np.ndarray:
            percent = truth["accuracy_percent"].to_numpy()[rows]
            for row, value in zip(rows, percent, strict=True):
                work.log(f"looked up {texts[row]}: {value:.2f} %")
            return 1 - percent / 100

        functions = nb201.index_of(live)
        layers = (live != nb201.NONE).sum(axis=1) - (live == nb201.SKIP).sum(axis=1)
        first = self.first if self.rounds else self.architectures
        posterior = _lookups.learn(
            [_lookups.normal_scores(members.scores), _features(genes)],
            np.column_stack([nb201.flops(live), layers]).astype(np.float64),
            functions,
            look_up,
            count=self.architectures,
            first=first,
            rounds=self.rounds,
            rng=np.random.default_rng(self.seed),
        )
        # What was looked up is known, also of all that is the same function.
        expected = posterior.mean.copy()
        for row, value in zip(posterior.observed, posterior.values, strict=True):
            expected[functions == functions[row]] = value
        return {
            "score": expected,
            "looked_up": np.isin(np.arange(len(genes)), posterior.observed),
            "source": f"learned from {self.architectures} architectures trained on "
            f"{inputs.dataset} ({truth['source'].iloc[0]}), {first} of them chosen before any "
            f"was known (seed {self.seed}), with {', '.join(members.names)}",
        }


def _features(genes: np.ndarray) -> np.ndarray:
    """Return what a cell is made of, float64 (N, F), in units that matter about equally."""
    from hanas.benchmarks.surrogates.cell_features import kinds_of_paths

    features = kinds_of_paths(genes)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    # An accuracy depends most abruptly on the paths without a convolution, the first feature:
    # none, one or more. Seen, and the factor chosen, on CIFAR-100.
    features[:, 0] *= 3
    return features
