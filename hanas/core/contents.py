"""What files hold, as digests: an older date, or none that is newer, hides no change.

A digest is computed once and kept in the user's cache folder for as long as size, times and inode
of the file stay. What changed within the last moments is never kept, since a second change could
leave the same times.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hanas.core import kept
from hanas.core.files import digest

#: What was changed less than so long ago may change again and keep its times.
_SETTLED_SECONDS = 2.0


def content(path: str | Path) -> str | None:
    """Return the SHA-256 of a file, or one of a folder's names and contents; None if missing.

    Of what is neither, such as a pipe, it is the kind: it is not read.
    """
    path = Path(path).absolute()
    known_by, newest = _signature(path)
    if known_by is None:
        return None
    file = kept.file_of(_cache(), key := {"content": str(path)})
    known = kept.read(file, key)
    if isinstance(known, list) and len(known) == 2 and known[0] == known_by:
        return str(known[1])
    found = read(path)
    settled = newest < time.time() - _SETTLED_SECONDS
    if settled and _signature(path)[0] == known_by:
        with suppress(OSError):  # a home that cannot be written
            kept.write(file, key, [known_by, found])
    return found


def signature(path: str | Path) -> str | None:
    """Return a digest of sizes, times and inodes, which any change alters, also one taken back."""
    return _signature(Path(path))[0]


def read(path: Path) -> str:
    """Return the digest of what is there at this moment, whatever is known of it."""
    if not path.is_dir():
        return _of_file(path)
    hasher = hashlib.sha256()
    for file in _files(path):
        name = os.fsencode(file.relative_to(path))
        hasher.update(hashlib.sha256(name).digest() + bytes.fromhex(_of_file(file)))
    return hasher.hexdigest()


def _of_file(path: Path) -> str:
    if not path.is_file():  # a pipe would be waited for
        return digest(["not a file", path.lstat().st_mode])
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _signature(path: Path) -> tuple[str | None, float]:
    """Return a digest of sizes, times and inodes, and the newest time; None if nothing is there."""
    if not path.exists():
        return None, 0.0
    facts, newest = [], 0.0
    for file in _files(path) if path.is_dir() else [path]:
        with suppress(FileNotFoundError):
            stat = file.stat()
            times = stat.st_mtime_ns, stat.st_ctime_ns
            newest = max(newest, *(each / 1e9 for each in times if each / 1e9 < time.time() + 60))
            facts.append([os.fspath(file), stat.st_size, *times, stat.st_ino, stat.st_dev])
    return digest([path.is_dir(), facts]), newest


def _files(folder: Path) -> Iterator[Path]:
    for above, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if (path := Path(above, name)).exists():  # no link that leads nowhere
                yield path


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(home, "hanas", "contents")
