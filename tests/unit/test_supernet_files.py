import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_supernets import settings_of, train

from hanas.core.errors import InputError
from hanas.training.supernets import load_supernet, save_supernet
from hanas.training.trainers._trainer import snapshot_epochs


def test_a_changed_weight_is_noticed(trained, tmp_path):
    path = Path(shutil.copy(trained("rsps") / "weights", tmp_path))
    content = torch.load(path, weights_only=True)
    content["weights"]["classifier.bias"][0] += 1
    torch.save(content, path)
    with pytest.raises(InputError, match="changed after writing"):
        load_supernet(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="not readable as a supernet"):
        load_supernet(path)
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        load_supernet(path)


def test_a_supernet_comes_back(trained, tmp_path):
    path = trained("rsps") / "weights"
    save_supernet(load_supernet(path), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()


def test_snapshots_are_the_weights_of_shorter_trainings(toy_file, tmp_path):
    supernets = {}
    for epochs, snapshots in ((2, 1), (3, 1), (4, 3)):
        training = {"schedule": "constant", "epochs": epochs}
        settings = settings_of("rsps", training=training, snapshots=snapshots)
        folder = tmp_path / str(epochs)
        supernets[epochs] = load_supernet(train(settings, toy_file, folder)["weights"])
    kept = supernets[4].earlier
    assert len(kept) == 2
    for weights, epochs in zip(kept, (2, 3), strict=True):
        for name, value in supernets[epochs].weights.items():
            assert torch.equal(weights[name], value)
    networks = supernets[4].snapshots()
    assert [network.training for network in networks] == [False] * 3
    for network, weights in zip(networks, [*kept, supernets[4].weights], strict=True):
        for name, value in network.state_dict().items():
            assert torch.equal(value, weights[name])


def test_there_are_no_more_snapshots_than_epochs(toy_file, tmp_path):
    with pytest.raises(InputError, match=r"snapshots is 3: 2 epochs have at most 2"):
        train(settings_of("rsps", snapshots=3), toy_file, tmp_path)


@given(st.integers(1, 300), st.integers(1, 20))
def test_snapshots_are_spread_over_the_second_half(epochs, count):
    if count > epochs // 2 + 1:
        with pytest.raises(InputError, match="expected fewer"):
            snapshot_epochs(epochs, count)
        return
    moments = snapshot_epochs(epochs, count)
    assert len(moments) == count
    assert moments[-1] == epochs
    assert moments[0] >= epochs / 2
    steps = np.diff(moments)
    assert len(steps) == 0 or steps.max() - steps.min() <= 1
