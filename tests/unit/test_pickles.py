"""The reader of plain pickles: what it admits, and that it refuses and never runs the rest."""

import bz2
import contextlib
import copyreg
import io
import os
import pickle
from collections import Counter, OrderedDict, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanas.core.errors import InputError
from hanas.core.pickles import load_plain

NAMED = r"^some\.pickle: "  # how every message starts
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

_RECONSTRUCTOR = copyreg._reconstructor  # pyright: ignore[reportAttributeAccessIssue]


def loaded(content: bytes, **keywords):
    return load_plain(io.BytesIO(content), name="some.pickle", **keywords)


def read_or_refused(content: bytes) -> None:
    """Any other exception than InputError fails the test."""
    with contextlib.suppress(InputError):
        loaded(content)


class Calls:
    """Pickles as a call of anything."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
    | st.frozensets(st.integers())
    | st.sets(st.text())
)
plain = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.tuples(st.text(), st.integers()), inner)
    ),
)


@settings(max_examples=30, deadline=None)
@given(plain, st.sampled_from(PROTOCOLS))
def test_plain_data_is_read_as_it_was_written(data, protocol):
    assert loaded(pickle.dumps(data, protocol)) == data


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", ["u1", "<i8", ">i8", "<f4", "<f8", "?", "<c16", "<f2"])
def test_arrays_and_scalars_are_read_as_numpy_reads_them(protocol, kind):
    values = np.arange(24).reshape(2, 3, 4).astype(kind)
    data = {
        "array": values,
        "columns first": np.asfortranarray(values),
        "strided": values[:, ::2],
        "empty": values[:0],
        "no dimensions": values[0, 0, 1].reshape(()),
        "in a tuple": (values[0], [values[1], values[1, 1, 1]]),
    }
    content = pickle.dumps(data, protocol)
    expected, read = pickle.loads(content), loaded(content)
    assert list(read) == list(expected)
    pairs = [(read[key], expected[key]) for key in list(data)[:-1]]
    pairs += [(read["in a tuple"][0], expected["in a tuple"][0])]
    pairs += list(zip(read["in a tuple"][1], expected["in a tuple"][1], strict=True))
    for got, wanted in pairs:
        assert type(got) is type(wanted)
        assert got.dtype == wanted.dtype
        assert got.flags.writeable == wanted.flags.writeable
        np.testing.assert_array_equal(got, wanted)


def test_an_array_that_appears_twice_is_one():
    array = np.arange(3)
    first, second = loaded(pickle.dumps([array, array], 4))
    assert first is second


def test_names_of_numpy_1_are_known():
    content = pickle.dumps({"a": np.arange(3.0), "b": np.float64(2)}, 2)
    assert b"numpy._core" in content
    read = loaded(content.replace(b"numpy._core", b"numpy.core"))
    np.testing.assert_array_equal(read["a"], [0, 1, 2])
    assert read["b"] == 2


def test_a_batch_as_python_2_wrote_it():
    # cPickle, protocol 2: an array's content and all texts are byte strings.
    content = (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\n"
        b"q\x04K\x00\x85q\x05U\x01bq\x06\x87q\x07Rq\x08(K\x01K\x02K\x03\x86q\x09cnumpy\ndtype\nq\x0a"
        b"U\x02u1q\x0bK\x00K\x01\x87q\x0cRq\x0d(K\x03U\x01|q\x0eNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tq\x0fb\x89U\x06\x00\x01\x02\xfd\xfe\xffq\x10tq\x11bU\x06labelsq\x12]q\x13(K\x03K\x09"
        b"eu."
    )
    read = loaded(content, encoding="bytes")
    assert read[b"labels"] == [3, 9]
    np.testing.assert_array_equal(read[b"data"], np.array([[0, 1, 2], [253, 254, 255]], "u1"))
    assert loaded(content, encoding="latin1")["data"].tolist() == [[0, 1, 2], [253, 254, 255]]
    with pytest.raises(InputError, match="damaged"):  # bytes above 127 are no ASCII
        loaded(content)


def test_ordered_dictionaries_become_dictionaries():
    read = loaded(pickle.dumps(OrderedDict(b=1, a=OrderedDict())))
    assert type(read) is dict
    assert list(read.items()) == [("b", 1), ("a", {})]


def test_data_that_holds_itself():
    data = []
    data.append((data,))
    read = loaded(pickle.dumps(data))
    assert read[0][0] is read


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda bad: bad,
        lambda bad: {"nasbench201": [1.5, bad]},
        lambda bad: (np.arange(3), bad),
    ],
)
def test_code_is_named_and_never_run(tmp_path, protocol, wrap):
    target = tmp_path / "was run"
    content = pickle.dumps(wrap(Calls(os.mkdir, (str(target),))), protocol)
    with pytest.raises(InputError, match=r"some\.pickle: refused, .*'(posix|nt)\.mkdir'"):
        loaded(content)
    assert not target.exists()
    pickle.loads(content)  # the test would notice: this is what an ordinary reader does
    assert target.exists()


@pytest.mark.parametrize(
    ("code", "named"),
    [
        (Calls(eval, ("1",)), r"builtin\w*\.eval"),
        (Calls(getattr, ("", "join")), r"builtin\w*\.getattr"),
        (Calls(__import__, ("os",)), r"builtin\w*\.__import__"),
        (Calls(bytearray, (10,)), r"builtin\w*\.bytearray"),
        (Calls(_RECONSTRUCTOR, (object, object, None)), r"copy_?reg\._reconstructor"),
        (Calls(np.load, ("x.npy", None, True)), "numpy.load"),
        (Calls(np.frombuffer, (b"1234",)), "numpy.*frombuffer"),
        (defaultdict(list), "collections.defaultdict"),
        (Counter("ab"), "collections.Counter"),
        (len, r"builtin\w*\.len"),
        (int, r"builtin\w*\.(int|long)"),
        (np.random.default_rng(0), "numpy.random"),
        (io.BytesIO(b""), "BytesIO"),
    ],
)
def test_other_names_are_refused(code, named):
    for protocol in PROTOCOLS[2:]:
        with pytest.raises(InputError, match=rf"some\.pickle: refused, .*({named}|NEWOBJ)"):
            loaded(pickle.dumps(code, protocol))


OBJECT_ARRAY = np.array([1, "a", None], dtype=object)


@pytest.mark.parametrize(
    "array",
    [
        OBJECT_ARRAY,
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array(["text"]),
        np.array([b"text"]),
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.zeros(2, dtype=np.dtype("V8")),
        np.zeros(2, dtype=[("a", object)]),
        np.ma.masked_array([1, 2]),
    ],
    ids=lambda array: f"{type(array).__name__} {array.dtype}",
)
@pytest.mark.parametrize("protocol", PROTOCOLS[2:])
def test_arrays_of_anything_but_numbers_are_refused(array, protocol):
    with pytest.raises(InputError, match=NAMED):
        loaded(pickle.dumps(array, protocol))


ARRAY = pickle.dumps(np.arange(3, dtype="<i8"), 2)
SCALAR_STATE = b"K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t"


@pytest.mark.parametrize(
    "content",
    [
        # a shape that the content does not fill
        ARRAY.replace(b"K\x03\x85", b"M\xff\xff\x85"),
        # an object dtype, and flags that would hide it
        ARRAY.replace(b"X\x02\x00\x00\x00i8", b"X\x02\x00\x00\x00O8"),
        # the state of a dtype set a second time, after an array was made of it
        b"\x80\x02cnumpy\ndtype\nU\x02i8K\x00K\x01\x87R("
        + SCALAR_STATE
        + b"b("
        + SCALAR_STATE
        + b"b.",
        # a dtype that numpy shares, changed for everybody
        b"\x80\x02cnumpy\ndtype\nU\x02i8K\x00K\x00\x87R(" + SCALAR_STATE + b"b.",
        # a dtype of another size, with fields, with metadata
        b"\x80\x02cnumpy\ndtype\nU\x02i8K\x00K\x01\x87R(K\x03U\x01<NNNK\x40K\x01K\x00tb.",
        b"\x80\x02cnumpy\ndtype\nU\x02i8K\x00K\x01\x87R(K\x03U\x01<N(U\x01atNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb.",
        # a state or attributes for a name, a dict, an ordered dictionary
        b"\x80\x02cnumpy\ndtype\n}U\x08__code__Nsb.",
        b"\x80\x02cnumpy\ndtype\nN}U\x05_callK\x01s\x86b.",
        b"\x80\x02ccollections\nOrderedDict\n)R}U\x05itemsK\x01sb.",
        b"\x80\x02ccollections\nOrderedDict\n)R}N}U\x05itemsK\x01s\x86b.",
        b"\x80\x02}}U\x01aK\x01sb.",
        # items for a name or an array
        b"\x80\x02cnumpy\ndtype\nK\x01a.",
        ARRAY[:-1] + b"K\x00K\x01s.",
        ARRAY[:-1] + b"K\x01a.",
        # an array made directly, of a huge size
        b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85R.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nJ\xff\xff\xff\x7f\x85U\x01b\x87R.",
        # instructions that make objects or ask for them from outside
        b"\x80\x02Pid\n.",
        b"\x80\x02K\x01Q.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02(ios\nsystem\n.",
        b"\x80\x02ccollections\nOrderedDict\n)\x81.",
        b"\x80\x05\x97.",
        # more memory than the file can hold
        b"\x80\x02K\x01r\xff\xff\xff\x0f.",
        b"K\x01p999999999\n.",
        b"K\x01p-1\n.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x02T\xff\xff\xff\xff.",
        # something after the end
        b"\x80\x02K\x01.cos\nsystem\n.",
    ],
)
def test_tricks_are_refused(content):
    with pytest.raises(InputError, match=NAMED):
        loaded(content, encoding="latin1")
    np.testing.assert_array_equal(loaded(ARRAY), [0, 1, 2])


def test_a_dtype_of_the_pickle_leaves_those_of_numpy_alone():
    loaded(pickle.dumps(np.arange(3, dtype=">i8"), 2))
    assert np.dtype("i8").isnative
    assert np.array([1], dtype="i8").tobytes() == np.array([1], dtype=np.int64).tobytes()


def test_an_extension_that_the_process_knows_is_refused():
    copyreg.add_extension("os", "getcwd", 77)
    try:
        content = pickle.dumps(Calls(os.getcwd, ()), 2)
    finally:
        copyreg.remove_extension("os", "getcwd", 77)
    with pytest.raises(InputError, match="refused"):
        loaded(content)


def test_a_file_above_the_limit_is_refused():
    content = pickle.dumps([1.5] * 1000)
    assert len(loaded(content, limit_bytes=len(content))) == 1000
    with pytest.raises(InputError, match="larger than"):
        loaded(content, limit_bytes=len(content) - 1)


SEEDS = [
    pickle.dumps({"a": [1, 2.5, "b", None, b"c"], "d": (True, {3})}, protocol)
    for protocol in PROTOCOLS
] + [pickle.dumps({"x": np.arange(4.0), "y": np.int64(3), "z": OrderedDict(a=1)}, 4)]


@pytest.mark.parametrize("content", SEEDS)
def test_every_truncation_is_an_input_error(content):
    for size in range(len(content)):
        with pytest.raises(InputError, match=NAMED):
            loaded(content[:size])


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.data())
def test_changed_bytes_give_data_or_an_input_error(data):
    content = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_or_refused(bytes(content))


@settings(deadline=None)
@given(st.binary())
def test_garbage_gives_data_or_an_input_error(content):
    read_or_refused(content)


def test_official_files_hold_what_an_ordinary_reader_finds(data_folder):
    content = (data_folder / "HW-NAS-Bench-v1_0.pickle").read_bytes()
    assert loaded(content) == pickle.loads(content)
    for file in sorted((data_folder / "NATS-tss-v1_0-3ffb9-simple").glob("*.pbz2")):
        content = bz2.decompress(file.read_bytes())
        assert loaded(content) == pickle.loads(content)
