import os
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from fake_rknn import fake_python
from nb201_space import nb201
from onnx import TensorProto, helper
from some_devices import device

from hanas.core.errors import InputError
from hanas.deploy import onnx_models
from hanas.devices import rknn
from hanas.devices._device import BoardLost, ModelRefused
from hanas.devices.measuring.measure import Model, measure_models

#: One average pooling on a live edge; so one a cell, and a cell a stage in the recorded network.
CELL = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
)
STAGES = 3


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    settings = {"channels": 4, "cells": 1, "batch_norm": "running"}
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    network = nb201.build(nb201.from_text(CELL), 3, settings)
    onnx_models.export(network, path, resolution=8, batch=None)
    return path


@pytest.fixture(scope="module")
def impossible(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("impossible") / "model.onnx"
    graph = helper.make_graph(
        [helper.make_node("Det", ["images"], ["y"])],
        "determinants",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 3, 8, 8)).astype(np.float32)


def test_the_table_of_layers_of_the_toolkit_is_read():
    found = rknn.layers(Path(__file__).with_name("rknn_layers.txt").read_text())
    counts = Counter((layer.operation, layer.unit) for layer in found)
    # The poolings of the cells fall back, those between the stages do not.
    assert counts["AveragePool", "CPU"] == STAGES
    assert counts["AveragePool", "NPU"] == STAGES - 1
    assert counts["Reshape", "CPU"] == 1
    assert {unit for _, unit in counts} == {"CPU", "NPU"}
    assert len(found) == 36
    assert found[3] == rknn.Layer(
        "AveragePool", "CPU", "AveragePool:/stages.0.0/avg_pool_3x3/AveragePool"
    )


@pytest.mark.parametrize("output", ["", "Network Layer Information Table\nnothing\n"])
def test_other_output_is_refused(output):
    with pytest.raises(InputError, match="no table of layers"):
        rknn.layers(output)


def test_without_a_board_there_is_a_simulation(model, tmp_path):
    shown, python = images(10), str(fake_python(tmp_path))
    logits, layers, version = device("rknn", python=python).simulated(model, images(4), shown)
    assert logits.argmax(axis=1).tolist() == shown.mean(axis=(2, 3)).argmax(axis=1).tolist()
    assert [layer.unit for layer in layers].count("CPU") == STAGES + 1
    assert version == "2.5.0"


def test_without_a_board_measuring_stops_and_says_what_to_do(model, tmp_path):
    chosen = device("rknn", python=str(fake_python(tmp_path)))

    def write(file: Path) -> None:
        pytest.fail("no model is needed")

    with pytest.raises(InputError, match="nothing can be timed: connect the board by USB"):
        measure_models({"a": Model(write)}, chosen, workspace=tmp_path / "kept")


def test_a_board_is_timed(model, tmp_path):
    python = str(fake_python(tmp_path, boards=("b1",)))
    chosen = device("rknn", python=python, passes=4, warmup=2)
    assert chosen.board_names() == ("b1",)
    timings = chosen.measure(model, "b1")
    assert timings.latencies_ms.tolist() == [3, 4, 5, 6]  # the stand-in gets slower
    assert chosen.conditions("b1")["runtime"] == "rknn-toolkit2 2.5.0 on rk3588"


def test_a_board_that_vanishes_is_lost(model, tmp_path):
    chosen = device("rknn", python=str(fake_python(tmp_path, boards=("b1",))))
    with pytest.raises(BoardLost, match="no devices/emulators found"):
        chosen.measure(model, "b2")


def test_a_board_that_hangs_is_lost(model, tmp_path):
    python = fake_python(tmp_path, boards=("b1",))
    toolkit = tmp_path / "site" / "rknn" / "api.py"
    toolkit.write_text(toolkit.read_text() + "\nimport time; time.sleep(30)\n")
    with pytest.raises(BoardLost, match="did not end in time"):
        device("rknn", python=str(python), timeout_seconds=0.5).measure(model, "b1")


def test_a_model_that_cannot_be_converted_is_refused_with_the_toolkits_reason(impossible, tmp_path):
    chosen = device("rknn", python=str(fake_python(tmp_path, boards=("b1",))))
    with pytest.raises(ModelRefused, match="cannot convert it: load_onnx: Unsupport Det!"):
        chosen.measure(impossible, "b1")
    with pytest.raises(InputError, match="cannot convert it: load_onnx: Unsupport Det!"):
        chosen.simulated(impossible, images(2), images(2))


def test_of_several_boards_one_must_be_named(tmp_path):
    python = str(fake_python(tmp_path, boards=("b1", "b2")))
    assert device("rknn", python=python, device_id="b2").board_names() == ("b2",)
    for device_id in (None, "b3"):
        with pytest.raises(InputError, match="these boards are attached: b1, b2"):
            device("rknn", python=python, device_id=device_id).board_names()


@pytest.mark.parametrize(
    "output",
    [
        "hanas pass 0\nTotal Time(us): 5\n",  # one of two
        "hanas pass 0\nTotal Time(us): 5\nhanas pass 1\nFPS: 3\n",
        "Total Time(us): 5\nTotal Time(us): 5\n",
    ],
)
def test_passes_without_a_time_are_refused(output):
    with pytest.raises(InputError, match="no times"):
        rknn.pass_times(output, passes=2, warmup=0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"python": "none/python"}, r"meter\.python is 'none/python': there is no such file"),
        (
            {"python": "/bin/false"},
            r"meter\.python is '/bin/false': it gave no answer \(status 1\)",
        ),
        ({"precision": "float32"}, "precision is 'float32'"),
        ({"batch": 2}, "batch is 2"),
    ],
)
def test_wrong_settings_are_named(settings, said):
    with pytest.raises(InputError, match=said):
        device("rknn", **settings).board_names()


def test_a_python_without_the_toolkit_is_named(tmp_path):
    python = fake_python(tmp_path)
    (tmp_path / "site" / "rknn" / "api.py").write_text("raise ImportError('no toolkit')")
    with pytest.raises(InputError, match="cannot look for boards: no toolkit"):
        device("rknn", python=str(python)).board_names()


def test_the_real_toolkit_agrees_with_the_recorded_one(tmp_path):
    python = os.environ.get("HANAS_RKNN_PYTHON", ".venv-rknn/bin/python")
    if not Path(python).is_file():
        pytest.skip("no rknn-toolkit2: envs/rknn makes a Python that has it")
    settings = {"channels": 16, "cells": 1, "batch_norm": "running"}
    network = nb201.build(nb201.from_text(CELL), 10, settings)
    file = tmp_path / "model.onnx"
    onnx_models.export(network, file, resolution=32, batch=None)
    shown = np.random.default_rng(0).standard_normal((8, 3, 32, 32)).astype(np.float32)
    labels = onnx_models.logits(file, shown).argmax(axis=1)
    logits, layers, _ = device("rknn", python=python).simulated(file, shown, shown)
    assert (
        Counter((layer.operation, layer.unit) for layer in layers)["AveragePool", "CPU"] == STAGES
    )
    assert np.mean(logits.argmax(axis=1) == labels) >= 0.5
    with pytest.raises(InputError, match="nothing can be timed"):
        device("rknn", python=python).board_names()
