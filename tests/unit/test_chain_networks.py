"""Networks of the layer-wise spaces: layout, weights, gradients, ONNX."""

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from inheriting import inherit
from layerwise import SPACES, WITH_IDENTITY, first_layers, genes_of, random_genes
from torch import nn

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.deploy import onnx_models
from hanas.spaces.networks.chain import Bottleneck, ChainNetwork, ShuffleUnit, block_of, mixed
from hanas.spaces.networks.operations import Place, operation
from hanas.spaces.networks.skeletons import plan, scaled
from hanas.training.supernets import Supernet, load_supernet, save_supernet

MODES = ("batch", "batch_affine", "running")
#: Channels of the stages, and sides of their maps for images of 32, 64 and 224 pixels.
CHANNELS = {
    "shuffle": (64, 160, 320, 640),
    "shuffle_i": (64, 160, 320, 640),
    "mobile_i": (24, 32, 64, 96, 160),
}
SIDES = {
    "shuffle": {32: (32, 16, 8, 4), 64: (32, 16, 8, 4), 224: (56, 28, 14, 7)},
    "shuffle_i": {32: (32, 16, 8, 4), 64: (32, 16, 8, 4), 224: (56, 28, 14, 7)},
    "mobile_i": {
        32: (32, 16, 8, 8, 4),
        64: (32, 16, 8, 8, 4),
        224: (56, 28, 14, 14, 7),
    },
}
STEM = {"shuffle": 16, "shuffle_i": 16, "mobile_i": 16}  # what goes into layer 0
LAST = {"shuffle": 1024, "shuffle_i": 1024, "mobile_i": 1280}


def space_of(name):
    return plugins.space(name)


def images(n: int = 4, side: int = 8, *, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def end(network: ChainNetwork, x: torch.Tensor) -> torch.Tensor:
    """Return the logits of what the last layer returns."""
    return network.classifier(network.head(x).mean(dim=(2, 3)))


def kernels(part) -> list[torch.Tensor]:
    """Return the weights of the convolutions of a part of a block, in their order."""
    return [m.weight for m in part.modules() if isinstance(m, nn.Conv2d)]


def trained(name: str, network: dict, *, classes: int = 5) -> nn.Module:
    """Return a supernet whose numbers are none of the initial ones."""
    shared = space_of(name).supernet(classes, network, seed=3)
    with torch.no_grad():
        for parameter in shared.parameters():
            parameter.add_(torch.linspace(-0.1, 0.1, parameter.numel()).view_as(parameter))
        for genes in random_genes(name, 3):
            shared(images(8, seed=1), genes)
    return shared


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("side", [32, 64, 224])
def test_channels_and_sides_are_those_of_the_tables(name, side):
    space = space_of(name)
    with torch.device("meta"):
        network = space.supernet(10, {"resolution": side}).eval()
        x = network.stem(torch.empty(1, 3, side, side))
        assert x.shape[1] == STEM[name]
        stages = first_layers(name)[1:]
        for number, genes in enumerate(zip(*random_genes(name, 3), strict=True)):
            shapes = {tuple(network.layer(number, int(gene))(x).shape) for gene in genes}
            stage = sum(number >= start for start in stages)
            expected_side = SIDES[name][side][stage]
            assert shapes == {(1, CHANNELS[name][stage], expected_side, expected_side)}
            x = torch.empty(shapes.pop())
        assert network.classifier.in_features == LAST[name]
        assert end(network, x).shape == (1, 10)


@pytest.mark.parametrize("name", SPACES)
def test_the_last_map_has_at_least_four_pixels_a_side_and_not_eight(name):
    skeleton = space_of(name).skeleton
    for side in range(4, 300):
        last = plan(skeleton, side).last.side
        assert last >= 4
        # Twice as large is possible only where nothing is left that could halve.
        assert last < 8 or side > 7 * 32


@pytest.mark.parametrize("name", SPACES)
def test_places_halve_from_the_last_to_the_first(name):
    halving = []
    for side in (4, 8, 16, 32, 64, 128):
        places = plan(space_of(name).skeleton, side)
        halving.append([places.stem.stride, *(place.stride for place in places.layers)])
    for number, (fewer, more) in enumerate(pairwise(halving)):
        assert (sum(fewer) - 21, sum(more) - 21) == (number, number + 1)
        added = [place for place in range(21) if more[place] > fewer[place]]
        assert added[0] < min([p for p in range(21) if fewer[p] == 2], default=21)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SPACES)
def test_inherited_weights_give_the_same_bits(name, mode):
    network = {"width": 0.2, "batch_norm": mode, "resolution": 8}
    shared = trained(name, network)
    shared.eval()

    @settings(max_examples=5, deadline=None)
    @given(genes=genes_of(name))
    def check(genes):
        alone = inherit(space_of(name), shared.state_dict(), genes, 5, network).eval()
        assert torch.equal(shared(images(), genes), alone(images()))
        assert alone.genes == genes

    check()


@pytest.mark.parametrize("name", SPACES)
def test_inherited_weights_are_a_copy(name):
    space, network = space_of(name), {"width": 0.1, "resolution": 8}
    shared = space.supernet(5, network)
    alone = inherit(space, shared.state_dict(), space.largest, 5, network)
    before = {key: value.clone() for key, value in shared.state_dict().items()}
    for parameter in alone.parameters():
        parameter.data.add_(1)
    assert all(torch.equal(before[key], value) for key, value in shared.state_dict().items())


@pytest.mark.parametrize("name", SPACES)
def test_forward_remembers_nothing(name):
    shared = trained(name, {"width": 0.2, "batch_norm": "running", "resolution": 8}).eval()
    assert shared.genes is None
    genes = random_genes(name, 4, seed=5)
    alone = [shared(images(), row) for row in genes]
    for number in (2, 0, 3, 3, 1, 0):
        assert torch.equal(shared(images(), genes[number]), alone[number])
    with pytest.raises(ValueError, match="genes"):
        shared(images())


@pytest.mark.parametrize("name", SPACES)
def test_forward_is_stem_then_the_layers_then_end(name):
    shared = trained(name, {"width": 0.2, "resolution": 8}).eval()
    assert isinstance(shared, ChainNetwork)
    (genes,) = random_genes(name, 1)
    x = shared.stem(images())
    for number, gene in enumerate(genes):
        before = x.clone()
        after = shared.layer(number, gene)(x)
        assert torch.equal(x, before)  # so that what a prefix gives can be used again
        x = after
    assert torch.equal(end(shared, x), shared(images(), genes))


@pytest.mark.parametrize("name", SPACES)
def test_gradients_reach_the_chosen_operations_only(name):
    space = space_of(name)
    shared = space.supernet(5, {"width": 0.2, "batch_norm": "batch_affine", "resolution": 8})
    (genes,) = random_genes(name, 1, seed=2)
    F.cross_entropy(shared(images(), genes), torch.arange(4)).backward()
    chosen = {f"layers.{layer}.{space.operations[gene]}." for layer, gene in enumerate(genes)}
    for key, parameter in shared.named_parameters():
        expected = not key.startswith("layers.") or any(key.startswith(some) for some in chosen)
        assert (parameter.grad is not None) == expected


@pytest.mark.parametrize("name", WITH_IDENTITY)
def test_identity_takes_layers_away(name):
    space = space_of(name)
    identity = len(space.operations) - 1
    network = {"width": 0.2, "batch_norm": "running", "resolution": 8}
    shallow = space.build(space.smallest, 5, network).eval()
    assert not list(shallow.layer(1, identity).children())
    blocks = [m for m in shallow.layers.modules() if isinstance(m, ShuffleUnit | Bottleneck)]
    assert len(blocks) == len(first_layers(name))
    x = shallow.stem(images())
    for block in blocks:
        x = block(x)
    assert torch.equal(end(shallow, x), shallow(images()))


@pytest.mark.parametrize("name", SPACES)
def test_initial_weights_depend_on_the_seed_alone(name):
    before = torch.random.get_rng_state()
    made = [space_of(name).supernet(5, {"width": 0.1}, seed=seed) for seed in (1, 1, 2)]
    first, same, other = (network.stem[0].weight for network in made)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            {"channels": 8},
            "network.channels: no such setting; expected one of: batch_norm, first_scale",
        ),
        ({"width": 0}, "network.width is 0; expected more than 0"),
        ({"width": 100}, "network.width is 100; expected at most 8"),
        ({"batch_norm": "none"}, "network.batch_norm is 'none'; expected one of: batch"),
        ({"resolution": 3}, "network.resolution is 3; expected at least 4"),
        ({"resolution": 32.5}, "network.resolution is 32.5; expected a whole number"),
    ],
)
def test_wrong_settings_are_named(network, message):
    for space in map(space_of, SPACES):
        for make in (
            lambda space=space: space.supernet(10, network),
            lambda space=space: space.params(np.array([space.largest]), network=network),
        ):
            with pytest.raises(InputError) as raised:
                make()
            assert message in str(raised.value)


@pytest.mark.parametrize("name", SPACES)
def test_a_supernet_comes_back_from_its_file(name, tmp_path):
    network = {"width": 0.1, "batch_norm": "batch", "resolution": 8}
    shared = trained(name, network)
    save_supernet(
        Supernet(name, 5, network, None, shared.state_dict(), torch.zeros(1)), tmp_path / "s.pt"
    )
    again = load_supernet(tmp_path / "s.pt").network()
    (genes,) = random_genes(name, 1)
    shared = shared.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    expected = shared.eval()(images(), genes)
    assert torch.equal(again(images(), genes), expected)


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize("name", SPACES)
def test_onnx_gives_what_pytorch_gives(name, batch, tmp_path):
    space = space_of(name)
    network = {"width": 0.2, "batch_norm": "running", "resolution": 20}
    shared = trained(name, network)
    (genes,) = random_genes(name, 1, seed=4)
    alone = inherit(space, shared.state_dict(), genes, 5, network).eval()
    onnx_models.export(alone, tmp_path / "m.onnx", resolution=20, batch=batch)
    for count in {batch or 1, batch or 7}:
        x = images(count, 20, seed=count)
        with torch.no_grad():
            expected = alone(x).numpy()
        found = onnx_models.logits(tmp_path / "m.onnx", x.numpy())
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_exported_shuffles_have_fixed_shapes(tmp_path):
    """Boards' tools need them: nothing is computed from the shape of the input."""
    import onnx

    space = space_of("shuffle")
    alone = space.build(space.largest, 5, {"width": 0.1, "batch_norm": "running"})
    onnx_models.export(alone, tmp_path / "m.onnx", resolution=32, batch=None)
    kinds = {node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node}
    assert {"Concat", "Reshape", "Transpose"} <= kinds
    assert not {"Shape", "Gather", "Slice", "Mod", "If", "Loop"} & kinds


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_shuffling_takes_channels_in_turn(memory_format):
    first, second = (images(3, 5, seed=s).to(memory_format=memory_format) for s in (1, 2))
    both = mixed(torch.cat((first, second), dim=1), 2)
    assert torch.equal(both[:, 0::2], first)
    assert torch.equal(both[:, 1::2], second)
    assert both.is_contiguous(memory_format=memory_format)


def convolved(x, weight, *, stride=1, groups=1, relu=False):
    """A convolution and batch normalisation with batch statistics, written out."""
    y = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2, groups=groups)
    mean = y.mean(dim=(0, 2, 3), keepdim=True)
    variance = ((y - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
    y = (y - mean) / (variance + 1e-5).sqrt()
    return y.clamp(min=0) if relu else y


@pytest.mark.parametrize("kind", ["shuffle", "xception"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (7, 1), (7, 2)])
def test_a_shuffle_unit_by_hand(kind, first, kernel, stride):
    if not first and stride == 2:
        stride = 1
    inputs, outputs = (6, 16) if first else (16, 16)
    half, into = outputs // 2, inputs if first else inputs // 2
    place = Place(inputs, outputs, stride, 9, first)
    unit = block_of(operation(f"{kind}_{kernel}x{kernel}"), place, "silu", "batch").double()
    weights = kernels(unit.branch)
    x = torch.randn(4, inputs, 9, 9, dtype=torch.float64)
    kept, y = (x, x) if first else (x[:, :half], x[:, half:])
    if kind == "shuffle":
        assert [tuple(w.shape[:2]) for w in weights] == [(half, into), (half, 1), (half, half)]
        y = convolved(y, weights[0], relu=True)
        y = convolved(y, weights[1], stride=stride, groups=half)
        y = convolved(y, weights[2], relu=True)
    else:
        assert [tuple(w.shape[:2]) for w in weights] == [
            *[(into, 1), (half, into)],
            *[(half, 1), (half, half)] * 2,
        ]
        y = convolved(y, weights[0], stride=stride, groups=into)
        y = convolved(y, weights[1], relu=True)
        for depthwise, pointwise in (weights[2:4], weights[4:6]):
            y = convolved(convolved(y, depthwise, groups=half), pointwise, relu=True)
    if first:
        depthwise, pointwise = kernels(unit.projection)
        kept = convolved(kept, depthwise, stride=stride, groups=inputs)
        kept = convolved(kept, pointwise, relu=True)
    else:
        assert unit.projection is None
    both = unit(x)
    torch.testing.assert_close(both[:, 0::2], kept)
    torch.testing.assert_close(both[:, 1::2], y)


@pytest.mark.parametrize("expansion", [3, 6])
@pytest.mark.parametrize(
    ("inputs", "outputs", "stride", "residual"),
    [(8, 8, 1, True), (8, 16, 1, False), (8, 8, 2, False)],
)
def test_a_bottleneck_by_hand(expansion, inputs, outputs, stride, residual):
    place = Place(inputs, outputs, stride, 9)
    unit = block_of(operation(f"mb{expansion}_5x5"), place, "relu6", "batch").double()
    weights = kernels(unit.body)
    inner = inputs * expansion
    assert [tuple(w.shape) for w in weights] == [
        (inner, inputs, 1, 1),
        (inner, 1, 5, 5),
        (outputs, inner, 1, 1),
    ]
    x = 3 * torch.randn(4, inputs, 9, 9, dtype=torch.float64)
    y = convolved(x, weights[0]).clamp(0, 6)
    y = convolved(y, weights[1], stride=stride, groups=inner).clamp(0, 6)
    y = convolved(y, weights[2])
    torch.testing.assert_close(unit(x), x + y if residual else y)


@settings(deadline=None)
@given(st.integers(1, 2000), st.floats(0.01, 8))
def test_scaled_channels(channels, width):
    rounded = scaled(channels, width)
    exact = channels * width
    assert rounded % 8 == 0
    assert rounded >= 8
    assert rounded >= 0.9 * exact
    assert rounded <= max(8, exact + 8)
    if exact >= 40:
        assert abs(rounded - exact) <= 4


@pytest.mark.parametrize("name", SPACES)
def test_first_scale_makes_units_begin_near_the_identity(name):
    space = space_of(name)
    network = {"width": 1.0, "resolution": 8, "batch_norm": "batch_affine"}
    scaled_down = space.supernet(3, {**network, "first_scale": 1e-4})
    plain = space.supernet(3, network)
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        x = scaled_down.stem(x)
        for layer, choices in enumerate(space.choices):
            if layer in first_layers(name):
                unit = scaled_down.layer(layer, 0)
                torch.testing.assert_close(unit(x), plain.layer(layer, 0)(x))
                x = unit(x)
                continue
            for number in range(choices):
                output = scaled_down.layer(layer, number)(x)
                if name == "mobile_i" or space.operations[number] == "identity":
                    torch.testing.assert_close(output, x, atol=0.01, rtol=0)
                else:
                    torch.testing.assert_close(output[:, ::2], x[:, : x.shape[1] // 2])
                    assert 0 < output[:, 1::2].abs().max() < 0.01


def test_first_scale_needs_an_affine_part():
    with pytest.raises(InputError, match=r"first_scale is 0\.1, but batch_norm is 'batch'"):
        space_of("shuffle").supernet(3, {"first_scale": 0.1, "batch_norm": "batch"})
