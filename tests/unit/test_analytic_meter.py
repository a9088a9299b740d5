import pytest
from nb201_space import nb201
from some_devices import device
from torch import nn

from hanas.core.errors import InputError
from hanas.deploy import onnx_models
from hanas.deploy.onnx_models import layers
from hanas.devices import analytic
from hanas.devices._device import ModelRefused
from hanas.devices.measuring.measure import Model, measure_models

NETWORK = {"batch_norm": "running", "channels": 4, "cells": 1}


def eyeriss(**settings):
    return device("analytic", **{"accelerator": "eyeriss", **settings})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("analytic")


@pytest.fixture(autouse=True)
def cache(folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "hanas" / "layers"


@pytest.fixture(scope="module")
def model(folder):
    path = folder / "cell.onnx"
    onnx_models.export(nb201.build((3, 2, 4, 1, 0, 4), 3, NETWORK), path, resolution=8)
    return path


def test_costs_are_sums_over_the_layers(model, cache):
    (board,) = eyeriss().board_names()
    timings = eyeriss().measure(model, board)
    described = analytic.describe("eyeriss")
    energy = cycles = 0.0
    for layer, count in layers(model).items():
        cost = analytic.cost(layer, described, cache)
        energy += count * cost.energy_pj
        cycles += count * cost.cycles
    assert timings.estimate
    assert timings.latencies_ms.tolist() == [pytest.approx(cycles / 200e6 * 1e3)]
    assert timings.energy_mj == pytest.approx(energy * 1e-12 * 1e3)
    assert len(list(cache.glob("*.json"))) == len(layers(model))


def test_the_clock_turns_cycles_into_time(model):
    slow, fast = (eyeriss(clock_mhz=clock).measure(model, "any") for clock in (100, 400))
    assert slow.latencies_ms[0] == pytest.approx(4 * fast.latencies_ms[0])
    assert slow.energy_mj == fast.energy_mj


def test_a_table_says_that_they_are_estimates(model, tmp_path):
    def write(file):
        file.write_bytes(model.read_bytes())

    lines: list[str] = []
    models = {"a cell": Model(write)}
    table = measure_models(models, eyeriss(), workspace=tmp_path, log=lines.append)
    row = table.iloc[0]
    assert row["source"].startswith(f"estimate: {analytic.zigzag()}")
    assert row["source"].endswith("int16, batch 1, eyeriss at 200 MHz")
    assert row["latency_ms"] > 0
    assert row["energy_mj"] > 0
    assert row["stable"]


def test_conditions_tell_accelerators_apart():
    found = [eyeriss(accelerator=name).conditions("any") for name in ("eyeriss", "tpu_like")]
    assert found[0]["accelerator"] != found[1]["accelerator"]
    assert [one["precision"] for one in found] == ["int16", "int8"]


def test_models_that_cannot_be_estimated_are_refused(tmp_path):
    file = tmp_path / "m.onnx"
    onnx_models.export(nn.ReLU(), file, resolution=8)
    with pytest.raises(ModelRefused, match="no layer"):
        eyeriss().measure(file, "any")
    file.write_bytes(b"no model")
    with pytest.raises(ModelRefused, match="ONNX"):
        eyeriss().measure(file, "any")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"accelerator": "abacus"}, "abacus"),
        ({"accelerator": 3}, "accelerator is 3"),
        ({"clock_mhz": 0}, "clock_mhz is 0"),
        ({"batch": 2}, "batch: no such setting"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        eyeriss(**settings).board_names()
