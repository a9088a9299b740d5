"""What every meter does, whatever it measures."""

import numpy as np
import pytest
from fake_litert import fake_litert
from fake_rknn import fake_python
from nb201_space import nb201
from some_devices import device
from toy_pictures import toy_images

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.data.images import save_images
from hanas.devices._device import BoardLost, MeasuredDevice, ModelRefused, Timings
from hanas.devices.measuring import board_queue
from hanas.devices.measuring.measure import measure_models
from hanas.devices.measuring.models import untrained

KINDS = [
    name
    for name in plugins.names("devices")
    if issubclass(plugins.plugin("devices", name), MeasuredDevice)
]
NETWORK = nb201.deployed.read({"channels": 4, "cells": 1})


@pytest.fixture(scope="module")
def devices(tmp_path_factory):
    """Return what makes a device of a kind that can be tried here; a new kind adds its own."""
    python = fake_python(tmp_path_factory.mktemp("rknn"), boards=("board",))
    known = {
        "host": {},
        "command": {"command": ": {model}; echo '[1, 1.01, 1.02]'"},
        "rknn": {"python": str(python)},
        "litert": {"litert_python": fake_litert(tmp_path_factory.mktemp("litert"))},
        "openvino": {},
        "analytic": {"accelerator": "eyeriss"},
    }

    def of(kind, **settings):
        if kind == "openvino":
            pytest.importorskip("openvino")
        if kind != "analytic":
            settings = {"passes": 5, "warmup": 1, "spread_limit": 10, **settings}
        return device(kind, **known[kind], **settings)

    return of


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return what makes models of two cells, as a device wants them."""
    pictures = tmp_path_factory.mktemp("pictures") / "toy.pt"
    save_images(toy_images(), pictures)
    small = [nb201.to_text(genes) for genes in (nb201.smallest, nb201.largest)]

    def of(chosen, archs=small):
        return untrained(archs, space="nb201", device=chosen, network=NETWORK, images=pictures)

    return of


@pytest.fixture(autouse=True)
def _own_locks(tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(board_queue, "FOLDER", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_meter_names_its_boards_and_conditions(kind, devices):
    meter = devices(kind)
    boards = meter.board_names()
    assert boards
    assert len(set(boards)) == len(boards)
    for board in boards:
        conditions = meter.conditions(board)
        assert {"runtime", "threads", "precision", "batch"} <= set(conditions)
        assert all(isinstance(value, str | int) for value in conditions.values())
        assert conditions == meter.conditions(board) == devices(kind).conditions(board)
        assert meter.lock_name(board)


@pytest.mark.parametrize("kind", KINDS)
def test_every_meter_times_a_model(kind, devices, models, tmp_path):
    meter = devices(kind)
    file = tmp_path / f"model{meter.model_suffix}"
    next(iter(models(meter).values())).write(file)
    before = file.read_bytes()
    timings = meter.measure(file, meter.board_names()[0])
    assert isinstance(timings, Timings)
    assert (timings.latencies_ms > 0).all()
    assert file.read_bytes() == before


@pytest.mark.parametrize("kind", KINDS)
def test_every_meter_gives_a_table(kind, devices, models, tmp_path):
    meter = devices(kind)
    made = models(meter)
    lines: list[str] = []
    options = {"workspace": tmp_path / "kept", "again": 1, "log": lines.append}
    table = measure_models(made, meter, **options)
    assert table["arch"].tolist() == list(made)
    assert table["feasible"].all()
    assert (table["latency_q25_ms"] <= table["latency_median_ms"]).all()
    assert (table["latency_median_ms"] <= table["latency_q75_ms"]).all()
    assert set(table["board"]) <= set(meter.board_names())
    estimate = table["source"].str.startswith("estimate: ")
    assert (estimate | table["source"].str.startswith("measured: ")).all()
    assert estimate.nunique() == 1
    told = [line for line in lines if "milliseconds" not in line]  # made-up numbers are asked about
    assert len(told) == (2 if estimate.all() else 3)  # and the A/A check, or the rounds
    assert measure_models(made, meter, **options).equals(table)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_without_a_path_is_infeasible_on_every_meter(kind, devices, models, tmp_path):
    """Its file has no input: nothing that is asked to run it says anything of use."""
    alone = nb201.to_text((3, 0, 0, 0, 0, 3))
    meter, lines = devices(kind), []
    made = models(meter, [alone, nb201.to_text(nb201.smallest)])
    table = measure_models(made, meter, workspace=tmp_path / "kept", again=0, log=lines.append)
    assert table["feasible"].tolist() == [False, True]
    assert table["reason"][0].startswith("no path leads from its input to its output")
    assert np.isnan(table["latency_ms"][0])
    assert table["source"][0]
    assert f"{alone} is infeasible: no path" in lines[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_meter_refuses_wrong_settings(kind, devices):
    with pytest.raises(InputError, match=r"batch(: no such setting| is 0)"):
        devices(kind, batch=0)
    with pytest.raises(InputError, match=r"networks\.nb201\.cells is 0"):
        devices(kind, networks={"nb201": {"cells": 0}})
    with pytest.raises(InputError, match=r"campaign\.first is 60; expected at most models, 50"):
        devices(kind, campaign={"first": 60})


@pytest.mark.parametrize("kind", KINDS)
def test_what_changes_no_measurement_is_no_parameter_of_one(kind, devices):
    meter = devices(kind, objectives=["latency_ms"], tasks=["a"], networks={"nb201": {"cells": 1}})
    assert meter.params() == devices(kind, campaign={"seed": 3}).params()
    assert meter.networks["nb201"].params()["cells"] == 1
    assert set(meter.networks) == set(plugins.names("spaces"))
    assert ("per_channel" in meter.params()) == (kind == "rknn")
    if kind not in ("rknn", "analytic"):
        assert "per_channel" in devices(kind, precision="int8").params()


def test_the_host_says_how_it_measured(models, devices, tmp_path):
    import onnxruntime

    how = {"threads": 2, "batch": 3, "precision": "int8"}
    meter = devices("host", passes=7, statistic="mean", **how)
    table = measure_models(models(meter), meter, workspace=tmp_path, again=0, log=lambda line: None)
    assert table["passes"].tolist() == [7, 7]
    assert table["threads"].tolist() == [2, 2]
    assert table["batch"].tolist() == [3, 3]
    assert table["precision"].tolist() == ["int8", "int8"]
    assert table["source"][0].startswith(
        f"measured: ONNX Runtime {onnxruntime.__version__}, CPUExecutionProvider, exact sums"
    )
    assert ", 2 threads, int8, per image of batch 3, mean of 7 passes, " in table["source"][0]
    meter = devices("host", most_rounds=3, block=4, **how)
    options = {"workspace": tmp_path, "again": 0, "log": lambda line: None}
    table = measure_models(models(meter), meter, **options)
    assert table["rounds"].between(2, 3).all()
    assert (table["passes"] == 4 * table["rounds"]).all()
    assert "per image of batch 3, 0.1 quantile of rounds, " in table["source"][0]


def test_a_larger_network_takes_the_host_longer(models, tmp_path):
    host = device("host", passes=30, batch=16)
    medians = []
    for model in models(host).values():
        model.write(tmp_path / "model.onnx")
        medians.append(np.median(host.measure(tmp_path / "model.onnx", "x").latencies_ms))
    assert medians[1] > 1.5 * medians[0]


@pytest.mark.parametrize("content", [b"", b"no model"])
def test_the_host_refuses_what_onnx_runtime_cannot_load(content, tmp_path):
    file = tmp_path / "model.onnx"
    file.write_bytes(content)
    with pytest.raises(ModelRefused, match="ONNX Runtime cannot load it"):
        device("host").measure(file, "x")


def test_the_host_refuses_a_batch_that_a_model_cannot_take(models, tmp_path):
    next(iter(models(device("host", batch=2)).values())).write(tmp_path / "model.onnx")
    with pytest.raises(ModelRefused, match="ONNX Runtime cannot run it"):
        device("host", batch=3).measure(tmp_path / "model.onnx", "x")


def test_only_meters_that_quantise_are_given_float32_for_int8(devices):
    assert device("host", precision="int8").model_precision == "int8"
    assert devices("rknn").model_precision == "float32"
    assert device("host").model_precision == "float32"


def test_impossible_timings_are_no_timings():
    for wrong in ([], [[1.0]], [0.0], [-1.0], [np.inf]):
        with pytest.raises(ValueError, match="latency"):
            Timings(np.array(wrong))
    with pytest.raises(ValueError, match="energy"):
        Timings(np.array([1.0]), energy_mj=0.0)
    assert not BoardLost("x").for_good
