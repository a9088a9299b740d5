"""Files that a killed run never leaves half written, and that are named when they are damaged."""

from __future__ import annotations

import glob
import hashlib
import io
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zipfile import ZipFile

from hanas.core import escape
from hanas.core.errors import InputError, one_line
from hanas.core.progress import Log, print_at_once

if TYPE_CHECKING:  # imported late: rules use this module while they are parsed
    import numpy as np
    import pandas as pd

Content = TypeVar("Content")

#: What stands between several sentences in a cell of a table: they have semicolons of their own.
BETWEEN = " | "
#: What is shipped with the library: surrogates, accelerators, published figures, captions, a page.
RESOURCES = Path(__file__).parents[1] / "resources"
#: What to do about a file of results that is damaged.
REMEDY = "delete it and run the workflow again"
_results_under = ""
_LARGEST_NPZ_BYTES, _LARGEST_JSON_BYTES = 2**24, 2**28
_DEEPEST_JSON = 50


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def discard(path: str | Path) -> None:
    """Remove a file, if it is there, and what killed processes have left of writing it."""
    Path(path).unlink(missing_ok=True)
    _remove_leftovers(Path(path))


def _remove_leftovers(path: Path) -> None:
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        try:
            # A file has one writer at a time; should there be another after all, it keeps its own.
            os.kill(int(leftover.name.split(".")[-2]), 0)
        except ProcessLookupError:
            leftover.unlink(missing_ok=True)
        except (ValueError, PermissionError, OverflowError):
            continue


@contextmanager
def reading(path: str | Path, what: str, hint: str = "") -> Iterator[None]:
    """Say of whatever the block raises, but InputErrors, that a file is not readable as ``what``.

    A damaged file makes numpy, pandas, zipfile and json raise almost anything.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: not readable as {what}: {one_line(error)}{hint}") from error


def user_path(root: Path, name: str) -> Path:
    """Return where a file of the user's lies: relative ones in the data folder ``root``."""
    return root / Path(name).expanduser()


def name_of(path: object) -> str:
    """Return the name in the study of a file, wherever its results lie here.

    Snakemake may have brought it into its own folder; or its results are under the folder that was
    given to :func:`results_lie_under`.

    >>> name_of(".snakemake/storage/s3/bucket/results/tables/tx2.csv")
    'results/tables/tx2.csv'
    """
    brought, found, name = str(path).partition("/results/")
    if found and ".snakemake/storage/" in brought:
        return f"results/{name}"
    under = f"{_results_under}results/"
    return str(path).removeprefix(_results_under) if str(path).startswith(under) else str(path)


def results_lie_under(prefix: str) -> None:
    """Tell :func:`name_of` what stands before ``results/`` in paths of this job, such as ``nas/``.

    It is the ``prefix`` with which another workflow uses this one as a module.
    """
    global _results_under
    _results_under = prefix


def checksum(path: str | Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, algorithm).hexdigest()


def digest(settings: Any) -> str:
    """Return a digest of JSON-like settings that does not depend on the order of keys."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_json(path: str | Path, facts: Mapping[str, Any]) -> None:
    """Write facts as indented JSON with sorted keys, atomically."""
    text = json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a JSON object.

    InputError, also of what only a stranger could have put there: a file that is none of text, too
    large, nested so deep that whoever walks down would fail, or has numbers of thousands of digits.
    """
    with reading(path, "JSON", f"; {REMEDY}"):
        facts = json.loads(_plain_bytes(path, _LARGEST_JSON_BYTES).decode("utf-8"))
    if not isinstance(facts, dict):
        held = f"holds a {type(facts).__name__}; expected a JSON object"
        raise InputError(f"{path}: {held}; {REMEDY}")
    level: list[Any] = [facts]
    for _ in range(_DEEPEST_JSON):
        inside = (each.values() if isinstance(each, dict) else each for each in level)
        if not (level := [v for values in inside for v in values if isinstance(v, dict | list)]):
            return facts
    raise InputError(f"{path}: nested more than {_DEEPEST_JSON} deep; {REMEDY}")


def _plain_bytes(path: str | Path, most: int) -> bytes:
    """Return what a file holds; InputError for pipes and the like, which would be waited for."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        if not stat.S_ISREG((found := os.fstat(handle)).st_mode):
            raise InputError(f"{path}: is no file of text; remove it")
        if found.st_size > most:
            raise InputError(f"{path}: {found.st_size:,} bytes; expected at most {most:,}")
        return file.read()


def _require_file(path: str | Path) -> None:
    """Raise InputError for pipes and the like, which would be waited for."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise InputError(f"{path}: is no file; remove it")


def write_parquet(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as Parquet, atomically; equal tables give equal bytes."""
    with replacing(path) as temporary:
        frame.to_parquet(temporary, index=False, compression="zstd")


def read_parquet(path: str | Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet file; a damaged one raises InputError."""
    import pandas as pd

    with reading(path, "Parquet"):
        _require_file(path)
        return pd.read_parquet(path, columns=columns)


def write_csv(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as CSV, atomically, with all digits of its numbers."""
    with replacing(path) as temporary:
        escape.csv(frame).to_csv(temporary, index=False, lineterminator="\n")


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read a table of :func:`write_csv`, to the last bit; a damaged one raises InputError."""
    import pandas as pd

    texts = {"arch": str, "next_percent_arch": str}  # those of NAS-Bench-Macro are digits
    with reading(path, "CSV"):  # only an empty cell is no value: words such as ``none`` are names
        _require_file(path)
        table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=texts)
        return escape.from_csv(table)


def write_npz(
    path: str | Path, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write a small model: a JSON header and arrays; equal ones in order give equal bytes."""
    import numpy as np

    text = np.frombuffer(json.dumps(header, sort_keys=True, allow_nan=False).encode(), np.uint8)
    with replacing(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, header=text, **arrays)


def read_npz(path: Path, *, what: str, hint: str = "") -> tuple[Any, dict[str, np.ndarray]]:
    """Return the header and the arrays of a file of ``what`` (plural), no pickles.

    InputError, with a ``hint`` of what to do, if it is missing, damaged or far too large.
    """
    import numpy as np

    with reading(path, what, hint):
        with ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if max(unpacked, path.stat().st_size) > _LARGEST_NPZ_BYTES:
            raise InputError(f"{path}: {unpacked:,} bytes unpacked; too many for {what}")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        return json.loads(arrays.pop("header").tobytes().decode()), arrays


def write_tensors(content: Mapping[str, Any], path: str | Path) -> None:
    """Write a dictionary for ``torch.load(path, weights_only=True)``; equal ones as equal bytes."""
    import torch

    # Through a handle: given a path, PyTorch writes the file's name into the file.
    with replacing(path) as temporary, temporary.open("wb") as handle:
        torch.save(dict(content), handle)


def read_tensors(
    path: str | Path,
    what: str,
    parse: Callable[[dict[str, Any]], Content],
    *,
    mapped: bool = False,
) -> Content:
    """Return what ``parse`` makes of the dictionary in a file of ``what``; InputError if it raises.

    Tensors that are ``mapped`` stay in the file until they are looked at; changes do not reach it.
    PyTorch does not notice changed bytes in a tensor: what matters needs a digest of its own.
    """
    import torch

    try:
        return parse(torch.load(path, map_location="cpu", weights_only=True, mmap=mapped))
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file of {what}") from error
    except Exception as error:  # also what ``parse`` says, which does not know the file
        raise InputError(
            f"{path}: not readable as {what} ({type(error).__name__}: {one_line(error)}); {REMEDY}"
        ) from error


def save_checkpoint(path: Path, state: Any, *, belongs_to: str) -> None:
    """Write tensors, numbers and texts in dictionaries and lists, atomically.

    ``belongs_to`` is a digest of all that the state depends on (settings, data, versions). The file
    begins with the SHA-256 of the rest, so that any damage shows.
    """
    import torch

    buffer = io.BytesIO()  # no file name gets into the archive: equal states give equal bytes
    torch.save({"belongs_to": belongs_to, "state": state}, buffer)
    with replacing(path) as temporary, temporary.open("wb") as handle:
        handle.write(hashlib.sha256(buffer.getbuffer()).digest())
        handle.write(buffer.getbuffer())


def load_checkpoint(path: Path, *, belongs_to: str, log: Log = print_at_once) -> Any | None:
    """Return the state, or None (with a line in the log) where a file cannot be used."""
    import torch

    if not path.exists():
        return None
    content, why = path.read_bytes(), "damaged"
    if hashlib.sha256(content[32:]).digest() == content[:32]:
        saved = torch.load(io.BytesIO(content[32:]), map_location="cpu", weights_only=True)
        if saved["belongs_to"] == belongs_to:
            return saved["state"]
        why = "of other settings, data or versions"
    log(f"{path} is {why}; starting afresh")
    return None
