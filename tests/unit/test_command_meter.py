import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from some_devices import device

from hanas.core.errors import InputError
from hanas.core.processes import run
from hanas.devices import command
from hanas.devices._answers import plain, timings
from hanas.devices._device import BoardLost, ModelRefused, Timings


def measure(text: str, *, board: str | None = None, **settings) -> Timings:
    """Measure a file with a command, in which ``: {model};`` is put to use the model."""
    settings = {"command": f": {{model}}; {text}", "timeout_seconds": 20, **settings}
    found = device("command", **settings)
    return found.measure(Path("model.onnx"), board or found.board_names()[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo '[1.5, 2.5]'", [1.5, 2.5]),
        ("echo 3", [3.0]),
        ("echo 2.5e-1", [0.25]),
        ("""echo '{"latency_ms": 4}'""", [4.0]),
        ("""echo '{"latency_ms": [4, 5.5], "other": "x"}'""", [4.0, 5.5]),
        ("printf 'loading\\n[7]\\n'", [7.0]),
        ("printf '[7]\\nbye\\n\\n'", [7.0]),
        ("printf '[1]\\n[2]\\n'", [2.0]),
        # A progress, a year and a state are no answers where there is a better one.
        ("printf '[1.5, 2.5]\\n100\\n'", [1.5, 2.5]),
        ("printf '2026\\n[1.5]\\n100\\n'", [1.5]),
        ("printf '[1.5]\\n{\"done\": 100}\\ntrue\\n'", [1.5]),
        ("printf '{\"latency_ms\": 3}\\n[100]\\n2026\\n'", [3.0]),
        ("printf '7\\n7\\n'", [7.0]),
        ("printf '[1,2]\\r\\n'", [1.0, 2.0]),  # as adb ends lines
        ("printf '10 %%\\r90 %%\\r[1,2]'", [1.0, 2.0]),
        ("printf '[\\n  1.5,\\n  2\\n]\\n'", [1.5, 2.0]),
        ("""printf '{\\n "latency_ms": [\\n  1,\\n  2\\n ]\\n}\\nok\\n'""", [1.0, 2.0]),
        ("printf '1\\n2\\n' | tail -n 1", [2.0]),  # a pipe
        ("""awk 'BEGIN {print "[" 1.25 "]"}'""", [1.25]),  # braces that are no placeholders
        ("echo '[1]' ; echo warning >&2", [1.0]),
        ("sleep 30 & echo '[1]'", [1.0]),  # what is left behind is not waited for
    ],
)
def test_milliseconds_are_found_in_the_output(text, expected):
    started = time.monotonic()
    assert measure(text).latencies_ms.tolist() == expected
    assert time.monotonic() - started < 10


def test_an_object_may_tell_energy_and_runtime():
    timings = measure("""echo '{"latency_ms": 2, "energy_mj": [1, 2], "runtime": "X 1"}'""")
    assert timings.energy_mj == 1.5
    assert timings.runtime == "X 1"
    assert not timings.estimate


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nosuchcommand", "a command was not found (exit status 127): .*nosuchcommand"),
        ("touch x; ./x", "cannot be executed (exit status 126)"),
        ("echo out of memory >&2; exit 3", "ended with exit status 3: out of memory"),
        ("seq 2000 >&2; exit 1", r"ended with exit status 1: \.\.\. .*1999 2000"),
        ("kill -11 $$", "was killed by signal 11"),
        ("true", "printed nothing; expected JSON"),
        ("echo done", "printed 'done'; expected JSON"),
        ("printf '1.87\\n100\\n'", "2 different numbers on lines of their own, the last 100"),
        ("echo '[1, 1e308]'", r"latency 2 of 2 is 1e\+308 ms; expected milliseconds, 1e-06 to"),
        ("echo 5e-324", "latency 1 of 1 is 4.94066e-324 ms; expected milliseconds"),
        ("""echo '{"latency_ms": 1, "energy_mj": 1e300}'""", r"the energy is 1e\+300 mJ"),
        ("printf '\\033[31mno\\007\\n'", "printed 'no'; expected"),
        ("echo '[]'", "there is no latency"),
        ("echo '[1, NaN]'", "latency 2 of 2 is nan ms"),
        ("echo '[1, 0]'", "latency 2 of 2 is 0 ms"),
        ("echo '[-1]'", "latency 1 of 1 is -1 ms"),
        ("echo Infinity", "latency 1 of 1 is inf ms"),
        ("echo 1e999", "latency 1 of 1 is inf ms"),
        ("""echo '["1.5"]'""", r"is \['1.5'\]; expected JSON"),
        ("echo true", "is True; expected JSON"),
        ("echo null", "is None; expected JSON"),
        ("echo '[[1]]'", r"is \[\[1\]\]; expected JSON"),
        ("""echo '{"latency_us": 5}'""", "an object without latency_ms"),
        ("""echo '{"latency_ms": null}'""", "latency_ms is None"),
        ("""echo '{"latency_ms": 1, "energy_mj": -1}'""", "energy_mj is -1"),
        ("""echo '{"latency_ms": 1, "energy_mj": []}'""", r"energy_mj is \[\]"),
        ("""echo '{"latency_ms": 1, "runtime": 5}'""", "runtime is 5"),
        ("""echo '{"infeasible": ""}'""", "an object without latency_ms"),
        ("printf '[\\n 1.5,\\n oops,\\n 2\\n]\\n'", "broken JSON"),
    ],
)
def test_what_gives_no_numbers_loses_the_board(text, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BoardLost, match=said.replace("(", r"\(").replace(")", r"\)")) as lost:
        measure(text)
    assert lost.value.for_good == ("exit status 12" in str(lost.value))


@pytest.mark.parametrize("status", [0, 1])
def test_a_command_can_say_that_the_device_cannot_run_the_model(status):
    with pytest.raises(ModelRefused, match="no kernel for Foo"):
        measure(f"""echo '{{"infeasible": "no kernel for Foo"}}'; exit {status}""")


def test_an_overdue_command_is_killed_with_all_it_has_started(tmp_path):
    late = tmp_path / "late"
    with pytest.raises(BoardLost, match=r"did not end within 0\.3 s: waiting"):
        measure(
            f"echo waiting >&2; (sleep 1.5; touch {late}) & (sleep 1.5; touch {late}); echo 1",
            timeout_seconds=0.3,
        )
    time.sleep(1.7)
    assert not late.exists()


@pytest.mark.slow
def test_a_command_that_prints_without_end_takes_no_memory():
    with pytest.raises(BoardLost, match="did not end"):
        measure("yes 1.5", timeout_seconds=0.5)


def test_a_command_can_ask_nothing():
    with pytest.raises(BoardLost, match="exit status 1"):
        measure("read answer")


KILLED = """
import signal, sys
from pathlib import Path
from hanas.devices import command
from hanas.devices._answers import plain, timings
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
found = command.CommandDevice(kind="command", command=": {model}; " + sys.argv[1])
found.measure(Path("m"), command.BOARD)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_command_ends_with_hanas_however_that_ends(how, tmp_path):
    held = tmp_path / "held"
    os.mkfifo(held)
    job = subprocess.Popen(
        [sys.executable, "-c", KILLED, f"exec 9> {held}; echo begun >&9; (sleep 60; true)"],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.DEVNULL,
    )
    with held.open() as pipe:
        assert pipe.readline() == "begun\n"
        job.send_signal(how)
        job.wait(timeout=30)
        waiting_since = time.monotonic()
        assert pipe.read() == ""  # the pipe ends with the last process that was started
    assert time.monotonic() - waiting_since < 30


def test_placeholders_are_replaced_and_nothing_else(tmp_path):
    told = tmp_path / "told"
    settings = {
        "boards": {
            "a.b": f"echo {{model}} {{passes}} {{warmup}} {{batch}} {{threads}} {{board}} "
            f'{{else}} "${{model}}" > {told}; echo 1'
        },
        "passes": 7,
        "warmup": 2,
        "batch": 4,
        "threads": 3,
    }
    device("command", **settings).measure(Path("it's a model.onnx"), "a.b")
    assert told.read_text() == "it's a model.onnx 7 2 4 3 a.b {else} \n"
    with pytest.raises(BoardLost):
        measure("exit 1; echo ${model}")


def test_a_script_of_ones_own_can_be_the_command(tmp_path):
    script = tmp_path / "my bench.sh"
    script.write_text('#!/bin/sh\ntest -e "$1" && echo "[$2, $2]"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    model = tmp_path / "model.onnx"
    model.write_bytes(b"")
    settings = {"command": f"{shlex.quote(str(script))} {{model}} {{passes}}", "passes": 9}
    timings = device("command", **settings).measure(model, command.BOARD)
    assert timings.latencies_ms.tolist() == [9.0, 9.0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "device: give either command or boards"),
        ({"command": "a {model}", "boards": {"x": "b {model}"}}, "give either command or boards"),
        ({"boards": {}}, r"device\.boards is {}; expected at least 1"),
        (
            {"command": "bench"},
            r"device\.command is 'bench'; expected a command in which \{model\}",
        ),
        ({"command": "bench ${model}"}, r"in which \{model\} stands for"),
        ({"command": 5}, "command is 5"),
        ({"boards": {"x": "b {model}", "y": "b"}}, r"device\.boards\.y is 'b'"),
        ({"command": "a {model}", "timeout_seconds": 0}, "timeout_seconds is 0"),
        ({"command": "a {model}", "passes": 0}, "passes is 0"),
    ],
)
def test_wrong_settings_are_named(settings, said):
    with pytest.raises(InputError, match=said):
        device("command", **settings)


def test_only_what_a_command_is_told_is_a_condition_of_it():
    told = device("command", command="a {model} {passes}").conditions(command.BOARD)
    assert told["passes"] == 400
    assert "warmup" not in told
    assert "passes" not in device("command", command="a {model}").conditions(command.BOARD)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(
    st.lists(
        st.text(max_size=20) | JSON.map(json.dumps) | JSON.map(lambda j: json.dumps(j, indent=1))
    )
)
@example(["[" * 100_000])
@example(["1" * 5000])
@example(["[" + "1" * 400 + "]"])
@example(["\x00", "[1", "2]", "}"])
def test_whatever_is_printed_gives_timings_or_a_reason(lines):
    try:
        found = timings("\n".join(lines)).latencies_ms
    except ValueError as error:
        said = str(error)
    else:
        assert (np.isfinite(found) & (found > 0)).all()
        said = f"{len(found)} numbers"
    assert 0 < len(said) < 400
    assert said != "0 numbers"


@given(
    st.lists(st.floats(min_value=1e-6, max_value=1e6), min_size=1),
    st.sampled_from([None, 1]),
    st.lists(st.sampled_from(["", "done", "50 %", "time: 3 ms", "[x]", "12,5"])),
    st.lists(st.sampled_from(["", "done", "bye [1]", "3 ms"])),
)
def test_numbers_come_back_whatever_is_printed_around_them(values, indent, before, after):
    output = "\n".join([*before, json.dumps(values, indent=indent), *after])
    assert timings(output).latencies_ms.tolist() == values


@pytest.mark.parametrize(
    "printed",
    [
        ("[" + "0," * 5000 + "\n") * 400,
        "[\n" * 1_000_000,
        '{"a":' * 2000 + "\n" + ('[["' + "x" * 8000 + "\n") * 400,
        "-\n" * 1_000_000,
        ("1" * 4301 + "\n") * 900,
        " " * 4_000_000,
    ],
)
def test_no_answer_takes_long_to_read(printed):
    started = time.process_time()
    with pytest.raises(ValueError, match="the command printed"):
        timings(printed)
    assert time.process_time() - started < 5


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text):
    found = plain(text)
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in found)
    assert found == plain(found)


@given(st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_a_file_of_any_name_reaches_the_command_in_one_piece(name):
    *shell, text = command.filled("bench {model} end", {"model": name})
    assert shell == ["sh", "-c"]
    assert shlex.split(text) == ["bench", name, "end"]
    parts = ["bench", "--file={model}", "$(end)"]
    assert command.filled(parts, {"model": name}) == ["bench", f"--file={name}", "$(end)"]


def test_a_list_runs_without_a_shell(tmp_path):
    script = tmp_path / "time it"
    script.write_text('#!/bin/sh\n[ "$#" = 3 ] && [ "$2" = \'; exit 3\' ] && echo "[$3]"\n')
    script.chmod(0o755)
    settings = {"command": [str(script), "{model}", "; exit 3", "{passes}"], "passes": 7}
    found = device("command", **settings)
    (board,) = found.board_names()
    assert found.measure(Path("a b.onnx"), board).latencies_ms.tolist() == [7.0]
    said = found.conditions(board)["command"]
    assert said == f"'{script}' '{{model}}' '; exit 3' '{{passes}}'"
    assert found.lock_name(board) == said


def test_a_program_that_is_not_there_loses_the_board_for_good():
    found = device("command", command=["/no/such/program", "{model}"])
    with pytest.raises(BoardLost, match="a command was not found") as lost:
        found.measure(Path("m"), command.BOARD)
    assert lost.value.for_good


@pytest.mark.parametrize("wrong", [[], ["bench"], ["bench", 3, "{model}"], 3, "bench"])
def test_commands_that_cannot_be(wrong):
    with pytest.raises(InputError, match=r"command is .*; expected a"):
        device("command", command=wrong)


def test_the_end_of_long_outputs_is_kept():
    finished = run(["sh", "-c", "seq 1000000; seq 10 >&2; exit 5"], timeout_seconds=20)
    assert finished.returncode == 5
    assert finished.stdout.endswith("\n999999\n1000000\n")
    assert finished.stderr.splitlines() == [str(n) for n in range(1, 11)]
