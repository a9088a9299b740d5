"""Genes, texts and costs of every space that is a chain of layers."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from counting import counted
from hypothesis import given, settings
from hypothesis import strategies as st
from layerwise import LAYERWISE, SPACES, STAGES, WITH_IDENTITY, first_layers, genes_of, random_genes

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.proxies._proxy import Inputs, Work


def test_the_chains_are_these():
    assert SPACES == ["mobile_i", "shuffle", "shuffle_i"]
    assert set(LAYERWISE) - set(SPACES) == {"nas_bench_macro"}
    assert WITH_IDENTITY == ["mobile_i", "shuffle_i"]


def test_sizes_of_the_spaces():
    assert plugins.space("shuffle").choices == (4,) * 20
    for name, count in (("shuffle_i", 5), ("mobile_i", 7)):
        space = plugins.space(name)
        assert len(space.operations) == count
        assert space.operations[-1] == "identity"
        fewer = [layer for layer, choices in enumerate(space.choices) if choices == count - 1]
        assert fewer == first_layers(name)
        assert len(space.choices) == 20


@pytest.mark.parametrize("name", SPACES)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_text_and_genes_round_trip(name, data):
    space = plugins.space(name)
    genes = data.draw(genes_of(name))
    text = space.to_text(genes)
    assert tuple(space.from_text(text)) == genes
    assert [part.count("|") - 1 for part in text.split("+")] == list(STAGES[name])


@pytest.mark.parametrize("name", SPACES)
def test_the_text_lists_the_operations_stage_by_stage(name):
    space = plugins.space(name)
    first, second = space.operations[:2]
    names = [second, *[first] * 19]
    stages, names_left = [], list(names)
    for layers in STAGES[name]:
        stages.append("".join(f"|{names_left.pop(0)}" for _ in range(layers)) + "|")
    assert space.to_text([1, *[0] * 19]) == "+".join(stages)


def texts_that_are_wrong(space):
    text = space.to_text(space.largest)
    operation = space.operations[0]
    yield "", "expected . stages"
    yield text[:-1], "expected . stages"
    yield text + "\n", "expected . stages"
    yield text + f"+|{operation}|", "expected . stages"
    yield text.replace("|+|", f"|{operation}|+|", 1), "expected . stages"
    yield text.replace("+", "", 1), "expected . stages"
    yield text.replace("|+|", "|", 1), "expected . stages"
    start = text.index("+")
    named = text[:start] + "+|shufle_3x3" + text[text.index("|", start + 2) :]
    yield named, r"layer 5 \(number 1 of stage 2\).*unknown operation 'shufle_3x3'"
    yield text.replace("|", "||", 1), "expected . stages"


@pytest.mark.parametrize("name", SPACES)
def test_texts_that_are_no_architectures(name):
    space = plugins.space(name)
    for text, said in texts_that_are_wrong(space):
        with pytest.raises(InputError, match=said):
            space.from_text(text)


@pytest.mark.parametrize("name", WITH_IDENTITY)
def test_identity_is_refused_in_the_first_layer_of_every_stage(name):
    space = plugins.space(name)
    identity = len(space.operations) - 1
    parts = space.to_text(space.largest).split("+")
    for stage, layer in enumerate(first_layers(name)):
        genes = list(space.largest)
        genes[layer] = identity
        said = f"layer {layer + 1} \\(number 1 of stage {stage + 1}\\): identity cannot be there"
        with pytest.raises(InputError, match=said):
            space.to_text(genes)
        with pytest.raises(InputError, match=said):
            space.build(genes, 10, {})
        operations = parts[stage].split("|")
        changed = [*parts[:stage], "|".join(["", "identity", *operations[2:]]), *parts[stage + 1 :]]
        with pytest.raises(InputError, match=said):
            space.from_text("+".join(changed))


def test_identity_is_unknown_where_the_space_has_none():
    space = plugins.space("shuffle")
    text = space.to_text([0] * 20)
    with pytest.raises(InputError, match=r"layer 2 .*unknown operation 'identity'; expected one"):
        space.from_text(text.replace("|shuffle_3x3|shuffle_3x3|", "|shuffle_3x3|identity|", 1))
    with pytest.raises(InputError, match=r"layer 2 .*: gene 4; expected 0\.\.3"):
        space.to_text([0, 4, *[0] * 18])


@pytest.mark.parametrize("name", SPACES)
def test_genes_that_are_no_architectures(name):
    space = plugins.space(name)
    for genes in ([[0] * 19], [[0] * 21], [[-1, *[0] * 19]], [[*[0] * 19, 9]], [0]):
        for count in (space.params, space.flops):
            with pytest.raises(InputError):
                count(np.array(genes))


#: Width, side of the images, classes.
SIZES = [
    (1.0, 32, 10),
    (0.25, 64, 3),
    (0.5, 100, 7),
    (1.5, 224, 1000),
    (0.1, 5, 2),
    (0.33, 17, 101),
]


@pytest.mark.parametrize("sizes", [SIZES[1:2], pytest.param(SIZES, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SPACES)
def test_costs_are_those_of_the_built_network(name, sizes):
    space = plugins.space(name)
    genes = np.vstack([random_genes(name, 1), [space.smallest]])
    for width, resolution, classes in sizes:
        network = {"width": width, "resolution": resolution, "batch_norm": "running"}
        params = space.params(genes, classes, network=network)
        flops = space.flops(genes, classes, network=network)
        for row, expected in zip(genes, zip(params, flops, strict=True), strict=True):
            with torch.device("meta"):
                alone = space.build(row, classes, network)
            assert counted(alone, resolution) == expected


@pytest.mark.parametrize("name", SPACES)
def test_costs_of_chains_of_one_operation(name):
    """Every operation of every layer is counted, since counts are sums over layers."""
    space = plugins.space(name)
    network = {"width": 0.25, "resolution": 32, "batch_norm": "running"}
    for operation in range(len(space.operations)):
        genes = [operation if operation < choices else 0 for choices in space.choices]
        with torch.device("meta"):
            alone = space.build(genes, 10, network)
        params, flops = (
            count(np.array([genes]), 10, network=network) for count in (space.params, space.flops)
        )
        assert counted(alone, 32) == (params, flops)


@pytest.mark.parametrize("name", SPACES)
def test_costs_without_settings_are_those_at_width_1_and_32_pixels(name):
    space = plugins.space(name)
    genes = random_genes(name, 5)
    stated = {"width": 1.0, "resolution": 32}
    assert (space.params(genes) == space.params(genes, 10, network=stated)).all()
    assert (space.flops(genes) == space.flops(genes, 10, network=stated)).all()
    assert (space.flops(genes, 10, 64) == space.flops(genes, 10, network={"resolution": 64})).all()
    assert (space.flops(genes, 10, 32, network={"resolution": 64}) == space.flops(genes)).all()


@pytest.mark.parametrize("name", SPACES)
def test_the_extremes_are_extremes(name):
    space = plugins.space(name)
    params = space.params(random_genes(name, 2000))
    assert space.params(np.array([space.smallest])) < params.min()
    assert space.params(np.array([space.largest])) > params.max()
    if name in WITH_IDENTITY:
        identity = len(space.operations) - 1
        kept = [layer for layer, gene in enumerate(space.smallest) if gene != identity]
        assert kept == first_layers(name)


@pytest.mark.parametrize("name", SPACES)
def test_settings_for_images_hold_their_side(name):
    space = plugins.space(name)
    given = {"width": 0.5, "batch_norm": "batch"}
    assert space.for_images(given, (64, 64), None, "x") == space.settings(
        {**given, "resolution": 64}
    )
    assert given == {"width": 0.5, "batch_norm": "batch"}
    fitted = space.settings({"resolution": 32})
    assert space.for_images({}, (64, 48), 32, "x") == fitted
    with pytest.raises(InputError, match=r"pets\.pt: images of 3x3 pixels.*at least 4"):
        space.for_images(given, (3, 3), None, "pets.pt")


@pytest.mark.parametrize(
    "kind", ["params", "flops", "live_params", "residual", "pooled_shortcuts", "naswot"]
)
def test_proxies_of_whole_spaces_refuse_a_space_that_cannot_be_listed(kind, tmp_path):
    proxy = plugins.plugin("proxies", kind).read({"kind": kind})
    for name in SPACES:
        said = rf"proxy {kind} .*'{name}'.*expected a space of: nas_bench_macro, nb201"
        with pytest.raises(InputError, match=said):
            proxy.score(plugins.space(name), Inputs(), Work(tmp_path, 1, print))


def test_a_space_is_known_without_pytorch():
    code = "; ".join(
        [
            "import sys; from hanas.core import plugins",
            *(f"s = plugins.space({name!r}); s.params([s.largest])" for name in SPACES),
            "assert 'torch' not in sys.modules",
        ]
    )
    subprocess.run([sys.executable, "-c", code], check=True)
