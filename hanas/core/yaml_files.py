"""Check a YAML file of settings before anything is made of it.

YAML takes some things otherwise than they look (``1:30`` is 90, ``on`` is true, of a key that is
given twice the first is forgotten), and its parsers say in their own terms why they cannot read a
file. Both are told here by line, with what to write instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import yaml

from hanas.core.errors import InputError, one_line

_DEEPEST, _MOST_SETTINGS, _MOST_PROBLEMS = 100, 100_000, 10
_QUOTE = "put the text between quotes"
_SPECIAL = (
    "between double quotes stands for a special character; write a path between single quotes, or "
    "with /"
)
_TAG = "tag:yaml.org,2002:"
#: Forms of numbers that do not look like them.
_FORMS = {
    "base 60": ":",
    "hexadecimal": "^0x",
    "binary": "^0b",
    "octal": "^0[0-9_]+$",
    "underscores": "_",
}
_HALF = re.compile("[\ud800-\udfff]")
#: Characters of a number; Python reads no more than 4,300 digits.
_LONGEST_NUMBER = 400
_KNOWN = {f"{_TAG}{kind}" for kind in ("str", "int", "float", "bool", "null", "seq", "map")}


def check(path: str | Path) -> None:
    """Refuse a file that is no YAML of settings, or that says something else than it seems to.

    InputError names the line of each key that is given twice or is no text, of each number in a
    form that is read as another one, each date and unknown tag; or the line and column at which the
    file cannot be parsed; or says that aliases blow it up.
    """
    text = _text(path)
    try:
        depth = 0
        # The parser in Python is the one that Snakemake takes; libyaml admits more.
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:  # before anything walks down the settings
                raise InputError(f"{path}: its settings are nested too deeply")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        if _is_json(text):  # in which tabs may indent; that is how Snakemake reads it
            return
        raise InputError(f"{path}{_unreadable(text, error)}") from error
    if not isinstance(root, yaml.MappingNode):
        raise InputError(f"{path}: holds no settings; expected keys, such as `datasets:`")
    total = _size(root, {}, path)
    if total > _MOST_SETTINGS:
        expected = f"expected at most {_MOST_SETTINGS:,}"
        raise InputError(f"{path}: aliases make it {total:,} settings; {expected}")
    problems = [f"{path}, line {line}: {said}" for line, said in _problems(root, "", set())]
    if len(problems) > _MOST_PROBLEMS:
        problems[_MOST_PROBLEMS:] = [f"... and {len(problems) - _MOST_PROBLEMS} more"]
    if problems:
        raise InputError("\n".join(problems))


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror}") from error
    except UnicodeDecodeError as error:
        if error.object[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise InputError(f"{path}: is UTF-16 text; save it as UTF-8") from error
        line, byte = error.object.count(b"\n", 0, error.start) + 1, error.object[error.start]
        said = f"byte {byte:#04x} is no UTF-8 text (in Latin-1 it is {chr(byte)!r})"
        raise InputError(f"{path}, line {line}: {said}; save the file as UTF-8") from error


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _size(node: yaml.Node, sizes: dict[int, int | None], path: str | Path) -> int:
    """Return how many settings there are with all aliases written out."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in sizes:
        sizes[id(node)] = None  # being counted
        is_mapping = isinstance(node, yaml.MappingNode)
        children = chain.from_iterable(node.value) if is_mapping else node.value
        sizes[id(node)] = 1 + sum(_size(child, sizes, path) for child in children)
    found = sizes[id(node)]
    if found is None:
        raise InputError(f"{path}: an alias holds itself; leave it out")
    return found


# ---- what is read otherwise than it looks -------------------------------------------------


def _problems(node: yaml.Node, place: str, seen: set[int]) -> Iterator[tuple[int, str]]:
    """Yield (line, what is wrong) of everything in a node; ``place`` is its path of keys."""
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if said := _misread(node):
        yield node.start_mark.line + 1, f"{place}: {said}"
    for item in node.value if isinstance(node, yaml.SequenceNode) else ():
        yield from _problems(item, place, seen)
    lines: dict[str, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        line = key.start_mark.line + 1
        if key.tag == f"{_TAG}merge":
            parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
            if not all(isinstance(part, yaml.MappingNode) for part in parts):
                yield line, f"{place or 'the study'}: << takes a mapping, such as *training"
            yield from _problems(value, place, seen)
        elif key.tag != f"{_TAG}str":
            yield line, f"{f'{place}: ' if place else ''}{_no_name(key)}"
        else:
            path = f"{place}.{key.value}".lstrip(".")
            if key.value in lines:
                yield line, f"{path} is given again, after line {lines[key.value]}; leave one"
            lines[key.value] = line
            if said := _misread(key):
                yield line, f"the name {key.value!a}: {said}"
            yield from _problems(value, path, seen)


def _no_name(key: yaml.Node) -> str:
    if not isinstance(key, yaml.ScalarNode):
        kind = "list" if isinstance(key, yaml.SequenceNode) else "mapping"
        return f"a {kind} stands where a name belongs; put it between quotes"
    if key.tag not in _KNOWN:
        return _misread(key)
    value = yaml.SafeLoader("").construct_object(key)
    why = "put it between quotes (YAML reads on, off, yes and no as true and false)"
    return f"the name {value!r} is a {type(value).__name__}, not text; {why}"


def _misread(node: yaml.Node) -> str:
    """Say what YAML 1.1 reads otherwise than it looks; nothing where it does not."""
    text, kind = node.value, node.tag.removeprefix(_TAG)
    if kind == "str" and _HALF.search(text):
        return f"holds {_HALF.findall(text)[0]!a}, half a character; write the character itself"
    if kind in ("int", "float") and len(text) > _LONGEST_NUMBER:
        return f"a number of {len(text):,} characters; expected at most {_LONGEST_NUMBER}"
    quoted = f"{text!r} between quotes for a text"
    if kind == "timestamp":
        return f"{text} is read as a date; write {quoted}"
    if kind == "value":
        return f"write {quoted}"
    if node.tag not in _KNOWN:
        tag = node.tag.replace(_TAG, "!!")
        return f"the tag {tag} means nothing here; leave it out, or {_QUOTE}"
    is_quoted = kind == "str" and isinstance(node, yaml.ScalarNode) and node.style == '"'
    if is_quoted and re.match(r"[A-Za-z]:.*[\x00-\x1f]", text, re.DOTALL):
        return f"is read as {text!r}: \\ {_SPECIAL}"
    if kind not in ("int", "float"):
        return ""
    form = next((form for form, sign in _FORMS.items() if re.search(sign, text.lstrip("+-"))), None)
    if form is None:
        return ""
    number = yaml.SafeLoader("").construct_object(node)
    return f"{text} is read as the number {number} ({form}); write {number}, or {quoted}"


# ---- what cannot be parsed ----------------------------------------------------------------

#: What to do if the parser says one of these words, at the place where it stopped.
_STOPPED = {
    "block scalar": "a text that begins with | or > goes on in the lines below; {quote}",
    "cannot start any token|keys are not allowed": "no text can begin with {character}; {quote}",
    "undefined alias": "nothing above is marked with & and this name; a text with * needs quotes",
    "duplicate anchor": "this name of an anchor is there already; take another",
    "single document": "a second document begins here; leave one, without ---",
    "sequence entries": "a list cannot begin beside its name; begin it below, or write [a, b]",
}
#: The same, at the place where what it was reading began.
_BEGAN = {
    "quoted scalar": "the quote that begins here is not closed; close it",
    "directive|tag": "no text can begin with {began}; {quote}",
    "alias|anchor": "* and & begin names of anchors; {quote}",
    "flow (sequence|mapping)": "the {began} that begins here is not closed, or a comma is missing "
    "by line {line}; close it, and write commas between its items",
    "expected ':'|simple key": "expected a name and a colon with a space after it",
}


def _unreadable(text: str, error: yaml.YAMLError) -> str:
    """Return where a file cannot be parsed, and what to do."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, text.find(chr(error.character))) + 1
        return f", line {line}: holds the control character {error.character:#04x}; remove it"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f": not readable as YAML: {one_line(error)}"
    lines = text.splitlines() or [""]
    marks = error.problem_mark, error.context_mark or error.problem_mark
    at, began = ((min(mark.line, len(lines) - 1), mark.column) for mark in marks)
    about = f"{error.context or ''}: {error.problem or ''}"
    row, column, said = _reason(about, lines, at, began)
    shown = f" (it reads: {lines[row].strip()[:80]})" if lines[row].strip() else ""
    return f", line {row + 1}, column {column + 1}: {said}{shown}"


def _reason(
    about: str, lines: list[str], at: tuple[int, int], began: tuple[int, int]
) -> tuple[int, int, str]:
    """Return the row and column of what is wrong, and what to do.

    ``about`` is what the parser says, ``at`` where it stopped, ``began`` where what it read began.
    """
    (row, column), line = at, lines[at[0]]
    character, spaces = line[column : column + 1], len(line) - len(line.lstrip(" "))
    if character == "\t":
        if line[:column].strip():
            return *at, "a tab stands between name and value; write a space"
        return row, 0, "a tab indents this line; indent with spaces"
    if "escape" in about or "hex" in about:
        column = line.rfind("\\", 0, column + 1)
        return row, column, f"{line[column : column + 2]} {_SPECIAL}"
    if "mapping values" in about:
        before = next((each for each in lines[row - 1 :: -1] if each.strip()), "") if row else ""
        if len(re.findall(r":(?:\s|$)", line)) > 1:
            return *at, "a second colon in one line; put a text with a colon between quotes"
        if before and not re.search(r":(\s|$)", before):
            return *at, f"the line before, {before.strip()[:40]!r}, lacks a colon and a space"
        return row, spaces, "indented deeper than the line before, which has its value already"
    if character in ("]", "}") and not re.search("directive|tag|alias|anchor", about):
        return *at, f"this {character} closes nothing; remove it, or write what it closes"
    begin = lines[began[0]][began[1] : began[1] + 1]
    named = {"character": character, "began": begin, "line": row + 1, "quote": _QUOTE}
    for place, reasons in ((at, _STOPPED), (began, _BEGAN)):
        for words, said in reasons.items():
            if re.search(words, about) and (character or "{character}" not in said):
                return *place, said.format(**named)
    if "node content" in about or character == ",":
        return *at, f"a value cannot begin with {character or 'the end'}; put it between quotes"
    if character == ":":
        return *at, "the name before this colon is missing"
    if column > spaces:
        return *at, (
            "nothing can follow a text between quotes, or a bracket that is closed; put the whole "
            "text between quotes, and write an apostrophe between single quotes twice"
        )
    if any(word in about for word in ("block", "document start")):
        first = f"line {began[0] + 1} on, by {began[1]}" if began != at else "the first line on"
        return *at, (
            f"indented by {spaces}, otherwise than what it stands beside, from {first}; mend the "
            "indentation"
        )
    return *at, f"not readable as YAML: {about.strip(': ')}"
