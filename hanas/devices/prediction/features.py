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
from hanas.spaces import _chain_costs as chain_costs
from hanas.spaces._layerwise import LayerwiseSpace
from hanas.spaces._space import Network, Space

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
        raw, scales = _raw(self, genes), _scales(self, plugins.space(self.space))
        return tuple((group - mean) / off for group, (mean, off) in zip(raw, scales, strict=True))


@cache
def _scales(features: Features, space: Space) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return mean and deviation of the features of each group over the space, which they name."""
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
    layers; the operation of each layer. Where channels or numbers of layers are searched, also
    those of the whole; the layers, channels, multiply-accumulates and parameters of each stage; and
    the choices of its size.
    """
    space = plugins.space(features.space)
    if space.edges:
        return cell_features.groups_for_devices(space, genes)
    chains = space.chains(genes)
    how = _network(features)
    kinds = _kinds(space, *how)
    costs = chain_costs.of_layers(space, chains, chains.numbers, *how)  # (N, layers, 2)
    beyond = costs - chain_costs.of_layers(space, chains, np.zeros_like(chains.numbers), *how)
    chosen = np.eye(len(space.operations))[chains.operations]  # (N, layers, operations)
    chosen *= chains.there[:, :, None]
    of_operations = (np.einsum("nlo,nl->no", chosen, beyond[:, :, what]) for what in (1, 0))
    groups = [
        [chosen.sum(axis=1), *of_operations],
        [chosen[:, kinds == kind].sum(axis=1) for kind in np.unique(kinds)],
        [chosen.reshape(len(genes), -1)],
    ]
    if not space.one_size:
        starts = np.cumsum([0, *space.stages[:-1]])
        of_stages = np.add.reduceat(costs, starts, axis=1)  # (N, stages, 2)
        groups[0].append(of_stages.sum(axis=1))
        channels = [
            np.array(stage.channels)[which]
            for stage, which in zip(space.by_stage, chains.which.T, strict=True)
        ]
        groups[1] += [chains.depths, np.stack(channels, axis=1), of_stages.reshape(len(genes), -1)]
        sizes = [number for number, role in enumerate(space.roles) if role != "operation"]
        groups[2] += [np.eye(space.choices[number])[genes[:, number]] for number in sizes]
    return [np.hstack(group).astype(np.float64) for group in groups]


def _network(features: Features) -> tuple[float, int]:
    """Return the width and the side of the images of a chain's network."""
    settings = plugins.space(features.space).settings(json.loads(features.network))
    return settings.width, settings.resolution


@cache
def _kinds(space: LayerwiseSpace, width: float, side: int) -> np.ndarray:
    """Return the kind of each layer, int64 (layers,): equal where operations cost the same.

    That is beyond the first operation, at most channels.
    """
    _, tables = chain_costs.tables(space, width, side)
    costs = np.zeros((2, len(space.operations_by_layer), len(space.operations)))
    layer = 0
    for table, stage in zip(tables, space.by_stage, strict=True):
        for of_layer, possible in zip(table[-1, -1], stage.possible, strict=True):
            some = space.operations_by_layer[layer, : len(possible)]
            costs[:, layer, some] = (of_layer - of_layer[:1])[: len(possible), ::-1].T
            layer += 1
    choices = (space.operations_by_layer >= 0).sum(axis=1, keepdims=True)
    _, kinds = np.unique(np.hstack([*costs, choices]), axis=0, return_inverse=True)
    return kinds.ravel()
