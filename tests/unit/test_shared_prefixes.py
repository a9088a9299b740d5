"""The walk through architectures that share their first layers."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from hanas.proxies.scoring.chain_evaluation import walk

POPULATIONS = st.lists(st.tuples(*[st.integers(0, 2)] * 5), min_size=1, max_size=30)


def as_digits(genes: np.ndarray) -> tuple[list[int], list[tuple[int, ...]]]:
    """Walk with layers that write down their operation; return what they wrote and the calls."""
    calls: list[tuple[int, ...]] = []

    def through_layer(beginning, x):
        calls.append(beginning)
        return 10 * x + beginning[-1]

    return [int(x) for x in walk(genes, torch.tensor(7), through_layer)], calls


@given(POPULATIONS)
def test_every_architecture_goes_through_its_layers_and_each_beginning_once(population):
    genes = np.unique(population, axis=0)
    written, calls = as_digits(genes)
    assert written == [int("7" + "".join(map(str, row))) for row in genes.tolist()]
    beginnings = {tuple(row[: layer + 1]) for row in genes.tolist() for layer in range(5)}
    assert sorted(calls) == sorted(beginnings)


def test_whole_trie():
    genes = np.array(list(np.ndindex(3, 3, 3)))
    assert len(as_digits(genes)[1]) == 3 + 9 + 27
    assert as_digits(genes[:1, :1]) == ([70], [(0,)])


def test_only_places_to_come_back_to_are_kept():
    """Of a chain that nothing branches off, nothing but its input stays."""
    alive = set()

    class Noted:
        def __init__(self):
            alive.add(id(self))

        def __del__(self):
            alive.discard(id(self))

    most = []

    def through_layer(beginning, x):
        most.append(len(alive))
        return Noted()

    genes = np.array([[0] * 20, [0] * 19 + [1], [1] * 20])
    for _ in walk(genes, Noted(), through_layer):
        pass
    # The input, the place where the second branches off, what goes into a layer.
    assert max(most) <= 4
