"""Published files that never change: their checksums, and how they come into a folder safely."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hanas.core.errors import InputError
from hanas.core.files import checksum


class UnavailableError(Exception):
    """A source did not give the file; the message says why. Another source may."""


@dataclass(frozen=True)
class KnownFile:
    """A published file: its name, the algorithm (of :mod:`hashlib`) and hex digest of its checksum.

    ``size_bytes`` is its exact size, or None where it was not published.
    """

    name: str
    algorithm: str
    checksum: str
    size_bytes: int | None = None

    def verify(self, path: Path, remedy: str) -> None:
        """Raise :class:`~hanas.core.errors.InputError` unless ``path`` holds exactly this file."""
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; {remedy}")
        self._compare(checksum(path, self.algorithm), path.stat().st_size, str(path), remedy)

    def verify_content(self, content: bytes, where: str, remedy: str) -> None:
        """Raise :class:`~hanas.core.errors.InputError` unless ``content`` is that of this file."""
        actual = hashlib.new(self.algorithm, content, usedforsecurity=False).hexdigest()
        self._compare(actual, len(content), where, remedy)

    def _compare(self, actual: str, size_bytes: int, where: str, remedy: str) -> None:
        if actual == self.checksum:
            return
        sizes = f"{size_bytes:,} bytes"
        if self.size_bytes is not None:
            same = size_bytes == self.size_bytes
            sizes += ", as expected" if same else f", not {self.size_bytes:,}"
        raise InputError(
            f"{where}: {self.algorithm.upper()} is {actual}, expected {self.checksum} ({sizes}): "
            f"the file was cut short or changed; {remedy}"
        )

    def source(self, how: str) -> dict[str, str]:
        """Return what provenance says of the file and how it was had."""
        facts = {"file": self.name, "algorithm": self.algorithm, "checksum": self.checksum}
        return {**facts, "how": how}


@contextmanager
def only_one(folder: Path, name: str) -> Iterator[None]:
    """Let one process at a time fetch ``name`` into ``folder``; the others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def is_whole(path: Path, known: KnownFile, report: Callable[[str], None]) -> bool:
    """Say whether ``path``, a file of our own, is there and verified; a damaged one goes away."""
    if not path.is_file():
        return False
    if checksum(path, known.algorithm) == known.checksum:
        return True
    report(f"{path}: its checksum is wrong; it is fetched again")
    path.unlink()
    return False
