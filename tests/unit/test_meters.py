"""What every meter does, whatever it measures."""

import numpy as np
import pytest
from fake_rknn import fake_python
from toy_pictures import toy_images

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.data.images import save_images
from hanas.devices._meter import model_precision
from hanas.devices.measuring import device_locks
from hanas.devices.measuring.architectures_as_models import writers
from hanas.devices.measuring.measure import measure_models
from hanas.devices.measuring.timings import BoardLost, ModelRefused, Timings
from hanas.spaces import nb201


@pytest.fixture(scope="module")
def settings_of(tmp_path_factory):
    """Settings with which each meter can be tried here; a new meter adds its own."""
    python = fake_python(tmp_path_factory.mktemp("rknn"), boards=("board",))
    known = {
        "host": {},
        "command": {"command": ": {model}; echo '[1, 1.01, 1.02]'"},
        "rknn": {"python": str(python), "spread_limit": 10},
        "analytic": {"cache": str(tmp_path_factory.mktemp("layers"))},
    }
    passes = {"passes": 5, "warmup": 1}
    return {kind: {"kind": kind, **passes, **settings} for kind, settings in known.items()}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """ONNX writers of two cells, by the precision of the file."""
    pictures = tmp_path_factory.mktemp("pictures") / "toy.pt"
    save_images(toy_images(), pictures)
    archs = [nb201.to_text(genes) for genes in (nb201.SMALLEST, nb201.LARGEST)]

    def of(settings):
        named = {**settings, "network": {"channels": 4, "cells": 1}}
        return writers(archs, space="nb201", settings=named, images=pictures)

    return of


@pytest.fixture(autouse=True)
def _own_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(device_locks, "FOLDER", tmp_path)


@pytest.mark.parametrize("kind", plugins.names("meters"))
def test_every_meter_names_its_boards_and_conditions(kind, settings_of):
    meter, settings = plugins.load("meters", kind), settings_of[kind]
    boards = meter.boards(settings)
    assert boards
    assert len(set(boards)) == len(boards)
    for board in boards:
        conditions = meter.conditions(settings, board)
        assert {"runtime", "threads", "precision", "batch"} <= set(conditions)
        assert all(isinstance(value, str | int) for value in conditions.values())
        assert conditions == meter.conditions(settings, board)
        assert meter.conditions({**settings, "batch": 1}, board) == conditions


@pytest.mark.parametrize("kind", plugins.names("meters"))
def test_every_meter_times_a_model(kind, settings_of, models, tmp_path):
    meter, settings = plugins.load("meters", kind), settings_of[kind]
    file = tmp_path / "model.onnx"
    next(iter(models(settings).values()))(file)
    before = file.read_bytes()
    timings = meter.measure(file, settings=settings, board=meter.boards(settings)[0])
    assert isinstance(timings, Timings)
    assert (timings.latencies_ms > 0).all()
    assert file.read_bytes() == before


@pytest.mark.parametrize("kind", plugins.names("meters"))
def test_every_meter_gives_a_table(kind, settings_of, models, tmp_path):
    made = models(settings_of[kind])
    lines: list[str] = []
    kept = tmp_path / "kept"
    settings = {**settings_of[kind], "spread_limit": 10, "again": 1}
    table = measure_models(made, kind=kind, settings=settings, workspace=kept, log=lines.append)
    assert table["arch"].tolist() == list(made)
    assert table["feasible"].all()
    assert (table["latency_q25_ms"] <= table["latency_median_ms"]).all()
    assert (table["latency_median_ms"] <= table["latency_q75_ms"]).all()
    meter = plugins.load("meters", kind)
    assert set(table["board"]) <= set(meter.boards(settings))
    estimate = table["source"].str.startswith("estimate: ")
    assert (estimate | table["source"].str.startswith("measured: ")).all()
    assert estimate.nunique() == 1
    assert len(lines) == (2 if estimate.all() else 3)  # and the A/A check
    again = measure_models(made, kind=kind, settings=settings, workspace=kept, log=lines.append)
    assert again.equals(table)


@pytest.mark.parametrize("kind", plugins.names("meters"))
def test_every_meter_refuses_wrong_settings(kind, settings_of):
    meter = plugins.load("meters", kind)
    with pytest.raises(InputError, match="batch is 0"):
        meter.conditions({**settings_of[kind], "batch": 0}, "board")


def test_the_host_says_how_it_measured(models, tmp_path):
    import onnxruntime

    settings = {"passes": 7, "threads": 2, "batch": 3, "precision": "int8", "again": 0}
    table = measure_models(
        models(settings),
        kind="host",
        settings={**settings, "spread_limit": 10},
        workspace=tmp_path,
        log=lambda line: None,
    )
    assert table["passes"].tolist() == [7, 7]
    assert table["threads"].tolist() == [2, 2]
    assert table["batch"].tolist() == [3, 3]
    assert table["precision"].tolist() == ["int8", "int8"]
    assert table["source"][0].startswith(
        f"measured: ONNX Runtime {onnxruntime.__version__}, CPUExecutionProvider, 2 threads, "
        "int8, batch 3, mean of 7 passes, "
    )


def test_a_larger_network_takes_the_host_longer(models, tmp_path):
    host = plugins.load("meters", "host")
    medians = []
    for write in models({"batch": 16}).values():
        write(tmp_path / "model.onnx")
        settings = {"passes": 30, "batch": 16}
        timings = host.measure(tmp_path / "model.onnx", settings=settings, board="x")
        medians.append(np.median(timings.latencies_ms))
    assert medians[1] > 1.5 * medians[0]


@pytest.mark.parametrize("content", [b"", b"no model"])
def test_the_host_refuses_what_onnx_runtime_cannot_load(content, tmp_path):
    file = tmp_path / "model.onnx"
    file.write_bytes(content)
    with pytest.raises(ModelRefused, match="ONNX Runtime cannot load it"):
        plugins.load("meters", "host").measure(file, settings={}, board="x")


def test_the_host_refuses_a_batch_that_a_model_cannot_take(models, tmp_path):
    next(iter(models({"batch": 2}).values()))(tmp_path / "model.onnx")
    with pytest.raises(ModelRefused, match="ONNX Runtime cannot run it"):
        plugins.load("meters", "host").measure(
            tmp_path / "model.onnx", settings={"batch": 3}, board="x"
        )


def test_only_meters_that_quantise_are_given_float32_for_int8():
    assert model_precision({"kind": "host", "precision": "int8"}) == "int8"
    assert model_precision({"kind": "rknn", "precision": "int8"}) == "float32"
    assert model_precision({}) == "float32"


def test_impossible_timings_are_no_timings():
    for wrong in ([], [[1.0]], [0.0], [-1.0], [np.inf]):
        with pytest.raises(ValueError, match="latency"):
            Timings(np.array(wrong))
    with pytest.raises(ValueError, match="energy"):
        Timings(np.array([1.0]), energy_mj=0.0)
    assert not BoardLost("x").for_good
