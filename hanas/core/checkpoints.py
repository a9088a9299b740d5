"""Side files from which a killed job goes on, and that are never believed blindly.

A file begins with the SHA-256 of the rest, so that any damage shows, and carries a digest of what
the state belongs to (settings, data, versions): a file of other settings is of no use.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from hanas.core.files import replacing
from hanas.core.progress import Log, print_at_once


def save_checkpoint(path: Path, state: Any, *, belongs_to: str) -> None:
    """Write tensors and plain values, atomically.

    Parameters
    ----------
    path
        The file.
    state
        Nested dictionaries and lists of tensors, numbers and texts.
    belongs_to
        Digest of all that the state depends on.
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
