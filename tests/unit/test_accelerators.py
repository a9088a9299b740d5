"""Estimates of ZigZag for layers on described accelerators."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hanas.core.errors import InputError
from hanas.deploy.onnx_models import Layer
from hanas.devices import analytic
from hanas.devices._device import ModelRefused
from hanas.devices.analytic import cost, describe

ROOT = Path(__file__).parents[2]
NAMES = [*(file.stem for file in analytic.SHIPPED.glob("*.yaml")), *analytic.ZIGZAGS_OWN]
SMALL = Layer("convolution", 1, 1, 4, 8, (4, 4), (4, 4), (3, 3), padding=(1, 1, 1, 1))
KINDS = {
    "3x3": SMALL,
    "strided": Layer(
        "convolution", 1, 1, 4, 8, (4, 4), (8, 8), (3, 3), (2, 2), padding=(1, 1, 1, 1)
    ),
    "depthwise": Layer("convolution", 1, 8, 1, 1, (4, 4), (4, 4), (3, 3), padding=(1, 1, 1, 1)),
    "fully connected": Layer("convolution", 1, 1, 16, 10),
    "pooling": Layer("pooling", 1, 8, 1, 1, (4, 4), (4, 4), (3, 3), padding=(1, 1, 1, 1)),
    "addition": Layer("addition", 1, 8, 1, 1, (4, 4), (4, 4)),
}


@pytest.fixture(scope="module")
def eyeriss():
    return describe("eyeriss")


@pytest.mark.parametrize("name", NAMES)
def test_named_accelerators_are_described(name):
    found = describe(name)
    assert found.name == name
    assert found.bits == (16 if name == "eyeriss" else 8)


@pytest.mark.parametrize("kind", KINDS)
def test_costs_are_not_below_what_must_be(eyeriss, kind):
    """At least one multiplication a cycle and element, and a picojoule for each."""
    layer = KINDS[kind]
    found = cost(layer, eyeriss, None)
    operations = layer.multiply_accumulates
    assert found.cycles >= operations / (12 * 14)
    assert found.energy_pj >= operations * eyeriss.content["operational_array"]["unit_energy"]
    # All words of the output leave by a bus of 19 bits a cycle.
    words = layer.groups * layer.outputs * layer.side[0] * layer.side[1]
    assert found.cycles >= words * 16 / 19


def test_more_work_costs_more(eyeriss):
    wider = Layer("convolution", 1, 1, 8, 16, (4, 4), (4, 4), (3, 3), padding=(1, 1, 1, 1))
    one, two = (cost(layer, eyeriss, None) for layer in (SMALL, wider))
    assert two.cycles > one.cycles
    assert two.energy_pj > one.energy_pj


def test_costs_are_kept_and_checked(eyeriss, tmp_path, monkeypatch):
    first = cost(SMALL, eyeriss, tmp_path)
    (file,) = tmp_path.glob("*.json")
    monkeypatch.setattr(analytic, "_cost", None)  # would be called in vain
    assert cost(SMALL, eyeriss, tmp_path) == first
    kept = json.loads(file.read_text())
    kept["record"]["cycles"] *= 2
    file.write_text(json.dumps(kept))
    with pytest.raises(TypeError):  # computed anew
        cost(SMALL, eyeriss, tmp_path)
    monkeypatch.undo()
    assert cost(SMALL, eyeriss, tmp_path) == first
    assert json.loads(file.read_text())["record"]["cycles"] == first.cycles


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(content=st.one_of(st.binary(max_size=40), st.just(b"{}"), st.just(b"[1]")))
def test_damaged_costs_are_computed_anew(eyeriss, tmp_path, content):
    first = cost(SMALL, eyeriss, tmp_path)
    (file,) = tmp_path.glob("*.json")
    file.write_bytes(content)
    assert cost(SMALL, eyeriss, tmp_path) == first


def test_a_folder_that_cannot_be_written_costs_only_time(eyeriss, tmp_path):
    (tmp_path / "file").write_text("no folder")
    assert cost(SMALL, eyeriss, tmp_path / "file" / "cache") == cost(SMALL, eyeriss, None)


@pytest.mark.slow
def test_nothing_is_printed_and_no_file_is_left(tmp_path):
    """In a fresh process with another order of hashes; equal costs."""
    code = (
        "from hanas.devices.analytic import *; from hanas.deploy.onnx_models import Layer\n"
        "layer = Layer('convolution', 1, 1, 4, 8, (4, 4), (4, 4), (3, 3), padding=(1, 1, 1, 1))\n"
        "found = cost(layer, describe('eyeriss'), None)\n"
        "print(repr(found.energy_pj), repr(found.cycles))"
    )
    printed = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        assert len(done.stdout.splitlines()) == 1
        printed.append(done.stdout)
    assert printed[0] == printed[1]
    assert not list(tmp_path.iterdir())


def test_layers_that_do_not_fit(tmp_path):
    content = dict(describe("eyeriss").content)
    content["memories"] = {**content["memories"]}
    content["memories"]["outside"] = {**content["memories"]["outside"], "size": 16}
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump({**content, "bits": 16}))
    with pytest.raises(ModelRefused, match="tiny cannot run a convolution 3x3"):
        cost(SMALL, describe(str(file)), None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("operational_array"), "ZigZag does not take it"),
        (lambda c: c["memories"]["buffer"].pop("size"), "ZigZag does not take it.*size"),
        (lambda c: c.update(speed=3), "ZigZag does not take it.*speed"),
        (lambda c: c.update(bits="wide"), "bits is 'wide'"),
    ],
)
def test_descriptions_that_cannot_be(tmp_path, change, message):
    content = yaml.safe_load((analytic.SHIPPED / "eyeriss.yaml").read_text())
    change(content)
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=message) as caught:
        describe(str(file))
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("text", ["- 1", "a: [", ""])
def test_files_that_are_no_descriptions(tmp_path, text):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"mine\.yaml"):
        describe(str(file))


def test_unknown_names_are_told_which_there_are():
    with pytest.raises(InputError, match=r"eyeriss.*tpu_like"):
        describe("abacus")
    with pytest.raises(InputError, match=r"missing\.yaml"):
        describe("missing.yaml")
