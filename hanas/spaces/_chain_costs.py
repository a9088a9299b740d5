"""What chains of layers cost, looked up in tables over the channels of neighbouring stages.

A layer's input is the same whatever the operations before it are, so that costs add up; only the
first layer of a stage depends on the channels of the stage before.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import accumulate, product
from typing import TYPE_CHECKING, Literal

import numpy as np

from hanas.core.errors import InputError
from hanas.spaces.networks.operations import refusal
from hanas.spaces.networks.skeletons import SMALLEST_MAP, Skeleton, cost_tables, plan

if TYPE_CHECKING:
    from hanas.spaces._layerwise import Chains, LayerwiseSpace


@cache
def tables(
    space: LayerwiseSpace, width: float, side: int
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Return parameters and multiply-accumulates of all but the layers, and of each layer.

    int64 (channels of the last stage, 2), without the classifier; and of each stage (channels of
    the stage before, its own, layers, operations, 2), affine batch normalisation counted.
    """
    sizes = [len(stage.channels) for stage in space.by_stage]
    fixed = np.zeros((sizes[-1], 2), dtype=np.int64)
    layers: list[np.ndarray] = []
    for before, own, stage in zip((1, *sizes), sizes, space.by_stage, strict=False):
        shape = (before, own, stage.most, len(stage.possible[-1]), 2)
        layers.append(np.zeros(shape, dtype=np.int64))
    starts = (0, *accumulate(space.stages))
    for which, skeleton in skeletons(space, width):
        fixed[which[-1]], of_layers = cost_tables(skeleton, side)
        for number, table in enumerate(layers):
            of_stage = of_layers[starts[number] : starts[number + 1], : table.shape[3]]
            table[which[number - 1] if number else 0, which[number]] = of_stage
    return fixed, tuple(layers)


def skeletons(space: LayerwiseSpace, width: float) -> Iterator[tuple[list[int], Skeleton]]:
    """Yield skeletons of most layers, in which all channels of neighbouring stages meet."""
    sizes = [len(stage.channels) for stage in space.by_stage]
    if max(sizes) == 1:
        yield [0] * len(sizes), space.widened(width)
        return
    for pair in product(range(max(sizes)), repeat=2):  # stages take turns between two
        which = [min(pair[number % 2], size - 1) for number, size in enumerate(sizes)]
        yield which, space.of_sizes(which, space.stages).widened(width)


def of_layers(
    space: LayerwiseSpace, chains: Chains, numbers: np.ndarray, width: float, side: int
) -> np.ndarray:
    """Return parameters and multiply-accumulates of layers, int64 (N, layers, 2).

    Their operations are ``numbers`` among those of their stage, int64 (N, layers); what is not
    there costs nothing.
    """
    before, start, costs = np.zeros(len(numbers), dtype=np.int64), 0, []
    each = zip(tables(space, width, side)[1], space.by_stage, chains.which.T, strict=True)
    for table, stage, which in each:
        here = slice(start, start + stage.most)
        at = before[:, None], which[:, None], np.arange(stage.most), numbers[:, here]
        costs.append(table[at] * chains.there[:, here, None])
        before, start = which, here.stop
    return np.hstack(costs)


def end(space: LayerwiseSpace, which: Literal["largest", "smallest"], side: int) -> tuple[int, ...]:
    """Return the genes with the most parameters, or with the fewest, for images of a side."""
    best = np.argmax if which == "largest" else np.argmin
    fixed, of_stages = tables(space, 1.0, side)
    deepest = -1 if which == "largest" else 0
    total, ways = np.zeros(1, dtype=np.int64), []
    chosen: list[np.ndarray] = []  # of each stage the best operations, (before, own, layers)
    for table, stage in zip(of_stages, space.by_stage, strict=True):
        layers = range(stage.layers[deepest])
        some = [table[:, :, layer, : len(stage.possible[layer]), 0] for layer in layers]
        chosen.append(np.stack([best(one, axis=2) for one in some], axis=2))
        least = np.stack([np.take_along_axis(one, best(one, 2)[..., None], 2) for one in some])
        sums = total[:, None] + least.sum(axis=0)[..., 0]  # (before, own)
        ways.append(best(sums, axis=0))
        total = np.take_along_axis(sums, ways[-1][None], 0)[0]
    own = int(best(total + fixed[:, 0]))
    genes: list[int] = []
    for stage, way, operations in zip(space.by_stage[::-1], ways[::-1], chosen[::-1], strict=True):
        before = int(way[own])
        sizes = [own] if len(stage.channels) > 1 else []
        sizes += [(len(stage.layers) - 1) if deepest else 0] if len(stage.layers) > 1 else []
        left_out = [0] * (stage.most - operations.shape[2])
        genes = [*sizes, *operations[before, own].tolist(), *left_out, *genes]
        own = before
    return tuple(genes)


@cache
def require_possible(space: LayerwiseSpace, width: float) -> None:
    """Raise InputError, which names the stage, if an operation cannot stand somewhere."""
    projects = space.skeleton.identity_projects
    for _, skeleton in skeletons(space, width):
        places = plan(skeleton, SMALLEST_MAP)
        if first := places.first_bottleneck:
            why = refusal(skeleton.first_operation, first, identity_projects=False)
            if why:
                raise InputError(f"first: {why}")
        layers = iter(places.layers)
        for number, stage in enumerate(space.by_stage):
            for possible, place in zip(stage.possible, layers, strict=False):
                for one in possible:
                    if why := refusal(one, place, identity_projects=projects):
                        raise InputError(f"stages.{number}: {why}")
