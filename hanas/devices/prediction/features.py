"""What a predictor of device metrics sees of an architecture.

Features come in groups; what lies near in a group has metrics alike. The first two are such
that a metric may well be linear in them: how often each operation is there, since a device needs
its time for each. All features are standardised over the architectures of the space, not over
those that were measured, so that nothing hangs on which were.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import numpy as np

from hanas.benchmarks.surrogates import cell_features
from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.settings import Settings
from hanas.spaces._space import Network

#: Of a space that cannot be listed, features are standardised over so many random architectures.
_SAMPLE = 4096


@dataclass(frozen=True)
class Features:
    """The features of a space, by its name, with networks of settings, as JSON with sorted keys."""

    space: str
    network: str = "{}"

    @staticmethod
    def of(space: str, network: Network | None) -> Features:
        """Return the features for network settings; None: the defaults."""
        plain = network.params() if isinstance(network, Settings) else dict(network or {})
        return Features(space, json.dumps(plain, sort_keys=True))

    def checked(self, genes: np.ndarray) -> np.ndarray:
        """Return genes as int64 (N, G); InputError if they are not of the space."""
        genes = np.asarray(genes)
        choices = np.array(plugins.space(self.space).choices)
        if genes.ndim != 2 or genes.shape[1] != len(choices):
            expected = f"(N, {len(choices)}) for {self.space}"
            raise InputError(f"genes of shape {genes.shape}; expected {expected}")
        wrong = (genes < 0) | (genes >= choices) | (genes != np.round(genes))
        for row, gene in np.argwhere(wrong):
            said = f"gene {gene + 1} of architecture {row + 1} is {genes[row, gene]}"
            raise InputError(f"{said}; expected 0..{choices[gene] - 1} in {self.space}")
        return genes.astype(np.int64)

    def multiply_accumulates(self, genes: np.ndarray) -> np.ndarray:
        """Return the multiply-accumulates, float64 (N,), that a device is often judged by.

        Those of cells are of the network of their declaration, and nearly linear in those of any
        other one.
        """
        space = plugins.space(self.space)
        network = json.loads(self.network) if space.layerwise else None
        flops = space.flops(genes, network=network)
        return flops.astype(np.float64)

    def groups(self, genes: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the features of architectures, int (N, G), float64 (N, F) for each group."""
        raw, scales = _raw(self, genes), _scales(self)
        return tuple((group - mean) / off for group, (mean, off) in zip(raw, scales, strict=True))


@cache
def _scales(features: Features) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return mean and deviation of the features of each group over the space."""
    space = plugins.space(features.space)
    if space.enumerable:
        genes = space.all_genes()
    else:
        rng = np.random.default_rng(0)
        genes = rng.integers(0, space.choices, size=(_SAMPLE, len(space.choices)))
    return tuple(
        (group.mean(axis=0), np.where((off := group.std(axis=0)) > 1e-9, off, 1.0))
        for group in _raw(features, genes)
    )


def _raw(features: Features, genes: np.ndarray) -> list[np.ndarray]:
    """Return the features of each group, not standardised.

    Of chains of layers: for each operation the number of its layers, their multiply-accumulates and
    parameters; for each operation and kind of layer (same channels and side) the number of its
    layers; the operation of each layer.
    """
    if plugins.space(features.space).edges:
        return cell_features.groups_for_devices(plugins.space(features.space), genes)
    costs, kinds = _layers(features)
    chosen = np.eye(len(plugins.space(features.space).operations))[genes]  # (N, layers, operations)
    totals = [chosen.sum(axis=1), *(np.einsum("nlo,lo->no", chosen, cost) for cost in costs)]
    by_kind = [chosen[:, kinds == kind].sum(axis=1) for kind in np.unique(kinds)]
    return [np.hstack(totals), np.hstack(by_kind), chosen.reshape(len(genes), costs[0].size)]


@cache
def _layers(features: Features) -> tuple[np.ndarray, np.ndarray]:
    """Return what layers cost, float64 (2, layers, operations), and their kinds, int64 (layers,).

    Costs are the multiply-accumulates and parameters of each operation in each layer, beyond those
    of operation 0; 0 where it cannot be. Kinds are equal where the costs of all operations are.
    """
    space, network = plugins.space(features.space), json.loads(features.network)
    layers, operations = len(space.choices), len(space.operations)
    at = [(layer, gene) for layer, count in enumerate(space.choices) for gene in range(count)]
    # Chains with one layer other than 0.
    genes = np.zeros((len(at), layers), dtype=np.int64)
    genes[np.arange(len(at)), [layer for layer, _ in at]] = [gene for _, gene in at]
    costs = np.zeros((2, layers, operations))
    costs[:, *np.transpose(at)] = [
        count(genes, network=network) for count in (space.flops, space.params)
    ]
    costs -= costs[:, :, :1]
    choices = np.array(space.choices)[:, None]
    costs[:, np.arange(operations) >= choices] = 0
    _, kinds = np.unique(np.hstack([*costs, choices]), axis=0, return_inverse=True)
    return costs, kinds.ravel()
