r"""Find the timings in what a command has printed, in bounded time, or say why there are none.

Tools print more than their answer, before it and after it. A document counts that begins and ends
with a line, and of several the last of the highest rank: an object with ``latency_ms`` or
``infeasible`` before a list, a list before a number, which may as well be a progress or a year.
Of several different numbers alone nobody can say which is the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from hanas.devices._device import ModelRefused, Timings

_EXPECTED = (
    "expected JSON: milliseconds, a list of them, or an object with latency_ms or infeasible"
)
#: Characters that reading an answer looks at in all, some of them again and again where lists are
#: begun and not ended: about a second.
_MOST_CHARACTERS = 1 << 25
#: Characters of a document that is not very long.
_USUAL = 1 << 14
_DECODER = json.JSONDecoder()
# Where a JSON document may begin: at the first character of a line that one can begin with.
_START = re.compile(r'^[ \t]*(?=[\[{"\-0-9tfnNI])', re.MULTILINE)
_REST_OF_LINE = re.compile(r"[ \t]*(?:\n|\Z)")
# What a terminal may take for a command of its own.
_CONTROL = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)|[\x00-\x1f\x7f-\x9f]"
)


def plain(text: str) -> str:
    r"""Return what a device has said in one line, without what a terminal would obey.

    >>> plain("\x1b[31mno\x07  kernel\x1b[0m\n")
    'no kernel'
    """
    return " ".join(_CONTROL.sub(" ", text).split())


def timings(output: str) -> Timings:
    r"""Return the timings in what a command has printed; ValueError where there are none.

    ModelRefused where it says that the device cannot run the model.

    >>> timings("loading\n[1.5, 2.5]\n100").latencies_ms
    array([1.5, 2.5])
    >>> timings('{"latency_ms": 3, "energy_mj": [1, 3]}').energy_mj
    2.0
    """
    answer = _answer(output)
    if not isinstance(answer, dict):
        return Timings(_numbers(answer, "the command's answer"))
    refusal = answer.get("infeasible")
    if refusal is True:
        raise ModelRefused("the command gives no reason")
    if isinstance(refusal, str) and (reason := plain(refusal)):
        raise ModelRefused(reason)
    if "latency_ms" not in answer:
        raise ValueError(f"the command printed an object without latency_ms; {_EXPECTED}")
    energy, runtime = answer.get("energy_mj"), answer.get("runtime")
    if energy is not None:
        values = _numbers(energy, "energy_mj")
        if not len(values) or not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"energy_mj is {_short(energy)}; expected finite numbers above 0")
        energy = float(values.mean())
    if runtime is not None:
        if not isinstance(runtime, str) or not plain(runtime):
            raise ValueError(f"runtime is {_short(runtime)}; expected text")
        runtime = plain(runtime)
    return Timings(_numbers(answer["latency_ms"], "latency_ms"), energy, runtime=runtime)


def _numbers(value: Any, name: str) -> np.ndarray:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in values):
        raise ValueError(f"{name} is {_short(value)}; {_EXPECTED}")
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        raise ValueError(f"{name} has a number that is too large: {_short(value)}") from None


def _short(value: Any) -> str:
    text = repr(value[:20] if isinstance(value, list) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _rank(document: Any) -> int:
    """Return how much a document looks like an answer; 0 where it does not at all."""
    if isinstance(document, dict):
        return 4 if "latency_ms" in document or "infeasible" in document else 1
    if isinstance(document, list):
        return 3
    return 2 if isinstance(document, int | float) and not isinstance(document, bool) else 0


def _answer(output: str) -> Any:
    """Return the document that is the answer; ValueError where there is none, or no single one."""
    text = re.sub(r"\r\n?", "\n", output)  # boards and progress bars end lines in other ways
    ends = list(_documents(text))
    found = [document for document, _ in ends]
    if not found:
        printed = plain(output[-500:])
        what = _short(printed[-60:]) if printed else "nothing"
        raise ValueError(f"the command printed {what}; {_EXPECTED}")
    best = max(map(_rank, found))
    answers = [document for document in found if _rank(document) == best]
    if re.search(r"^[ \t]*[\]}]", text[ends[-1][1] :], re.MULTILINE):
        raise ValueError(f"the command printed broken JSON; {_EXPECTED}")
    if best == 2 and any(number != answers[0] for number in answers):
        said = f"{len(answers)} different numbers on lines of their own, the last {answers[-1]:.6g}"
        raise ValueError(
            f"the command printed {said}: which are milliseconds cannot be known; print one "
            "number, a list, or an object with latency_ms"
        )
    return answers[-1]


def _documents(text: str) -> Iterator[tuple[Any, int]]:
    """Yield the documents that begin where a line begins and end where one ends, and their ends.

    Of documents inside one another that is the outermost: a list may be printed on many lines.
    """
    end, left = 0, _MOST_CHARACTERS
    for start in _START.finditer(text):
        if start.end() < end:
            continue
        if left < 0:
            raise ValueError(f"the command printed too much that is no JSON; {_EXPECTED}")
        document, length, cost = _decoded(text[start.end() : start.end() + _USUAL])
        if length is None:  # it is longer, or none
            document, length, _ = _decoded(text[start.end() :])
            cost = len(text) - start.end()
        left -= cost
        if length and (rest := _REST_OF_LINE.match(text, start.end() + length)):
            end = rest.end()
            yield document, end


def _decoded(text: str) -> tuple[Any, int | None, int]:
    """Return the document that a text begins with, its length (0 of none), and what that cost.

    The length is None where it may go on beyond the usual one.
    """
    try:
        document, length = _DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        near_the_end = error.pos > _USUAL - 32 or error.msg.startswith("Unterminated string")
        return None, None if len(text) == _USUAL and near_the_end else 0, 64 + error.pos
    except (ValueError, RecursionError):  # a number of very many digits, or lists in lists
        return None, 0, _USUAL
    return document, None if len(text) == _USUAL == length else length, length
