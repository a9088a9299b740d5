"""Fetch a file of known checksum over the network: bounded in time and size, resumed by a rerun.

A file gets its name only once its checksum has been verified, so what is there is whole. What a
broken connection or a killed run leaves behind is kept as ``.NAME.part`` and continued.
"""

from __future__ import annotations

import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from hanas.core.errors import InputError, one_line
from hanas.data.readers.known_files import KnownFile, UnavailableError, is_whole, only_one

CONNECT_SECONDS = 10  # for the name, the connection and the first answer together
STALL_SECONDS = 30  # without a byte, a transfer counts as broken
TOTAL_SECONDS = 3600
ATTEMPTS = 3
BLOCK_BYTES = 1 << 18


def download(
    url: str,
    known: KnownFile,
    folder: Path,
    *,
    report: Callable[[str], None] = print,
    connect_seconds: float = CONNECT_SECONDS,
    stall_seconds: float = STALL_SECONDS,
    total_seconds: float = TOTAL_SECONDS,
) -> Path:
    """Return ``folder / known.name``, fetched from ``url`` unless a verified one is there.

    A transfer that breaks is continued with an HTTP range request, in this run and in the next;
    a server that does not know ranges starts it anew.

    Raises
    ------
    UnavailableError
        If the file cannot be had from there: no connection within ``connect_seconds``, no byte for
        ``stall_seconds`` in each of a few attempts, ``total_seconds`` over, or other content.
    """
    target = folder / known.name
    with only_one(folder, known.name):
        if is_whole(target, known, report):
            return target
        partial = folder / f".{known.name}.part"
        deadline = time.monotonic() + total_seconds
        resumed = partial.exists()
        reason = ""
        for _ in range(ATTEMPTS):
            try:
                _fetch(url, known, partial, deadline, connect_seconds, stall_seconds, report)
            except (OSError, HTTPException) as error:
                reason = _reason(error)
                report(f"{url}: {reason}")
                if _is_permanent(error) or time.monotonic() > deadline:
                    break
                resumed = resumed or partial.exists()
                continue
            try:
                known.verify(partial, "it was not kept")
            except InputError as error:
                partial.unlink()
                reason = f"the server sent something else: {error}"
                if not resumed:
                    break
                resumed = False  # the first part may have been another file's: once more, whole
                continue
            partial.replace(target)
            return target
    raise UnavailableError(reason)


def _reason(error: Exception) -> str:
    """Return what went wrong, without the wrapping that :mod:`urllib` puts around it."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, OSError) and error.strerror and not error.filename:
        return error.strerror
    return one_line(error)


def _is_permanent(error: Exception) -> bool:
    """Say whether asking again at once is of no use."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code < 500 and error.code not in (408, 416, 429)
    if isinstance(error, urllib.error.URLError):  # no name, no route, refused, no answer in time
        return True
    return isinstance(error, _WrongSizeError)


class _WrongSizeError(OSError):
    """The server has a file of another size."""


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
    start = partial.stat().st_size if partial.exists() else 0
    if known.size_bytes is not None and start >= known.size_bytes:
        return  # whole, or wrong: the checksum will tell
    request = urllib.request.Request(url, headers={"User-Agent": "hanas"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = _open(request, connect_seconds, stall_seconds)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing after what we have: let the next attempt start anew
            partial.unlink(missing_ok=True)
        raise
    with response:
        if start and not _continues(response, start):
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else known.size_bytes
        if known.size_bytes is not None and total != known.size_bytes:
            raise _WrongSizeError(
                f"the server offers {total:,} bytes, the file has {known.size_bytes:,}"
            )
        report(f"{url}: {'continuing' if start else 'fetching'} ({_mebibytes(start, total)})")
        with partial.open("ab" if start else "wb") as handle:
            received = _copy(response, handle, start, total, deadline, report)
    if total is not None and received < total:
        raise OSError(f"the connection broke off after {received:,} of {total:,} bytes")


def _copy(response, handle, received, total, deadline, report) -> int:
    """Copy the response's body; return the size of the file so far."""
    told = time.monotonic()
    while block := response.read1(BLOCK_BYTES):
        handle.write(block)
        received += len(block)
        if total is not None and received > total:
            raise _WrongSizeError(f"the server sent more than {total:,} bytes")
        now = time.monotonic()
        if now > deadline:
            raise TimeoutError("the time for this download is over; a rerun continues it")
        if now - told > 10:
            report(f"  {_mebibytes(received, total)}")
            told = now
    return received


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
        raise urllib.error.URLError(f"no answer within {connect_seconds:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _continues(response: HTTPResponse, start: int) -> bool:
    """Say whether a response carries the bytes from ``start`` on."""
    content_range = response.headers.get("Content-Range", "")
    return response.status == 206 and content_range.startswith(f"bytes {start}-")


def _mebibytes(done: int, total: int | None) -> str:
    of = f" of {total / 2**20:.1f}" if total is not None else ""
    return f"{done / 2**20:.1f}{of} MiB"
