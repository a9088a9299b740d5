"""Features of a chain of layers that its accuracy depends on: what each stage holds.

Of each stage the logarithm of its depth (layers that are not identity), how many of its layers
have each kernel, expansion, kind and what else operations have, whether its first layer is more
than a projection, and the logarithm of its channels where these are searched; of the whole the
logarithm of its depth, which counts twice. Chosen on half of NAS-Bench-Macro, see docs/ranking.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from hanas.spaces._layerwise import IDENTITY, LayerwiseSpace

_SAMPLE = 4096
_DIFFER_IN = ("kind", "kernel", "expansion", "groups", "dilation", "squeeze")


@dataclass(frozen=True)
class StageFeatures:
    """Features of the chains of a space, standardised over the space, not over some chains."""

    space: LayerwiseSpace

    def __call__(self, genes: np.ndarray) -> np.ndarray:
        """Return the features, float64 (N, F), of genes (N, layers)."""
        kept, mean, deviation = self._scale
        return (self._raw(genes)[:, kept] - mean) / deviation

    @cached_property
    def _scale(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which raw features differ, each once, and their mean and deviation over the space."""
        raw = self._raw(self.space.sample(_SAMPLE, np.random.default_rng(0)))
        _, kept = np.unique(raw[:, :-2], axis=1, return_index=True)
        kept = np.concatenate([np.sort(kept), raw.shape[1] - np.array([2, 1])])
        kept = kept[raw[:, kept].std(axis=0) > 0]
        return kept, raw[:, kept].mean(axis=0), raw[:, kept].std(axis=0)

    def _raw(self, genes: np.ndarray) -> np.ndarray:
        operations = self.space.layers
        is_layer = np.array([operation != IDENTITY for operation in operations])
        chains = self.space.chains(genes)
        there = is_layer[chains.operations] & chains.there  # (N, layers)
        starts = [*self.space.skeleton.first_layers, there.shape[1]]
        columns = []
        for number, (start, end) in enumerate(pairwise(starts)):
            of_stage, layers = chains.operations[:, start:end], there[:, start:end]
            columns.append(np.log1p(layers.sum(axis=1)))
            for what in _DIFFER_IN:
                of_operation = np.array([str(getattr(one, what)) for one in operations])
                for value in np.unique(of_operation[is_layer])[1:]:
                    has = of_operation == value
                    columns.append((has[of_stage] & layers).sum(axis=1))
            columns.append(there[:, start])
            channels = np.array(self.space.by_stage[number].channels)
            if len(channels) > 1:
                columns.append(np.log(channels)[chains.which[:, number]])
        columns += [np.log1p(there.sum(axis=1))] * 2
        return np.stack(columns, axis=1).astype(np.float64)
