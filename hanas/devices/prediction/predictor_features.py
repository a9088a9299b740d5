"""What a predictor of device metrics sees of an architecture.

Features come in groups; what lies near in a group has metrics alike. The first groups are such
that a metric may well be linear in them: how often each operation is there, since a device needs
its time for each. All features are standardised over the architectures of the space, not over
those that were measured, so that nothing hangs on which were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from hanas.benchmarks.surrogates import cell_features
from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.spaces._space import Space

#: Of a space that cannot be listed, features are standardised over so many random architectures.
_SAMPLE = 4096


@dataclass(frozen=True)
class Features:
    """The features of one space, with networks of one size and form.

    Parameters
    ----------
    space
        Its name.
    network
        Settings of the network, as JSON with sorted keys.
    """

    space: str
    network: str = "{}"

    @staticmethod
    def of(space: str, network: Mapping[str, Any] | None) -> Features:
        """Return the features for network settings; None: the defaults."""
        return Features(space, json.dumps(dict(network or {}), sort_keys=True))

    @property
    def linear(self) -> int:
        """How many groups, the first ones, a metric may be linear in."""
        return 2

    def checked(self, genes: np.ndarray) -> np.ndarray:
        """Return genes as int64 (N, G).

        Raises
        ------
        InputError
            If they are not of the space.
        """
        genes = np.asarray(genes)
        choices = np.array(plugins.space(self.space).choices)
        if genes.ndim != 2 or genes.shape[1] != len(choices):
            raise InputError(
                f"genes of shape {genes.shape}; expected (N, {len(choices)}) for {self.space}"
            )
        wrong = np.argwhere((genes < 0) | (genes >= choices) | (genes != np.round(genes)))
        if len(wrong):
            row, gene = wrong[0]
            raise InputError(
                f"gene {gene + 1} of architecture {row + 1} is {genes[row, gene]}; expected "
                f"0..{choices[gene] - 1} in {self.space}"
            )
        return genes.astype(np.int64)

    def groups(self, genes: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the features of architectures, float64 (N, F) for each group.

        Parameters
        ----------
        genes
            int (N, G).
        """
        scales = _scales(self)
        return tuple(
            (group - mean) / deviation
            for group, (mean, deviation) in zip(_raw(self, genes), scales, strict=True)
        )


def multiply_accumulates(
    space: str, genes: np.ndarray, network: Mapping[str, Any] | None
) -> np.ndarray:
    """Return the multiply-accumulates, float64 (N,), that a device is often judged by.

    Parameters
    ----------
    space
        Name of the space.
    genes
        int (N, G).
    network
        Settings of the network, which change the counts of layer-wise spaces. Those of cells are
        of the full-size network: of any other one they are a linear function, ranked alike.
    """
    return plugins.space(space).flops(genes, network=network).astype(np.float64)


@cache
def _scales(features: Features) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return mean and deviation of the features of each group over the space."""
    module = plugins.space(features.space)
    if module.enumerable:
        genes = module.all_genes()
    else:
        rng = np.random.default_rng(0)
        genes = rng.integers(0, module.choices, size=(_SAMPLE, len(module.choices)))
    found = []
    for group in _raw(features, genes):
        deviation = group.std(axis=0)
        found.append((group.mean(axis=0), np.where(deviation > 1e-9, deviation, 1.0)))
    return tuple(found)


def _raw(features: Features, genes: np.ndarray) -> list[np.ndarray]:
    if features.space == "nb201":
        return cell_features.groups_for_devices(genes)
    return _of_chains(features, genes)


def _of_chains(features: Features, genes: np.ndarray) -> list[np.ndarray]:
    """Return the features of chains of layers.

    For each operation the number of its layers, their multiply-accumulates and parameters; for
    each operation and kind of layer (same channels and side) the number of its layers; the
    operation of each layer.
    """
    module = plugins.space(features.space)
    costs, kinds = _layers(features)
    chosen = np.eye(len(module.operations))[genes]  # (N, layers, operations)
    totals = [chosen.sum(axis=1), *(np.einsum("nlo,lo->no", chosen, cost) for cost in costs)]
    by_kind = [chosen[:, kinds == kind].sum(axis=1) for kind in np.unique(kinds)]
    return [np.hstack(totals), np.hstack(by_kind), chosen.reshape(len(genes), costs[0].size)]


@cache
def _layers(features: Features) -> tuple[np.ndarray, np.ndarray]:
    """Return what layers cost and which are of one kind.

    Returns
    -------
    costs
        float64 (2, layers, operations): multiply-accumulates and parameters of each operation in
        each layer, beyond those of operation 0; 0 where it cannot be.
    kinds
        int64 (layers,): equal where the costs of all operations are.
    """
    module = plugins.space(features.space)
    network = json.loads(features.network)
    layers, operations = len(module.choices), len(module.operations)
    costs = np.zeros((2, layers, operations))
    for layer, operation, genes in _single_changes(module):
        costs[:, layer, operation] = (
            module.flops(genes, network=network)[0],
            module.params(genes, network=network)[0],
        )
    costs -= costs[:, :, :1]
    costs[:, np.arange(operations) >= np.array(module.choices)[:, None]] = 0
    table = np.hstack([*costs, np.array(module.choices)[:, None]])  # (layers, 2 operations + 1)
    _, kinds = np.unique(table, axis=0, return_inverse=True)
    return costs, kinds.ravel()


def _single_changes(module: Space):
    """Yield layer, operation and genes (1, layers) of chains with one layer other than 0."""
    for layer, count in enumerate(module.choices):
        for operation in range(count):
            genes = np.zeros((1, len(module.choices)), dtype=np.int64)
            genes[0, layer] = operation
            yield layer, operation, genes
