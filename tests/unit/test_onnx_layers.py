"""Layers of ONNX files against PyTorch's own counter of operations and published numbers."""

import onnx
import pytest
import torch
from layerwise import SPACES, random_genes
from nb201_space import AVG_POOL, NONE, SKIP, nb201
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.deploy import onnx_models
from hanas.deploy.onnx_models import Layer, layers, multiply_accumulates
from hanas.spaces.networks import published


def of(network: nn.Module, path, side: int = 8, batch: int | None = 1):
    onnx_models.export(network, path, resolution=side, batch=batch)
    return layers(path)


def counted_by_pytorch(network: nn.Module, side: int) -> int:
    counter = FlopCounterMode(display=False)  # a multiplication and an addition are two
    with counter, torch.no_grad():
        network.eval()(torch.zeros(1, 3, side, side))
    return counter.get_total_flops() // 2


def _macs(network, path, side, batch=1):
    onnx_models.export(network, path, resolution=side, batch=batch)
    return multiply_accumulates(path)


@pytest.mark.parametrize("space", ["nb201", *SPACES])
def test_multiply_accumulates_are_those_that_pytorch_counts(space, tmp_path):
    module = plugins.space(space)
    network = {"batch_norm": "running"}
    network |= {"channels": 4, "cells": 1} if space == "nb201" else {"width": 0.1, "resolution": 8}
    genes = module.largest if space == "nb201" else random_genes(space, 1)[0]
    built = module.build(genes, 3, network)
    expected = counted_by_pytorch(built, 8)
    for batch in (None, 1, 3):
        assert _macs(built, tmp_path / "m.onnx", 8, batch) == expected


@pytest.mark.parametrize(
    ("name", "millions"),
    # ShuffleNetV2 (table 8), MobileNetV2 (table 4), EfficientNet (table 2), as they were published.
    [("shufflenet_v2", 146), ("mobilenet_v2", 300), ("efficientnet_b0", 390)],
)
def test_published_networks_cost_what_was_published(tmp_path, name, millions):
    space = published.PUBLISHED[name]
    network = space.build(space.genes, 1000, {"batch_norm": "running", "resolution": 224})
    found = _macs(network, tmp_path / "network.onnx", 224)
    assert found == counted_by_pytorch(network, 224)
    assert found / 1e6 == pytest.approx(millions, rel=0.015)


@pytest.mark.parametrize("batch", [None, 1, 3])
def test_cells_cost_what_nas_bench_201_says(tmp_path, batch):
    """7.78305 + 3.93216 n1x1 + 35.38944 n3x3 million, the ten biases of the classifier included.

    All its edges lead to the output: others are not in the file.
    """
    network = nb201.build([3, 2, 0, 1, 4, 1], 10, {"batch_norm": "running"})
    found = _macs(network, tmp_path / "cell.onnx", 32, batch)
    assert found + 10 == 7_783_050 + 3_932_160 + 35_389_440


class _Product(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(192, 5))

    def forward(self, images):
        return torch.matmul(images.flatten(1), self.weight)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (nn.Conv2d(3, 6, 3, stride=2, groups=3), 9 * 6 * 9),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 7)), 192 * 7),
        (_Product(), 192 * 5),
        (nn.ReLU(), 0),
    ],
)
def test_single_layers(tmp_path, network, expected):
    assert _macs(network, tmp_path / "layer.onnx", 8) == expected


def test_layers_of_a_cell(tmp_path):
    """Two poolings in a row beside a skip: per cell two poolings and an addition."""
    pool, skip, none = AVG_POOL, SKIP, NONE
    genes = (pool, none, none, skip, pool, none)
    network = {"batch_norm": "running", "channels": 4, "cells": 2}
    found = of(nb201.build(genes, 3, network), tmp_path / "m.onnx")
    counts = {str(layer): count for layer, count in found.items()}
    for channels, side, extra in ((4, 8, 0), (8, 4, 1), (16, 2, 1)):
        maps = f"of {channels}x1 to {channels}x1 channels, {side}x{side}"
        assert counts[f"pooling 3x3 {maps}"] == 4
        assert counts[f"addition 1x1 {maps}"] == 2 + extra  # that of the reduction block
    assert counts["pooling 2x2 of 16x1 to 16x1 channels, 1x1"] == 1  # of the whole map
    assert counts["convolution 1x1 of 16 to 3 channels, 1x1"] == 1  # the classifier
    nodes = onnx.load(tmp_path / "m.onnx").graph.node
    assert found.total() == sum(node.op_type in onnx_models.COUNTED for node in nodes)


def test_shapes_of_a_convolution(tmp_path):
    convolution = nn.Conv2d(3, 12, (3, 5), stride=(2, 1), padding=(1, 2), groups=3)
    found = of(convolution, tmp_path / "m.onnx", side=9, batch=2)
    expected = Layer(
        kind="convolution",
        batch=2,
        groups=3,
        inputs=1,
        outputs=4,
        side=(5, 9),
        side_before=(9, 9),
        kernel=(3, 5),
        stride=(2, 1),
        padding=(1, 1, 2, 2),
    )
    assert dict(found) == {expected: 1}
    assert expected.multiply_accumulates == 2 * 12 * 45 * 15


class Sum(nn.Module):
    """Adds a map to another one, and a number for each channel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.relu() + images.abs() + torch.ones(1, 3, 1, 1)


def test_only_sums_of_whole_maps_are_additions(tmp_path):
    found = of(Sum(), tmp_path / "m.onnx")
    assert dict(found) == {Layer("addition", 1, 3, 1, 1, (8, 8), (8, 8)): 1}


def test_open_batches_are_refused(tmp_path):
    with pytest.raises(InputError, match="fixed batch"):
        of(nn.Conv2d(3, 4, 3), tmp_path / "m.onnx", batch=None)


@pytest.mark.parametrize(
    "content", [b"", b"no model", b"\x08\x07" * 50], ids=["empty", "text", "no graph"]
)
def test_files_that_are_no_models(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    for count in (layers, multiply_accumulates):
        with pytest.raises(InputError, match=r"m\.onnx: not readable as ONNX"):
            count(path)
    with pytest.raises(InputError, match="missing"):
        layers(tmp_path / "missing.onnx")


def test_a_network_in_float32_has_no_integer_convolution(tmp_path):
    onnx_models.export(nn.Conv2d(3, 6, 3), tmp_path / "layer.onnx", resolution=8)
    assert onnx_models.integer_convolutions(tmp_path / "layer.onnx") == (0, 1)
    (tmp_path / "no.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"no\.onnx: not readable as ONNX"):
        onnx_models.integer_convolutions(tmp_path / "no.onnx")


def test_what_onnx_runtime_cannot_run_is_named(tmp_path):
    node = onnx.helper.make_node("Unheard", ["images"], ["logits"])
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 8, 8])
        for name in ("images", "logits")
    ]
    graph = onnx.helper.make_graph([node], "graph", ends[:1], ends[1:])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "odd.onnx")
    with pytest.raises(InputError, match=r"odd\.onnx: ONNX Runtime cannot load it"):
        onnx_models.integer_convolutions(tmp_path / "odd.onnx")
