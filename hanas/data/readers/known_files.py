"""Published files that never change: their checksums, and what is read out of archives of them."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hanas.core.errors import InputError
from hanas.core.files import checksum, reading


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
        """Raise InputError unless ``path`` holds exactly this file."""
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; {remedy}")
        self._compare(checksum(path, self.algorithm), path.stat().st_size, str(path), remedy)

    def verify_content(self, content: bytes, where: str, remedy: str) -> None:
        """Raise InputError unless ``content`` is that of this file."""
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


def read_members(path: Path, limits_bytes: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each wanted file of a ``.tar.gz``, in the order of the archive.

    Wanted are the names of ``limits_bytes``, which says the largest size that each may have.
    Everything else is passed over, and nothing is unpacked to disk. Raises InputError if the
    archive is damaged, or a wanted file is not in it, is too large or is no file.
    """
    missing = dict(limits_bytes)
    with (
        reading(path, "an archive"),
        tarfile.open(path, "r|gz") as archive,  # a stream: each byte is unpacked once
    ):
        for member in archive:
            limit = missing.pop(member.name, None)
            if limit is None:
                continue
            if not member.isreg() or member.size > limit:
                raise InputError(
                    f"{path}: {member.name} is no file of at most {limit:,} bytes; "
                    "get the archive again"
                )
            handle = archive.extractfile(member)
            assert handle is not None  # it is a regular file
            yield member.name, handle.read()
            if not missing:
                return
    raise InputError(f"{path}: {', '.join(missing)} not in it; get the archive again")
