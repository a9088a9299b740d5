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

# One process for all trainers, for the time that importing takes; each training is a fork of it,
# which really dies of SIGKILL.
KILLER = """
import json, os, signal, sys
from pathlib import Path
import torch
from toy_supernets import read
from hanas.core import files
from hanas.training import epochs, supernets

images, top = sys.argv[1], Path(sys.argv[2])
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
    write, calls = torch.save, []
    def dying(content, target):
        calls.append(1)
        if len(calls) == count:
            (root / "inside" / ".checkpoint.1.tmp").write_bytes(b"half")
            die()
        write(content, target)
    torch.save = dying

def train(folder, prepare=lambda: None):
    folder.mkdir(exist_ok=True)
    child = os.fork()
    if child == 0:
        prepare()
        lines = (folder / "log").open("a")
        log = lambda line: print(line, file=lines, flush=True)
        paths = {name: folder / name for name in FILES}
        supernets.train_supernet(trainer, images, **paths, log=log)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

moments = {
    "first step": lambda: die_after(epochs, "save_checkpoint", 1),
    "second epoch": lambda: die_after(epochs, "save_checkpoint", 4),
    "end": lambda: die_after(epochs, "save_checkpoint", 6),
    "inside": lambda: die_while_saving(3),
    "weights": lambda: die_after(supernets, "save_supernet", 1),
    "history": lambda: die_after(files, "write_parquet", 1),
}
for settings in json.loads(sys.argv[3]):
    trainer, root = read(settings), top / settings["trainer"]
    # Not in a fork, so that what is imported late is there for all forks.
    (root / "undisturbed").mkdir(parents=True)
    paths = {name: root / "undisturbed" / name for name in FILES}
    supernets.train_supernet(trainer, images, **paths)
    for moment, prepare in moments.items():
        assert train(root / moment, prepare) == -signal.SIGKILL, moment
        assert train(root / moment) == 0, moment
    # Killed twice, at different places.
    assert train(root / "twice", moments["first step"]) == -signal.SIGKILL
    assert train(root / "twice", moments["second epoch"]) == -signal.SIGKILL
    assert train(root / "twice") == 0
"""
MOMENTS = ("first step", "second epoch", "end", "inside", "weights", "history", "twice")


@pytest.fixture(scope="module")
def killed(toy_file, tmp_path_factory) -> Path:
    """A folder for each trainer, of trainings that were killed and went on."""
    folder = tmp_path_factory.mktemp("killed")
    space = {name: "shuffle_i" if name in LAYER_WISE_TRAINERS else "nb201" for name in TRAINERS}
    settings = [settings_of(name, space[name]) for name in TRAINERS]
    path = os.pathsep.join([str(REPOSITORY), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(toy_file), str(folder), json.dumps(settings)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_killed_training_ends_with_the_same_bits(trainer, killed):
    folder = killed / trainer
    for moment in MOMENTS:
        assert results(folder / moment) == results(folder / "undisturbed"), moment
        assert "going on from" in (folder / moment / "log").read_text(), moment
        assert not (folder / moment / "checkpoint").exists()


def leave_checkpoint(settings: dict, images: Path, folder: Path) -> None:
    """Stop a training after its first epoch."""

    def stop(line: str) -> None:
        if line.startswith("epoch 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(settings, images, folder, stop)


def test_a_checkpoint_of_other_settings_is_not_used(trained, toy_file, tmp_path):
    leave_checkpoint(settings_of("rsps", seed=1), toy_file, tmp_path / "left")
    assert (tmp_path / "left" / "checkpoint").exists()
    lines: list[str] = []
    train(settings_of("rsps"), toy_file, tmp_path / "left", lines.append)
    assert "other settings" in lines[0]
    assert results(tmp_path / "left") == results(trained("rsps"))


def test_a_damaged_checkpoint_is_not_used(trained, toy_file, tmp_path):
    leave_checkpoint(settings_of("gdas"), toy_file, tmp_path / "left")
    checkpoint = tmp_path / "left" / "checkpoint"
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(bytes(content))
    lines: list[str] = []
    train(settings_of("gdas"), toy_file, tmp_path / "left", lines.append)
    assert "damaged" in lines[0]
    assert results(tmp_path / "left") == results(trained("gdas"))
