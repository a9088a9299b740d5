"""Look at every instruction of a pickle before one is obeyed.

A pickle is a program without branches for a small stack machine. Only instructions that build
plain data are admitted here, none may reach beyond the end of the file, and none may ask for more
memory than the file's own size justifies. What the named functions and classes do that an admitted
program calls is the business of :mod:`hanas.core.pickles`.
"""

from __future__ import annotations

import pickle

from hanas.core.errors import InputError

# How the argument of each admitted instruction is laid out. Left out are those that call classes
# (INST, OBJ, NEWOBJ), ask for objects from outside (PERSID, EXT1, NEXT_BUFFER) or that no pickler
# writes (DUP).
_FIXED = {
    pickle.PROTO: 1, pickle.FRAME: 8, pickle.STOP: 0, pickle.MARK: 0, pickle.POP: 0,
    pickle.POP_MARK: 0, pickle.NONE: 0, pickle.NEWTRUE: 0, pickle.NEWFALSE: 0, pickle.BININT: 4,
    pickle.BININT1: 1, pickle.BININT2: 2, pickle.BINFLOAT: 8, pickle.EMPTY_LIST: 0,
    pickle.APPEND: 0, pickle.APPENDS: 0, pickle.LIST: 0, pickle.EMPTY_TUPLE: 0, pickle.TUPLE: 0,
    pickle.TUPLE1: 0, pickle.TUPLE2: 0, pickle.TUPLE3: 0, pickle.EMPTY_DICT: 0, pickle.DICT: 0,
    pickle.SETITEM: 0, pickle.SETITEMS: 0, pickle.EMPTY_SET: 0, pickle.ADDITEMS: 0,
    pickle.FROZENSET: 0, pickle.MEMOIZE: 0, pickle.BINGET: 1, pickle.LONG_BINGET: 4,
    pickle.STACK_GLOBAL: 0, pickle.REDUCE: 0, pickle.BUILD: 0,
}  # fmt: skip
_COUNTED = {  # bytes of the count that precedes the argument
    pickle.SHORT_BINSTRING: 1, pickle.BINSTRING: 4, pickle.SHORT_BINBYTES: 1, pickle.BINBYTES: 4,
    pickle.BINBYTES8: 8, pickle.BYTEARRAY8: 8, pickle.SHORT_BINUNICODE: 1, pickle.BINUNICODE: 4,
    pickle.BINUNICODE8: 8, pickle.LONG1: 1, pickle.LONG4: 4,
}  # fmt: skip
_LINES = {  # number of lines
    pickle.INT: 1, pickle.LONG: 1, pickle.FLOAT: 1, pickle.STRING: 1, pickle.UNICODE: 1,
    pickle.GET: 1, pickle.GLOBAL: 2,
}  # fmt: skip
_PUTS = {pickle.BINPUT: 1, pickle.LONG_BINPUT: 4}  # bytes of the number that a value is kept under
_REFUSED = {
    pickle.PERSID: "PERSID", pickle.BINPERSID: "BINPERSID", pickle.EXT1: "EXT1",
    pickle.EXT2: "EXT2", pickle.EXT4: "EXT4", pickle.INST: "INST", pickle.OBJ: "OBJ",
    pickle.NEWOBJ: "NEWOBJ", pickle.NEWOBJ_EX: "NEWOBJ_EX", pickle.DUP: "DUP",
    pickle.NEXT_BUFFER: "NEXT_BUFFER", pickle.READONLY_BUFFER: "READONLY_BUFFER",
}  # fmt: skip


def check_instructions(content: bytes, name: str) -> None:
    """Refuse a pickle with instructions that do more than build plain data.

    Parameters
    ----------
    content
        The pickle.
    name
        What error messages call the file.

    Raises
    ------
    InputError
        If an instruction is not admitted, reaches beyond the end of the file, or asks for more
        memory than a file of this size needs; or if the file goes on after its end.

    Examples
    --------
    >>> check_instructions(pickle.dumps([1, 2.5, "text"]), "example")
    """
    kinds: list[tuple[str, int] | None] = [None] * 256
    for kind, codes in (("", _FIXED), ("count", _COUNTED), ("lines", _LINES), ("put", _PUTS)):
        for code, width in codes.items():
            kinds[code[0]] = (kind, width)
    kinds[pickle.PUT[0]] = ("put line", 1)
    position, size, stop = 0, len(content), pickle.STOP[0]
    while position < size:
        code = content[position]
        kind_and_width = kinds[code]
        if kind_and_width is None:
            raise InputError(f"{name}: {_refusal(code)} at byte {position}")
        kind, width = kind_and_width
        position += 1
        if code == stop:
            if position != size:
                raise InputError(
                    f"{name}: damaged: {size - position} bytes after its end; get the file again"
                )
            return
        if not kind:
            position += width
        elif kind == "count":
            position += width + int.from_bytes(content[position : position + width], "little")
        elif kind == "put":
            _check_put(int.from_bytes(content[position : position + width], "little"), size, name)
            position += width
        else:
            start = position
            for _ in range(width):
                position = content.find(b"\n", position) + 1
                if position == 0:
                    raise InputError(f"{name}: damaged: ends within a line; get the file again")
            if kind == "put line":
                _check_put(int(content[start : position - 1]), size, name)
    raise InputError(f"{name}: damaged: ends before its data does; get the file again")


def _check_put(number: int, size: int, name: str) -> None:
    # The unpickler reserves memory for all numbers up to this one, and a pickler counts from 0.
    if not 0 <= number < size:
        raise InputError(f"{name}: damaged: keeps a value under the number {number}")


def _refusal(code: int) -> str:
    if bytes([code]) in _REFUSED:
        return f"refused, not plain data: it holds the instruction {_REFUSED[bytes([code])]}"
    return f"damaged, not a pickle: the byte {code:#04x}"
