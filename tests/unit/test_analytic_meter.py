import pytest
from torch import nn

from hanas.core.errors import InputError
from hanas.deploy import onnx_models
from hanas.devices import _accelerators as accelerators
from hanas.devices import analytic
from hanas.devices._onnx_layers import layers
from hanas.devices.measuring.measure import measure_models
from hanas.devices.measuring.timings import ModelRefused
from hanas.spaces import nb201

NETWORK = {"batch_norm": "running", "channels": 4, "cells": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("analytic")


@pytest.fixture(scope="module")
def cache(folder) -> dict[str, str]:
    return {"accelerator": "eyeriss", "cache": str(folder / "cache")}


@pytest.fixture(scope="module")
def model(folder):
    path = folder / "cell.onnx"
    onnx_models.export(nb201.build((3, 2, 4, 1, 0, 4), 3, NETWORK), path, resolution=8)
    return path


def test_costs_are_sums_over_the_layers(model, cache, folder):
    (board,) = analytic.boards(cache)
    timings = analytic.measure(model, settings=cache, board=board)
    eyeriss = accelerators.describe("eyeriss")
    energy = cycles = 0.0
    for layer, count in layers(model)[0].items():
        cost = accelerators.cost(layer, eyeriss, folder / "cache")
        energy += count * cost.energy_pj
        cycles += count * cost.cycles
    assert timings.estimate
    assert timings.latencies_ms.tolist() == [pytest.approx(cycles / 200e6 * 1e3)]
    assert timings.energy_mj == pytest.approx(energy * 1e-12 * 1e3)
    assert len(list((folder / "cache").glob("*.json"))) == len(layers(model)[0])


def test_the_clock_turns_cycles_into_time(model, cache):
    slow, fast = (
        analytic.measure(model, settings={**cache, "clock_mhz": clock}, board="any")
        for clock in (100, 400)
    )
    assert slow.latencies_ms[0] == pytest.approx(4 * fast.latencies_ms[0])
    assert slow.energy_mj == fast.energy_mj


def test_a_table_says_that_they_are_estimates(model, cache, tmp_path):
    def write(file):
        file.write_bytes(model.read_bytes())

    lines: list[str] = []
    table = measure_models(
        {"a cell": write}, kind="analytic", settings=cache, workspace=tmp_path, log=lines.append
    )
    row = table.iloc[0]
    assert row["source"].startswith(f"estimate: {accelerators.zigzag()}")
    assert row["source"].endswith("int16, batch 1, eyeriss at 200 MHz")
    assert row["latency_ms"] > 0
    assert row["energy_mj"] > 0
    assert row["stable"]


def test_conditions_tell_accelerators_apart(cache):
    found = [
        analytic.conditions({**cache, "accelerator": name}, "any")
        for name in ("eyeriss", "tpu_like")
    ]
    assert found[0]["accelerator"] != found[1]["accelerator"]
    assert [one["precision"] for one in found] == ["int16", "int8"]


def test_models_that_cannot_be_estimated_are_refused(cache, tmp_path):
    file = tmp_path / "m.onnx"
    onnx_models.export(nn.ReLU(), file, resolution=8)
    with pytest.raises(ModelRefused, match="no layer"):
        analytic.measure(file, settings=cache, board="any")
    file.write_bytes(b"no model")
    with pytest.raises(ModelRefused, match="ONNX"):
        analytic.measure(file, settings=cache, board="any")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"accelerator": "abacus"}, "abacus"),
        ({"accelerator": 3}, "accelerator is 3"),
        ({"clock_mhz": 0}, "clock_mhz is 0"),
        ({"batch": 0}, "batch is 0"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        analytic.boards(settings)
