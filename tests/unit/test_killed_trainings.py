import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from toy_supernets import (
    LAYER_WISE_TRAINERS,
    REPOSITORY,
    TRAINERS,
    results,
    settings_of,
    train,
)

# One process per trainer, for the time that importing takes; each training is a fork of it, which
# really dies of SIGKILL.
KILLER = """
import json, os, signal, sys
from pathlib import Path
from hanas.core import checkpoints
from hanas.training import epochs, supernets

images, root, trainer = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
settings = json.loads(sys.argv[4])
epochs.SECONDS_BETWEEN_CHECKPOINTS = -1.0  # save after every step
os.fsync = lambda handle: None  # a killed process loses nothing that it wrote
FILES = ("weights", "history", "found", "checkpoint")

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def die_after(module, name, count):
    whole, calls = getattr(module, name), []
    def dying(*given, **named):
        result = whole(*given, **named)
        calls.append(1)
        if len(calls) == count:
            die()
        return result
    setattr(module, name, dying)

def die_while_saving(count):
    write, calls = checkpoints.torch.save, []
    def dying(content, target):
        calls.append(1)
        if len(calls) == count:
            (root / "inside" / ".checkpoint.1.tmp").write_bytes(b"half")
            die()
        write(content, target)
    checkpoints.torch.save = dying

def train(folder, prepare=lambda: None):
    folder.mkdir(exist_ok=True)
    child = os.fork()
    if child == 0:
        prepare()
        lines = (folder / "log").open("a")
        log = lambda line: print(line, file=lines, flush=True)
        paths = {name: folder / name for name in FILES}
        supernets.train_supernet(settings, images, **paths, log=log)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

# Not in a fork, so that what is imported late is there for all forks.
(root / "undisturbed").mkdir()
supernets.train_supernet(settings, images, **{name: root / "undisturbed" / name for name in FILES})
moments = {
    "first step": lambda: die_after(epochs, "save_checkpoint", 1),
    "second epoch": lambda: die_after(epochs, "save_checkpoint", 4),
    "end": lambda: die_after(epochs, "save_checkpoint", 6),
    "inside": lambda: die_while_saving(3),
    "weights": lambda: die_after(supernets, "save_supernet", 1),
    "history": lambda: die_after(supernets, "write_parquet", 1),
}
for moment, prepare in moments.items():
    assert train(root / moment, prepare) == -signal.SIGKILL, moment
    assert train(root / moment) == 0, moment
# Killed twice, at different places.
assert train(root / "twice", moments["first step"]) == -signal.SIGKILL
assert train(root / "twice", moments["second epoch"]) == -signal.SIGKILL
assert train(root / "twice") == 0
"""
MOMENTS = ("first step", "second epoch", "end", "inside", "weights", "history", "twice")


@pytest.mark.parametrize(
    ("trainer", "space"),
    [(t, "shuffle_i" if t in LAYER_WISE_TRAINERS else "nb201") for t in TRAINERS],
)
def test_a_killed_training_ends_with_the_same_bits(trainer, space, toy_file, tmp_path):
    arguments = [str(toy_file), str(tmp_path), trainer, json.dumps(settings_of(trainer, space))]
    done = subprocess.run(
        [sys.executable, "-c", KILLER, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    for moment in MOMENTS:
        assert results(tmp_path / moment) == results(tmp_path / "undisturbed"), moment
        assert "going on from" in (tmp_path / moment / "log").read_text(), moment
        assert not (tmp_path / moment / "checkpoint").exists()


def leave_checkpoint(settings: dict, images: Path, folder: Path) -> None:
    """Stop a training after its first epoch."""

    def stop(line: str) -> None:
        if line.startswith("epoch 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(settings, images, folder, stop)


def test_a_checkpoint_of_other_settings_is_not_used(toy_file, tmp_path):
    leave_checkpoint(settings_of("rsps", seed=1), toy_file, tmp_path / "left")
    assert (tmp_path / "left" / "checkpoint").exists()
    lines: list[str] = []
    train(settings_of("rsps"), toy_file, tmp_path / "left", lines.append)
    assert "other settings" in lines[0]
    train(settings_of("rsps"), toy_file, tmp_path / "fresh")
    assert results(tmp_path / "left") == results(tmp_path / "fresh")


def test_a_damaged_checkpoint_is_not_used(toy_file, tmp_path):
    leave_checkpoint(settings_of("gdas"), toy_file, tmp_path / "left")
    checkpoint = tmp_path / "left" / "checkpoint"
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(bytes(content))
    lines: list[str] = []
    train(settings_of("gdas"), toy_file, tmp_path / "left", lines.append)
    assert "damaged" in lines[0]
    train(settings_of("gdas"), toy_file, tmp_path / "fresh")
    assert results(tmp_path / "left") == results(tmp_path / "fresh")
