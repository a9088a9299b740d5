"""Files of tensors: results, and checkpoints from which a killed job goes on.

PyTorch is imported where it is used: what only looks at images has no need of it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hanas.core.errors import InputError, one_line
from hanas.core.files import replacing
from hanas.core.progress import Log, print_at_once

Content = TypeVar("Content")

#: What to do about a file of results that is damaged.
REMEDY = "delete it and run the workflow again"


def write_tensors(content: Mapping[str, Any], path: str | Path) -> None:
    """Write a dictionary for ``torch.load(path, weights_only=True)``; equal ones as equal bytes."""
    import torch

    # Through a handle: given a path, PyTorch writes the file's name into the file.
    with replacing(path) as temporary, temporary.open("wb") as handle:
        torch.save(dict(content), handle)


def read_tensors(
    path: str | Path, what: str, parse: Callable[[dict[str, Any]], Content]
) -> Content:
    """Return what ``parse`` makes of the dictionary in a file of ``what``, with tensors on the CPU.

    ``parse`` may raise anything if the dictionary is another one. PyTorch does not notice changed
    bytes in a tensor: what matters needs a digest of its own. Raises InputError if the file is
    missing, damaged or of another kind.
    """
    import torch

    try:
        return parse(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file of {what}") from error
    except Exception as error:  # a damaged file makes PyTorch raise almost anything
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
    content = buffer.getbuffer()
    with replacing(path) as temporary, temporary.open("wb") as handle:
        handle.write(hashlib.sha256(content).digest())
        handle.write(content)


def load_checkpoint(path: Path, *, belongs_to: str, log: Log = print_at_once) -> Any | None:
    """Return the state, or None (with a line in the log) where a file cannot be used."""
    import torch

    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    stored, payload = content[:32], content[32:]
    if hashlib.sha256(payload).digest() != stored:
        log(f"{path} is damaged; starting afresh")
        return None
    saved = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    if saved["belongs_to"] != belongs_to:
        log(f"{path} is of other settings, data or versions; starting afresh")
        return None
    return saved["state"]
