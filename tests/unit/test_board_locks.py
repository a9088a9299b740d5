import os
import threading

import pytest

from hanas.core.errors import InputError
from hanas.devices.measuring import board_queue


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(board_queue, "FOLDER", tmp_path)


def alone_on(log=lambda line: None, stopped=lambda: False):
    return board_queue.alone_on("d", log=log, stopped=stopped)


def remove_lock(folder):
    (file,) = folder.glob("hanas-device-*.lock")
    file.unlink()


def test_a_lock_whose_file_is_removed_excludes_others_still(tmp_path):
    held = threading.Event()
    with alone_on():
        remove_lock(tmp_path)
        with alone_on(lambda line: held.set()):
            remove_lock(tmp_path)
    assert not held.is_set()
    with alone_on(lambda line: held.set()):
        pass
    assert not held.is_set()


def test_waiting_for_a_device_ends_when_the_job_does():
    lines: list[str] = []
    with alone_on(), alone_on(lines.append, stopped=lambda: bool(lines)):
        assert lines


def test_a_folder_without_locks_is_named(tmp_path, monkeypatch):
    (tmp_path / "none").write_text("")
    monkeypatch.setattr(board_queue, "FOLDER", tmp_path / "none")
    with pytest.raises(InputError, match="cannot be made"), alone_on():
        pass


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/null", path)])
def test_what_is_no_file_is_named_and_not_waited_for(tmp_path, make):
    with alone_on():
        (file,) = tmp_path.glob("hanas-device-*.lock")
    file.unlink()
    make(file)
    with pytest.raises(InputError, match=r"\.lock: cannot be made"), alone_on():
        pass


def test_a_folder_that_others_can_write_is_not_used(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(InputError, match="only you can write"), alone_on():
        pass
