"""Meters of OpenVINO and LiteRT, and commands that ask for LiteRT files."""

import json

import pandas as pd
import pytest
from fake_litert import fake_litert
from some_devices import device
from torch import nn

from hanas.core.errors import InputError
from hanas.deploy import onnx_models
from hanas.devices._device import ModelRefused
from hanas.devices.measuring.measure import Model, measure_models
from hanas.devices.measuring.models import trained


def test_litert_is_timed_as_the_settings_say(tmp_path):
    fake_python = fake_litert(tmp_path)
    meter = device("litert", litert_python=fake_python, threads=2, xnnpack=False, passes=2)
    assert meter.runtime() == "LiteRT 2.3.0, XNNPACK off"
    found = meter.measure(tmp_path / "model.tflite", "here")
    assert found.latencies_ms.tolist() == [1, 1.01, 1.02]
    asked = json.loads((tmp_path / "asked.json").read_text())["time"]
    assert asked["file"] == str(tmp_path / "model.tflite")
    assert (asked["threads"], asked["xnnpack"], asked["passes"]) == (2, False, 2)
    with pytest.raises(ModelRefused, match="no op"):
        meter.measure(tmp_path / "broken.tflite", "here")
    assert meter.conditions("here")["format"] == "litert"
    assert (tmp_path / "starts").read_text() == "started\n"  # one process for all of them


def test_litert_that_crashes_is_started_again(tmp_path):
    meter = device("litert", litert_python=fake_litert(tmp_path), passes=2)
    with pytest.raises(InputError, match=r"gave no answer for .*crash\.tflite \(status -11\)"):
        meter.measure(tmp_path / "crash.tflite", "here")
    assert meter.measure(tmp_path / "model.tflite", "here").latencies_ms.tolist() == [1, 1.01, 1.02]
    assert (tmp_path / "starts").read_text() == "started\n" * 2


@pytest.mark.parametrize("kind", ["host", "litert", "openvino"])
def test_this_machine_is_measured_alone_and_in_rounds(kind):
    meter = device(kind)
    assert meter.in_rounds
    assert meter.threads_taken == 64
    assert (meter.in_blocks().passes, meter.in_blocks().warmup) == (10, 1)


@pytest.mark.parametrize(("precision", "name"), [("float32", "model"), ("int8", "model.int8")])
def test_commands_are_given_the_format_they_ask_for(tmp_path, precision, name):
    meter = device("command", command=["x", "{model}"], format="litert", precision=precision)
    (tmp_path / "1").mkdir()
    models = pd.DataFrame({"number": [1], "arch": ["mobilenet_v2"]})
    with pytest.raises(InputError, match="add litert to formats"):
        trained(models, tmp_path, meter, "mobile_i")
    (tmp_path / "1" / f"{name}.tflite").write_bytes(b"TFL3")
    trained(models, tmp_path, meter, "mobile_i")["mobilenet_v2"].write(tmp_path / "given.tflite")
    assert (tmp_path / "given.tflite").read_bytes() == b"TFL3"
    assert meter.model_suffix == ".tflite"


def test_litert_takes_one_picture():
    with pytest.raises(InputError, match="batch is 2"):
        device("command", command=["x", "{model}"], format="litert", batch=2)


def test_commands_that_ask_for_onnx_depend_on_nothing_new():
    meter = device("command", command=["x", "{model}"])
    assert not {"format", "litert_python"} & set(meter.params())
    assert "format" not in meter.conditions("the board")


def test_openvino_times_onnx_models(tmp_path):
    pytest.importorskip("openvino")
    file = tmp_path / "model.onnx"
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(784, 3))
    onnx_models.export(network, file, resolution=16)
    meter = device("openvino", passes=5)
    assert meter.runtime().startswith("OpenVINO 20")
    assert (meter.measure(file, "here").latencies_ms > 0).all()
    assert len(meter.measure(file, "here").latencies_ms) == 5
    (tmp_path / "no.onnx").write_bytes(b"no model")
    with pytest.raises(ModelRefused, match="OpenVINO cannot run it"):
        meter.measure(tmp_path / "no.onnx", "here")


def test_tables_say_which_format_was_measured(tmp_path):
    """Else the page of trained models puts these numbers beside the ONNX file."""
    meter = device("litert", litert_python=fake_litert(tmp_path), passes=2)
    model = Model(lambda file: file.write_bytes(b"TFL3"))
    table = measure_models({"one": model}, meter, workspace=tmp_path / "kept", log=print)
    assert table["format"].tolist() == ["litert"]
