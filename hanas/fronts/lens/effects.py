"""Marginal effects of the choices of a space on a quantity, with what is known about them.

The effect of a choice is the mean of the quantity over the architectures that have it, less the
mean of these means over all choices of its gene. Only architectures count in which the gene matters
(a layer that is left out has no operation). So effects of a gene sum to 0, and effects of genes are
the additive part of the quantity: G. E. P. Box et al., "Statistics for Experimenters", 2005,
chapter 5; I. M. Sobol, "Sensitivity Estimates for Nonlinear Mathematical Models", 1993. What two
choices do together beyond that, their interaction, is in no effect; ``additive`` says how much of
the quantity's variance is left without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hanas.core.errors import InputError

#: Half the width of an interval of 95 %, in standard errors.
WIDTH = 1.96


@dataclass(frozen=True)
class Effects:
    """Effects of all choices of all genes, gene by gene: ``values``, float64 (E,).

    NaN where no architecture has the choice. ``covariance``, float64 (E, E), is of what is known
    about them; 0 where all architectures are known. ``mean`` is the quantity's, ``variance`` too.
    ``explained``, float64 (G,), is the share of the variance that each gene explains by itself;
    ``additive`` that of all together.
    """

    values: np.ndarray
    covariance: np.ndarray
    mean: float
    variance: float
    explained: np.ndarray
    additive: float

    @property
    def standard_errors(self) -> np.ndarray:
        """Standard error of each effect, float64 (E,)."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0))

    def contrast(self, weights: np.ndarray) -> tuple[float, float]:
        """Return a weighted sum of effects, weights float64 (E,), and its standard error."""
        used = weights != 0
        value = float(weights[used] @ self.values[used])
        return value, float(np.sqrt(max(weights @ self.covariance @ weights, 0)))


def of_all(
    choices: Sequence[int], genes: np.ndarray, matter: np.ndarray, values: np.ndarray
) -> Effects:
    """Return effects on ``values``, float64 (N,), of all architectures of a space: exact.

    ``genes`` are int (N, G); ``matter``, bool (N, G), says where a gene matters (``space.used``).
    Where some architectures are missing because they do not work, means are over the others.
    """
    weights = _weights_of_means(choices, genes, matter)
    effects = weights @ values
    none = np.zeros((len(effects), len(effects)))
    additive = _additive(choices, genes, matter, values, adjusted=False)
    return _described(choices, genes, matter, values, effects, none, additive)


def of_sample(
    choices: Sequence[int],
    genes: np.ndarray,
    matter: np.ndarray,
    values: np.ndarray,
    known: np.ndarray | None = None,
) -> Effects:
    """Return effects estimated from random architectures, as :func:`of_all`.

    By least squares of all genes together, which needs far fewer than means do: what the other
    genes do to an architecture is not noise then. Genes of random architectures are independent,
    so both estimate the same. The covariance is robust against errors of unequal size (J. MacKinnon
    and H. White, "Some Heteroskedasticity-Consistent Covariance Matrix Estimators", 1985, HC3), and
    ``known``, float64 (N, N), that of the values themselves where a model predicts them, is added.
    InputError if the sample is too small.
    """
    design, to_effects = _design(choices, genes, matter)
    weights, leverage = _least_squares(design, to_effects)
    _require_enough(choices, genes, matter, design)
    effects = weights @ values
    residual = (values - design @ (np.linalg.pinv(design) @ values)) / (1 - leverage)
    covariance = (weights * residual**2) @ weights.T
    if known is not None:
        covariance = covariance + weights @ known @ weights.T
    additive = _additive(choices, genes, matter, values, adjusted=True)
    return _described(choices, genes, matter, values, effects, covariance, additive)


def weights_of_sample(choices: Sequence[int], genes: np.ndarray, matter: np.ndarray) -> np.ndarray:
    """Return the weights, float64 (E, N), by which :func:`of_sample` makes effects of values."""
    return _least_squares(*_design(choices, genes, matter))[0]


def starts(choices: Sequence[int]) -> np.ndarray:
    """Return where the effects of each gene begin, int64 (G + 1,)."""
    return np.concatenate([[0], np.cumsum(choices)])


def _described(
    choices: Sequence[int],
    genes: np.ndarray,
    matter: np.ndarray,
    values: np.ndarray,
    effects: np.ndarray,
    covariance: np.ndarray,
    additive: float,
) -> Effects:
    variance, explained = float(np.var(values)), np.zeros(len(choices))
    for gene, (first, count) in enumerate(zip(starts(choices), choices, strict=False)):
        of_gene = effects[first : first + count]
        inside = matter[:, gene]
        shares = np.bincount(genes[inside, gene], minlength=count) / len(genes)
        by_chance = shares @ np.diag(covariance)[first : first + count]
        middle = np.nansum(shares * of_gene) / max(shares.sum(), 1e-300)
        of_variance = np.nansum(shares * (of_gene - middle) ** 2) - by_chance
        explained[gene] = max(of_variance, 0) / variance if variance > 0 else 0.0
    return Effects(effects, covariance, float(values.mean()), variance, explained, additive)


def _weights_of_means(choices: Sequence[int], genes: np.ndarray, matter: np.ndarray) -> np.ndarray:
    """Return the weights, float64 (E, N), that make effects of values; NaN where none has it."""
    rows = []
    for gene, count in enumerate(choices):
        chosen = (genes[:, gene] == np.arange(count)[:, None]) & matter[:, gene]  # (count, N)
        times = chosen.sum(axis=1, keepdims=True)
        means = np.where(times > 0, chosen / np.maximum(times, 1), np.nan)
        rows.append(means - means[times[:, 0] > 0].mean(axis=0))
    return np.concatenate(rows)


def _design(
    choices: Sequence[int], genes: np.ndarray, matter: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return columns, float64 (N, P), whose coefficients make effects, float64 (E, P).

    The first is the mean; a gene has one for each choice but its last, whose effect is less the
    sum of the others.
    """
    columns, blocks = [np.ones((len(genes), 1))], []
    for gene, count in enumerate(choices):
        to_effects = np.vstack([np.eye(count - 1), -np.ones(count - 1)])  # (count, count - 1)
        columns.append(to_effects[genes[:, gene]] * matter[:, gene, None])
        blocks.append(to_effects)
    design = np.hstack(columns)
    effects = np.zeros((sum(choices), design.shape[1]))
    row, column = 0, 1
    for block in blocks:
        effects[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return design, effects


def _least_squares(design: np.ndarray, to_effects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights (E, N) that make effects of values, and the leverage of each row (N,)."""
    inverse = np.linalg.pinv(design)  # (P, N)
    leverage = np.einsum("np,pn->n", design, inverse)
    return to_effects @ inverse, np.minimum(leverage, 1 - 1e-6)


def _require_enough(
    choices: Sequence[int], genes: np.ndarray, matter: np.ndarray, design: np.ndarray
) -> None:
    for gene, count in enumerate(choices):
        times = np.bincount(genes[matter[:, gene], gene], minlength=count)
        if times.min() < 2 or len(design) <= 2 * design.shape[1]:
            raise InputError(
                f"lens.sample: {len(genes)} random architectures, {times.min()} of them with "
                f"choice {int(times.argmin())} of gene {gene + 1}; expected more than "
                f"{2 * design.shape[1]}, twice the number of effects: raise it"
            )


def _additive(
    choices: Sequence[int],
    genes: np.ndarray,
    matter: np.ndarray,
    values: np.ndarray,
    *,
    adjusted: bool,
) -> float:
    """Return which share of the variance a sum over genes explains.

    ``adjusted`` for the number of effects, which explain some of a sample by chance.
    """
    if not (total := float(np.var(values))):
        return 1.0
    design, _ = _design(choices, genes, matter)
    fitted, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    left = float(np.var(values - design @ fitted)) / total
    if adjusted:
        left *= (len(values) - 1) / (len(values) - rank)
    return max(0.0, 1 - left)
