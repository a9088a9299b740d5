import threading

import pytest

from hanas.core.errors import InputError
from hanas.devices.measuring import device_locks


def test_a_lock_whose_file_is_removed_excludes_others_still(tmp_path):
    held = threading.Event()
    with device_locks.alone_on("d", log=lambda line: None, folder=tmp_path):
        device_locks.lock_file("d", tmp_path).unlink()
        with device_locks.alone_on("d", log=lambda line: held.set(), folder=tmp_path):
            device_locks.lock_file("d", tmp_path).unlink()
    assert not held.is_set()
    with device_locks.alone_on("d", log=lambda line: held.set(), folder=tmp_path):
        pass
    assert not held.is_set()


def test_waiting_for_a_device_ends_when_the_job_does(tmp_path):
    with device_locks.alone_on("d", log=lambda line: None, folder=tmp_path):
        lines: list[str] = []
        with device_locks.alone_on(
            "d", log=lines.append, folder=tmp_path, stopped=lambda: bool(lines)
        ):
            assert lines


def test_a_folder_without_locks_is_named(tmp_path):
    with (
        pytest.raises(InputError, match="cannot be made"),
        device_locks.alone_on("d", log=lambda line: None, folder=tmp_path / "none"),
    ):
        pass
