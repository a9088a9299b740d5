import threading

import pytest

from hanas.core.errors import InputError
from hanas.devices.measuring import device_locks


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(device_locks, "FOLDER", tmp_path)


def alone_on(log=lambda line: None, stopped=lambda: False):
    return device_locks.alone_on("d", log=log, stopped=stopped)


def test_a_lock_whose_file_is_removed_excludes_others_still():
    held = threading.Event()
    with alone_on():
        device_locks.lock_file("d").unlink()
        with alone_on(lambda line: held.set()):
            device_locks.lock_file("d").unlink()
    assert not held.is_set()
    with alone_on(lambda line: held.set()):
        pass
    assert not held.is_set()


def test_waiting_for_a_device_ends_when_the_job_does():
    lines: list[str] = []
    with alone_on(), alone_on(lines.append, stopped=lambda: bool(lines)):
        assert lines


def test_a_folder_without_locks_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(device_locks, "FOLDER", tmp_path / "none")
    with pytest.raises(InputError, match="cannot be made"), alone_on():
        pass
