"""A device that nobody has seen: a shell command that is given a model and prints milliseconds."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from nb201_space import nb201
from studies import JobFailed, Study, make_study

#: Prints a latency that grows with the model, and notes that it was asked.
BOARD = """#!/bin/sh
echo "$2" >> "{calls}"
[ -e "{unplugged}" ] && [ "$(wc -l < "{calls}")" -gt "$(cat "{unplugged}")" ] && exit 7
sleep {seconds}
echo "some tool says hello"
size=$(wc -c < "$1")
printf '{{"latency_ms": [%d, %d], "energy_mj": %d}}\\n' "$size" "$size" "$size"
"""
CAMPAIGN = {"models": 12, "first": 8, "each_round": 4, "held_out": 4}
TABLE = "results/devices/board/nb201/toy.parquet"


class Board:
    """Fake boards of one kind, in a folder."""

    def __init__(self, folder: Path, seconds: float = 0) -> None:
        self.script, self.calls = folder / "board.sh", folder / "calls"
        self.unplugged = folder / "unplugged"
        self.calls.touch()
        self.script.write_text(
            BOARD.format(calls=self.calls, unplugged=self.unplugged, seconds=seconds)
        )
        self.script.chmod(0o755)

    def command(self, name: str = "only") -> str:
        return f"{self.script} {{model}} {name}"

    def unplug_after(self, calls: int) -> None:
        self.unplugged.write_text(str(calls))

    def plug_in(self) -> None:
        self.unplugged.unlink()

    def called(self) -> list[str]:
        return self.calls.read_text().split()


def own_study(folder: Path, device: dict) -> Study:
    """Make the tiny study of cells, without true accuracies, on a device of one's own."""
    study = make_study(folder)
    config = study.config()
    config["devices"] = {"board": {"passes": 2, "again": 2, "campaign": CAMPAIGN, **device}}
    network = {"channels": 2, "cells": 1}
    config["devices"]["board"]["networks"] = {"nb201": network}
    config["proxies"] = {"params": {"kind": "params"}}
    config["tasks"] = {"toy": {"dataset": "toy", "proxies": ["params"]}}
    config["retrainings"] = {
        "own": {
            **config["retrainings"]["edgegpu_toy"],
            **{"device": "board", "proxy": "params", "quantisation": {"calibration_images": 8}},
        }
    }
    for section in ("benchmarks", "supernets"):
        del config[section]
    study.write(config)
    return study


def models_of(study: Study) -> pd.DataFrame:
    return pd.read_parquet(study.folder / "results/measurements/board/nb201/toy.parquet")


def test_from_a_command_to_a_front_a_pick_and_an_onnx_file(tmp_path):
    board = Board(tmp_path)
    study = own_study(tmp_path / "study", {"kind": "command", "command": board.command()})
    study.compute()
    results = study.folder / "results"
    measured = models_of(study)
    assert measured["purpose"].value_counts().to_dict() == {"fit": 12, "held_out": 4}
    table = pd.read_parquet(results / "devices/board/nb201/toy.parquet")
    assert table["arch"].tolist() == list(nb201.all_texts())
    # Nothing runs a cell whose input does not reach its output.
    runs = nb201.connected(nb201.all_genes())
    assert table["feasible"].tolist() == runs.tolist()
    assert (table.loc[runs, ["latency_ms", "energy_mj"]] > 0).all(axis=None)
    assert table["source"].str.startswith("predicted: ").all()
    picked = pd.read_csv(results / "models/own.csv")
    assert (picked["device"] == "board").all()
    for _, row in picked.iterrows():
        folder = results / "models/own" / str(row["number"])
        card = json.loads((folder / "model.json").read_text())
        assert card["architecture"]["text"] == row["arch"]
        assert row["latency_source"].startswith("measured: ")
        assert row["latency_ms"] == pytest.approx((folder / "model.onnx").stat().st_size, rel=0.2)
    assert "**not known**" in (results / "decisions/board.md").read_text()
    front = pd.read_csv(results / "measured_fronts/toy/board/params/nsga2.csv")
    assert (front["measured_energy_mj"] > 0).all()


@pytest.mark.slow
def test_boards_share_the_work(tmp_path):
    board = Board(tmp_path, seconds=0.05)
    boards = {name: board.command(name) for name in ("left", "right")}
    study = own_study(tmp_path / "study", {"kind": "command", "boards": boards})
    study.compute(TABLE)
    assert set(board.called()) == {"left", "right"}
    assert set(models_of(study)["board"]) == {"left", "right"}


@pytest.mark.slow
def test_board_that_vanishes_half_way(tmp_path):
    board = Board(tmp_path)
    patience = {"board_tries": 2, "pause_seconds": 0.01}
    device = {"kind": "command", "command": board.command(), **patience}
    study = own_study(tmp_path / "study", device)
    board.unplug_after(5)
    with pytest.raises(JobFailed, match="status 7"):
        study.compute(TABLE)
    assert not (study.folder / TABLE).exists()
    board.plug_in()
    board.calls.write_text("")
    study.compute(TABLE)
    # Five were measured; two rounds are due of 16 models, and of two to see whether it has changed.
    assert len(board.called()) == 2 * (16 + 2) - 5


@pytest.mark.slow
def test_killed_measuring_goes_on(tmp_path):
    board = Board(tmp_path, seconds=0.1)
    study = own_study(tmp_path / "study", {"kind": "command", "command": board.command()})
    process = subprocess.Popen(
        study.command(TABLE),
        env=study.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(board.called()) < 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert 20 <= len(board.called()) < 36
    kept = len(list((study.folder / "results/measurements/board/kept").rglob("*.json")))
    assert kept >= 4
    board.calls.write_text("")
    study.run(TABLE)
    assert len(board.called()) <= 2 * (16 + 2) - kept + 1
    assert len(models_of(study)) == 16
