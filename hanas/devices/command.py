r"""Any command that is given an ONNX or LiteRT file and prints milliseconds as JSON.

A board over ssh, adb, a vendor's tool. A list is a program and its arguments, run as it is, without
a shell; a text is a command of the user's for ``sh``, where more than one program is to run::

    command: [./time_on_board, "{model}", --passes, "{passes}"]
    command: scp -q {model} pi:m.onnx && ssh pi ./bench m.onnx {passes}

``{model}``, ``{passes}``, ``{warmup}``, ``{batch}``, ``{threads}`` and ``{board}`` in either are
replaced (in a text, quoted for the shell), and so is ``{recipes}``, the folder of scripts for kinds
of boards that hanas ships; all else, other braces too, stays as it is. There is no input. Of a
pipe, the shell tells only whether the last part failed.

It prints a JSON document that begins and ends with a line: an object with ``latency_ms`` (a list or
a number) and, where known, ``energy_mj`` (millijoules of a pass, a list or a number), ``runtime``
(what ran the model, with its version) and ``infeasible`` (why the device cannot run the model:
then nothing else is needed); or a list with the milliseconds of each pass; or one number, their
mean. What else is printed does not count (:mod:`hanas.devices._answers`).

A command that fails, takes too long or prints something else loses its board for a while, see
:mod:`hanas.devices.measuring.board_queue`. At its end, and when hanas is killed, all that it has
started is killed; what it has started on another machine is not (``ssh -tt`` ends that as well).

No two processes on this machine measure on boards of the same name at once, nor with the same
``command``: a board that several devices use should have a name.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from hanas.core.errors import InputError
from hanas.core.files import checksum, digest
from hanas.core.processes import run
from hanas.core.settings import Positive
from hanas.devices._answers import plain, timings
from hanas.devices._device import BoardLost, TimedDevice, Timings

#: Name of the only board where ``command`` gives no name.
BOARD = "the board"
# Not behind a dollar sign: that is a variable of the shell.
_PLACEHOLDER = re.compile(r"(?<!\$)\{(model|passes|warmup|batch|threads|board|recipes)\}")
#: Scripts that time a model on a kind of board: docs/boards.md.
RECIPES = Path(__file__).parents[1] / "resources" / "boards"
#: Exit statuses of a shell after which trying again is of no use.
_FOR_GOOD = {126: "cannot be executed", 127: "was not found"}


def _checked(command: Any) -> Any:
    parts = [command] if isinstance(command, str) else command
    texts = isinstance(parts, list) and all(isinstance(part, str) for part in parts)
    if not texts or "model" not in _told(command):
        raise InputError(
            f"is {command!r}; expected a command in which {{model}} stands for the ONNX file: a "
            "text, or a list of texts"
        )
    return command


#: A program and its arguments, or a text for ``sh``.
Command = Annotated[str | list[str], BeforeValidator(_checked)]


class CommandDevice(TimedDevice):
    """Boards that are reached by a command."""

    kind: Literal["command"] = Field(description="Boards that are reached by a command.")
    command: Command | None = Field(
        None,
        description="A list, a program and its arguments, or a text for the shell, that prints "
        "milliseconds of a model file as JSON; {model}, {passes}, {warmup}, {batch}, {threads}, "
        "{board} and {recipes}, the folder of the recipes for boards, are filled in.",
    )
    boards: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")], Command] | None = Field(
        None,
        min_length=1,
        description="Instead: a command for each of several boards, which share the work.",
    )
    timeout_seconds: Positive = Field(600, description="Longest that a model may take.")
    format: Literal["onnx", "litert"] = Field(
        "onnx",
        description="What the command is given; litert: a .tflite file of batch 1, in INT8 with "
        "integers from input to output.",
    )
    litert_python: str = Field(
        ".venv-litert/bin/python",
        description="Python with litert-torch, for format litert; `make litert` makes it.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> CommandDevice:
        if (self.command is None) == (self.boards is None):
            raise InputError("give either command or boards")
        if self.format == "litert" and self.batch != 1:
            raise InputError(f"batch is {self.batch}; files of format litert take 1")
        return self

    @property
    def model_format(self) -> str:
        """What its models are written as."""
        return self.format

    def params(self) -> dict[str, Any]:
        """Return what changes results; the Python for LiteRT only where it is used."""
        found = super().params()
        if self.format == "onnx":
            del found["format"], found["litert_python"]
        return found

    @property
    def commands(self) -> Mapping[str, str | list[str]]:
        """The command of each board."""
        return self.boards or {BOARD: self.command or ""}

    def board_names(self) -> tuple[str, ...]:
        """Return the names of the boards."""
        return tuple(self.commands)

    def lock_name(self, board: str) -> str:
        """Return a board's name, or the command of one that has none."""
        return board if self.boards else _in_one_line(self.commands[board])

    def runtime(self) -> str:
        """Return what stands for whatever the command runs."""
        return "a command"

    def state(self) -> str | None:
        """Return a digest of the programs and scripts in the commands, None without any."""
        found = {board: _files_digest(command) for board, command in self.commands.items()}
        return digest(found) if any(found.values()) else None

    def conditions(self, board: str) -> dict[str, str | int]:
        """Return what a measurement depends on: of the numbers, those that the command is told.

        Also on the programs and scripts in the command, by their contents: when one is mended, what
        it said before does not count any more.
        """
        found = super().conditions(board) | {"command": _in_one_line(self.commands[board])}
        if files := _files_digest(self.commands[board]):
            found["files"] = files
        untold = {"passes", "warmup"} - _told(self.commands[board])
        return {name: value for name, value in found.items() if name not in untold}

    def measure(self, model: Path, board: str) -> Timings:
        """Let the command of a board measure an ONNX model."""
        numbers = {name: getattr(self, name) for name in ("passes", "warmup", "batch", "threads")}
        values = {"model": model, "board": board, "recipes": RECIPES, **numbers}
        command = filled(self.commands[board], values)
        finished = run(command, timeout_seconds=self.timeout_seconds)
        try:
            found = timings(finished.stdout)  # raises ModelRefused, however the command has ended
        except ValueError as error:
            raise self._lost(finished, str(error)) from error
        if finished.returncode != 0:
            raise self._lost(finished, "")
        return found

    def _lost(self, finished: CompletedProcess[str], otherwise: str) -> BoardLost:
        """Return how a command ended, or what else is wrong, with the end of its errors."""
        status, said = finished.returncode, plain(finished.stderr[-2000:])
        if status is None:
            how = f"the command did not end within {self.timeout_seconds:g} s"
        elif status in _FOR_GOOD:
            how = f"a command {_FOR_GOOD[status]} (exit status {status})"
        elif status < 0:
            how = f"the command was killed by signal {-status}"
        else:
            how = f"the command ended with exit status {status}" if status else otherwise
        said = f"... {said[-300:]}" if len(said) > 300 else said
        known = {"for_good": status in _FOR_GOOD, "answered": status == 0}
        return BoardLost(f"{how}{f': {said}' if said else ''}", **known)


def filled(command: str | list[str], values: Mapping[str, Any]) -> list[str]:
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


def _told(command: str | list[str]) -> set[str]:
    """Return the names of the placeholders in a command."""
    return set(_PLACEHOLDER.findall(_in_one_line(command)))


def command_files(command: str | list[str]) -> list[Path]:
    """Return the programs and scripts of the user's that a command names by their paths.

    All words that are files but empty ones, which are flags, and those that a shell writes into.
    """
    words = command
    if isinstance(command, str):
        reader = shlex.shlex(command, posix=True, punctuation_chars=True)
        reader.whitespace_split, reader.commenters = True, ""
        try:
            words = list(reader)
        except ValueError:  # a quote without its end: the shell will say so
            words = command.split()
    written = {word for before, word in itertools.pairwise(words) if before.startswith(">")}
    parts = [part for word in words if word not in written for part in (word, *word.split("=")[1:])]
    parts = [part.replace("{recipes}", str(RECIPES)) for part in parts if part]
    files = {Path(os.path.expandvars(os.path.expanduser(part))) for part in parts}
    return sorted(file for file in files if _is_used(file))


def _is_used(file: Path) -> bool:
    try:
        return file.is_file() and file.stat().st_size > 0
    except (OSError, ValueError):
        return False


def _files_digest(command: str | list[str]) -> str | None:
    """Return a digest of the files' contents, whatever their places; None without any."""
    found = []
    for file in command_files(command):
        with contextlib.suppress(OSError):
            found.append([file.name, checksum(file)])
    return digest(found)[:16] if found else None


def _in_one_line(command: str | list[str]) -> str:
    return command if isinstance(command, str) else shlex.join(command)
