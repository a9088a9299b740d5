import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from inheriting import inherit
from layerwise import COSTLY_SPACES, SPACES, random_genes
from layerwise_supernets import made_up_supernet, score_alone
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval
from toy_pictures import toy_images

from hanas.core import plugins
from hanas.core.compute import threads
from hanas.data.batches import load_split, ordered_batches
from hanas.deploy import onnx_models, quantisation
from hanas.proxies.scoring.chain_evaluation import Pictures, SharedEvaluation, with_statistics
from hanas.proxies.scoring.int8_simulation import observing, rounded, rounded_weight, rounding

CALIBRATION, BATCH = 10, 7


@pytest.fixture(autouse=True)
def _one_thread():
    with threads(1):
        yield


def pictures() -> Pictures:
    data = toy_images()
    calibration = load_split(data, "train").take(CALIBRATION)
    return Pictures(load_split(data, "validation").take(None), calibration, BATCH, int8=True)


def calibration_images() -> list[torch.Tensor]:
    return [images for images, _ in ordered_batches(pictures().calibration, BATCH)]


# ---- one tensor -----------------------------------------------------------------------------


def asymmetric(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """uint8 as ONNX Runtime has it, in plain steps."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32(high - low) / np.float32(255) if high > low else np.float32(1)
    zero = np.rint(-np.float32(low) / scale)
    return ((np.clip(np.rint(x / scale) + zero, 0, 255) - zero) * scale).astype(np.float32)


@given(
    st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=20),
    st.one_of(st.just(0.0), st.floats(-20, -(2.0**-10), width=32)),
    st.one_of(st.just(0.0), st.floats(2.0**-10, 20, width=32)),
)
def test_inputs_are_rounded_to_256_values_of_their_range(values, low, high):
    x = torch.tensor(values)
    found = rounded(x, torch.tensor(low), torch.tensor(high)).numpy()
    step = (high - low) / 255 if high > low else 1.0
    expected = asymmetric(x.numpy(), low, high)
    # Half-way between two values, the last bit of a division decides.
    assert np.abs(found - expected).max() <= step * 1.001
    assert (np.abs(found - expected) < 1e-4 * step).mean() >= 0.5 or len(values) < 8
    inside = np.clip(x.numpy(), low, high)
    assert np.abs(found - inside).max() <= step * 1.001 if high > low else True
    assert rounded(torch.zeros(1), torch.tensor(low), torch.tensor(high)).item() == 0


@pytest.mark.parametrize("width", [0.0, 1e-38, 1e-45])
def test_a_range_of_hardly_anything_is_rounded_to_zero(width):
    x = torch.tensor([0.0, width / 2, 0.2])
    assert rounded(x, torch.tensor(0.0), torch.tensor(width)).tolist() == [0.0, 0.0, 0.0]
    assert rounded_weight(torch.tensor([[0.0, width]])).tolist() == [[0.0, 0.0]]


NUMBERS = st.one_of(st.just(0.0), st.floats(2.0**-20, 3, width=32), st.floats(-3, -1, width=32))


@given(st.lists(st.lists(NUMBERS, min_size=4, max_size=4), min_size=1))
def test_weights_are_rounded_by_channel(rows):
    weight = torch.tensor(rows).view(len(rows), 1, 2, 2)
    found = rounded_weight(weight)
    assert found.shape == weight.shape
    for own, of_row in zip(found.flatten(1).numpy(), rows, strict=True):
        largest = max(map(abs, of_row))
        if largest == 0:
            continue
        steps = own / (largest / 127)
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
        assert np.abs(steps).max() == pytest.approx(127)
        assert np.abs(own - np.array(of_row)).max() <= 0.5001 * largest / 127


# ---- networks -------------------------------------------------------------------------------


def alone_and_recalibrated(space: str, genes) -> nn.Module:
    supernet = made_up_supernet(space, batch_norm="running")
    alone = inherit(plugins.space(space), supernet.weights, genes, 3, supernet.network_settings)
    alone = with_statistics(alone, "recalibrated").train()
    with torch.no_grad():
        for images in calibration_images():
            alone(images)
    return alone.eval()


def fused(network: nn.Module) -> nn.Module:
    """Fold each BN into the convolution before it."""
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            for number in range(len(module) - 1):
                if isinstance(module[number + 1], nn.BatchNorm2d):
                    module[number] = fuse_conv_bn_eval(module[number], module[number + 1])
                    module[number + 1] = nn.Identity()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    return network


def plainly_rounded(network: nn.Module) -> nn.Module:
    """Round the weights of a network without BN, and its activations with hooks."""
    ranges: dict[tuple[nn.Module, str], tuple[float, float]] = {}

    def seen(place: tuple[nn.Module, str], x: torch.Tensor) -> None:
        low, high = ranges.get(place, (0.0, 0.0))
        ranges[place] = (min(low, float(x.min())), max(high, float(x.max())))

    def in_8_bits(place: tuple[nn.Module, str], x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(asymmetric(x.numpy(), *ranges[place]))

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    units = [m for m in network.modules() if type(m).__name__ in ("Bottleneck", "ShuffleUnit")]
    halves = [getattr(unit, name, None) for unit in units for name in ("branch", "projection")]
    bodies = [unit.body for unit in units if getattr(unit, "has_residual", False)]
    results = [network.classifier, *units, *bodies, *(half for half in halves if half is not None)]

    def hooked(what):
        """Look at, or change, what goes into layers and what comes out of the others."""
        return [
            *(m.register_forward_pre_hook(lambda m, x: what((m, "in"), x[0])) for m in layers),
            *(m.register_forward_hook(lambda m, _, x: what((m, "out"), x)) for m in results),
        ]

    handles = hooked(seen)
    with torch.no_grad():
        for images in calibration_images():
            network(images)
    for handle in handles:
        handle.remove()
    for layer in layers:
        weight = layer.weight.detach().numpy()
        scale = np.abs(weight).max(axis=tuple(range(1, weight.ndim)), keepdims=True) / 127
        layer.weight.data = torch.from_numpy(np.rint(weight / scale) * scale)
    hooked(in_8_bits)
    return network


def logits_of(network: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([network(images) for images, _ in pictures().validation_batches()])


@pytest.mark.parametrize("space", COSTLY_SPACES)
def test_a_network_computes_what_a_plain_reference_does(space):
    """With BN folded first: its rounded weights are ours times what BN multiplies by."""
    for genes in random_genes(space, 2, seed=2).tolist():
        alone = alone_and_recalibrated(space, genes)
        exact = logits_of(alone)
        observed = observing(alone)
        with torch.no_grad():
            for images in calibration_images():
                observed(images)
        found = logits_of(rounding(observed))
        expected = logits_of(plainly_rounded(fused(alone)))
        rounded_off = (expected - exact).abs().mean()
        assert rounded_off > 0
        # A value half-way between two steps may go either way.
        assert (found - expected).abs().mean() < 0.3 * rounded_off


@pytest.mark.slow
def test_it_loses_what_onnx_runtime_loses(tmp_path):
    """As much, and much of it on the same images."""
    lost = []
    for space in SPACES:
        for genes in random_genes(space, 2, seed=3).tolist():
            alone = alone_and_recalibrated(space, genes)
            exact = logits_of(alone).numpy()
            observed = observing(alone)
            with torch.no_grad():
                for images in calibration_images():
                    observed(images)
            found = logits_of(rounding(observed)).numpy()
            onnx_models.export(alone, tmp_path / "float.onnx", resolution=8, batch=None)
            images = torch.cat(calibration_images()).contiguous().numpy()
            quantisation.quantise(tmp_path / "float.onnx", tmp_path / "int8.onnx", images)
            shown = [images for images, _ in pictures().validation_batches()]
            images = torch.cat(shown).contiguous().numpy()
            real = onnx_models.logits(tmp_path / "int8.onnx", images)
            lost.append((np.abs(found - exact).mean(), np.abs(real - exact).mean()))
            agreement = np.corrcoef((found - exact).ravel(), (real - exact).ravel())[0, 1]
            assert agreement > 0.2  # of 72 numbers
    simulated, really = np.array(lost).T
    assert 0.8 < simulated.sum() / really.sum() < 1.25
    assert np.corrcoef(simulated, really)[0, 1] > 0.8


# ---- scores ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "mode"),
    [
        ("shuffle_i", "batch_affine"),
        pytest.param("mobile_i", "batch", marks=pytest.mark.slow),
        pytest.param("shuffle", "running", marks=pytest.mark.slow),
    ],
)
def test_shared_beginnings_give_the_bits_of_one_by_one(space, mode):
    genes = random_genes(space, 3)
    genes[1, :11] = genes[0, :11]
    network = made_up_supernet(space, batch_norm=mode).network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = SharedEvaluation(network, pictures())(genes)
    plain = ["error", "cross_entropy", "centred_cross_entropy"]
    assert list(found) == [*plain, *(f"int8_{name}" for name in plain)]
    alone = with_statistics(network, "recalibrated")
    for row, of_row in enumerate(genes.tolist()):
        expected = score_alone(alone, of_row, pictures())
        assert {name: values[row] for name, values in found.items()} == expected
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert (found["int8_cross_entropy"] != found["cross_entropy"]).all()
    np.testing.assert_allclose(found["int8_cross_entropy"], found["cross_entropy"], rtol=0.2)
