"""Downloads from a server on this machine that misbehaves on demand."""

import contextlib
import hashlib
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from hanas.data import published_files
from hanas.data.published_files import KnownFile, UnavailableError, download

CONTENT = np.random.default_rng(0).bytes(300_000)
KNOWN = KnownFile("images.tar.gz", "md5", hashlib.md5(CONTENT).hexdigest(), len(CONTENT))
PART = ".images.tar.gz.part"


class Server:
    """What the server answers, and what it was asked."""

    def __init__(self):
        self.content = CONTENT
        self.knows_ranges = True
        self.bytes_until_break: list[int | None] = []  # one entry a request; None: all of them
        self.hang_after_break = threading.Event()  # set: close the connection at once
        self.hang_after_break.set()
        self.statuses: list[int] = []  # one entry a request; empty: success
        self.ranges: list[str | None] = []
        self.url = ""


@pytest.fixture
def server(monkeypatch):
    state = Server()
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers["Range"]
            state.ranges.append(asked)
            if state.statuses:
                self.send_error(state.statuses.pop(0))
                return
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
            body = state.content
            if asked and state.knows_ranges:
                if start >= len(body):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
                body = body[start:]
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            limit = state.bytes_until_break.pop(0) if state.bytes_until_break else None
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body[:limit])
                self.wfile.flush()
            if limit is not None:
                state.hang_after_break.wait(30)
                self.close_connection = True

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}/images.tar.gz"
    yield state
    state.hang_after_break.set()
    http.shutdown()
    thread.join()
    http.server_close()


def fetch(server, folder, known=KNOWN):
    return download(server.url, known, folder)


def test_whole_file_gets_its_name_and_is_not_fetched_again(server, tmp_path):
    folder = tmp_path / "new" / "downloads"
    path = fetch(server, folder)
    assert path == folder / "images.tar.gz"
    assert path.read_bytes() == CONTENT
    assert not (folder / PART).exists()
    assert fetch(server, folder) == path
    assert server.ranges == [None]


def test_broken_connection_is_continued_where_it_broke(server, tmp_path):
    server.bytes_until_break = [100_000, 50_000]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_next_run_continues_what_this_one_kept(server, tmp_path):
    server.bytes_until_break = [100_000, 0, 0]
    with pytest.raises(UnavailableError, match="broke off after 100,000 of 300,000 bytes"):
        fetch(server, tmp_path)
    assert not (tmp_path / "images.tar.gz").exists()
    assert (tmp_path / PART).read_bytes() == CONTENT[:100_000]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=100000-"


def test_server_without_ranges_starts_anew(server, tmp_path):
    server.knows_ranges = False
    server.bytes_until_break = [100_000]
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_killed_run_is_continued(server, tmp_path):
    server.bytes_until_break = [100_000]
    server.hang_after_break.clear()
    program = (
        "from pathlib import Path; from hanas.data.published_files import download; "
        "from hanas.data.published_files import KnownFile; "
        f"download({server.url!r}, {KNOWN!r}, Path({str(tmp_path)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
    part = tmp_path / PART
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    server.hang_after_break.set()
    kept = part.stat().st_size
    assert 0 < kept <= 100_000
    assert not (tmp_path / "images.tar.gz").exists()
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={kept}-"]


def test_remainder_of_another_file_is_given_up(server, tmp_path):
    (tmp_path / PART).write_bytes(b"0" * 1000)
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) + 5])
def test_remainder_that_is_as_long_as_the_file_but_wrong_is_given_up(server, tmp_path, size):
    (tmp_path / PART).write_bytes(b"0" * size)
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None]


def test_whole_remainder_needs_no_network(server, tmp_path):
    (tmp_path / PART).write_bytes(CONTENT)
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == []


def test_too_long_remainder_of_a_file_of_unknown_size(server, tmp_path):
    (tmp_path / PART).write_bytes(CONTENT + b"0")
    known = KnownFile(KNOWN.name, "md5", KNOWN.checksum)
    assert fetch(server, tmp_path, known).read_bytes() == CONTENT


def test_changed_file_is_refused_and_not_kept(server, tmp_path):
    server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(UnavailableError, match=f"something else.*expected {KNOWN.checksum}"):
        fetch(server, tmp_path)
    assert not (tmp_path / "images.tar.gz").exists()
    assert not (tmp_path / PART).exists()


def test_file_of_another_size_is_not_even_fetched(server, tmp_path):
    server.content = b"<html>Please log in to this network</html>"
    with pytest.raises(UnavailableError, match="offers 42 bytes, the file has 300,000"):
        fetch(server, tmp_path)
    assert len(server.ranges) == 1


def test_damaged_earlier_download_is_replaced(server, tmp_path):
    (tmp_path / "images.tar.gz").write_bytes(CONTENT[:1000])
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_overloaded_server_is_asked_again_and_missing_file_is_not(server, tmp_path):
    server.statuses = [503]
    fetch(server, tmp_path)
    assert len(server.ranges) == 2
    server.statuses = [404]
    with pytest.raises(UnavailableError, match="404"):
        fetch(server, tmp_path, KnownFile("other", "md5", KNOWN.checksum))
    assert len(server.ranges) == 3


def test_nobody_listens(server, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server.url = f"http://127.0.0.1:{unused.getsockname()[1]}/images.tar.gz"
        with pytest.raises(UnavailableError, match="refused"):
            fetch(server, tmp_path)


def test_server_that_never_answers_is_given_up_soon(server, tmp_path, monkeypatch):
    monkeypatch.setattr(published_files, "CONNECT_SECONDS", 0.2)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        server.url = f"http://127.0.0.1:{mute.getsockname()[1]}/images.tar.gz"
        started = time.monotonic()
        with pytest.raises(UnavailableError, match=r"no answer within 0\.2 s"):
            fetch(server, tmp_path)
        assert time.monotonic() - started < 5


def test_transfer_that_stalls_is_continued(server, tmp_path, monkeypatch):
    monkeypatch.setattr(published_files, "STALL_SECONDS", 0.5)
    server.bytes_until_break = [100_000]
    server.hang_after_break.clear()
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_total_time_is_bounded_and_what_came_is_kept(server, tmp_path, monkeypatch):
    with monkeypatch.context() as hurried:
        hurried.setattr(published_files, "TOTAL_SECONDS", 0)
        with pytest.raises(UnavailableError, match="time for this download is over"):
            fetch(server, tmp_path)
    assert (tmp_path / PART).stat().st_size > 0
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_two_at_once_fetch_once(server, tmp_path):
    paths = []
    threads = [
        threading.Thread(target=lambda: paths.append(fetch(server, tmp_path))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [tmp_path / "images.tar.gz"] * 4
    assert server.ranges == [None]
