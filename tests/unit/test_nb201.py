"""Facts of NAS-Bench-201 (spec section 2), for all 15,625 cells."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nb201_space import CONV_1X1, CONV_3X3, EDGES, NONE, nb201

from hanas.core.errors import InputError

EXAMPLE = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
)
genes_strategy = st.lists(st.integers(0, 4), min_size=6, max_size=6)


@given(genes_strategy)
def test_text_and_genes_round_trip(genes):
    assert nb201.from_text(nb201.to_text(genes)).tolist() == genes


@settings(deadline=None)  # the first call reads the order of the space
@given(genes_strategy)
def test_index_and_genes_round_trip(genes):
    index = nb201.index_of(np.array([genes]))[0]
    assert nb201.all_genes()[index].tolist() == genes
    assert nb201.all_texts()[index] == nb201.to_text(genes)


def test_the_example_of_the_specification():
    assert nb201.to_text(nb201.from_text(EXAMPLE)) == EXAMPLE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected the form"),
        (EXAMPLE[:-1], "expected the form"),
        (EXAMPLE + "\n", "expected the form"),
        (EXAMPLE.replace("avg_pool_3x3", "max_pool_3x3"), "'max_pool_3x3'"),
        (EXAMPLE.replace("~2", "~1"), "expected the form"),
    ],
)
def test_texts_that_are_no_cells(text, said):
    with pytest.raises(InputError, match=said):
        nb201.from_text(text)


@pytest.mark.parametrize("genes", [[[5, 0, 0, 0, 0, 0]], [[-1, 0, 0, 0, 0, 0]], [[0, 0, 0]]])
def test_genes_that_are_no_cells(genes):
    with pytest.raises(InputError):
        nb201.index_of(np.array(genes))


def test_there_are_15625_cells_and_6466_classes():
    assert len(set(nb201.all_texts())) == 5**6
    assert len({nb201.canonical(genes) for genes in nb201.all_genes()}) == 6466


@pytest.mark.parametrize(
    ("classes", "resolution", "base_params", "base_flops", "flops_1x1", "flops_3x3"),
    [
        (10, 32, 73_306, 7.78305e6, 3.93216e6, 35.38944e6),
        (100, 32, 73_306 + 5_850, 7.7889e6, 3.93216e6, 35.38944e6),
        (120, 16, 73_306 + 7_150, 1.9534e6, 0.98304e6, 8.84736e6),
    ],
)
def test_costs(classes, resolution, base_params, base_flops, flops_1x1, flops_3x3):
    genes = nb201.all_genes()
    n_1x1 = (genes == CONV_1X1).sum(axis=1)
    n_3x3 = (genes == CONV_3X3).sum(axis=1)
    expected = base_params + 28_000 * n_1x1 + 243_040 * n_3x3
    assert (nb201.params(genes, classes) == expected).all()
    expected = base_flops + flops_1x1 * n_1x1 + flops_3x3 * n_3x3
    np.testing.assert_allclose(nb201.flops(genes, classes, resolution), expected, rtol=1e-12)


def _reaches(genes, start: int, forward: bool) -> set[int]:
    reached = {start}
    for _ in range(3):
        for (target, source), gene in zip(EDGES, genes, strict=True):
            if gene != NONE:
                near, far = (source, target) if forward else (target, source)
                if near in reached:
                    reached.add(far)
    return reached


def test_dead_edges_are_those_on_no_path_from_input_to_output():
    for genes, live in zip(
        nb201.all_genes(), nb201.without_dead_edges(nb201.all_genes()), strict=True
    ):
        from_input, to_output = _reaches(genes, 0, True), _reaches(genes, 3, False)
        expected = [
            gene if source in from_input and target in to_output else NONE
            for (target, source), gene in zip(EDGES, genes, strict=True)
        ]
        assert live.tolist() == expected


def test_number_of_functions():
    assert len(np.unique(nb201.without_dead_edges(nb201.all_genes()), axis=0)) == 9445


def test_official_order_and_classes(data_folder):
    table = pd.read_parquet(data_folder / "nb201_accuracy_cost.parquet")
    table = table.sort_values("nb201_index")
    assert list(table["arch_str"]) == list(nb201.all_texts())
    assert list(table["unique_str"]) == [nb201.canonical(genes) for genes in nb201.all_genes()]
    genes = nb201.all_genes()
    for name, classes, resolution in (("c10", 10, 32), ("c100", 100, 32), ("in16", 120, 16)):
        np.testing.assert_allclose(table[f"params_M_{name}"] * 1e6, nb201.params(genes, classes))
        np.testing.assert_allclose(
            table[f"flops_M_{name}"] * 1e6, nb201.flops(genes, classes, resolution)
        )
