"""Campaigns with devices that are functions, and one with a real command."""

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from layerwise import SPACES
from nb201_space import nb201
from some_devices import device

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.devices._device import Campaign
from hanas.devices.measuring import board_queue
from hanas.devices.prediction import campaign, predictor
from hanas.devices.prediction.campaign import conduct, judge
from hanas.devices.prediction.features import Features

SETTINGS = Campaign.read({"models": 20, "first": 10, "each_round": 4, "held_out": 8})


class Device:
    """Its latency is the number of operations with a high number, its energy another function."""

    def __init__(self, space: str = "nb201", fails=lambda genes: False) -> None:
        self.module, self.fails = plugins.space(space), fails
        self.asked: list[list[str]] = []

    def __call__(self, archs: list[str]) -> pd.DataFrame:
        self.asked.append(archs)
        rows = []
        for arch in archs:
            genes = self.module.from_text(arch)
            wrong = bool(self.fails(genes))
            latency = 1 + genes.sum() + 0.5 * (genes == 1).sum()
            rows.append(
                {
                    "arch": arch,
                    "feasible": not wrong,
                    "reason": "too wide" if wrong else "",
                    "latency_ms": np.nan if wrong else latency,
                    "energy_mj": np.nan if wrong else 2 + latency**1.2,
                    "source": "measured: a function",
                }
            )
        return pd.DataFrame(rows)


def quiet(line: str) -> None:
    pass


@cache
def of_cells():
    """Return a device, and the campaign on it that several tests look at."""
    device = Device()
    return device, conduct("nb201", SETTINGS, device, log=quiet)


@pytest.mark.parametrize("space", ["nb201", SPACES[0]])
def test_rounds_and_purposes(space):
    if space == "nb201":
        device, (measured, found, quality) = of_cells()
    else:
        device, network = Device(space), {"width": 0.25, "resolution": 16}
        measured, found, quality = conduct(space, SETTINGS, device, network=network, log=quiet)
    assert [len(archs) for archs in device.asked] == [18, 4, 4, 2]
    assert measured["arch"].is_unique
    assert measured["arch"].tolist() == [arch for archs in device.asked for arch in archs]
    assert measured.groupby(["round", "purpose"]).size().to_dict() == {
        (0, "fit"): 10,
        (0, "held_out"): 8,
        (1, "fit"): 4,
        (2, "fit"): 4,
        (3, "fit"): 2,
    }
    module = device.module
    ends = [module.to_text(module.largest), module.to_text(module.smallest)]
    assert measured["arch"].tolist()[:2] == ends
    assert found.metrics == ("latency_ms", "energy_mj")
    assert len(found.genes) == 20
    assert found.source.endswith("fitted to 20 measured models (a function)")
    assert quality["metric"].tolist() == ["latency_ms", "energy_mj"]
    assert quality["fitted"].tolist() == [20, 20]
    assert quality["held_out"].tolist() == [8, 8]


def test_the_quality_is_that_of_the_held_out_ones():
    _, (measured, found, quality) = of_cells()
    held_out = measured[measured["purpose"] == "held_out"]
    module = plugins.space("nb201")
    genes = np.array([module.from_text(arch) for arch in held_out["arch"]])
    predicted = found.predict(genes)
    errors = np.abs(predicted["latency_ms"] / held_out["latency_ms"].to_numpy() - 1)
    row = quality.iloc[0]
    assert row["median_relative_error"] == pytest.approx(errors.median())
    assert row["spearman_rho"] == pytest.approx(
        predicted["latency_ms"].corr(held_out["latency_ms"].reset_index(drop=True), "spearman")
    )
    flops = pd.Series(Features.of("nb201", None).multiply_accumulates(genes))
    assert row["flops_spearman_rho"] == pytest.approx(
        flops.corr(held_out["latency_ms"].reset_index(drop=True), "spearman")
    )
    assert row["median_relative_error"] < row["flops_median_relative_error"]
    assert np.isnan(row["again_median_relative_difference"])


def test_measuring_stops_when_predictions_are_good_enough():
    lines: list[str] = []
    device = Device()
    settings = Campaign.read(
        {"models": 500, "first": 15, "each_round": 5, "held_out": 10, "until_error": 0.02}
    )
    _, found, quality = conduct("nb201", settings, device, log=lines.append)
    assert 15 <= len(found.genes) < 60
    assert quality["median_relative_error"].max() <= 0.02
    assert f"fitted to {len(found.genes)} of 500 models" in lines[-1]
    assert len(lines) == len(device.asked)


def test_a_killed_campaign_goes_the_same_way():
    kept: dict[str, pd.DataFrame] = {}

    class Killed(Device):
        lives = 0

        def __call__(self, archs: list[str]) -> pd.DataFrame:
            if len(self.asked) == self.lives:
                raise KeyboardInterrupt
            table = super().__call__(archs)
            kept.update({arch: table.iloc[[n]] for n, arch in enumerate(archs)})
            return table

    _, whole = of_cells()
    killed = Killed()
    killed.lives = 2
    with pytest.raises(KeyboardInterrupt):
        conduct("nb201", SETTINGS, killed, log=quiet)
    new: list[str] = []

    def resumed(archs: list[str]) -> pd.DataFrame:
        new.extend(arch for arch in archs if arch not in kept)
        return Device()(archs)

    again = conduct("nb201", SETTINGS, resumed, log=quiet)
    pd.testing.assert_frame_equal(again[0], whole[0])
    pd.testing.assert_frame_equal(again[2], whole[2])
    assert len(new) == len(whole[0]) - len(kept) == 6


def test_a_small_space_is_used_up(monkeypatch):
    few = nb201.sample(22, np.random.default_rng(0))
    monkeypatch.setattr(type(nb201), "sample", lambda space, count, rng: few)
    lines: list[str] = []
    measured, _, _ = conduct("nb201", SETTINGS, Device(), log=lines.append)
    ends = [nb201.largest, nb201.smallest]
    assert set(measured["arch"]) == {nb201.to_text(row) for row in [*ends, *few]}
    assert lines[-1] == "no architecture of nb201 is left to measure"


def test_cells_without_a_path_are_never_measured():
    connected = nb201.connected(nb201.all_genes())
    assert (~connected).sum() == 341
    drawn = nb201.sample(20_000, np.random.default_rng(0))
    assert len(drawn) == connected.sum()
    assert nb201.connected(drawn).all()
    for seed in range(4):  # in some of which one would have been drawn
        order = np.random.default_rng(seed).permutation(len(connected))
        expected = nb201.all_genes()[order[connected[order]]][:100]
        found = nb201.sample(100, np.random.default_rng(seed))
        np.testing.assert_array_equal(found, expected)


def test_seeds_choose_others():
    one, other = (
        conduct(
            "nb201",
            Campaign.read({"models": 10, "first": 5, "each_round": 5, "held_out": 3, "seed": seed}),
            Device(),
            log=quiet,
        )[0]
        for seed in (0, 1)
    )
    shared = set(one["arch"]) & set(other["arch"])
    assert len(shared) < 6


def test_what_the_device_cannot_run_is_left_out():
    device = Device(fails=lambda genes: genes[3] == 1)
    measured, found, quality = conduct("nb201", SETTINGS, device, log=quiet)
    fit = measured[measured["purpose"] == "fit"]
    assert not fit["feasible"].all()
    assert quality["fitted"].tolist() == [fit["feasible"].sum()] * 2
    assert "feasible_probability" in found.predict(found.genes)


def test_a_device_that_runs_nothing():
    device = Device(fails=lambda genes: True)
    with pytest.raises(InputError, match=r"can run 0 of 10 .*too wide"):
        conduct("nb201", SETTINGS, device, log=quiet)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"first": 60}, "first is 60"),
        ({"models": 2}, "models is 2"),
        ({"each_round": 0}, "each_round"),
        ({"held_out": 0}, "held_out is 0"),
        ({"until_error": 0}, "until_error"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        Campaign.read(settings)


def test_nothing_held_out():
    settings = Campaign.model_construct(models=8, first=8, held_out=0)
    _, _, quality = conduct("nb201", settings, Device(), log=quiet)
    assert quality["held_out"].tolist() == [0, 0]
    assert quality["spearman_rho"].isna().all()


def test_judged_by_hand():
    genes = nb201.sample(12, np.random.default_rng(0))
    flops = Features.of("nb201", None).multiply_accumulates(genes) / 1e6
    found = predictor.fit("nb201", genes[:8], {"latency_ms": flops[:8]}, source="measured: x")
    predicted = found.predict(genes[8:])["latency_ms"].to_numpy()
    true = {"latency_ms": predicted * [1.1, 0.9, 1.0, np.nan]}
    row = judge(found, genes[8:], true, again={"latency_ms": 0.01}).iloc[0]
    assert row["held_out"] == 3
    assert row["median_relative_error"] == pytest.approx(1 / 11)
    assert row["again_median_relative_difference"] == 0.01
    row = judge(found, genes[8:], {"latency_ms": flops[8:]}, again={}).iloc[0]
    assert row["flops_median_relative_error"] == pytest.approx(0, abs=1e-9)
    assert row["flops_spearman_rho"] == pytest.approx(1)


def test_the_model_is_dropped_where_counting_flops_is_as_good():
    class Linear(Device):
        def __call__(self, archs):
            table = super().__call__(archs).drop(columns="energy_mj")
            genes = np.array([nb201.from_text(arch) for arch in archs])
            flops = Features.of("nb201", None).multiply_accumulates(genes)
            return table.assign(latency_ms=1 + flops / 1e7)

    lines: list[str] = []
    _, found, quality = conduct("nb201", SETTINGS, Linear(), log=lines.append)
    assert quality["predictor"].tolist() == ["straight line through FLOPs"]
    assert "counting FLOPs predicts latency_ms as well" in lines[-1]
    assert found.source.startswith("predicted: straight line through FLOPs fitted to 20 measured")
    genes = nb201.sample(50, np.random.default_rng(1))
    flops = Features.of("nb201", None).multiply_accumulates(genes)
    np.testing.assert_allclose(found.predict(genes)["latency_ms"], 1 + flops / 1e7, rtol=0.01)
    assert quality["median_relative_error"].iloc[0] < 0.01
    _, (_, kept, judged) = of_cells()
    assert judged["predictor"].tolist() == ["Gaussian process"] * 2
    assert not kept.lines


def test_a_line_is_written_and_read(tmp_path):
    genes = nb201.sample(12, np.random.default_rng(0))
    flops = Features.of("nb201", None).multiply_accumulates(genes)
    found = predictor.fit("nb201", genes, {"latency_ms": 1 + flops / 1e7}, source="measured: x")
    line = predictor.with_lines(found, ["latency_ms"])
    predictor.save(line, tmp_path / "line.npz")
    again = predictor.load(tmp_path / "line.npz")
    pd.testing.assert_frame_equal(again.predict(genes), line.predict(genes))
    assert (again.predict(genes) > 0).all(axis=None)


def test_rows_that_were_measured_anew_take_the_place_of_old_ones():
    class Changing(Device):
        def __call__(self, archs):
            first = self.asked[0] if self.asked else []
            return (
                pd.concat([super().__call__(archs), super().__call__(first)])
                if first
                else (super().__call__(archs).assign(latency_ms=1e6))
            )

    measured, _, _ = conduct("nb201", SETTINGS, Changing(), log=quiet)
    assert measured["latency_ms"].max() < 1e6
    assert measured["arch"].is_unique


@pytest.mark.slow
def test_a_campaign_on_a_device_that_is_a_command(toy_file, tmp_path, monkeypatch):
    """Latency is the size of the file; every model is measured in two rounds."""
    monkeypatch.setattr(board_queue, "FOLDER", tmp_path)
    calls = tmp_path / "calls"
    command = f"echo x >> {calls}; wc -c < {{model}} | awk '{{print $1/1e5}}'"
    board = device(
        "command",
        command=command,
        again=2,
        networks={"shuffle_i": {"width": 0.1}},
        campaign={"models": 5, "first": 3, "each_round": 2, "held_out": 3},
    )
    lines: list[str] = []
    options = {
        **{"space": "shuffle_i", "network": board.networks["shuffle_i"], "images": toy_file},
        **{"workspace": tmp_path / "kept", "log": lines.append},
    }
    measured, found, quality = campaign.run(board.campaign, board, **options)
    # Two rounds over 6 models, then over 2 and 2 of before, to see whether the device has changed.
    assert len(calls.read_text().split()) == 2 * (6 + 2 + 2)
    row = quality.iloc[0]
    assert row["split_half_median_relative_difference"] == 0
    assert (row["rounds"], row["unstable"], row["reused"], row["warnings"]) == (2, 0, 0, "")
    assert json.loads(found.features.network)["width"] == 0.1
    assert json.loads(found.features.network)["resolution"] == 8
    again, _, quality = campaign.run(board.campaign, board, **options)
    pd.testing.assert_frame_equal(again, measured)
    assert len(calls.read_text().split()) == 20
    assert quality["reused"].iloc[0] == 8
    assert quality["reused_from"].iloc[0].startswith("20")
    assert any("6 of 6 models were measured before" in line for line in lines)
