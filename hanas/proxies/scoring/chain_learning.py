"""Learn the accuracy of chains of layers from a few that were trained, and choose these few.

A Gaussian process on what each stage holds (:mod:`hanas.spaces._stage_features`), and on what other
proxies say where they are given, expects the logarithm of the error. The first chains are those
that tell most about all others; the next ones those that may well be on the front of error and
cost, in multiply-accumulates and parameters: what every device has to pay for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from hanas.core.errors import InputError
from hanas.core.expected_ranking import expected_tau
from hanas.core.files import read_csv
from hanas.core.gaussian_process import Posterior, fit, most_telling, on_possible_fronts
from hanas.core.ranking import spearman_rho
from hanas.data.class_accuracy import WARNED_POINTS, one_class_percent
from hanas.proxies._proxy import Inputs, OnDemandScorer, Work
from hanas.proxies.scoring import learned_in_words as in_words
from hanas.proxies.scoring.chain_scores import SCORED, ChainScores
from hanas.spaces._layerwise import LayerwiseSpace
from hanas.spaces._space import Network, different
from hanas.spaces._stage_features import StageFeatures

#: Chains, drawn at random, that the first ones are chosen from and have to tell about.
CANDIDATES = 1000
#: Chains that the next ones are chosen from.
POOL = 4000
#: An accuracy of 100 % has no logarithm of its error: the error of one image of so many.
SMALLEST_ERROR = 1e-4


@dataclass(frozen=True)
class ChainModel:
    """What is expected of the chains of a space after some, genes int (n, layers), were trained.

    ``errors`` are theirs, fractions, float64 (n,); ``scores`` those of other proxies, if any.
    """

    space: LayerwiseSpace
    genes: np.ndarray
    errors: np.ndarray
    scores: ChainScores | None = None

    def error(self, genes: np.ndarray) -> np.ndarray:
        """Return the expected errors, fractions, float64 (N,); of those trained too."""
        return np.exp(self.posterior.expected(self._features(genes)))

    @cached_property
    def _of_stages(self) -> StageFeatures:
        return StageFeatures(self.space)

    def _features(self, genes: np.ndarray) -> list[np.ndarray]:
        """Return the features of chains in one group, float64 (N, F)."""
        of_stages = self._of_stages(genes)
        if self.scores is None:
            return [of_stages]
        return [np.column_stack([of_stages, self.scores(genes)])]

    def _unknown(self, pool: np.ndarray) -> np.ndarray:
        known = {tuple(row) for row in self.genes.tolist()}
        return pool[[tuple(row) not in known for row in pool.tolist()]]

    @cached_property
    def posterior(self) -> Posterior:
        """The Gaussian process of the logarithms of the errors."""
        return fit(self._features(self.genes), np.arange(len(self.genes)), self._logarithms)

    @property
    def _logarithms(self) -> np.ndarray:
        return np.log(np.maximum(self.errors, SMALLEST_ERROR))

    def leave_one_out(self) -> np.ndarray:
        """Return the error expected of each trained chain from all others, float64 (n,)."""
        return np.exp(self.posterior.leave_one_out(self._logarithms))

    def covariance(self, genes: np.ndarray) -> np.ndarray:
        """Return the covariance of what is not known of errors, fractions, float64 (N, N).

        To first order, from that of their logarithms; what chance adds in a training is not in it.
        """
        mean, covariance, _ = self.posterior.about(self._features(genes))
        errors = np.exp(self.posterior.centre + self.posterior.scale * mean)
        return np.outer(errors, errors) * self.posterior.scale**2 * covariance

    def tau_with(self, more: int) -> tuple[float, float] | None:
        """Return the Kendall's tau that it believes in, now and with so many more trainings.

        Over random chains of the space; None where too few are left.
        """
        pool = self._unknown(candidates(self.space, CANDIDATES, 0, self.scores))
        pool = np.random.default_rng(0).permutation(pool)
        return expected_tau(self.posterior, self._features(pool), more)

    def front_to_be(self, pool: np.ndarray, count: int, network: Network) -> np.ndarray:
        """Return ``count`` of the pool, int (P, layers), that may be on the front.

        One after the other: the one least known among those not dominated if all were one standard
        deviation better than expected. Those chosen before will be known.
        """
        pool = self._unknown(pool)
        genes, seen = np.concatenate([self.genes, pool]), np.arange(len(self.genes))
        costs = [cost(genes, network=network) for cost in (self.space.flops, self.space.params)]
        belief = fit(self._features(genes), seen, self._logarithms)
        left = np.arange(len(seen), len(genes))
        return genes[on_possible_fronts(belief, np.column_stack(costs).astype(float), left, count)]


class Expected(OnDemandScorer):
    """Says what is expected of chains by some that are ``known``, and of these what is known."""

    columns = ("error",)

    def __init__(
        self,
        space: LayerwiseSpace,
        known: pd.DataFrame,
        source: str,
        work: Work,
        scores: ChainScores | None = None,
    ) -> None:
        self._model, self._source = (model := model_of(space, known, scores)), source
        self._known = dict(zip(map(tuple, model.genes.tolist()), model.errors, strict=True))
        expected = model.leave_one_out()
        self.facts = {
            "hardly_better_than_largest_class": len(warnings_of(known)),
            "trained_architectures": len(expected),
            "judged_by": _judged_by(known),
            # All expected alike, NaN, is no order either; and JSON has no NaN.
            "loo_spearman": float(np.nan_to_num(spearman_rho(expected, model.errors))),
            "loo_error_points": float(100 * np.median(np.abs(expected - model.errors))),
            **_price(known),
            **_gain(model),
        }
        work.log(
            f"learned from {in_words.cost(self.facts)}; left out in turn, each is expected from "
            f"all others: {in_words.leave_one_out(self.facts)}"
        )
        if said := in_words.gain(self.facts):
            work.log(said)

    def __exit__(self, *error: object) -> None:
        if self._model.scores is not None:
            self._model.scores.__exit__(*error)

    def score(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return the errors, fractions, of genes (N, layers)."""
        expected = self._model.error(genes)
        rows = map(tuple, genes.tolist())
        known = [self._known.get(row, error) for row, error in zip(rows, expected, strict=True)]
        return {"error": np.array(known, dtype=np.float64)}

    def believed(self, genes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return errors, float64 (N,), and the covariance of what is not known of them, (N, N)."""
        return self.score(genes)["error"], self._model.covariance(genes)

    def source(self, objective: str) -> str:
        """Return where they are from, in one line."""
        return self._source


def _judged_by(known: pd.DataFrame) -> str:
    """Return which accuracy the errors are of; a benchmark knows one only."""
    return known["judged_by"].iloc[0] if "judged_by" in known else "accuracy"


def _price(known: pd.DataFrame) -> dict[str, float]:
    """Return what the trainings cost, where there were any and all say how long they took."""
    if "seconds" not in known or known["seconds"].isna().any():
        return {}
    minutes = float(known["seconds"].sum() / 60)
    return {"training_epochs": int(known["epochs"].max()), "training_minutes": minutes}


def _gain(model: ChainModel) -> dict[str, float]:
    """Return what as many architectures again are expected to be worth."""
    found = model.tau_with(len(model.genes))
    if found is None:
        return {}
    now, later = found
    more = {"more_architectures": len(model.genes)}
    return {**more, "expected_tau": now, "expected_tau_with_more": later}


def trained(files: Sequence[Path]) -> pd.DataFrame:
    """Return what trainings have shown: ``arch``, ``error`` on validation images, ``source``.

    Beside them ``accuracy_percent`` on those, balanced where they were ``judged_by`` that, and in
    ``validation_warning`` what to say of it: of balanced ones nothing where they are better than
    those of always answering one class, whatever the share of the largest.

    Half an image more is counted as wrong, and one more in all (Krichevsky and Trofimov): of few
    images, none that is wrong does not mean that there is no error.
    """
    if not files:
        return pd.DataFrame(columns=["arch", "error", "source"])
    rows = pd.concat([read_csv(file) for file in files], ignore_index=True)
    images, judged_by = rows["validation_images"], rows["judged_by"].iloc[0]
    percent = rows[f"validation_{judged_by}_percent"]
    wrong = (1 - percent / 100) * images
    if judged_by == "balanced":
        of_one = rows["validation_class_percent"].map(one_class_percent)
        better = percent > of_one + WARNED_POINTS
        rows["validation_warning"] = rows["validation_warning"].mask(better, "")
    return rows.assign(error=(wrong + 0.5) / (images + 1), accuracy_percent=percent)


def warnings_of(known: pd.DataFrame) -> list[str]:
    """Return what has to be said of chains that are hardly better than always the largest class."""
    said = known.get("validation_warning", ())
    return [text for text in said if isinstance(text, str) and text]  # an empty cell is NaN


def looked_up(
    space: LayerwiseSpace,
    batches: Sequence[int],
    seed: int,
    truth: pd.DataFrame,
    scores: ChainScores | None = None,
) -> pd.DataFrame:
    """Return the rows of ``truth`` that rounds of :func:`choose` look up, with their ``error``.

    It has ``arch`` and ``accuracy_percent`` of every chain; nothing else of it plays a part.
    """
    truth = truth.assign(error=1 - truth["accuracy_percent"] / 100)
    known, by_arch = truth.iloc[:0], truth.set_index("arch")
    for number in range(len(batches)):
        chosen = choose(space, batches[: number + 1], seed, space.deployed(), known, scores)
        known = pd.concat([known, by_arch.loc[chosen].reset_index()], ignore_index=True)
    return known


def choose(
    space: LayerwiseSpace,
    batches: Sequence[int],
    seed: int,
    network: Network,
    known: pd.DataFrame,
    scores: ChainScores | None = None,
) -> list[str]:
    """Return the texts of the chains to train in the last of the rounds, ``batches`` their sizes.

    ``known`` are all of the rounds before, with ``arch`` and ``error``; ``network`` is what is paid
    for. The first are chosen by what stages hold alone, so that no ``scores`` are waited for.
    """
    if len(batches) == 1:
        genes = first_chains(space, batches[0], seed)
    else:
        pool = candidates(space, POOL, seed, scores)
        genes = model_of(space, known, scores).front_to_be(pool, batches[-1], network)
    return [space.to_text(row) for row in genes]


def candidates(
    space: LayerwiseSpace, count: int, seed: int, scores: ChainScores | None
) -> np.ndarray:
    """Return different random chains, about ``count``; where each has its price, the scored few."""
    return pool_of(space, count, seed) if scores is None or scores.listed else scores.sample


def scores_of(space: LayerwiseSpace, inputs: Inputs, work: Work) -> ChainScores | None:
    """Return what the proxies say that a learned one is given; None where there are none."""
    if not inputs.members and not inputs.parts:
        return None
    return ChainScores(space, pool_of(space, SCORED, 0), inputs, work)


def model_of(
    space: LayerwiseSpace, known: pd.DataFrame, scores: ChainScores | None = None
) -> ChainModel:
    """Return what is learned from chains, with ``arch`` and ``error``; InputError if nothing is."""
    if known["error"].nunique() == 1:
        said = warnings_of(known)
        because = f" ({said[0]})" if said else ""
        balanced = "a balanced" if _judged_by(known) == "balanced" else "an"
        raise InputError(
            f"all {len(known)} trained architectures have {balanced} accuracy of "
            f"{known['accuracy_percent'].iloc[0]:.2f} %{because}, so that nothing can be learned "
            "from them; raise trainings.training.epochs, mend the images, or, where classes are "
            "uneven, set trainings.training.class_weights: balanced"
        )
    genes = np.array([space.from_text(arch) for arch in known["arch"]])
    return ChainModel(space, genes, known["error"].to_numpy(float), scores)


def first_chains(space: LayerwiseSpace, count: int, seed: int) -> np.ndarray:
    """Return the chains that tell most about all others, int64 (count, layers).

    Of one seed, fewer are the first of more.
    """
    pool = pool_of(space, CANDIDATES, seed)
    return pool[most_telling([StageFeatures(space)(pool)], np.arange(len(pool)), count)]


def pool_of(space: LayerwiseSpace, count: int, seed: int) -> np.ndarray:
    """Return different random chains, int64 (N, layers), about ``count``.

    Where a space can be listed, all of its chains are as likely. Elsewhere nearly all would be of
    about one depth, far from the ends of a front: half of the chains have their operations drawn
    with probabilities of their own, as likely as any (Dirichlet's distribution of ones), and what
    is searched of channels and numbers of layers by binomials of one probability each.
    """
    rng = np.random.default_rng(seed)
    if space.enumerable:
        return space.sample(count, rng)
    evenly = space.sample(count // 2, rng)
    weights = rng.dirichlet(np.ones(len(space.operations)), size=count - len(evenly))
    operations = space.operations_by_layer  # (layers, most choices), -1 beyond the last
    shares = weights[:, operations] * (operations >= 0)  # (N, layers, most choices)
    limits = np.cumsum(shares, axis=2) / shares.sum(axis=2, keepdims=True)
    drawn = np.empty((len(weights), len(space.choices)), dtype=np.int64)
    roles = np.array(space.roles)
    of_layers = rng.random((len(weights), len(operations), 1)) > limits
    drawn[:, roles == "operation"] = of_layers.sum(axis=2)
    for role in ("channels", "layers"):
        most = np.array(space.choices)[roles == role] - 1
        if len(most):
            drawn[:, roles == role] = rng.binomial(most, rng.random((len(weights), 1)))
    ends = np.array([space.smallest, space.largest])
    drawn = np.minimum(drawn, np.array(space.choices) - 1)
    return different(np.concatenate([ends, evenly, space.tidy(drawn)]))
