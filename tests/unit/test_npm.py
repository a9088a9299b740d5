"""npm, as a program of that name that does what a test wants."""

import hashlib

import pytest

from hanas.data import published_files
from hanas.data.published_files import KnownFile, UnavailableError, download

TARBALL = KnownFile("p-1.0.0.tgz", "sha512", hashlib.sha512(b"tarball").hexdigest(), 7)


@pytest.fixture
def fake_npm(monkeypatch, tmp_path):
    """Return a function that puts a shell script called npm in front of the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    calls = tmp_path / "calls"

    def install(script):
        (folder / "npm").write_text(f'#!/bin/sh\necho "$@" >> {calls}\n{script}\n')
        (folder / "npm").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return calls

    return install


def pack(folder):
    return download("npm pack p@1.0.0", TARBALL, folder)


def test_npm_gives_the_tarball_once(fake_npm, tmp_path):
    calls = fake_npm("printf tarball > p-1.0.0.tgz")
    path = pack(tmp_path / "downloads")
    assert path.read_bytes() == b"tarball"
    assert pack(tmp_path / "downloads") == path
    lines = calls.read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("pack p@1.0.0 ")
    assert [p.name for p in path.parent.iterdir() if p.is_dir()] == []


@pytest.mark.parametrize(
    ("script", "seconds", "message"),
    [
        ("echo 'npm error code E404' >&2; exit 1", 30, "npm failed: npm error code E404"),
        ("exit 3", 30, "npm failed: it says nothing"),
        ("exit 0", 30, r"p-1\.0\.0\.tgz: there is no such file"),
        ("printf another > p-1.0.0.tgz", 30, "SHA512 is .* expected"),
        ("exec sleep 30", 0.5, "did not finish within 0.5 s"),
    ],
)
def test_npm_that_fails(fake_npm, tmp_path, monkeypatch, script, seconds, message):
    monkeypatch.setattr(published_files, "NPM_SECONDS", seconds)
    fake_npm(script)
    with pytest.raises(UnavailableError, match=message):
        pack(tmp_path / "downloads")
    left = [p.name for p in (tmp_path / "downloads").iterdir()]
    assert left == [".p-1.0.0.tgz.lock"]


def test_no_npm(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="npm is not installed"):
        pack(tmp_path / "downloads")
