"""Learn accuracy from a few architectures that were really trained, or looked up in a benchmark.

These are the price of this proxy, counted wherever evaluations are. The first are those that tell
most about all others. Then, in rounds, the model says what it expects of all others and how unsure
it is, and those are trained that may well be on the front of error and cost, which a search chooses
from. The device is not known, so costs are what every one has to pay for.

Of chains of layers the model is one of what each stage holds, and of what other proxies say where
they are given (:mod:`hanas.proxies.scoring.chain_learning`). Of cells it is one of what other
proxies say and of what paths and which direct edge a cell has; costs are multiply-accumulates and
the number of layers. Both are Gaussian processes (:mod:`hanas.core.gaussian_process`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import read_parquet
from hanas.core.settings import Entry, Seed, Settings, Unique
from hanas.proxies._proxy import (
    Inputs,
    OnDemandScorer,
    SpaceProxy,
    Work,
    check_order,
    member_tables,
)
from hanas.spaces._cell import CellSpace
from hanas.spaces._cell_operations import SKIP
from hanas.spaces._space import DeployedNetwork, Space
from hanas.training.settings import (
    Device,
    FromScratch,
    Precision,
    RetrainingTraining,
    Threads,
)

if TYPE_CHECKING:
    import pandas as pd

    from hanas.core.gaussian_process import Posterior

#: Architectures, drawn at random, that the first ones are chosen from and have to tell about.
SAMPLE = 3000


class Trainings(Settings):
    """How the architectures are trained that a proxy is learned from, each in a job of its own.

    On the training images; what is learned is their error on the validation images.
    """

    dataset: Annotated[str, Entry("datasets")] | None = Field(
        None, description="Data set that they are trained on; null for the task's."
    )
    seed: Seed = Field(default=0, description="Of initial weights and batches.")
    network: DeployedNetwork  # of the proxy's space
    training: RetrainingTraining = Field(
        default=RetrainingTraining(),
        description="How each is trained: shorter than a pick, with the same schedule.",
    )
    train_on: Device = "auto"
    precision: Precision = "float32"
    threads: Threads = 1


class Learned(SpaceProxy):
    """The score is the expected error; of cells its normal score among those looked up.

    It is the true one for those looked up and what is the same function.
    """

    kind: Literal["learned"] = Field(
        description="A model of accuracy, learned from a few architectures that were really "
        "trained, or looked up in a benchmark."
    )
    proxies: Annotated[list[Annotated[str, Entry("proxies")]], Unique] = Field(
        [],
        description="Entries of proxies whose scores are features: of cells two or more; of "
        "layer-wise spaces any, such as one of a supernet, beside what each stage holds.",
    )
    trainings: Trainings | None = Field(
        None,
        description="How architectures of a layer-wise space are trained; where absent, they are "
        "looked up in the space's benchmark.",
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
    on_demand: ClassVar[bool] = True

    @model_validator(mode="after")
    def _model_of_the_space(self) -> Learned:
        if not self.of_chains and len(self.proxies) < 2:
            raise InputError(
                f"proxies has {len(self.proxies)} entries; expected 2 or more, of space "
                f"{self.space!r}, as features of its cells"
            )
        if not self.of_chains and self.trainings:
            raise InputError(
                f"trainings works in layer-wise spaces; leave it out in space {self.space!r}: its "
                "cells are looked up"
            )
        if self.trainings:
            self.from_scratch  # noqa: B018 - says what is wrong with the network
        return self

    @model_validator(mode="after")
    def _first_are_some_of_them(self) -> Learned:
        # Without rounds all are chosen beforehand, and first is not looked at.
        if self.rounds and self.first > self.architectures:
            expected = f"expected at most architectures, {self.architectures}, or rounds of 0"
            raise InputError(f"first is {self.first}; {expected}")
        return self

    @property
    def of_chains(self) -> bool:
        """Whether it is of a layer-wise space."""
        return plugins.space(self.space).layerwise

    @property
    def revision(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Raised when scores, or what is said of them, change."""
        return super().revision + self.of_chains

    @property
    def rescores(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether it says how sure it is of a front: where nothing else knows the accuracies."""
        return self.trainings is not None

    @property
    def objective(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The column that a search minimises."""
        return "error" if self.of_chains else "score"

    def columns_of(self, members: Sequence[Sequence[str]]) -> tuple[str, ...]:
        """Return the column of its table."""
        return (self.objective,)

    @cached_property
    def from_scratch(self) -> FromScratch:
        """How each architecture is trained."""
        assert self.trainings is not None
        given = self.trainings.model_dump(exclude={"dataset"})
        return FromScratch.read({**given, "space": self.space, "images": "train"}, "trainings")

    @property
    def batches(self) -> list[int]:
        """How many architectures are trained in each round, the first included."""
        parts = np.array_split(np.arange(self.architectures - self._first), max(self.rounds, 1))
        return [self._first, *(len(part) for part in parts if len(part))]

    @property
    def trained_architectures(self) -> int:
        """How many architectures are trained or looked up."""
        return self.architectures

    def in_words(self, names: Sequence[str]) -> str:
        """Return what a search ranks by."""
        beside = f" with {', '.join(names)}" if names else ""
        return f"learned from {self.architectures} architectures{beside}"

    def problems_in(self, space: Space) -> Iterator[str]:
        """Yield what does not go together with a space, the name of the setting first."""
        if not space.enumerable and self.trainings is None:
            yield (
                f"trainings is missing: no benchmark knows the accuracies of space {space.name!r}; "
                "say how its architectures are trained"
            )

    # ---- of layer-wise spaces ----------------------------------------------------------------

    def on_demand_scorer(self, space: Any, inputs: Inputs, work: Work) -> OnDemandScorer:
        """Return what scores chains by those that were trained; see :class:`Proxy`."""
        from hanas.proxies.scoring.chain_learning import Expected, scores_of, trained

        known = trained(inputs.trainings)
        source = self._source(known["source"].iloc[0])
        return Expected(space, known, source, work, scores_of(space, inputs, work))

    def _of_chains(self, space: Any, inputs: Inputs, work: Work) -> dict[str, Any]:
        from hanas.proxies.scoring.chain_learning import Expected, looked_up, scores_of, trained

        scores = scores_of(space, inputs, work)
        if self.trainings:
            known = trained(inputs.trainings)
        else:
            known = looked_up(space, self.batches, self.seed, _truth(space, inputs), scores)
            for arch, percent in zip(known["arch"], known["accuracy_percent"], strict=True):
                work.log(f"looked up {arch}: {percent:.2f} %")
        scorer = Expected(space, known, self._source(known["source"].iloc[0]), work, scores)
        seen = np.isin(np.array(space.all_texts()), known["arch"].to_numpy(str))
        found = {**scorer.score(space.all_genes()), "looked_up": seen}
        return {**found, "source": scorer.source("error"), "facts": scorer.facts}

    def _source(self, of_accuracies: str) -> str:
        others = f" with {', '.join(self.proxies)}" if self.proxies else ""
        return (
            f"learned from {self.architectures} architectures ({of_accuracies}), {self._first} of "
            f"them chosen before any was known (seed {self.seed}){others}"
        )

    # ---- of cells ----------------------------------------------------------------------------

    def scores(self, space: Space, inputs: Inputs, work: Work) -> dict[str, Any]:
        """Return ``score``, ``looked_up`` and ``source``.

        Nothing is read of the accuracies but those of the architectures that are looked up, which
        ``looked_up`` names; each is told to the log.
        """
        if self.of_chains:
            return self._of_chains(space, inputs, work)
        _, of_members = member_tables(space, inputs)
        of_cells: Any = space
        genes, texts = space.all_genes(), space.all_texts()
        truth = _truth(space, inputs)

        def look_up(rows: np.ndarray) -> np.ndarray:
            percent = truth["accuracy_percent"].to_numpy()[rows]
            for row, value in zip(rows, percent, strict=True):
                work.log(f"looked up {texts[row]}: {value:.2f} %")
            return 1 - percent / 100

        functions = space.index_of(of_cells.without_dead_edges(genes))
        skips = of_cells.which(genes, lambda one: one.name == SKIP)
        layers = (of_cells.live(genes) & ~skips).sum(axis=1)
        costs = np.column_stack([of_cells.flops(genes, live_only=True), layers]).astype(np.float64)
        groups = [normal_scores(of_members), _features(of_cells, genes)]
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
        from hanas.core.gaussian_process import fit, most_telling, on_possible_fronts

        order = np.random.default_rng(self.seed).permutation(len(functions))
        sample = order[:SAMPLE]
        different = np.sort(np.unique(functions[sample], return_index=True)[1])
        chosen = sample[most_telling([group[sample] for group in groups], different, self._first)]
        order = order[np.sort(np.unique(functions[order], return_index=True)[1])]
        errors = look_up(chosen)
        for count in self.batches[1:]:
            posterior = fit(groups, chosen, normal_scores(errors))
            left = order[~np.isin(functions[order], functions[chosen])]
            promising = on_possible_fronts(posterior, costs, left, count)
            chosen = np.concatenate([chosen, promising])
            errors = np.concatenate([errors, look_up(promising)])
        known = normal_scores(errors)
        return fit(groups, chosen, known), known


def _truth(space: Space, inputs: Inputs) -> pd.DataFrame:
    """Return the true accuracies of all architectures, in index order."""
    assert inputs.accuracies is not None
    truth = read_parquet(inputs.accuracies, columns=["arch", "accuracy_percent", "source"])
    check_order(truth, space, str(inputs.accuracies))
    return truth


def _features(space: CellSpace, genes: np.ndarray) -> np.ndarray:
    """Return what a cell is made of, float64 (N, F), in units that matter about equally."""
    from hanas.benchmarks.surrogates.cell_features import kinds_of_paths

    features = kinds_of_paths(space, genes)
    spread = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
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
