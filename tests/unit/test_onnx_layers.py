import pytest
import torch
from layerwise import SPACES, random_genes
from torch import nn

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.deploy import onnx_models
from hanas.deploy.onnx_counts import multiply_accumulates
from hanas.devices._onnx_layers import Layer, layers
from hanas.spaces import nb201


def of(network: nn.Module, path, side: int = 8, batch: int | None = 1):
    onnx_models.export(network, path, resolution=side, batch=batch)
    return layers(path)


def convolutions(found) -> int:
    return sum(n * la.multiply_accumulates for la, n in found.items() if la.kind == "convolution")


@pytest.mark.parametrize("space", ["nb201", *SPACES])
def test_multiply_accumulates_are_those_counted_elsewhere(space, tmp_path):
    module = plugins.space(space)
    network = {"batch_norm": "running"}
    network |= {"channels": 4, "cells": 1} if space == "nb201" else {"width": 0.1, "resolution": 8}
    genes = module.largest if space == "nb201" else random_genes(space, 1)[0]
    found, _ = of(module.build(genes, 3, network), tmp_path / "m.onnx")
    assert convolutions(found) == multiply_accumulates(tmp_path / "m.onnx")


def test_layers_of_a_cell(tmp_path):
    """Two poolings in a row beside a skip: per cell two poolings and an addition."""
    pool, skip, none = nb201.AVG_POOL, nb201.SKIP, nb201.NONE
    genes = (pool, none, none, skip, pool, none)
    network = {"batch_norm": "running", "channels": 4, "cells": 2}
    found, left_out = of(nb201.build(genes, 3, network), tmp_path / "m.onnx")
    counts = {str(layer): count for layer, count in found.items()}
    for channels, side, extra in ((4, 8, 0), (8, 4, 1), (16, 2, 1)):
        maps = f"of {channels}x1 to {channels}x1 channels, {side}x{side}"
        assert counts[f"pooling 3x3 {maps}"] == 4
        assert counts[f"addition 1x1 {maps}"] == 2 + extra  # that of the reduction block
    assert counts["pooling 2x2 of 16x1 to 16x1 channels, 1x1"] == 1  # of the whole map
    assert counts["convolution 1x1 of 16 to 3 channels, 1x1"] == 1  # the classifier
    assert left_out["Relu"] > 0
    assert not set(left_out) & {"Conv", "Gemm", "AveragePool", "Add"}


def test_shapes_of_a_convolution(tmp_path):
    convolution = nn.Conv2d(3, 12, (3, 5), stride=(2, 1), padding=(1, 2), groups=3)
    found, left_out = of(convolution, tmp_path / "m.onnx", side=9, batch=2)
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
    assert not left_out
    assert expected.multiply_accumulates == 2 * 12 * 45 * 15


class Sum(nn.Module):
    """Adds a map to another one, and a number for each channel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.relu() + images.abs() + torch.ones(1, 3, 1, 1)


def test_only_sums_of_whole_maps_are_additions(tmp_path):
    found, left_out = of(Sum(), tmp_path / "m.onnx")
    assert dict(found) == {Layer("addition", 1, 3, 1, 1, (8, 8), (8, 8)): 1}
    assert left_out == {"Relu": 1, "Abs": 1, "Add": 1}


def test_open_batches_are_refused(tmp_path):
    with pytest.raises(InputError, match="fixed batch"):
        of(nn.Conv2d(3, 4, 3), tmp_path / "m.onnx", batch=None)


@pytest.mark.parametrize(
    "content", [b"", b"no model", b"\x08\x07" * 50], ids=["empty", "text", "no graph"]
)
def test_files_that_are_no_models(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not readable as ONNX"):
        layers(path)
    with pytest.raises(InputError, match="missing"):
        layers(tmp_path / "missing.onnx")
