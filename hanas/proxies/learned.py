"""Learn to rank from a few architectures that were really trained, with proxies as features.

A Gaussian process on what other proxies say and on what paths and which direct edge a cell has (see
:mod:`hanas.core.gaussian_process`). The architectures that are trained, here looked up in a
benchmark, are the price of this proxy, counted wherever evaluations are. The first are those that
tell most about all others. Then, in rounds, the model says what it expects of all others and how
unsure it is, and those are trained that may well be on the front of error and cost, which a search
chooses from. The device is not known, so costs are what every one has to pay for:
multiply-accumulates and the number of layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hanas.core.errors import InputError
from hanas.core.files import read_parquet
from hanas.core.settings import Entry, Seed
from hanas.proxies._proxy import CombinedProxy, Inputs, Work, check_order, member_tables
from hanas.spaces import nb201
from hanas.spaces._space import Space

if TYPE_CHECKING:
    from hanas.core.gaussian_process import Posterior


#: Architectures, drawn at random, that the first ones are chosen from and have to tell about.
SAMPLE = 3000


class Learned(CombinedProxy):
    """The score is the expected normal score of the error's rank among those looked up.

    It is the true one for them and what is the same function.
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
            expected = f"expected at most architectures, {self.architectures}, or rounds of 0"
            raise InputError(f"first is {self.first}; {expected}")
        return self

    @property
    def trained_architectures(self) -> int:
        """How many architectures are looked up."""
        return self.architectures

    def in_words(self, names: Sequence[str]) -> str:
        """Return what a search ranks by."""
        return f"learned from {self.architectures} architectures with {', '.join(names)}"

    def scores(self, space: Space, inputs: Inputs, work: Work) -> dict[str, Any]:
        """Return ``score``, ``looked_up`` and ``source``.

        Nothing is read of the accuracies but those of the architectures that are looked up, which
        ``looked_up`` names; each is told to the log.
        """
        _, of_members = member_tables(space, inputs)
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
        costs = np.column_stack([nb201.flops(live), layers]).astype(np.float64)
        groups = [normal_scores(of_members), _features(genes)]
        posterior, known = self.learn(groups, costs, functions, look_up)
        # What was looked up is known, also of all that is the same function.
        expected = posterior.mean.copy()
        for row, value in zip(posterior.observed, known, strict=True):
            expected[functions == functions[row]] = value
        return {
            "score": expected,
            "looked_up": np.isin(np.arange(len(genes)), posterior.observed),
            "source": f"learned from {self.architectures} architectures trained on "
            f"{inputs.dataset} ({truth['source'].iloc[0]}), {self._first} of them chosen before "
            f"any was known (seed {self.seed}), with {', '.join(self.proxies)}",
        }

    @property
    def _first(self) -> int:
        return self.first if self.rounds else self.architectures

    def learn(
        self,
        groups: list[np.ndarray],
        costs: np.ndarray,
        functions: np.ndarray,
        look_up: Callable[[np.ndarray], np.ndarray],
    ) -> tuple[Posterior, np.ndarray]:
        """Return what is expected of all N architectures after some of them were looked up.

        ``groups`` are features, float64 (N, F) each; ``costs`` what a front trades the error for,
        float64 (N, C); ``functions`` int (N,), equal where two architectures are the same function,
        which is paid for once. ``look_up(rows)`` returns true errors: the price of this proxy.

        The posterior is of the normal scores of the errors' ranks among those looked up, since it
        is the ranking that matters; these are returned too.
        """
        from hanas.core.gaussian_process import fit, most_telling

        order = np.random.default_rng(self.seed).permutation(len(functions))
        sample = order[:SAMPLE]
        different = np.sort(np.unique(functions[sample], return_index=True)[1])
        chosen = sample[most_telling([group[sample] for group in groups], different, self._first)]
        order = order[np.sort(np.unique(functions[order], return_index=True)[1])]
        errors = look_up(chosen)
        others = np.arange(self.architectures - self._first)
        for part in np.array_split(others, min(self.rounds, len(others))) if len(others) else ():
            posterior = fit(groups, chosen, normal_scores(errors))
            left = order[~np.isin(functions[order], functions[chosen])]
            promising = _on_possible_fronts(posterior, costs, left, len(part))
            chosen = np.concatenate([chosen, promising])
            errors = np.concatenate([errors, look_up(promising)])
        known = normal_scores(errors)
        return fit(groups, chosen, known), known


def _features(genes: np.ndarray) -> np.ndarray:
    """Return what a cell is made of, float64 (N, F), in units that matter about equally."""
    from hanas.benchmarks.surrogates.cell_features import kinds_of_paths

    features = kinds_of_paths(genes)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    # An accuracy depends most abruptly on the paths without a convolution, the first feature:
    # none, one or more. Seen, and the factor chosen, on CIFAR-100.
    features[:, 0] *= 3
    return features


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Return where ranks, of each column, would lie in a normal distribution; float64 (n, ...).

    >>> normal_scores(np.array([7.0, 0.1, 0.2])).round(3)
    array([ 0.967, -0.967,  0.   ])
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    return ndtri((rankdata(values, axis=0) - 0.5) / len(values))


def _on_possible_fronts(
    posterior: Posterior, costs: np.ndarray, left: np.ndarray, count: int
) -> np.ndarray:
    """Return ``count`` of the rows ``left``: each the least known on the front of what may be.

    That is one standard deviation better than expected. Those chosen before will be known.
    """
    from hanas.core.pareto import non_dominated

    hoped = posterior.mean[left] - posterior.deviation(left)
    chosen: list[int] = []
    for _ in range(count):
        open_ = ~np.isin(left, chosen)
        points = np.column_stack([hoped[open_], costs[left[open_]]])
        front = left[open_][non_dominated(points, copies=False)]
        unsure = posterior.deviation(front, also_observed=chosen)
        chosen.append(int(front[unsure.argmax()]))
    return np.array(chosen, dtype=np.int64)
