r"""Any command that is given an ONNX file and prints milliseconds as JSON.

A board over ssh, adb, a vendor's tool::

    command: [./time_on_board, "{model}", --passes, "{passes}"]

A list is a program and its arguments, run as it is, without a shell. A text is a command of the
user's for ``sh``, where more than one program is to run::

    command: scp -q {model} pi:m.onnx && ssh pi ./bench m.onnx {passes}

Either has no input. ``{model}``, ``{passes}``, ``{warmup}``, ``{batch}``, ``{threads}`` and
``{board}`` in it are replaced (in a text, quoted for the shell); all else, other braces too, stays
as it is. Of a pipe, the shell tells only whether the last part failed.

What counts of its output is the last JSON document that begins and ends with a line: a list with
the milliseconds of each pass, one number (their mean), or an object with ``latency_ms`` (a list or
a number) and, where known, ``energy_mj`` (millijoules of a pass, a list or a number), ``runtime``
(what ran the model, with its version) and ``infeasible`` (why the device cannot run the model:
then nothing else is needed).

A command that fails, takes too long or prints something else loses its board for a while, see
:mod:`hanas.devices.measuring.board_queue`. At its end, and when hanas is killed, all that it has started is
killed; what it has started on another machine is not (``ssh -tt`` ends that as well).

No two processes on this machine measure on boards of the same name at once, nor with the same
``command``: a board that several devices use should have a name.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanas.core.errors import InputError
from hanas.core.settings import check_number, selected
from hanas.devices import _answers
from hanas.devices._processes import Finished, run
from hanas.devices._settings import PassSettings
from hanas.devices.measuring.timings import BoardLost, Timings

#: A program and its arguments, or a text for ``sh``.
Command = str | Sequence[str]
#: Name of the only board where ``command`` gives no name.
BOARD = "the board"
_NAMES = ("model", "passes", "warmup", "batch", "threads", "board")
# Not behind a dollar sign: that is a variable of the shell.
_PLACEHOLDER = re.compile(rf"(?<!\$)\{{({'|'.join(_NAMES)})\}}")
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127


@dataclass(frozen=True)
class CommandSettings(PassSettings):
    """The commands, and what they are told.

    Parameters
    ----------
    command
        The command, see the top of the module.
    boards
        Instead of it, for each of several boards of one kind its name and command: they share the
        models.
    timeout_seconds
        When a command that has not ended is killed.
    """

    command: Command | None = None
    boards: Mapping[str, Command] | None = None
    timeout_seconds: float = 600

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("timeout_seconds", self.timeout_seconds, above=0)
        if (self.command is None) == (not self.boards):
            raise InputError("command: give either it or boards: {name: command, ...}")
        for name, command in self.commands.items():
            place = "command" if self.boards is None else f"boards.{name}"
            parts = _parts(command)
            if not (
                isinstance(parts, Sequence) and parts and all(isinstance(p, str) for p in parts)
            ):
                raise InputError(f"{place} is {command!r}; expected a text, or a list of texts")
            if "model" not in _told(command):
                raise InputError(
                    f"{place} is {command!r}; expected a command in which {{model}} stands for "
                    "the ONNX file"
                )

    @property
    def commands(self) -> Mapping[str, Command]:
        """The command of each board."""
        return self.boards or {BOARD: self.command or ""}


def boards(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the boards."""
    return tuple(_checked(settings).commands)


def device(settings: Mapping[str, Any], board: str) -> str:
    """Return what no two processes may measure on at once: a name, or the command of none."""
    chosen = _checked(settings)
    return board if chosen.boards else _in_one_line(chosen.commands[board])


def conditions(settings: Mapping[str, Any], board: str) -> dict[str, str | int]:
    """Return what a measurement depends on, apart from the model."""
    chosen = _checked(settings)
    command = chosen.commands[board]
    told = _told(command)
    fixed: dict[str, str | int] = {
        "runtime": "a command",
        "threads": chosen.threads,
        "precision": chosen.precision,
        "batch": chosen.batch,
        "command": _in_one_line(command),
    }
    numbers = {"passes": chosen.passes, "warmup": chosen.warmup}
    return fixed | {name: value for name, value in numbers.items() if name in told}


def measure(model: Path, *, settings: Mapping[str, Any], board: str) -> Timings:
    """Let the command of a board measure an ONNX model.

    Raises
    ------
    BoardLost
        If the command fails, takes too long, or prints no numbers that can be.
    ModelRefused
        If the command says that the device cannot run the model.
    """
    chosen = _checked(settings)
    command = filled(
        chosen.commands[board],
        {
            "model": str(model),
            "passes": chosen.passes,
            "warmup": chosen.warmup,
            "batch": chosen.batch,
            "threads": chosen.threads,
            "board": board,
        },
    )
    finished = run(command, timeout_seconds=chosen.timeout_seconds)
    _answers.check_refusal(finished.output)
    if finished.status != 0:
        raise _failure(finished, chosen.timeout_seconds)
    try:
        return _answers.timings(finished.output)
    except ValueError as error:
        raise BoardLost(f"{error}{_end(finished.errors)}") from error


def filled(command: Command, values: Mapping[str, Any]) -> list[str]:
    """Return the program to run and its arguments, with placeholders replaced.

    >>> filled(["run", "--model={model}"], {"model": "a b.onnx"})
    ['run', '--model=a b.onnx']
    >>> filled("run {model} | awk '{print $1}'", {"model": "a b.onnx"})
    ['sh', '-c', "run 'a b.onnx' | awk '{print $1}'"]
    """
    if isinstance(command, str):
        text = _PLACEHOLDER.sub(lambda found: shlex.quote(str(values[found[1]])), command)
        return ["sh", "-c", text]
    return [_PLACEHOLDER.sub(lambda found: str(values[found[1]]), part) for part in command]


def _told(command: Command) -> set[str]:
    """Return the names of the placeholders in a command."""
    return {name for part in _parts(command) for name in _PLACEHOLDER.findall(part)}


def _parts(command: Command) -> Sequence[str]:
    return [command] if isinstance(command, str) else command


def _in_one_line(command: Command) -> str:
    return command if isinstance(command, str) else shlex.join(command)


def _checked(settings: Mapping[str, Any]) -> CommandSettings:
    return selected(CommandSettings, settings, "meter")


def _failure(finished: Finished, timeout_seconds: float) -> BoardLost:
    status, said = finished.status, _end(finished.errors)
    if status is None:
        return BoardLost(f"the command did not end within {timeout_seconds:g} s{said}")
    if status == _NOT_FOUND:
        return BoardLost(f"a command was not found (exit status {status}){said}", for_good=True)
    if status == _NOT_EXECUTABLE:
        return BoardLost(
            f"a command cannot be executed (exit status {status}){said}", for_good=True
        )
    how = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
    return BoardLost(f"the command {how}{said}")


def _end(errors: str) -> str:
    """Return the end of what a command has printed as errors, in one line."""
    words = " ".join(errors.split())
    if not words:
        return ""
    return f": {words}" if len(words) <= 300 else f": ... {words[-300:]}"
