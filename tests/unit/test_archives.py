import io
import tarfile

import pytest

from hanas.core.errors import InputError
from hanas.data.published_files import read_members


def write_archive(path, members):
    """Write (name or TarInfo, content) pairs."""
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_wanted_files_are_read_and_nothing_is_written(tmp_path):
    path = write_archive(
        tmp_path / "a.tar.gz",
        [("../../evil", b"no"), ("f/one", b"1"), ("/etc/evil", b"no"), ("f/two", b"22")],
    )
    found = dict(read_members(path, ["f/two", "f/one"], 2))
    assert found == {"f/one": b"1", "f/two": b"22"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar.gz"]


def test_missing_member_is_named(tmp_path):
    path = write_archive(tmp_path / "a.tar.gz", [("f/one", b"1")])
    with pytest.raises(InputError, match=r"a\.tar\.gz: f/two not in it"):
        list(read_members(path, ["f/one", "f/two"], 1))


def test_too_large_member_is_refused_before_it_is_read(tmp_path):
    path = write_archive(tmp_path / "a.tar.gz", [("f/one", b"0" * 1_000_000)])
    with pytest.raises(InputError, match="f/one is no file of at most 1,000 bytes"):
        list(read_members(path, ["f/one"], 1000))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_links_and_folders_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("f/one")
    info.type, info.linkname = kind, "/etc/passwd"
    path = write_archive(tmp_path / "a.tar.gz", [(info, b"")])
    with pytest.raises(InputError, match="f/one is no file"):
        list(read_members(path, ["f/one"], 1000))


@pytest.mark.parametrize("damage", [lambda c: c[:60], lambda c: b"", lambda c: b"hello" * 50])
def test_damaged_archive(tmp_path, damage):
    path = write_archive(tmp_path / "a.tar.gz", [("f/one", bytes(range(256)) * 40)])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"a\.tar\.gz: (not readable as an archive|f/one not)"):
        list(read_members(path, ["f/one"], 100_000))
