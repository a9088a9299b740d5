"""Read a pickle that holds plain data, and refuse one that would do anything else.

Loading a pickle with the standard library runs whatever its author wrote into it. The official
files of several benchmarks are pickles all the same, so this module reads them in two steps:

1. every instruction is looked at before one is obeyed: only those that build plain data are
   admitted, and none may ask for more memory than the file's own size justifies;
2. the few names that plain data needs (numpy's arrays and scalars, sets, ordered dictionaries) are
   bound to stand-ins that check their arguments; every other name is refused.

A file with arrays is then loaded once more with numpy's own functions: the instructions of a pickle
are a straight line, so the second time makes exactly the calls that were checked the first time.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from hanas.core.errors import InputError, one_line

#: Largest pickle that is read; the largest official file has 100 MB.
LIMIT_BYTES = 2**30


class Readable(Protocol):
    """A file that is open for reading in binary form, perhaps a compressed one."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes."""
        ...


def load_plain(
    handle: Readable, *, name: str, encoding: str = "ASCII", limit_bytes: int = LIMIT_BYTES
) -> Any:
    """Return the plain data that a pickle holds.

    Parameters
    ----------
    handle
        The pickle; read to its end.
    name
        What error messages call the file.
    encoding
        How strings written by Python 2 are decoded; ``"bytes"`` keeps them as bytes.
    limit_bytes
        Largest size that is read.

    Returns
    -------
    object
        Made of dict (also where the file says OrderedDict), list, tuple, set, frozenset, str,
        bytes, bytearray, int, float, complex, bool, None, and numpy arrays and scalars of
        numbers or truth values.

    Raises
    ------
    InputError
        If the file is damaged, larger than the limit, or asks for anything but plain data. Nothing
        of such a file has been executed.

    Examples
    --------
    >>> load_plain(io.BytesIO(pickle.dumps({"latency": [1.5, -1.0]})), name="example")
    {'latency': [1.5, -1.0]}
    """
    try:
        content = handle.read(limit_bytes + 1)  # a compressed file can be damaged too
        if len(content) > limit_bytes:
            raise InputError(f"{name}: larger than {limit_bytes:,} bytes, so not the expected file")
        _check_instructions(content, name)
        checking = _Checking(io.BytesIO(content), name, encoding)
        plain = checking.load()
        if checking.has_arrays:
            plain = _Trusting(io.BytesIO(content), name, encoding).load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise InputError(
            f"{name}: damaged, not readable as a pickle of plain data: {one_line(error)}; "
            "get the file again"
        ) from error
    return plain


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
    """Refuse a pickle with instructions that do more than build plain data."""
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


class _Name:
    """A name that a pickle may use: callable with checked arguments, and nothing else.

    It has no attributes that a pickle could set: a function or a class would.
    """

    __slots__ = ("_call",)
    _call: Callable[..., Any]

    def __init__(self, call: Callable[..., Any]):
        object.__setattr__(self, "_call", call)

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setattr__(self, name: str, value: Any) -> None:
        raise TypeError("a name cannot be given attributes")

    def __setstate__(self, state: Any) -> None:
        raise TypeError("a name cannot be given a state")


class _Dtype:
    """A stand-in for ``numpy.dtype`` of numbers or truth values."""

    __slots__ = ("_dtype", "_is_built")

    def __init__(self, code: Any, align: Any = False, copy: Any = True):
        # A copy: what follows in the pickle must not reach the dtype that numpy shares.
        if type(align) not in (bool, int) or not (type(copy) in (bool, int) and copy):
            raise TypeError("a dtype with unusual arguments")
        text = code.decode("ascii") if type(code) is bytes else code
        if type(text) is not str or not (len(text) in (2, 3) and text[0] in "biufc"):
            raise TypeError("a dtype that is not of numbers")
        if not text[1:].isdecimal():
            raise TypeError("a dtype that is not of numbers")
        self._dtype = np.dtype(text)
        self._is_built = False

    def __setstate__(self, state: Any) -> None:
        if self._is_built or type(state) is not tuple or len(state) != 8:
            raise TypeError("a dtype with an unusual state")
        version, byte_order, *rest = state
        order = byte_order.decode("ascii") if type(byte_order) is bytes else byte_order
        if type(order) is not str or order not in ("<", ">", "|", "="):
            raise TypeError("a dtype with an unknown byte order")
        if not all(type(part) in (int, type(None)) for part in (version, *rest)):
            raise TypeError("a dtype with an unusual state")
        if (version, rest) != (3, [None, None, None, -1, -1, 0]):
            raise TypeError("a dtype with an unusual state")
        self._dtype = self._dtype.newbyteorder(order)
        self._is_built = True


class _Array:
    """A stand-in for an array that ``numpy`` reconstructs in two steps."""

    __slots__ = ("_is_built",)

    def __init__(self):
        self._is_built = False

    def __setstate__(self, state: Any) -> None:
        if self._is_built or type(state) is not tuple or len(state) != 5:
            raise TypeError("an array with an unusual state")
        version, shape, dtype, is_fortran, content = state
        if type(version) is not int or version != 1 or type(is_fortran) not in (bool, int):
            raise TypeError("an array with an unusual state")
        # Python 2 wrote bytes as str; latin-1 then gives one character a byte.
        if type(content) not in (bytes, str):
            raise TypeError("an array of objects")
        _check_size(shape, dtype, len(content))
        self._is_built = True


def _check_size(shape: Any, dtype: Any, size_bytes: int) -> None:
    if type(dtype) is not _Dtype:
        raise TypeError("an array without a dtype")
    if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
        raise TypeError("an array with an unusual shape")
    if len(shape) > 32 or math.prod(shape) * dtype._dtype.itemsize != size_bytes:
        raise ValueError(f"an array of another size than its content of {size_bytes} bytes")


def _make_dict(*arguments: Any) -> dict:
    """Stand in for OrderedDict: a dict keeps the order too, and cannot be given attributes."""
    if not arguments:
        return {}
    (pairs,) = arguments
    if type(pairs) is not list or not all(type(p) in (list, tuple) and len(p) == 2 for p in pairs):
        raise TypeError("an ordered dictionary of something else than pairs")
    return dict(pairs)


def _make_set(kind: type) -> Callable[..., Any]:
    def make(*arguments: Any) -> Any:
        if len(arguments) > 1 or not all(type(items) in (list, tuple) for items in arguments):
            raise TypeError(f"a {kind.__name__} of something else than a list")
        return kind(*arguments)

    return make


def _make_empty_bytes() -> bytes:
    """Stand in for ``bytes``, by which old protocols write empty ones."""
    return b""


def _make_complex(real: Any, imaginary: Any) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise TypeError("a complex number of something else than two numbers")
    return complex(real, imaginary)


def _make_bytes(*arguments: Any) -> bytes:
    """Stand in for ``_codecs.encode``, by which old protocols write bytes."""
    text, encoding = arguments
    if type(text) is not str or type(encoding) is not str or encoding != "latin1":
        raise TypeError("bytes in an unusual form")
    return text.encode("latin1")


def _make_scalar(dtype: Any, content: Any) -> np.generic:
    if type(content) is str:  # written by Python 2
        content = content.encode("latin1")
    if type(content) is not bytes:
        raise TypeError("a numpy scalar that is not a number")
    _check_size((), dtype, len(content))
    return np.frombuffer(content, dtype._dtype)[0]


class _Checking(pickle.Unpickler):
    """An unpickler that knows only the stand-ins."""

    has_arrays = False

    def __init__(self, handle: io.BytesIO, name: str, encoding: str):
        super().__init__(handle, encoding=encoding, errors="strict")
        self._name = name
        self._ndarray = _Name(_refuse_call)
        self._names = {
            **_PLAIN,
            **_in_numpy("numpy:dtype", _Name(_Dtype)),
            **_in_numpy("numpy:ndarray", self._ndarray),
            **_in_numpy("multiarray:scalar", _Name(_make_scalar)),
            **_in_numpy("multiarray:_reconstruct", _Name(self._reconstruct)),
            **_in_numpy("numeric:_frombuffer", _Name(self._from_buffer)),
        }

    def find_class(self, module: str, name: str, /) -> Any:
        found = self._names.get((module, name))
        if found is None:
            raise InputError(
                f"{self._name}: refused, not plain data: loading it would use "
                f"{f'{module}.{name}'[:200]!r}; get the file from its official source"
            )
        return found

    def persistent_load(self, pid: Any, /) -> Any:
        raise InputError(f"{self._name}: refused, not plain data: asks for objects from outside")

    def _reconstruct(self, kind: Any, shape: Any, code: Any) -> _Array:
        # numpy always writes an empty array here; its state follows.
        if kind is not self._ndarray or type(shape) is not tuple or shape != (0,):
            raise TypeError("an array of an unusual kind")
        if type(code) not in (bytes, str) or code not in (b"b", "b"):
            raise TypeError("an array of an unusual kind")
        self.has_arrays = True
        return _Array()

    def _from_buffer(self, content: Any, dtype: Any, shape: Any, order: Any) -> _Array:
        if type(content) not in (bytes, bytearray) or order not in ("C", "F"):
            raise TypeError("an array in an unusual form")
        _check_size(shape, dtype, len(content))
        self.has_arrays = True
        array = _Array()
        array._is_built = True
        return array


class _Trusting(pickle.Unpickler):
    """An unpickler for content that :class:`_Checking` has loaded without complaint."""

    def __init__(self, handle: io.BytesIO, name: str, encoding: str):
        super().__init__(handle, encoding=encoding, errors="strict")

    def find_class(self, module: str, name: str, /) -> Any:
        return (_PLAIN | _REAL)[module, name]


def _refuse_call(*_: Any) -> None:
    raise TypeError("an array made directly")


def _in_numpy(place: str, found: Any) -> dict[tuple[str, str], Any]:
    """Return a name of numpy's in the spellings of numpy 1 and 2."""
    module, name = place.split(":")
    modules = [module] if module == "numpy" else [f"numpy.{core}.{module}" for core in _CORES]
    return {(module, name): found for module in modules}


def _real_from_buffer(content: bytes, dtype: np.dtype, shape: tuple, order: Any) -> np.ndarray:
    return np.frombuffer(content, dtype).reshape(shape, order=order).copy(order=order)


_CORES = ("core", "_core")
_PLAIN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _Name(_make_dict),
    ("_codecs", "encode"): _Name(_make_bytes),
    **{
        (module, name): _Name(make)
        for module in ("builtins", "__builtin__")
        for name, make in (
            ("set", _make_set(set)),
            ("frozenset", _make_set(frozenset)),
            ("complex", _make_complex),
            ("bytes", _make_empty_bytes),
        )
    },
}
_REAL: dict[tuple[str, str], Any] = {
    **_in_numpy("numpy:dtype", np.dtype),
    **_in_numpy("numpy:ndarray", np.ndarray),
    **_in_numpy("multiarray:scalar", np._core.multiarray.scalar),  # pyright: ignore
    **_in_numpy("multiarray:_reconstruct", np._core.multiarray._reconstruct),  # pyright: ignore
    **_in_numpy("numeric:_frombuffer", _real_from_buffer),
}
