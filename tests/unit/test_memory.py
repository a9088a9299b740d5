import subprocess
import sys

import pytest

from hanas.core import memory
from hanas.core.errors import InputError


def test_free_memory_is_less_than_the_machine_has():
    facts = dict(line.split(":") for line in open("/proc/meminfo"))  # noqa: SIM115
    assert 0 < memory.free_bytes() <= int(facts["MemTotal"].split()[0]) * 1024


def test_a_limit_of_the_process_counts():
    code = "from hanas.core.memory import free_bytes; print(free_bytes())"
    limited = f"ulimit -v 1000000; {sys.executable} -c '{code}'"
    found = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=True)
    assert 0 < int(found.stdout) < 1_000_000 * 1024


def test_a_control_group_counts(tmp_path, monkeypatch):
    group = tmp_path / "slurm" / "job"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("900\n")
    (group.parent / "memory.max").write_text("1000\n")
    (group.parent / "memory.current").write_text("950\n")
    (group.parent / "memory.stat").write_text("anon 5\ninactive_file 30\n")
    (tmp_path / "own").write_text("0::/slurm/job\n")
    real = memory.Path
    places = {"/proc/self/cgroup": tmp_path / "own", "/sys/fs/cgroup": tmp_path}
    monkeypatch.setattr(memory, "Path", lambda name: places.get(name, real(name)))
    assert memory.free_bytes() == 1000 - 950 + 30


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate "
                     "memory: you tried to allocate 400 bytes. Error code 12"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("std::bad_alloc"),
    ],
)  # fmt: skip
def test_memory_that_is_short_is_told_with_what_to_set(error):
    with (
        pytest.raises(InputError, match=r"training: out of memory .* free\); set x lower"),
        memory.enough_memory("training", "set x lower"),
    ):
        raise error


def test_pytorch_and_onnxruntime_say_it_so():
    code = """
import torch
from hanas.core.memory import enough_memory
with enough_memory("here", "there"):
    torch.empty(10**15)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "InputError: here: out of memory" in found.stderr


def test_other_errors_stay_what_they_are():
    with pytest.raises(KeyError), memory.enough_memory("training", "set x lower"):
        raise KeyError("x")
    with pytest.raises(InputError, match=r"^as it was$"), memory.enough_memory("here", "there"):
        raise InputError("as it was")


def test_where_memory_is_short_a_batch_is_halved_until_it_fits():
    asked = []

    def at_most_two(part):
        asked.append(len(part))
        if len(part) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return [2 * number for number in part]

    found = memory.in_halves(at_most_two, list(range(7)))
    assert [number for part in found for number in part] == list(range(0, 14, 2))
    assert asked[0] == 7
    assert max(asked[-2:]) <= 2


@pytest.mark.parametrize("said", ["bad_alloc", "no such operator"])
def test_what_halves_do_not_mend_passes_through(said):
    def fails(part):
        asked.append(len(part))
        raise RuntimeError(said)

    asked = []
    with pytest.raises(RuntimeError, match=said):
        memory.in_halves(fails, [1, 2])
    assert asked == ([2, 1] if said == "bad_alloc" else [2])
