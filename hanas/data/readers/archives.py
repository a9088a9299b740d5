"""Read named files out of a gzipped tar file, without unpacking anything to disk."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from hanas.core.errors import InputError, one_line


def read_members(path: Path, limits_bytes: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each wanted file, in the order in which the archive has them.

    Wanted are the names, as they are in the ``.tar.gz`` file, of ``limits_bytes``, which says the
    largest size that each may have. Everything else in the archive is passed over.

    Raises
    ------
    InputError
        If the archive is damaged, or a wanted file is not in it, is too large or is no file.
    """
    missing = dict(limits_bytes)
    try:
        with tarfile.open(path, "r|gz") as archive:  # a stream: each byte is unpacked once
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
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path}: not readable as an archive: {one_line(error)}") from error
    raise InputError(f"{path}: {', '.join(missing)} not in it; get the archive again")
