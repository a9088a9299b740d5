r"""Timings that a command prints as JSON, among whatever else it prints."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from hanas.devices.measuring.timings import ModelRefused, Timings

_EXPECTED = (
    "expected JSON: a list of milliseconds, one number, or an object with latency_ms or infeasible"
)
_DECODER = json.JSONDecoder()
#: Where a document may begin: at the first character of a line that JSON can begin with.
_START = re.compile(r'^[ \t]*(?=[\[{"\-0-9tfnNI])', re.MULTILINE)
_REST_OF_LINE = re.compile(r"[ \t]*(?:\n|\Z)")


def timings(output: str) -> Timings:
    r"""Return the timings in what a command has printed; ValueError where there are none.

    >>> timings("loading\n[1.5, 2.5]\ndone").latencies_ms
    array([1.5, 2.5])
    >>> timings('{"latency_ms": 3, "energy_mj": [1, 3]}').energy_mj
    2.0
    """
    answer = _last_document(output)
    if not isinstance(answer, dict):
        return Timings(_numbers(answer, "the command's answer"))
    if "latency_ms" not in answer:
        raise ValueError(f"the command printed an object without latency_ms; {_EXPECTED}")
    energy, runtime = answer.get("energy_mj"), answer.get("runtime")
    if energy is not None:
        energy = _numbers(energy, "energy_mj")
        if not len(energy) or not (np.isfinite(energy) & (energy > 0)).all():
            raise ValueError(
                f"energy_mj is {_short(answer['energy_mj'])}; expected finite numbers above 0"
            )
    if runtime is not None and not (isinstance(runtime, str) and runtime.strip()):
        raise ValueError(f"runtime is {_short(runtime)}; expected text")
    return Timings(
        _numbers(answer["latency_ms"], "latency_ms"),
        None if energy is None else float(energy.mean()),
        runtime=None if runtime is None else " ".join(runtime.split()),
    )


def check_refusal(output: str) -> None:
    """Raise ModelRefused where a command says that the device cannot run the model."""
    try:
        answer = _last_document(output)
    except ValueError:
        return
    reason = answer.get("infeasible") if isinstance(answer, dict) else None
    if reason is True:
        raise ModelRefused("the command gives no reason")
    if isinstance(reason, str) and reason.strip():
        raise ModelRefused(" ".join(reason.split()))


def _numbers(value: Any, name: str) -> np.ndarray:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in values):
        raise ValueError(f"{name} is {_short(value)}; {_EXPECTED}")
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        raise ValueError(f"{name} has a number that is too large: {_short(value)}") from None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _last_document(output: str) -> Any:
    """Return the last JSON document that begins where a line begins and ends where one ends.

    Of documents inside one another that is the outermost: a list may be printed on many lines.
    """
    text = re.sub(r"\r\n?", "\n", output)  # boards and progress bars end lines in other ways
    found, end = [], 0
    for start in _START.finditer(text):
        if start.end() < end:
            continue
        try:
            document, after = _DECODER.raw_decode(text, start.end())
        except (ValueError, RecursionError):
            continue
        rest = _REST_OF_LINE.match(text, after)
        if rest is not None:
            found, end = [document], rest.end()
    if not found:
        printed = " ".join(output.split())
        what = f"{_short(printed[-60:])}" if printed else "nothing"
        raise ValueError(f"the command printed {what}; {_EXPECTED}")
    if re.search(r"^[ \t]*[\]}]", text[end:], re.MULTILINE):
        raise ValueError(f"the command printed broken JSON; {_EXPECTED}")
    return found[0]
