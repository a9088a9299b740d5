import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hanas.proxies.scoring.shared_prefixes import nodes, shared_layers, walk

POPULATIONS = st.lists(st.tuples(*[st.integers(0, 2)] * 5), min_size=1, max_size=30).map(np.array)


def as_digits(genes: np.ndarray) -> tuple[list[int], list[tuple[int, int]]]:
    """Walk with layers that write down their operation; return what they wrote and the calls."""
    calls: list[tuple[int, int]] = []

    def through_layer(node, layer, operation, x):
        assert node == len(calls)
        calls.append((layer, operation))
        return 10 * x + operation

    return [int(x) for x in walk(genes, torch.tensor(7), through_layer)], calls


@given(POPULATIONS)
def test_every_architecture_goes_through_its_layers(genes):
    written, calls = as_digits(genes)
    assert written == [int("7" + "".join(map(str, row))) for row in genes.tolist()]
    assert calls == nodes(genes)


@given(POPULATIONS)
def test_sorted_each_beginning_is_computed_once(genes):
    genes = genes[np.lexsort(genes.T[::-1])]
    _, calls = as_digits(genes)
    beginnings = {tuple(row[: layer + 1]) for row in genes.tolist() for layer in range(5)}
    assert len(calls) == len(beginnings)


@pytest.mark.parametrize(("length", "count"), [(1, 1), (3, 27)])
def test_whole_trie(length, count):
    genes = np.array(list(np.ndindex(*[3] * length)))
    if count == 1:
        genes = genes[:1]
    assert len(genes) == count
    assert len(as_digits(genes)[1]) == (1 if count == 1 else 3 + 9 + 27)
    assert shared_layers(genes)[0] == 0


def test_only_places_to_come_back_to_are_kept():
    """Of a chain that nothing branches off, nothing but its input stays."""
    alive = set()

    class Noted:
        def __init__(self):
            alive.add(id(self))

        def __del__(self):
            alive.discard(id(self))

    most = []

    def through_layer(node, layer, operation, x):
        most.append(len(alive))
        return Noted()

    genes = np.array([[0] * 20, [0] * 19 + [1], [1] * 20])
    for _ in walk(genes, Noted(), through_layer):
        pass
    # The input, the place where the second branches off, what goes into a layer.
    assert max(most) <= 4
