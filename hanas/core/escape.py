"""Texts of others on their way to a terminal, a page, a table or a figure.

Labels, sources, file names and what devices print may hold anything. Here is what each place would
take for more than text. Figures need nothing: matplotlib escapes SVG, and reads no formulas
(:mod:`hanas.report.figures.style`).
"""

from __future__ import annotations

import html as _html
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: Control characters, those that turn the direction of writing, line separators, half characters.
_CONTROL = {"Cc", "Zl", "Zp", "Cs"}
_TURNING = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LATEX = {
    **{character: f"\\{character}" for character in "%_&#${}"},
    **{"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}", "±": r"$\pm$", "–": "--"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
}


def is_control(character: str) -> bool:
    """Return whether a character is none that can be seen, and changes how others are shown."""
    return unicodedata.category(character) in _CONTROL or character in _TURNING


def terminal(text: str) -> str:
    r"""Return a text of lines whose control characters are spelt out.

    >>> terminal("a\x1b[31mb\nc")
    'a\\x1b[31mb\nc'
    """
    plain = text.replace("\r\n", "\n")
    return "".join(_spelt(c) if is_control(c) and c not in "\n\t" else c for c in plain)


def line(text: str) -> str:
    """Return a text on one line, as for a comment, without control characters."""
    return terminal(" ".join(text.split()))


def html(text: str) -> str:
    """Return a text for HTML, in an attribute too."""
    return _html.escape(line(text))


def markdown(text: str) -> str:
    r"""Return a text for a cell or a sentence of Markdown: no column, tag, link or code.

    >>> markdown("a|b <script> [c](d)")
    'a\\|b &lt;script> \\[c](d)'
    """
    plain = line(text).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "\\|[`" else c for c in plain)


def latex(text: str) -> str:
    """Return a text for LaTeX."""
    return line(text).translate(str.maketrans(_LATEX))


def csv(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which no text is a formula to a spreadsheet: an apostrophe stands before.

    :func:`from_csv` takes it away again.
    """
    return _texts(frame, lambda text: f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text)


def from_csv(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table as it was before :func:`csv`."""

    def plain(text: str) -> str:
        marked = text.startswith("'") and text.lstrip("'").startswith(_FORMULA)
        return text[1:] if marked else text

    return _texts(frame, plain)


def _texts(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    def changed(value: Any) -> Any:
        return change(value) if isinstance(value, str) else value

    names = list(frame.select_dtypes(include=["object", "string"]))
    return frame.assign(**{name: frame[name].map(changed) for name in names}) if names else frame


def _spelt(character: str) -> str:
    return ascii(character)[1:-1]
