"""Measuring in rounds, on devices that are functions of a model's name."""

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanas.cli import main
from hanas.core.errors import InputError
from hanas.core.ranking import spearman_rho
from hanas.devices._device import ModelRefused, TimedDevice, Timings
from hanas.devices.command import RECIPES, CommandDevice, command_files
from hanas.devices.measuring import board_queue, scale
from hanas.devices.measuring.forget import forget
from hanas.devices.measuring.measure import Bench, Model

NAMES = [str(number) for number in range(1, 17)]


class Fake(TimedDevice):
    """Answers what a function makes of a model's number; of a class, so that a test can set it."""

    answers: ClassVar[Callable[[int], list[float]]]
    asked: ClassVar[list[str]] = []

    def board_names(self) -> tuple[str, ...]:
        return ("a board",)

    def runtime(self) -> str:
        return "a function"

    def measure(self, model: Path, board: str) -> Timings:
        name = model.read_text()
        self.asked.append(name)
        return Timings(np.array(type(self).answers(int(name))))


@pytest.fixture(autouse=True)
def _own_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(board_queue, "FOLDER", tmp_path)
    monkeypatch.setattr(Fake, "asked", [])


def models(names=NAMES) -> dict[str, Model]:
    def model(name: str) -> Model:
        return Model(lambda file: file.write_text(name) and None, f"model {name}")

    return {name: model(name) for name in names}


def bench_of(tmp_path, answers, names=NAMES, log=lambda line: None, **settings) -> Bench:
    Fake.answers = staticmethod(answers)
    settings = {"most_rounds": 60, **settings}
    found = Bench(Fake(kind="fake", **settings), tmp_path / "board" / "kept", log)
    found.measure(models(names))
    return found


def disturbed(rng: np.random.Generator) -> Callable[[int], list[float]]:
    """Passes of which most are slowed down, now and then a whole block, as on a busy machine."""

    def answers(number: int) -> list[float]:
        slow = 1 + rng.exponential(0.6, size=10)
        return list((1 + 0.05 * number) * slow * (3 if rng.random() < 0.3 else 1))

    return answers


def test_a_busy_device_is_ranked_all_the_same(tmp_path):
    found = bench_of(tmp_path, disturbed(np.random.default_rng(0)))
    table = found.table()
    assert spearman_rho(table["latency_ms"], np.arange(16)) > 0.95
    assert table["stable"].mean() > 0.9
    assert not found.warnings()
    # Three of ten blocks take three times as long: a mean says little.
    assert (table["latency_mean_ms"] > 1.5 * table["latency_ms"]).all()


def test_each_round_has_every_model_once_in_an_order_of_its_own(tmp_path):
    bench_of(tmp_path, disturbed(np.random.default_rng(0)))
    rounds = [tuple(Fake.asked[n : n + 16]) for n in range(0, len(Fake.asked), 16)]
    assert len(Fake.asked) % 16 == 0
    assert all(sorted(each) == sorted(NAMES) for each in rounds)
    assert len(set(rounds)) == len(rounds) > 2


def test_rounds_end_when_their_halves_agree(tmp_path):
    found = bench_of(tmp_path, lambda number: [float(number)])
    assert set(found.table()["rounds"]) == {2}
    assert found.repeatability().split_half_spearman_rho == 1
    assert found.table()["latency_ms"].tolist() == list(range(1, 17))


def test_no_other_process_comes_between_the_rounds(tmp_path, monkeypatch):
    locked = []
    of_queue = board_queue._locked

    def noted(path):
        locked.append(path)
        return of_queue(path)

    monkeypatch.setattr(board_queue, "_locked", noted)
    bench_of(tmp_path, disturbed(np.random.default_rng(0)), NAMES[:8], most_rounds=6)
    assert len(locked) == 1
    handle = of_queue(locked[0])  # and it is free afterwards
    assert handle is not None
    os.close(handle)


def test_rounds_end_with_the_time(tmp_path):
    noise = np.random.default_rng(0)
    found = bench_of(
        tmp_path,
        lambda number: [number + noise.exponential(0.3)],
        until_correlation=1,
        limit_seconds=1e-6,
    )
    assert set(found.table()["rounds"]) == {2}


RANDOM = {
    "one mean": lambda rng: lambda number: [rng.lognormal(0, 1.2)],
    "one mean, narrow": lambda rng: lambda number: [1 + 0.08 * rng.random()],
    "passes": lambda rng: lambda number: list(rng.lognormal(0, 1.2, 30)),
    "passes of a random speed": lambda rng: (
        lambda number: list(rng.uniform(1, 9) * rng.uniform(1, 1.01, 30))
    ),
}


@pytest.mark.parametrize(
    ("kind", "statistic"),
    [
        *((kind, "low_quantile") for kind in RANDOM),
        *((kind, how) for kind in RANDOM if "narrow" not in kind for how in ("mean", "median")),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_random_numbers_are_never_stable(kind, statistic, seed, tmp_path):
    """In a row, numbers that differ by less than the limit are stable, whatever the model."""
    lines: list[str] = []
    answers = RANDOM[kind](np.random.default_rng(seed))
    found = bench_of(tmp_path, answers, log=lines.append, statistic=statistic)
    assert not found.table()["stable"].any()
    (warning,) = found.warnings()
    assert warning.startswith("measurements do not repeat: ")
    assert f"WARNING: {warning}" in lines


def test_what_repeats_is_stable_in_a_row_too(tmp_path):
    found = bench_of(tmp_path, lambda number: [float(number)], statistic="mean")
    assert found.table()["stable"].all()
    assert (
        not bench_of(tmp_path / "x", lambda number: [float(number)], statistic="mean", again=0)
        .table()["stable"]
        .any()
    )


def test_a_device_that_drifts_is_ranked_all_the_same(tmp_path):
    calls = Counter()

    def answers(number: int) -> list[float]:
        calls["all"] += 1
        return [(1 + 0.05 * number) * 1.0005 ** calls["all"]]  # half as fast after 87 rounds

    table = bench_of(tmp_path, answers).table()
    assert spearman_rho(table["latency_ms"], np.arange(16)) > 0.98
    assert table["stable"].all()


@pytest.mark.parametrize("factor", [1000.0, 0.5, 1.3])
def test_old_models_of_a_device_that_has_changed_are_measured_anew(factor, tmp_path):
    first = bench_of(tmp_path, lambda number: [float(number)], NAMES[:12])
    assert not first.reused
    lines: list[str] = []
    found = bench_of(tmp_path, lambda number: [factor * number], log=lines.append)
    np.testing.assert_allclose(found.table()["latency_ms"], factor * np.arange(1, 17))
    assert found.changes == pytest.approx([factor])
    assert not found.reused
    assert any("the device has changed" in line and "all 12" in line for line in lines)
    assert "changed by a factor" in found.warnings()[0]


def test_old_models_of_a_device_that_has_not_changed_are_reused_and_said(tmp_path):
    bench_of(tmp_path, lambda number: [float(number)], NAMES[:12])
    Fake.asked.clear()
    lines: list[str] = []
    found = bench_of(tmp_path, lambda number: [1.02 * number], log=lines.append, again=3)
    assert len(found.reused) == 12
    assert Counter(Fake.asked).total() == 2 * (4 + 3)
    said = next(line for line in lines if "were measured before" in line)
    assert said.startswith("12 of 16 models were measured before, 20")
    assert "`hanas forget --device board` removes them" in said
    assert not found.changes


def test_a_killed_job_goes_on_with_its_rounds(tmp_path):
    def failing(number: int) -> list[float]:
        if len(Fake.asked) > 20:
            raise RuntimeError("killed")
        return [float(number)]

    with pytest.raises(RuntimeError, match="killed"):
        bench_of(tmp_path, failing)
    found = bench_of(tmp_path, lambda number: [float(number)])
    assert found.table()["latency_ms"].tolist() == list(range(1, 17))
    # The one that was killed was not measured; models that are behind come first.
    assert len(Fake.asked) == 2 * 16 + 1
    assert not found.reused  # none was done


def test_other_limits_go_on_with_the_rounds_that_there_are(tmp_path):
    bench_of(tmp_path, lambda number: [float(number)])
    found = bench_of(tmp_path, lambda number: [float(number)], until_correlation=0.9)
    assert set(found.table()["rounds"]) == {3}


def test_a_model_that_is_refused_is_infeasible(tmp_path):
    def answers(number: int) -> list[float]:
        if number == 3:
            raise ModelRefused("too large")
        return [float(number)]

    table = bench_of(tmp_path, answers).table()
    assert table["feasible"].tolist() == [name != "3" for name in NAMES]
    assert Counter(Fake.asked)["3"] == 1


def test_numbers_are_of_an_image(tmp_path):
    table = bench_of(tmp_path, lambda number: [8.0 * number], batch=8).table()
    assert table["latency_ms"].tolist() == list(range(1, 17))
    assert table["latency_median_ms"].tolist() == list(range(1, 17))
    assert table["batch"].tolist() == [8] * 16
    assert "per image of batch 8" in table["source"][0]


# ---- scale -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("latencies", "on_host", "asked"),
    [
        ([2.0, 3.0], [1.0, 1.0], None),
        ([99.0], [1.0], None),
        ([0.011], [1.0], None),
        ([], [], None),
        ([9e-4, 9e-4, 1], [], "less than a microsecond"),
        ([6.1e5], [], "more than ten minutes"),
        ([101.0, 120.0], [1.0, 1.0], "110 times as slow"),
        ([0.004], [1.0], "250 times as fast"),
    ],
)
def test_a_scale_that_can_hardly_be_is_asked_about(latencies, on_host, asked):
    named = [dict(zip("abc", values, strict=False)) for values in (latencies, on_host)]
    said = scale.question(*named)
    assert (asked in said and said.endswith("?")) if asked else said == ""


@given(st.dictionaries(st.text(), st.floats(1e-6, 1e9), min_size=1))
def test_asking_never_fails(latencies):
    assert isinstance(scale.question(latencies, latencies), str)


# ---- files of a command, and forgetting ----------------------------------------------------------


def test_files_that_a_command_names_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("time_on_board", "my bench.py", "board.cfg", "log"):
        Path(name).write_text(name)
    Path("flag").touch()
    Path("folder").mkdir()
    for command, expected in (
        (["./time_on_board", "{model}"], ["time_on_board"]),
        (["python3", "my bench.py", "--config=board.cfg", "{model}"], ["board.cfg", "my bench.py"]),
        ("test -e flag && python3 'my bench.py' {model}; ls folder", ["my bench.py"]),
        ("./time_on_board {model} >> log; tail log", ["time_on_board"]),
        (["python3", "{recipes}/jetson.py", "{model}"], [str(RECIPES / "jetson.py")]),
        ("ssh pi 'bench {model}", []),
        ("no such {model} \x00", []),
    ):
        assert [str(file) for file in command_files(command)] == expected


def test_a_mended_script_counts_as_another_device(tmp_path):
    script = tmp_path / "script"
    script.write_text("seconds")
    device = CommandDevice.read({"kind": "command", "command": [str(script), "{model}"]})
    before, conditions = device.state(), device.conditions("the board")
    assert before == device.state()
    script.write_text("milliseconds")
    assert device.state() not in (None, before)
    assert device.conditions("the board") != conditions
    assert CommandDevice.read({"kind": "command", "command": "bench {model}"}).state() is None


def results_of(tmp_path) -> Path:
    results = tmp_path / "results"
    bench_of(results / "measurements", lambda number: [float(number)])
    for name in ("nb201/toy.predictor.npz", "nb201/toy.parquet"):
        file = results / "measurements/board" / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    for name in ("decisions/board.md", "exports/own/latency/board.csv", "exports/own/card.json"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).touch()
    return results


def test_all_measurements_of_a_device_are_forgotten(tmp_path, capsys):
    results = results_of(tmp_path)
    assert main(["forget", "--device", "board", "--results", str(results)]) == 0
    assert "forgot 16 measurements of board, and removed 3 files" in capsys.readouterr().out
    left = [str(file.relative_to(results)) for file in results.rglob("*") if file.is_file()]
    assert sorted(left) == ["decisions/board.md", "exports/own/card.json"]


def test_one_architecture_is_forgotten(tmp_path):
    results = results_of(tmp_path)
    with pytest.raises(InputError, match="no measurement of 77"):
        forget(results, "board", ["77"])
    assert forget(results, "board", ["3", "5"]) == (2, 3)
    kept = list((results / "measurements/board/kept").iterdir())
    known = {json.loads(file.read_text())["record"]["arch"] for file in kept}
    assert known == set(NAMES) - {"3", "5"}


def test_a_device_without_measurements_is_named(tmp_path):
    with pytest.raises(InputError, match=r"holds no measurements; those are kept of: board$"):
        forget(results_of(tmp_path), "other")
