"""Published networks: parameters and multiply-accumulates as published."""

import numpy as np
import pytest
import torch
from counting import counted

from hanas.core.errors import InputError
from hanas.deploy import onnx_models
from hanas.spaces.networks import published

AFFINE = {"batch_norm": "running"}


def build(name, classes, network, *, seed=0):
    space = published.PUBLISHED[name]
    return space.build(space.from_text(name), classes, network, seed=seed)


def counts(name, classes, network):
    space = published.PUBLISHED[name]
    genes = space.from_text(name)[None]
    counted = (
        space.params(genes, classes, network=network),
        space.flops(genes, classes, network=network),
    )
    return tuple(int(count) for (count,) in counted)


@pytest.mark.parametrize(
    ("name", "width", "params", "millions"),
    [
        # ShuffleNetV2: table 8 of the paper for the operations, the authors' weights for the rest
        ("shufflenet_v2", 0.5, 1_366_792, 41),
        ("shufflenet_v2", 1.0, 2_278_604, 146),
        ("shufflenet_v2", 1.5, 3_503_624, 299),
        ("shufflenet_v2", 2.0, 7_393_996, 591),
        ("mobilenet_v2", 1.0, 3_504_872, 300),
        ("efficientnet_b0", 1.0, 5_288_548, 390),
    ],
)
def test_counts_are_the_published_ones(name, width, params, millions):
    network = {**AFFINE, "width": width, "resolution": 224}
    with torch.device("meta"):
        made = build(name, 1000, network)
    found = counted(made, 224)
    assert found[0] == params
    assert found[1] / 1e6 == pytest.approx(millions, rel=0.02)
    assert counts(name, 1000, network) == found


@pytest.mark.parametrize("name", published.NAMES)
@pytest.mark.parametrize(("width", "side"), [(0.25, 32), (0.4, 50), (1.2, 64)])
def test_counts_at_other_sizes(name, width, side):
    network = {**AFFINE, "width": width, "resolution": side}
    with torch.device("meta"):
        made = build(name, 7, network)
    assert counted(made, side) == counts(name, 7, network)


#: Channels and side of the map after the stem (and max pool, and first bottleneck) and each stage.
LAYOUTS = {
    "shufflenet_v2": [(24, 56), (116, 28), (232, 14), (464, 7)],
    "mobilenet_v2": [(16, 112), (24, 56), (32, 28), (64, 14), (96, 14), (160, 7), (320, 7)],
    "efficientnet_b0": [(16, 112), (24, 56), (40, 28), (80, 14), (112, 14), (192, 7), (320, 7)],
}
LAYERS = {
    "shufflenet_v2": (4, 8, 4),
    "mobilenet_v2": (2, 3, 4, 3, 3, 1),
    "efficientnet_b0": (2, 2, 3, 3, 4, 1),
}


@pytest.mark.parametrize("name", published.NAMES)
def test_stages_are_those_of_the_tables(name):
    with torch.device("meta"):
        network = build(name, 1000, {"resolution": 224})
        x = network.stem(torch.empty(2, 3, 224, 224))
        maps = [tuple(x.shape[1:3])]
        for number, gene in enumerate(network.genes):
            x = network.layer(number, gene)(x)
            maps.append(tuple(x.shape[1:3]))
    ends = np.cumsum([0, *LAYERS[name]])
    assert len(network.genes) == ends[-1]
    assert [maps[end] for end in ends] == LAYOUTS[name]


@pytest.mark.parametrize("name", published.NAMES)
def test_small_images_are_halved_fewer_times(name):
    for side, last in {32: 4, 64: 4, 4: 4, 224: 7, 33: 5, 65: 5, 100: 4}.items():
        settings = published.PUBLISHED[name].for_images(
            {"width": 0.25}, (side, side), None, "images"
        )
        with torch.device("meta"):
            network = build(name, 10, settings)
            x = network.stem(torch.empty(2, 3, side, side))
            for number, gene in enumerate(network.genes):
                x = network.layer(number, gene)(x)
        assert x.shape[2:] == (last, last)


@pytest.mark.parametrize("name", published.NAMES)
def test_networks_train_and_become_onnx(name, tmp_path):
    network = build(name, 5, {**AFFINE, "width": 0.1}, seed=1)
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    network(x).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    onnx_models.export(network, tmp_path / "m.onnx", resolution=32, batch=None)
    with torch.no_grad():
        expected = network.eval()(x).numpy()
    found = onnx_models.logits(tmp_path / "m.onnx", x.numpy())
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_an_unknown_name():
    with pytest.raises(InputError, match=r"'resnet'"):
        published.space_of("resnet", "shuffle").from_text("resnet")
    with pytest.raises(InputError, match=r"network\.cells: no such setting"):
        build("mobilenet_v2", 10, {"cells": 1})


@pytest.mark.parametrize(
    ("name", "params", "millions"),
    [
        # MobileNetV2 at 1.4: operations from table 4 of the paper, whose 6.9 million parameters no
        # implementation has; those are of timm 1.0 (mobilenetv2_140). ShuffleNetV2: as above.
        ("mobilenet_v2@1.4", 6.11e6, 585),
        ("shufflenet_v2@0.5", 1_366_792, 41),
        ("shufflenet_v2@1.5", 3_503_624, 299),
    ],
)
def test_a_name_says_the_width_whatever_the_settings(name, params, millions):
    space = published.space_of(name, "shuffle")
    for width in (0.25, 1.0):
        fitted = space.for_images({**AFFINE, "width": width}, (224, 224), None, "images")
        genes = space.from_text(name)[None]
        assert space.params(genes, 1000, network=fitted)[0] == pytest.approx(params, rel=0.01)
        assert space.flops(genes, 1000, network=fitted)[0] / 1e6 == pytest.approx(
            millions, rel=0.02
        )
        with torch.device("meta"):
            made = space.build(genes[0], 1000, fitted)
        assert counted(made, 224)[0] == space.params(genes, 1000, network=fitted)[0]
    said = published.network_of(name, space.deployed.read({"width": 0.25}))
    assert said.params()["width"] == float(name.partition("@")[2])


def test_a_name_without_a_width_leaves_it_to_the_settings():
    network = published.PUBLISHED["mobilenet_v2"].deployed.read({"width": 0.25})
    assert published.network_of("mobilenet_v2", network) == network
    assert published.network_of("|shuffle_3x3|", network) == network


@pytest.mark.parametrize("width", ["", "0", "-1", "nan", "inf", "9", "x", "0.5@1"])
def test_a_width_that_cannot_be(width):
    with pytest.raises(InputError, match=r"is no width; expected a number above 0, at most 8"):
        published.named(f"mobilenet_v2@{width}")


@pytest.mark.parametrize("width", ["0.50", ".5", "5e-1", " 0.5"])
def test_a_width_is_written_in_one_way(width):
    with pytest.raises(InputError, match=r"write mobilenet_v2@0\.5$"):
        published.named(f"mobilenet_v2@{width}")


def test_what_is_no_published_network():
    assert published.checked("efficientnet_b0@0.25") == "efficientnet_b0@0.25"
    for text in ("resnet", "resnet@0.5", "|mb3_3x3|", ""):
        with pytest.raises(InputError, match=r"expected a published network, one of"):
            published.checked(text)
