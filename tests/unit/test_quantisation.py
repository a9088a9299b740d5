import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from nb201_space import nb201
from onnx import numpy_helper
from torch import nn

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.data.batches import load_split
from hanas.deploy import onnx_models, quantisation
from hanas.deploy.exporting import Normalised, normalised
from hanas.deploy.quantisation import Quantisation, quantise
from hanas.spaces.networks import published

SMALL = {
    "nb201": {"channels": 4, "cells": 1, "batch_norm": "running"},
}
OTHER_SPACES = sorted({*plugins.names("spaces")} - {"nb201", "mobile_i"})
SMALL_CHAIN = {"width": 0.25, "batch_norm": "running", "resolution": 16}


def _images(count=16, side=8, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, 3, side, side)) + 0.5).astype(np.float32)


def _write(network, path, *, side=8, batch=None):
    onnx_models.export(network, path, resolution=side, batch=batch)
    return path


def _small_network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )


@pytest.fixture
def small(tmp_path):
    return _write(_small_network(), tmp_path / "small.onnx")


def _initializers(path):
    return {each.name: numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer}


# ---- against the same arithmetic in numpy --------------------------------------------------------


def _scale_and_zero(values):
    """Asymmetric uint8: 0 is exact, the ends of the range are 0 and 255."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = (high - low) / 255
    return scale, round(-low / scale)


def _quantised(values, scale, zero):
    return np.clip(np.rint(values / scale) + zero, 0, 255).astype(np.int64)


def _convolved(x, weight):
    """Plain convolution without padding: (N, C, H, W) with (O, C, K, K)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, weight)


def _by_hand(weight, bias, calibration, images):
    """Return the integer weights, zero points of input and output, result and step of it."""
    exact = _convolved(calibration.astype(np.float64), weight) + bias[:, None, None]
    (in_scale, in_zero), (out_scale, out_zero) = map(_scale_and_zero, (calibration, exact))
    scales = np.abs(weight).max(axis=(1, 2, 3)) / 127
    integers = np.rint(weight / scales[:, None, None, None]).astype(np.int64)
    offsets = np.rint(bias / (in_scale * scales)).astype(np.int64)
    sums = _convolved(_quantised(images, in_scale, in_zero) - in_zero, integers)
    sums += offsets[:, None, None]
    result = _quantised(sums * (in_scale * scales)[:, None, None], out_scale, out_zero)
    return integers, (in_zero, out_zero), (result - out_zero) * out_scale, out_scale


@pytest.mark.parametrize("coherent", [False, True])
def test_a_convolution_is_that_of_integer_arithmetic(tmp_path, coherent):
    """Coherent: weights of one sign, so that 16-bit sums of two products would be cut off."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 4, 3)
    with torch.no_grad():
        convolution.weight *= torch.tensor([1.0, 0.1, 3.0, 0.02])[:, None, None, None]
        if coherent:
            convolution.weight.abs_()
    calibration, images = _images(), _images(seed=1)
    if coherent:
        calibration, images = np.abs(calibration) + 1, np.abs(images) + 1
    model = _write(convolution, tmp_path / "float.onnx")
    quantise(model, tmp_path / "int8.onnx", calibration)
    weight = convolution.weight.detach().numpy().astype(np.float64)
    bias = convolution.bias.detach().numpy().astype(np.float64)
    integers, zeros, expected, step = _by_hand(weight, bias, calibration, images)

    found = onnx_models.logits(tmp_path / "int8.onnx", images)
    steps = np.rint((found - expected) / step)
    assert np.abs(steps).max() <= 1  # ties may round either way
    assert (steps == 0).mean() > 0.99
    stored = _initializers(tmp_path / "int8.onnx")
    (found_integers,) = (v for v in stored.values() if v.dtype == np.int8 and v.ndim == 4)
    np.testing.assert_array_equal(found_integers, integers)
    found_zeros = [int(value) for value in stored.values() if value.dtype == np.uint8]
    assert sorted(found_zeros) == sorted(zeros)


def _one_channel_of_large_weights():
    """A network that names the brightest colour, with a channel of large weights that cancel."""
    convolution, classifier = nn.Conv2d(3, 4, 3, bias=False), nn.Linear(4, 3, bias=False)
    with torch.no_grad():
        convolution.weight.zero_()
        for colour in range(3):
            convolution.weight[colour, colour] = 0.1
        convolution.weight[3, :, 0, 0], convolution.weight[3, :, 2, 2] = 30.0, -30.0
        classifier.weight.copy_(torch.eye(3, 4))
    return nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier)


def test_scales_of_channels_keep_what_one_scale_loses(tmp_path):
    colours = np.random.default_rng(0).random((200, 3)).astype(np.float32)
    images = np.ascontiguousarray(np.broadcast_to(colours[:, :, None, None], (200, 3, 8, 8)))
    model = _write(_one_channel_of_large_weights(), tmp_path / "float.onnx")
    right = {}
    for per_channel in (True, False):
        quantise(model, tmp_path / "int8.onnx", images[:64], Quantisation(per_channel=per_channel))
        classes = onnx_models.logits(tmp_path / "int8.onnx", images).argmax(axis=1)
        right[per_channel] = (classes == colours.argmax(axis=1)).mean()
    assert right[True] > 0.95
    assert right[False] < 0.6


# ---- what is in the file -------------------------------------------------------------------------


def _quantisers(path):
    """Return for each QuantizeLinear of the graph the type and value of its zero point."""
    graph, stored = onnx.load(path).graph, _initializers(path)
    return [stored[node.input[2]] for node in graph.node if node.op_type == "QuantizeLinear"]


def _weights_of_convolutions(path):
    graph, stored = onnx.load(path).graph, _initializers(path)
    producers = {node.output[0]: node for node in graph.node}
    for node in graph.node:
        if node.op_type == "Conv":
            source = producers[node.input[1]]
            assert source.op_type == "DequantizeLinear"
            yield tuple(stored[name] for name in source.input)  # weight, scale, zero point


@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_are_symmetric_int8_and_activations_asymmetric_uint8(tmp_path, small, per_channel):
    path = tmp_path / "int8.onnx"
    quantise(small, path, _images(), Quantisation(per_channel=per_channel))
    convolutions = list(_weights_of_convolutions(path))
    assert len(convolutions) == 2
    for weight, scale, zero in convolutions:
        assert weight.dtype == np.int8
        assert np.abs(weight).max() == 127
        assert scale.shape == ((len(weight),) if per_channel else ())
        assert (zero == 0).all()
    zeros = _quantisers(path)
    assert {zero.dtype for zero in zeros} == {np.dtype(np.uint8)}
    # After ReLU all 256 steps are above 0; images of mean 0.5 are not symmetric either.
    assert any(zero == 0 for zero in zeros)
    assert all(zero != 128 for zero in zeros)
    assert path.stat().st_size < small.stat().st_size + 20_000


def test_reduced_range_leaves_weights_seven_bits(tmp_path, small):
    quantise(small, tmp_path / "int8.onnx", _images(), Quantisation(reduce_range=True))
    convolutions = _weights_of_convolutions(tmp_path / "int8.onnx")
    largest = [int(np.abs(weight).max()) for weight, *_ in convolutions]
    assert largest == [64, 64]
    assert 2 * 255 * max(largest) < 2**15


def _input_step(path):
    graph, stored = onnx.load(path).graph, _initializers(path)
    (node,) = [n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] == "images"]
    return float(stored[node.input[1]])


def test_percentile_leaves_out_an_outlier(tmp_path):
    model = _write(_small_network(), tmp_path / "float.onnx", side=32)
    images = _images(80, 32)  # 245,760 values
    others = np.ptp(images)
    images[0, 0, 0, 0] = 1000  # 0.0004 % of them
    steps = {}
    for method in ("minmax", "percentile"):
        quantise(model, tmp_path / "int8.onnx", images, Quantisation(method=method))
        steps[method] = _input_step(tmp_path / "int8.onnx")
    assert steps["minmax"] == pytest.approx((1000 - images.min()) / 255, rel=1e-5)
    assert 0.9 * others / 255 < steps["percentile"] < 1.5 * others / 255


# ---- every kind of network -----------------------------------------------------------------------


def _lively(network):
    """Give batch normalisations true statistics, so that images differ up to the last layer."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None  # a plain average
    with torch.no_grad():
        network.train()(torch.from_numpy(_coloured(64)))
    return network.eval()


def _coloured(count, seed=0):
    """Noise on colours of their own."""
    colours = np.random.default_rng([seed, 1]).normal(size=(count, 3, 1, 1)).astype(np.float32)
    return 0.3 * _images(count, 16, seed) + colours


@pytest.mark.parametrize(
    ("space", "name"),
    [
        ("nb201", None),
        ("mobile_i", None),
        # The same blocks in other numbers.
        *(pytest.param(other, None, marks=pytest.mark.slow) for other in OTHER_SPACES),
        *(pytest.param("shuffle", name, marks=pytest.mark.slow) for name in published.NAMES),
    ],
)
def test_every_convolution_of_every_network_runs_in_integers(tmp_path, space, name):
    module = published.space_of(name or "", space)
    rng = np.random.default_rng(3)
    genes = module.genes if name else [int(rng.integers(count)) for count in module.choices]
    network = _lively(module.build(genes, 10, SMALL.get(space, SMALL_CHAIN)))
    model = _write(network, tmp_path / "float.onnx", side=16)
    quantise(model, tmp_path / "int8.onnx", _coloured(16))
    count = sum(isinstance(part, nn.Conv2d) for part in network.modules())
    assert onnx_models.integer_convolutions(tmp_path / "int8.onnx") == (count, count)
    assert onnx_models.integer_convolutions(model) == (0, count)
    images = _coloured(32, seed=9)
    found = onnx_models.logits(tmp_path / "int8.onnx", images)
    expected = _as_written(tmp_path / "int8.onnx", images)
    # Between images, not between classes: that all images have nearly the same logits is no feat.
    found, expected = found - found.mean(axis=0), expected - expected.mean(axis=0)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.95


def _as_written(path, images):
    """Run a graph node by node in float32, rounding where it says so, without integer kernels."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})[0]


# ---- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "shape"), [(None, "batch"), (1, 1), (4, 4)])
def test_the_batch_stays_open_or_fixed(tmp_path, batch, shape):
    model = _write(_small_network(), tmp_path / "float.onnx", batch=batch)
    quantise(model, tmp_path / "int8.onnx", _images(7))  # of a batch of 4, one whole one
    session = onnx_models.session(tmp_path / "int8.onnx")
    (images,), (logits,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type) == ("images", "tensor(float)")
    assert images.shape == [shape, 3, 8, 8]
    assert (logits.name, logits.shape) == ("logits", [shape, 5])
    for size in (1, 3) if batch is None else (batch,):
        assert session.run(None, {"images": _images(size)})[0].shape == (size, 5)


SCRIPT = """
import sys
import numpy as np
from hanas.deploy.quantisation import quantise
quantise(sys.argv[1], sys.argv[2], np.load(sys.argv[3]))
"""


@pytest.mark.slow
def test_equal_input_gives_equal_bytes_in_every_process(tmp_path, small):
    images = _images()
    np.save(tmp_path / "images.npy", images)
    quantise(small, tmp_path / "a.onnx", images)
    subprocess.run(
        [sys.executable, "-c", SCRIPT, small, tmp_path / "b.onnx", tmp_path / "images.npy"],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        check=True,
    )
    a, b = (hashlib.sha256((tmp_path / f).read_bytes()).digest() for f in ("a.onnx", "b.onnx"))
    assert a == b
    quantise(small, tmp_path / "c.onnx", _images(seed=5))
    assert (tmp_path / "c.onnx").read_bytes() != (tmp_path / "a.onnx").read_bytes()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_it_is_quiet_and_leaves_nothing_behind(tmp_path, small, temporary, capfd):
    for method in ("minmax", "percentile"):
        quantise(small, tmp_path / "int8.onnx", _images(), Quantisation(method=method))
    assert list(temporary.iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["int8.onnx", "small.onnx", "temporary"]
    assert capfd.readouterr() == ("", "")


def test_threads_do_not_silence_each_other_for_good(tmp_path, small, capsys):
    def one(number):
        quantise(small, tmp_path / f"{number}.onnx", _images(), Quantisation(method="percentile"))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(one, range(8)))
    assert len({(tmp_path / f"{number}.onnx").read_bytes() for number in range(8)}) == 1
    print("heard")
    assert capsys.readouterr().out == "heard\n"
    assert logging.root.manager.disable == 0


def _no_convolution(path, content):
    _write(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), path)


def _not_finite(path, content):
    network = _small_network()
    with torch.no_grad():
        network[0].weight[0, 0, 0, 0] = float("nan")
    _write(network, path)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path, content: path.unlink(), "File doesn't exist"),
        (lambda path, content: path.write_bytes(content[: len(content) // 2]), "cannot load it"),
        (lambda path, content: path.write_bytes(b"no model"), "cannot load it"),
        (_no_convolution, "has no convolution"),
        (_not_finite, "not finite"),
    ],
)
def test_what_cannot_be_quantised_is_named(tmp_path, small, temporary, spoil, says):
    spoil(small, small.read_bytes())
    with pytest.raises(InputError, match=says) as caught:
        quantise(small, tmp_path / "int8.onnx", _images())
    assert str(small) in str(caught.value)
    assert not (tmp_path / "int8.onnx").exists()
    assert list(temporary.iterdir()) == []


def test_a_cell_that_computes_a_constant_is_told_apart(tmp_path):
    network = nb201.build([0] * 6, 10, SMALL["nb201"])
    model = _write(network, tmp_path / "float.onnx", side=16, batch=1)
    with pytest.raises(InputError, match="has no convolution"):
        quantise(model, tmp_path / "int8.onnx", _images(4, 16))


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (_images(side=9), "expected float32"),
        (_images().astype(np.float64), "expected float32"),
        (_images(0), "at least 1"),
    ],
)
def test_images_that_do_not_fit_are_refused(tmp_path, small, images, says):
    with pytest.raises(InputError, match=says):
        quantise(small, tmp_path / "int8.onnx", images)


def test_too_few_images_for_a_fixed_batch_are_refused(tmp_path):
    model = _write(_small_network(), tmp_path / "float.onnx", batch=4)
    with pytest.raises(InputError, match="at least 4"):
        quantise(model, tmp_path / "int8.onnx", _images(3))


def test_impossible_settings_are_refused():
    wrong = {"method": "entropy", "per_channel": "yes", "reduce_range": 2, "calibration_images": 0}
    for name, value in wrong.items():
        with pytest.raises(InputError, match=rf"quantisation\.{name} is {value!r}; expected"):
            Quantisation.read({name: value}, "quantisation")
    with pytest.raises(InputError, match=r"quantisation\.bits: no such setting"):
        Quantisation.read({"bits": 4}, "quantisation")


# ---- processors without VNNI ---------------------------------------------------------------------

RUN = """
import sys
import numpy as np
import onnxruntime
images = np.load(sys.argv[1])
for path in sys.argv[2:]:
    for value in "01":
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.x64quantprecision", value)
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        print(*session.run(None, {"images": images})[0].ravel())
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind, as a processor")
def test_where_sums_saturate_both_ways_out_are_exact(tmp_path):
    """Valgrind is a processor with AVX2 and without VNNI."""
    network = _small_network()
    with torch.no_grad():
        network.get_parameter("0.weight").abs_()
        network.get_parameter("3.weight").abs_()
    images = np.abs(_images()) + 1
    model = _write(network.eval(), tmp_path / "float.onnx")
    files = []
    for reduce_range in (False, True):
        files.append(tmp_path / f"int8_{reduce_range}.onnx")
        quantise(model, files[-1], images, Quantisation(reduce_range=reduce_range))
    np.save(tmp_path / "images.npy", images[:2])
    command = [sys.executable, "-c", RUN, tmp_path / "images.npy", *files]

    def rows(*prefix):
        done = subprocess.run([*prefix, *command], capture_output=True, text=True, check=True)
        return np.array([line.split() for line in done.stdout.splitlines()], dtype=float)

    cut_off, exact, reduced, reduced_exact = rows("valgrind", "--tool=none", "-q")
    here = [onnx_models.logits(file, images[:2]).ravel() for file in files]
    np.testing.assert_allclose(exact, here[0], atol=1e-6)
    np.testing.assert_allclose(reduced, here[1], atol=1e-6)
    np.testing.assert_allclose(reduced_exact, here[1], atol=1e-6)
    assert np.abs(cut_off - exact).max() > 0.1 * np.abs(exact).max()


# ---- memory -------------------------------------------------------------------------------------


def test_few_large_images_are_looked_at_together(tmp_path):
    """Convolution, ReLU and convolution yield 8 * H * W numbers each; the rest hardly any."""
    prepared, of_images = tmp_path / "prepared.onnx", {}
    for side in (8, 64):
        file = _write(_small_network(), tmp_path / f"{side}.onnx", side=side)
        one = 4 * (3 * 8 * side**2 + 16)
        folded = onnx.shape_inference.infer_shapes(onnx_models.as_run(file, "ORT_ENABLE_BASIC"))
        onnx.save(folded, prepared)
        of_images[side] = quantisation._images_at_a_time(prepared, 20 * one)
    assert all(18 <= count <= 21 for count in of_images.values())
    assert quantisation._images_at_a_time(prepared, 2**30) == 32
    assert quantisation._images_at_a_time(prepared, 1) == 1


def test_where_little_is_free_fewer_are_looked_at_and_the_file_is_the_same(
    tmp_path, small, monkeypatch
):
    seen = []
    looked = quantisation._batches
    monkeypatch.setattr(quantisation, "_batches", lambda *how: seen.append(how[2]) or looked(*how))
    quantise(small, tmp_path / "many.onnx", _images())
    monkeypatch.setattr(quantisation, "free_bytes", lambda: 1)
    quantise(small, tmp_path / "one.onnx", _images())
    assert seen == [32, 1]
    many, one = (_initializers(tmp_path / f"{name}.onnx") for name in ("many", "one"))
    for name, values in many.items():
        np.testing.assert_allclose(values, one[name], rtol=1e-5, err_msg=name)


def test_images_may_be_made_when_they_are_asked_for(tmp_path, small, toy_data):
    split = load_split(toy_data, "train")
    lazy, whole = Normalised(split), normalised(split)
    assert (lazy.shape, lazy.dtype, len(lazy)) == (whole.shape, whole.dtype, len(whole))
    np.testing.assert_array_equal(lazy[5:9], whole[5:9])
    quantise(small, tmp_path / "whole.onnx", whole)
    quantise(small, tmp_path / "lazy.onnx", lazy)
    assert (tmp_path / "whole.onnx").read_bytes() == (tmp_path / "lazy.onnx").read_bytes()


def test_memory_that_is_short_is_told(tmp_path, small, monkeypatch):
    def short(*_):
        raise RuntimeError("Failed to allocate memory for requested buffer of size 963379200")

    monkeypatch.setattr(quantisation, "_ranges", short)
    with pytest.raises(InputError, match=r"small\.onnx: calibration .*out of memory .*resolution"):
        quantise(small, tmp_path / "int8.onnx", _images())
