"""Read a pickle that holds plain data, and refuse one that would do anything else.

Loading a pickle with the standard library runs whatever its author wrote into it. The official
files of several benchmarks are pickles all the same, so this module reads them in three steps:

1. every instruction is looked at before one is obeyed: only those that build plain data are
   admitted, and none may ask for more memory than the file's own size justifies;
2. the pickle is loaded with stand-ins for the few names that plain data needs (numpy's arrays and
   scalars, sets, ordered dictionaries), which check their arguments; other names are refused;
3. what was loaded is written and read once more, which puts arrays in the place of the stand-ins.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from hanas.core.errors import InputError, one_line

#: Largest pickle that is read; the largest official file has 100 MB.
LIMIT_BYTES = 2**30


def load_plain(
    handle: IO[bytes], *, name: str, encoding: str = "ASCII", limit_bytes: int = LIMIT_BYTES
) -> Any:
    """Return the plain data that the pickle in ``handle`` holds; messages call it ``name``.

    It is made of dict (also where the file says OrderedDict), list, tuple, set, frozenset, str,
    bytes, bytearray, int, float, complex, bool, None, and numpy arrays and scalars of numbers or
    truth values. ``encoding`` decodes strings of Python 2; ``"bytes"`` keeps them as bytes.

    Raises InputError if the file is damaged, larger than ``limit_bytes``, or asks for anything but
    plain data; nothing of such a file has been executed.

    >>> load_plain(io.BytesIO(pickle.dumps({"latency": [1.5, -1.0]})), name="example")
    {'latency': [1.5, -1.0]}
    """
    try:
        content = handle.read(limit_bytes + 1)  # a compressed file can be damaged too
        if len(content) > limit_bytes:
            raise InputError(f"{name}: larger than {limit_bytes:,} bytes, so not the expected file")
        _check_instructions(content, name)
        checked = _Unpickler(content, name, encoding).load()
        return pickle.loads(pickle.dumps(checked, pickle.HIGHEST_PROTOCOL))
    except InputError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise InputError(
            f"{name}: damaged, not readable as a pickle of plain data: {one_line(error)}; "
            "get the file again"
        ) from error


#: Left out are those that call classes (INST, OBJ, NEWOBJ), ask for objects from outside (PERSID,
#: EXT1, NEXT_BUFFER) or that no pickler writes (DUP).
_ADMITTED = """
PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1
LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE BINUNICODE8
SHORT_BINUNICODE BINBYTES BINBYTES8 SHORT_BINBYTES BYTEARRAY8 EMPTY_LIST APPEND APPENDS LIST
EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS EMPTY_SET ADDITEMS
FROZENSET MEMOIZE GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT GLOBAL STACK_GLOBAL REDUCE BUILD
"""
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")


def _check_instructions(content: bytes, name: str) -> None:
    admitted, end = frozenset(_ADMITTED.split()), 0
    for instruction, argument, position in pickletools.genops(content):
        if instruction.name not in admitted:
            raise InputError(
                f"{name}: refused, not plain data: it holds the instruction {instruction.name} at "
                f"byte {position}"
            )
        # The unpickler reserves memory for all numbers up to this one; a pickler counts from 0.
        if instruction.name in _PUTS and not 0 <= int(argument or 0) < len(content):
            raise InputError(f"{name}: damaged: keeps a value under the number {argument}")
        end = (position or 0) + 1
    if end != len(content):
        raise InputError(
            f"{name}: damaged: {len(content) - end} bytes after its end; get the file again"
        )


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows some names only."""

    def __init__(self, content: bytes, name: str, encoding: str) -> None:
        super().__init__(io.BytesIO(content), encoding=encoding, errors="strict")
        self._name = name

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) not in _NAMES:
            raise InputError(
                f"{self._name}: refused, not plain data: loading it would use "
                f"{f'{module}.{name}'[:200]!r}; get the file from its official source"
            )
        return _NAMES[module, name]


# ---- stand-ins ----------------------------------------------------------------------------


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise TypeError(f"{what} in an unusual form")


class _Name:
    """A name that a pickle may call, and do nothing else with: not even set its attributes."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise TypeError("a name cannot be given a state")


class _Dtype:
    """A stand-in for ``numpy.dtype`` of numbers or truth values."""

    __slots__ = ("_is_built", "dtype")

    def __init__(self, code: Any, align: Any = False, copy: Any = True) -> None:
        text = _text(code)
        flags = type(align) in (bool, int) and type(copy) in (bool, int) and bool(copy)
        is_number = type(text) is str and re.fullmatch("[biufc][0-9]{1,2}", text) is not None
        _expect(flags and is_number, "a dtype")
        self.dtype, self._is_built = np.dtype(text), False

    def __setstate__(self, state: Any) -> None:
        is_new = not self._is_built and type(state) is tuple and len(state) == 8
        _expect(is_new and state[0] == 3 and state[2:] == (None, None, None, -1, -1, 0), "a dtype")
        order = _text(state[1])
        _expect(order in ("<", ">", "|", "="), "a dtype")
        self.dtype, self._is_built = self.dtype.newbyteorder(order), True


class _Array:
    """A stand-in for an array that ``numpy`` makes at once, or in two steps."""

    __slots__ = ("_array",)

    def __init__(self, array: np.ndarray | None = None) -> None:
        self._array = array

    def __setstate__(self, state: Any) -> None:
        _expect(self._array is None and type(state) is tuple and len(state) == 5, "an array")
        version, shape, dtype, is_fortran, content = state
        _expect(version == 1 and isinstance(is_fortran, int), "an array")
        array = _array(content, dtype, shape, "F" if is_fortran else "C")
        self._array = array.astype(array.dtype.newbyteorder("="))  # as numpy does

    def __reduce__(self) -> Any:
        _expect(self._array is not None, "an array")
        return self._array.__reduce_ex__(pickle.HIGHEST_PROTOCOL)


def _text(value: Any) -> Any:
    return value.decode("ascii") if type(value) is bytes else value


def _array(content: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if type(content) is str:  # written by Python 2: latin-1 gives one character a byte
        content = content.encode("latin1")
    kinds = type(content) in (bytes, bytearray) and type(dtype) is _Dtype and type(shape) is tuple
    _expect(kinds and order in ("C", "F") and len(shape) <= 32, "an array")
    _expect(all(type(side) is int and side >= 0 for side in shape), "an array")
    if math.prod(shape) * dtype.dtype.itemsize != len(content):
        raise ValueError(f"an array of another size than its content of {len(content)} bytes")
    return np.frombuffer(content, dtype.dtype).reshape(shape, order=order).copy(order=order)


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    # numpy always writes an empty array here; its state follows.
    is_empty = type(shape) is tuple and shape == (0,) and _text(code) == "b"
    _expect(kind is _NDARRAY and is_empty, "an array")
    return _Array()


def _encoded(text: Any, encoding: Any) -> bytes:
    _expect(type(text) is str and encoding == "latin1", "bytes")
    return text.encode("latin1")


_NDARRAY = _Name(lambda *_: _expect(False, "an array"))
_NAMES: dict[tuple[str, str], _Name] = {
    ("numpy", "dtype"): _Name(_Dtype),
    ("numpy", "ndarray"): _NDARRAY,
    # A dict keeps the order too, and cannot be given attributes.
    ("collections", "OrderedDict"): _Name(dict),
    ("_codecs", "encode"): _Name(_encoded),  # by which old protocols write bytes
}
for _core in ("numpy.core", "numpy._core"):  # of numpy 1 and 2
    _NAMES |= {
        (f"{_core}.multiarray", "scalar"): _Name(lambda dtype, of: _array(of, dtype, (), "C")[()]),
        (f"{_core}.multiarray", "_reconstruct"): _Name(_reconstruct),
        (f"{_core}.numeric", "_frombuffer"): _Name(lambda *given: _Array(_array(*given))),
    }
for _module in ("builtins", "__builtin__"):
    _NAMES |= {(_module, kind.__name__): _Name(kind) for kind in (set, frozenset, complex)}
    _NAMES[_module, "bytes"] = _Name(lambda: b"")  # by which old protocols write empty ones
