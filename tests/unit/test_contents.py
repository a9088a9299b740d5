"""What files hold decides, not when they were changed."""

import hashlib
import os

import pytest

from hanas.core import contents


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(contents, "_SETTLED_SECONDS", -1.0)  # kept at once
    return tmp_path / "cache" / "hanas" / "contents"


def test_of_a_file_it_is_the_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert contents.content(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    assert contents.content(tmp_path / "b") is None


@pytest.mark.parametrize("moved", [True, False])
def test_a_change_that_keeps_size_and_time_is_seen(tmp_path, moved):
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"old")
    before, stat = contents.content(path), path.stat()
    (other if moved else path).write_bytes(b"new")
    if moved:
        other.replace(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert before != contents.content(path) == hashlib.sha256(b"new").hexdigest()


def test_a_known_digest_is_not_computed_again(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"abc")
    known = contents.content(tmp_path / "a")
    monkeypatch.setattr(contents, "read", lambda path: pytest.fail("read again"))
    assert contents.content(tmp_path / "a") == known


def test_what_was_changed_a_moment_ago_is_not_kept(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(contents, "_SETTLED_SECONDS", 2.0)
    (tmp_path / "a").write_bytes(b"abc")
    contents.content(tmp_path / "a")
    assert not list(cache.glob("*"))


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 200_000, '{"key": 1' + "0" * 5000 + "}", "null", '{"record": {}}']
)
def test_a_damaged_cache_is_not_used(tmp_path, cache, text):
    (tmp_path / "a").write_bytes(b"abc")
    known = contents.content(tmp_path / "a")
    (file,) = cache.glob("*.json")
    file.write_text(text)
    assert contents.content(tmp_path / "a") == known


def test_of_a_folder_names_and_contents_count_and_times_do_not(tmp_path):
    folder = tmp_path / "pets"
    (folder / "cat").mkdir(parents=True)
    (folder / "cat" / "0").write_bytes(b"a")
    (folder / "gone").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    found = [contents.content(folder)]
    os.utime(folder / "cat" / "0", (1, 1))
    assert contents.content(folder) == found[0]
    (folder / "cat" / "0").rename(folder / "cat" / "00")
    found.append(contents.content(folder))
    (folder / "cat" / "00").write_bytes(b"b")
    found.append(contents.content(folder))
    (folder / "cat" / "1").write_bytes(b"")
    found.append(contents.content(folder))
    assert len(set(found)) == 4
