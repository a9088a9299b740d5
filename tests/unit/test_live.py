"""What those who watch a study see: the line of each job that runs, and ``hanas status``."""

import io
import json
import logging
import os
import pty
import re
import time
from types import SimpleNamespace

import pytest
from studies import TINY, make_study

from hanas.core import extras, live
from hanas.core.errors import InputError
from hanas.core.progress import Pace, Progress
from hanas.study import checks, planned, running, status
from hanas.study.results import result
from hanas.training import curves


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "SECONDS", 0.01)
    return tmp_path / "live" / "job.json"


ABOUT = {"what": "train_supernet a", "log": "a.log", "run": None}


def told(file, said):
    """Return what the file says once it says that, within seconds."""
    for _ in range(500):
        if (found := running.read(file)) is not None and said in found.said:
            return found
        time.sleep(0.01)
    raise AssertionError(running.read(file))


def test_a_job_tells_how_far_it_is_while_it_lives_and_nothing_when_it_has_ended(file):
    with live.told_in(file, ABOUT):
        progress = Progress(2, 9, lambda line: None, lines=1)
        progress.advance(" groups are scored")
        found = told(file, "3 of 9 groups are scored")
        assert found.is_alive
        assert found.left() is not None
        Pace(0, 100, lambda line: None).advance(64, lambda: None)
        told(file, "step 1 of 100")
    assert not file.exists()


def test_one_of_several_alike_counts_those_after_it(file):
    with live.told_in(file, ABOUT):
        live.among("training 2 of 5", more=3)
        live.tell("step 1 of 4", 30.0, 40.0)
        found = told(file, "training 2 of 5; step 1 of 4")
        assert found.left_seconds == 30 + 3 * 40
    with live.told_in(file, ABOUT):  # the next job of the same process begins with nothing
        assert told(file, "").left_seconds is None


def test_a_job_that_fails_leaves_why(file):
    with pytest.raises(ValueError, match="no"), live.told_in(file, ABOUT):
        raise ValueError("no\nimages")
    found = running.read(file)
    assert not found.is_alive
    assert found.failed == "no images"


def test_a_job_that_was_killed_is_known_by_the_age_of_its_file(file):
    file.parent.mkdir()
    file.write_text(json.dumps({**ABOUT, "began": time.time() - 900}))
    assert running.read(file).is_alive
    os.utime(file, (time.time() - 100,) * 2)
    assert not running.read(file).is_alive


def test_time_left_is_counted_down_and_never_below_nothing():
    at = {"began": time.time() - 100, "written": time.time(), "told": time.time() - 10}
    job = running.Running(**ABOUT, **at, said="step 3 of 9", left_seconds=25.0)
    line = job.told_now()["line"]
    assert line.startswith("train_supernet a: step 3 of 9; 1 min 40 s, 1")
    assert line.endswith("15.0 s left")
    assert running.Running(**ABOUT, **at, left_seconds=5.0).left() == 0


def test_who_tells_nothing_is_shown_by_the_last_line_of_the_log(tmp_path):
    log = tmp_path / "a.log"
    job = running.Running(**ABOUT, began=time.time(), written=time.time())
    assert job.told_now(tmp_path)["said"] == ""
    log.write_text("Started 2026-01-01 on here\n")
    assert job.told_now(tmp_path)["said"] == ""
    log.write_text("Started 2026-01-01 on here\nreading\x1b[2J images\nhalf a li")
    assert job.told_now(tmp_path)["line"].startswith("train_supernet a: reading\\x1b[2J images; 0.")


class Terminal(io.StringIO):
    """What a terminal of 60 columns shows, by the few codes that are used."""

    def isatty(self):
        return True

    def screen(self):
        lines = [""]
        for part in self.getvalue().replace("\x1b[J", "\0").split("\x1b["):
            if part[:1].isdigit() and "F" in part[:3]:
                up, part = part.split("F", 1)
                assert part.startswith("\0")
                lines = [*lines[: len(lines) - 1 - int(up)], ""]
                part = part[1:]
            first, *more = part.split("\n")
            lines[-1] += first
            lines += more
        return lines


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A terminal and the watch that writes to it below what Snakemake says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "20")
    monkeypatch.setenv("HANAS_PLAN", str(tmp_path / "plan-7.json"))
    terminal = Terminal()
    handler = logging.StreamHandler(terminal)
    monkeypatch.setattr(running, "_handler_of", lambda stream: handler)
    watch = running.Watch(terminal)
    monkeypatch.setattr(watch, "run", lambda: None)
    watch.start()
    return SimpleNamespace(terminal=terminal, handler=handler, watch=watch)


def write_live(name, *, age=10.0, run="plan-7.json", **more):
    file = planned.LIVE / f"{name.replace('/', '.')}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    about = {"what": name, "log": f"{name}.log", "run": run, "began": time.time() - age}
    file.write_text(json.dumps({**about, **more}))
    return file


def test_a_line_for_each_long_job_of_this_run_stands_below_the_messages(watched):
    write_live("one", said="step 1 of 9")
    write_live("two", age=9.0, said="long " * 40)
    write_live("short", age=0.5)
    write_live("of_another_run", run="plan-8.json")
    write_live("failed", failed="no images")
    watched.watch.look()
    one, two, end = watched.terminal.screen()
    assert one.startswith("one: step 1 of 9; 10.")
    assert two == ("two: " + "long " * 40)[:59]
    assert end == ""
    watched.handler.handle(logging.makeLogRecord({"msg": "1 of 2 steps done"}))
    assert watched.terminal.screen() == ["1 of 2 steps done", one, two, ""]
    (planned.LIVE / "two.json").unlink()
    watched.watch.look()
    assert [line.split(":")[0] for line in watched.terminal.screen()[1:]] == ["one", ""]
    watched.watch.stop()
    assert watched.terminal.screen() == ["1 of 2 steps done", ""]


def test_more_jobs_than_lines_are_counted(watched):
    for number in range(14):
        write_live(f"job_{number:02d}", age=30.0 - number)
    watched.watch.look()
    shown = watched.terminal.screen()
    assert len(shown) == 11
    assert shown[9] == "... and 5 more jobs"


def test_elsewhere_a_job_has_a_line_a_minute(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HANAS_PLAN", raising=False)
    write_live("young", age=30.0, run=None)
    write_live("old", age=61.0, run=None, said="step 1 of 9")
    watch = running.Watch(io.StringIO())
    watch.look()
    watch.look()
    assert capsys.readouterr().err.startswith("old: step 1 of 9; 1 min 1 s\n")


def test_status_tells_what_is_done_runs_ended_and_is_to_come(tmp_path, monkeypatch):
    study = make_study(tmp_path / "study")
    monkeypatch.setenv("HANAS_DATA", str(study.folder / "data"))
    table = {"device": "edgegpu", "space": "nb201", "dataset": "toy"}
    study.compute(result("dataset", dataset="toy"), result("device_table", **table))
    monkeypatch.chdir(study.folder)
    write_live("supernets/darts_toy/meta", said="step 3 of 9", left_seconds=60.0, told=time.time())
    write_live("supernets/gdas_toy/meta", failed="no images")
    # It told something before it ended well: what is done is done.
    write_live("datasets/toy", failed="no images")
    found = status.status(study.folder, None)
    assert (found["done"], found["total"]) == (2, 28)
    (alive,), (ended,) = found["running"], found["ended"]
    assert (alive["what"], alive["said"]) == ("supernets/darts_toy/meta", "step 3 of 9")
    assert 50 < alive["left_seconds"] <= 60
    assert (ended["what"], ended["why"]) == ("supernets/gdas_toy/meta", "no images")
    waiting = found["to_come"]
    assert sum(of["jobs"] for of in waiting.values()) + 2 + 2 == 28
    assert waiting["search"] == {"jobs": 4, "seconds": None}
    assert waiting["device_table"]["jobs"] == 1
    assert waiting["device_table"]["seconds"] > 0
    said = status.in_words(found)
    assert said.startswith("Done: 2 of 28 results, computed in ")
    assert "\n- supernets/gdas_toy/meta: no images (see supernets/gdas_toy/meta.log)\n" in said
    assert "\n- 1 device_table, about " in said


def test_curves_of_a_training_that_goes_on_are_drawn_whole(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing import event_accumulator  # pyright: ignore

    rows = [
        {"epoch": number, "train_loss": 4.0 - number, "alpha_0_skip": 0.5, "seconds": 60.0 * number}
        for number in (1, 2, 3)
    ]
    for before in (0, 2):  # ended after the second epoch, and gone on from there
        with curves.drawn_in(tmp_path / "mine"):
            drawn = curves.Curves("checkpoint", rows[:before])
            for row in rows[before : before + 2]:
                drawn.add(row)
    (folder,) = (tmp_path / "mine").iterdir()
    found = event_accumulator.EventAccumulator(str(folder)).Reload()
    assert sorted(found.Tags()["scalars"]) == ["alphas/0_skip", "train_loss"]
    points = [(point.step, point.value) for point in found.Scalars("train_loss")]
    assert points == [(1, 3.0), (2, 2.0), (3, 1.0)]


def test_nothing_is_drawn_unless_a_study_wants_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with curves.drawn_in(None):
        curves.Curves("checkpoint", [{"epoch": 1, "seconds": 1.0}]).add({"epoch": 2, "seconds": 2})
    assert not list(tmp_path.iterdir())


def test_a_study_that_wants_curves_needs_what_draws_them(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    said = r"c\.yaml: curves: tensorboard is not installed.*pip install 'hanas\[tensorboard\]'"
    with pytest.raises(InputError, match=said):
        checks.read({**TINY, "curves": "tensorboard"}, "c.yaml")


@pytest.mark.slow
def test_a_training_has_a_line_on_the_terminal_that_snakemake_runs_on(tmp_path):
    study = make_study(tmp_path / "study")
    config = study.config()
    config["supernets"]["darts_toy"]["training"]["epochs"] = 60
    study.write(config)
    shown = []

    def read(terminal):
        shown.append(os.read(terminal, 4096).decode())
        return shown[-1].encode()

    command = study.command(result("train_supernet", supernet="darts_toy"), cores=1)
    environment = [f"{name}={value}" for name, value in study.environment().items()]
    ended = pty.spawn(["env", "TERM=xterm", *environment, *command], read)
    said = "".join(shown)
    assert ended == 0, said
    assert re.search(
        r"train_supernet darts_toy: step \d+ of 240; \d\.\d s, \d+\.\d s left\r\n", said
    )
    assert "\x1b[1F\x1b[J" in said
