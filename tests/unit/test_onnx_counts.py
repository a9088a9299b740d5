import onnx
import pytest
import torch
from torch import nn

from hanas.core.errors import InputError
from hanas.deploy import onnx_counts, onnx_models
from hanas.spaces import nb201
from hanas.spaces.networks import published


def _macs(network, path, side, batch=1):
    onnx_models.export(network, path, resolution=side, batch=batch)
    return onnx_counts.multiply_accumulates(path)


@pytest.mark.parametrize(
    ("name", "millions"),
    # ShuffleNetV2 (table 8), MobileNetV2 (table 4), EfficientNet (table 2), as they were published.
    [("shufflenet_v2", 146), ("mobilenet_v2", 300), ("efficientnet_b0", 390)],
)
def test_published_networks_cost_what_was_published(tmp_path, name, millions):
    network = published.build(name, 1000, {"batch_norm": "running", "resolution": 224})
    found = _macs(network, tmp_path / "network.onnx", 224)
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


def test_a_network_in_float32_has_no_integer_convolution(tmp_path):
    onnx_models.export(nn.Conv2d(3, 6, 3), tmp_path / "layer.onnx", resolution=8)
    assert onnx_counts.integer_convolutions(tmp_path / "layer.onnx") == (0, 1)


@pytest.mark.parametrize(
    "count", [onnx_counts.multiply_accumulates, onnx_counts.integer_convolutions]
)
def test_what_is_no_model_is_named(tmp_path, count):
    path = tmp_path / "no.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(InputError, match=r"no\.onnx: not readable as ONNX"):
        count(path)


def test_what_onnx_runtime_cannot_run_is_named(tmp_path):
    node = onnx.helper.make_node("Unheard", ["images"], ["logits"])
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 8, 8])
        for name in ("images", "logits")
    ]
    graph = onnx.helper.make_graph([node], "graph", ends[:1], ends[1:])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "odd.onnx")
    with pytest.raises(InputError, match=r"odd\.onnx: ONNX Runtime cannot load it"):
        onnx_counts.integer_convolutions(tmp_path / "odd.onnx")
