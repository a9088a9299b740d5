"""Files of tensors, in PyTorch's format, that do no more than hold them.

PyTorch is imported where it is used: what only looks at images has no need of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hanas.core.errors import InputError, one_line
from hanas.core.files import replacing

Content = TypeVar("Content")

#: What to do about a file of results that is damaged.
REMEDY = "delete it and run the workflow again"


def write_tensors(content: Mapping[str, Any], path: str | Path) -> None:
    """Write a dictionary that ``torch.load(path, weights_only=True)`` reads.

    Equal contents give equal bytes.
    """
    import torch

    # Through a handle: given a path, PyTorch writes the file's name into the file.
    with replacing(path) as temporary, temporary.open("wb") as handle:
        torch.save(dict(content), handle)


def read_tensors(
    path: str | Path, what: str, parse: Callable[[dict[str, Any]], Content]
) -> Content:
    """Return what ``parse`` makes of the dictionary in a file; its tensors are on the CPU.

    PyTorch does not notice changed bytes in a tensor: what matters needs a digest of its own.

    Parameters
    ----------
    path
        The file.
    what
        What it should hold, in the plural or with an article, for messages.
    parse
        May raise anything if the dictionary is another one.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another kind.
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
