import pytest
import torch

from hanas.core.files import load_checkpoint, save_checkpoint

STATE = {"weights": torch.arange(5.0), "rows": [{"epoch": 1, "loss": 0.5}], "step": 3}


def test_state_comes_back(tmp_path):
    path = tmp_path / "checkpoint"
    save_checkpoint(path, STATE, belongs_to="a")
    found = load_checkpoint(path, belongs_to="a")
    assert torch.equal(found["weights"], STATE["weights"])
    assert {k: v for k, v in found.items() if k != "weights"} == {
        k: v for k, v in STATE.items() if k != "weights"
    }


def test_equal_states_give_equal_bytes(tmp_path):
    for name in ("one", "another"):
        save_checkpoint(tmp_path / name, STATE, belongs_to="a")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "another").read_bytes()


def test_no_file_is_no_state(tmp_path):
    lines = []
    assert load_checkpoint(tmp_path / "none", belongs_to="a", log=lines.append) is None
    assert lines == []


def test_a_file_of_something_else_is_not_used(tmp_path):
    lines = []
    save_checkpoint(tmp_path / "checkpoint", STATE, belongs_to="a")
    assert load_checkpoint(tmp_path / "checkpoint", belongs_to="b", log=lines.append) is None
    assert "other settings" in lines[0]


@pytest.mark.parametrize("damage", ["cut", "empty", "flip"])
def test_a_damaged_file_is_not_used(tmp_path, damage):
    path, lines = tmp_path / "checkpoint", []
    save_checkpoint(path, STATE, belongs_to="a")
    whole = path.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 40)):
        flipped = bytearray(whole)
        flipped[position] ^= 1
        path.write_bytes({"cut": whole[:position], "empty": b"", "flip": bytes(flipped)}[damage])
        assert load_checkpoint(path, belongs_to="a", log=lines.append) is None
        assert "damaged" in lines[-1]
