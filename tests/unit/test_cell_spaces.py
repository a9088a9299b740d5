"""Cell spaces that are declared: texts, costs and functions of random ones, and what is refused."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inheriting import inherit
from nb201_space import nb201
from test_networks import MODES, images, multiply_accumulates

from hanas.core.errors import InputError
from hanas.data.batches import Batch
from hanas.proxies.scoring.cells import groups_of, score_group
from hanas.spaces._cell_operations import KINDS
from hanas.spaces.kinds.cell import Cell

#: Group convolutions of two and four groups, so that four channels can be split.
NAMES = (
    "none",
    "skip_connect",
    *(f"{kind}_{k}x{k}" for kind in KINDS if kind != "group_conv" for k in KINDS[kind]),
    *(f"group_conv_{k}x{k}_g{g}" for k in KINDS["group_conv"] for g in (2, 4)),
)
TINY = {"channels": 4, "cells": 1, "skeleton": "pooled", "batch_norm": "batch"}


def space_of(**declared):
    return Cell.read({"kind": "cell", **declared}).space("mine")


THREE = {"nodes": 3, "operations": ["none", "skip_connect", "sep_conv_3x3", "max_pool_3x3"]}


@st.composite
def spaces(draw, most_nodes: int = 5):
    """Spaces of up to so many nodes, some edges with operations of their own."""
    lists = st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True)
    nodes = draw(st.integers(2, most_nodes))
    edges = [f"{b}<-{a}" for b, a in itertools.product(range(nodes), repeat=2) if a < b]
    own = draw(st.dictionaries(st.sampled_from(edges), lists, max_size=2))
    size = {"channels": draw(st.sampled_from([4, 12])), "cells": draw(st.integers(1, 2))}
    skeleton = draw(st.sampled_from(["standard", "pooled", "pooled_3x3"]))
    rest = {"operations": draw(lists)} if len(own) < len(edges) else {}
    return space_of(nodes=nodes, edges=own, skeleton=skeleton, **rest, **size)


def some_genes(space, count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, space.choices, (count, len(space.choices)))


@settings(deadline=None, max_examples=30)
@given(space=spaces())
def test_texts_and_indices_are_of_one_architecture_each(space):
    genes = some_genes(space, 20)
    texts = [space.to_text(row) for row in genes]
    assert [space.from_text(text).tolist() for text in texts] == genes.tolist()
    assert [text.count("~") for text in texts] == [len(space.edges)] * len(texts)
    assert space.enumerable == (math.prod(space.choices) <= 20_000)
    if space.enumerable and math.prod(space.choices) < 2000:
        index = space.index_of(genes)
        assert (space.all_genes()[index] == genes).all()
        assert sorted(set(space.all_texts())) == sorted(space.all_texts())
        assert (space.index_of(space.all_genes()) == np.arange(math.prod(space.choices))).all()


@pytest.mark.slow
@settings(deadline=None, max_examples=15)
@given(space=spaces(), classes=st.integers(2, 12), side=st.sampled_from([8, 12, 32]))
def test_costs_are_those_of_the_modules(space, classes, side):
    genes = [*some_genes(space, 2), np.array(space.largest), np.array(space.smallest)]
    for row in genes:
        with torch.device("meta"):
            network = space.build(row, classes, {"batch_norm": "running"})
        counted = sum(weight.numel() for weight in network.parameters())
        assert counted == space.params(row[None], classes)[0]
        assert multiply_accumulates(network, side) == space.flops(row[None], classes, side)[0]
    params, works = space.params(np.array(genes)), space.connected(np.array(genes))
    assert works[3]
    assert (params <= params[2]).all()
    assert (params[works] >= params[3]).all()


def connects(space, genes, without: int | None = None) -> list[set[int]]:
    """Return the nodes that the input reaches, and those that reach the output."""
    passing = [
        (source, target)
        for edge, (target, source) in enumerate(space.edges)
        if edge != without and space.options(edge)[genes[edge]] != "none"
    ]
    forward, backward = {0}, {space.nodes - 1}
    for _ in range(space.nodes):
        forward |= {b for a, b in passing if a in forward}
        backward |= {a for a, b in passing if b in backward}
    return [forward, backward]


@settings(deadline=None, max_examples=30)
@given(space=spaces())
def test_live_edges_are_those_between_input_and_output(space):
    for genes in some_genes(space, 6):
        forward, backward = connects(space, genes)
        expected = [
            source in forward and target in backward and space.options(edge)[gene] != "none"
            for edge, ((target, source), gene) in enumerate(zip(space.edges, genes, strict=True))
        ]
        assert space.live(genes[None])[0].tolist() == expected
        assert space.connected(genes[None])[0] == (space.nodes - 1 in forward)


@settings(deadline=None, max_examples=20)
@given(space=spaces(4), mode=st.sampled_from(MODES))
@torch.no_grad()
def test_dead_edges_do_not_matter_and_members_inherit_the_same_bits(space, mode):
    network = {**TINY, "batch_norm": mode}
    shared = space.supernet(5, network, seed=3)
    for name, weight in shared.named_parameters():
        if weight.ndim == 1:
            weight.add_(torch.linspace(0.1, 0.5, len(weight)) * (len(name) % 3))
    shared(images(seed=1), space.largest)  # running statistics that are not the initial ones
    shared.eval()
    for genes in some_genes(space, 3):
        live = space.without_dead_edges(genes[None], zeros_stay_zero=mode == "batch")
        again = space.without_dead_edges(live, zeros_stay_zero=mode == "batch")
        logits = shared(images(), genes)
        assert torch.equal(logits, shared(images(), live[0]))
        assert (again == live).all()
        alone = inherit(space, shared.state_dict(), genes, 5, network).eval()
        assert torch.equal(logits, alone(images()))


def test_one_function_has_one_form():
    """Where an edge leads nowhere, whatever it does, also one that cannot be ``none``."""
    space = space_of(**THREE, edges={"1<-0": ["sep_conv_3x3", "skip_connect"]})
    genes = np.array([[0, 2, 0], [1, 2, 0]])  # node 1 leads nowhere
    assert len(np.unique(space.without_dead_edges(genes), axis=0)) == 1
    assert space.live(genes).tolist() == [[False, True, False]] * 2
    assert np.ptp(space.params(genes, live_only=True)) == 0 < np.ptp(space.params(genes))


@settings(deadline=None, max_examples=10)
@given(space=spaces(4))
@torch.no_grad()
def test_groups_are_scored_as_one_cell_at_a_time(space):
    network = space.supernet(3, TINY, seed=1).eval()
    batch = (images(6), torch.arange(6) % 3)
    cells = np.unique(some_genes(space, 12), axis=0)
    groups = groups_of(space, cells)
    assert np.concatenate(groups).tolist() == cells.tolist()
    for group in groups:
        found = score_group(network, group, [Batch(*batch)])["cross_entropy"]
        for genes, score in zip(group, found, strict=True):
            logits = network(batch[0], genes).double()
            assert float(torch.nn.functional.cross_entropy(logits, batch[1])) == pytest.approx(
                score, rel=1e-12
            )


def test_nas_bench_201_declared_without_its_order_has_the_same_cells():
    declared = space_of(nodes=4, operations=list(nb201.operations))
    assert sorted(declared.all_texts()) == sorted(nb201.all_texts())
    genes = declared.all_genes()
    assert declared.paths == ((3,), (0, 4), (1, 5), (0, 2, 5))
    assert (declared.params(genes) == nb201.params(genes)).all()
    assert len(np.unique(declared.without_dead_edges(genes), axis=0)) == 9445
    assert (~declared.connected(genes)).sum() == (~nb201.connected(genes)).sum()


def test_defaults_of_networks_are_declared():
    space = space_of(**THREE, channels=8, cells=2, skeleton="pooled")
    assert space.network.read({}).params() == {**TINY, "channels": 8, "cells": 2}
    assert space.deployed.read({"cells": 1}).params()["channels"] == 8
    assert nb201.settings(None).channels == 16


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"nodes": 1}, "nodes is 1; expected at least 2"),
        ({"operations": []}, "operations: edge 1<-0 has no operation"),
        ({"operations": ["none"]}, "each edge can be one operation only"),
        ({"operations": ["conv_3x3", "none"]}, "'conv_3x3' is no operation of a cell"),
        ({"operations": ["sep_conv_1x1", "none"]}, "expected one of: sep_conv_3x3"),
        ({"operations": ["none", "none"]}, "'none' is there twice"),
        ({"operations": ["none", "group_conv_3x3"]}, "group_conv_3x3_g4"),
        ({"operations": ["none", "nor_conv_3x3_g4"]}, "group_conv_3x3_g4"),
        ({"operations": ["none", "group_conv_3x3_g3"]}, "16 / 3 = 5.33333"),
        ({"edges": {"0<-1": ["none"]}}, "no edge '0<-1'"),
        ({"edges": {"3<-0": ["none"]}}, "1<-0, 2<-0, 2<-1"),
        ({"edges": {"1 <- 0": ["none"], "1<-0": ["none"]}}, "1<-0 is given twice"),
        ({"edges": {"2<-0": ["none"], "2<-1": ["none"]}}, "no path leads from node 0 to node 2"),
        ({"edges": {"2<-0": ["foo"]}}, "edges.2<-0: 'foo' is no operation"),
        (
            {"edges": {key: ["none", "skip_connect"] for key in ("1<-0", "2<-0", "2<-1")}},
            "operations is of no use, since every edge has operations of its own",
        ),
        ({"order": "nas_bench_201"}, "of 4 nodes and 5 operations"),
    ],
)
def test_what_cannot_be_is_refused(declared, said):
    with pytest.raises(InputError) as raised:
        space_of(**{**THREE, **declared})
    assert said in str(raised.value)


def test_channels_that_groups_do_not_divide_are_refused():
    space = space_of(nodes=2, operations=["group_conv_3x3_g4", "group_conv_3x3_g8"])
    with pytest.raises(InputError, match="channels is 4; expected a multiple of 8"):
        space.supernet(10, TINY)


def test_a_text_of_another_space_is_refused():
    with pytest.raises(InputError, match="expected the form"):
        space_of(**THREE).from_text(nb201.all_texts()[0])
    with pytest.raises(InputError, match=r"edge 1 <- 0 of .*: unknown operation 'nor_conv_3x3'"):
        space_of(**THREE).from_text("|nor_conv_3x3~0|+|none~0|none~1|")
